"""The whole loop on one page: choose, check, train, review, apply, compare; in a notebook or under Voila."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import ipywidgets as widgets

from cleaner.app.panels.apply import Apply
from cleaner.app.panels.check import Check
from cleaner.app.panels.choose import Choose
from cleaner.app.panels.compare import Compare
from cleaner.app.panels.desk import Desk
from cleaner.app.panels.parts import block, button, sentence
from cleaner.app.panels.review import Review
from cleaner.app.panels.train import Train
from cleaner.app.project import Project
from cleaner.app.server import FOLDER, RECENT
from cleaner.errors import CleanerError

STYLE = Path(__file__).with_name("static") / "dashboard.css"


class Panel(Protocol):
    """One step: its name, its view, and how it takes up what has changed."""

    title: str
    view: widgets.Widget

    def refresh(self) -> None:
        """Show the project as it is now."""


class Dashboard(widgets.VBox):  # type: ignore[misc]  # ipywidgets is untyped
    """The app: show it as the last line of a cell. Without `folder` it opens what CLEANER_FOLDER names."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self._desk = Desk(go=self.go)
        self._check = Check(self._desk)
        panels: tuple[Panel, ...] = (
            Choose(self._desk),
            self._check,
            Train(self._desk),
            Review(self._desk),
            Apply(self._desk),
            Compare(self._desk),
        )
        self._panels = {panel.title: panel for panel in panels}
        self._steps = {name: self._step(name, number=n) for n, name in enumerate(self._panels, start=1)}
        self._where = block()
        self._here: Panel | None = None
        self._desk.listen(self._refresh)
        style = widgets.HTML(f"<style>{STYLE.read_text(encoding='utf-8')}</style>")
        style.layout.display = "none"
        steps = widgets.HBox(list(self._steps.values()))
        steps.add_class("cleaner-steps")
        header = widgets.HBox([widgets.HTML("<h1>Cleaner</h1>"), steps, self._where])
        header.add_class("cleaner-header")
        super().__init__([style, header, *(panel.view for panel in panels)])
        self.add_class("cleaner-app")
        for panel in panels:
            panel.view.add_class("cleaner-panel")
        self._open_at_start(folder or os.environ.get(FOLDER) or _recent())

    def go(self, name: str) -> None:
        """Show one step and bring it up to date."""
        self._here = self._panels[name]
        self._guarded(self._here.refresh)
        for title, panel in self._panels.items():
            panel.view.layout.display = "" if title == name else "none"
            (self._steps[title].add_class if title == name else self._steps[title].remove_class)(
                "cleaner-here"
            )
        if name == "Check" and self._desk.is_open and not (self._desk.busy or self._desk.project.checked):
            self._check.start()

    def _step(self, name: str, *, number: int) -> widgets.Button:
        made = button(f"{number} {name}", tooltip=f"Go to step {number}")
        made.on_click(lambda _: self.go(name))
        return made

    def _open_at_start(self, folder: str | Path | None) -> None:
        if folder is None:
            self.go("Choose")
            return
        try:
            self._desk.open(Project.open(folder))
        except (CleanerError, OSError) as error:
            self._where.value = sentence(str(error), tone="warn")
            self.go("Choose")
            return
        project = self._desk.project
        self.go("Apply" if project.notice else "Review" if project.rounds else "Check")

    def _refresh(self) -> None:
        if self._desk.is_open:
            project = self._desk.project
            if project.source.place is not None:
                _remember(project.source.place)
            self._where.value = sentence(str(project.root)) + sentence(project.notice or "", tone="warn")
        if self._here is not None:  # the others are brought up to date when they are gone to
            self._guarded(self._here.refresh)

    def _guarded(self, refresh: Callable[[], None]) -> None:
        """Bring a panel up to date; what goes wrong is said at the top, for a callback would swallow it."""
        try:
            refresh()
        except (CleanerError, OSError) as error:
            self._where.value = sentence(str(error), tone="warn")


def _recent() -> str | None:
    """Name the folder that this server showed last: a reload is a new kernel, and should come back to it."""
    with contextlib.suppress(OSError, KeyError):
        return Path(os.environ[RECENT]).read_text(encoding="utf-8")
    return None


def _remember(folder: Path) -> None:
    with contextlib.suppress(OSError, KeyError):
        Path(os.environ[RECENT]).write_text(str(folder), encoding="utf-8")
