"""The whole loop on one page, step by step from a folder to a model; in a notebook or under Voila."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import ipywidgets as widgets

from cleaner.app.home import user
from cleaner.app.page import Page, Place
from cleaner.app.panels.apply import Apply
from cleaner.app.panels.check import Check
from cleaner.app.panels.choose import Choose
from cleaner.app.panels.compare import Compare
from cleaner.app.panels.desk import Desk
from cleaner.app.panels.parts import block, button, sentence
from cleaner.app.panels.review import Review
from cleaner.app.panels.train import Train
from cleaner.app.panels.use import Use
from cleaner.app.settings import known_user, setting
from cleaner.errors import CleanerError

STYLE = Path(__file__).with_name("static") / "dashboard.css"


class Panel(Protocol):
    """One step: its name, its view, and how it takes up what has changed."""

    title: str
    view: widgets.Widget

    def refresh(self) -> None:
        """Show the project as it is now."""


STEPS: dict[str, Callable[[Desk], Panel]] = {
    panel.title: panel for panel in (Choose, Check, Train, Review, Apply, Compare, Use)
}


class Dashboard(widgets.VBox):  # type: ignore[misc]  # ipywidgets is untyped
    """The app: show it as the last line of a cell. Without `folder` it opens the one that is set, if any.

    A page that is loaded again comes back to the folder and the step where it was. Under Voila, which may
    run the cell before anybody has come, nothing is opened until a page shows it.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._folder = folder or setting("folder")
        self._page = Page(self._on_shown)
        self._desk = Desk(go=self.go, on_busy=self._on_busy)
        self._panels: dict[str, Panel] = {}  # made when they are first gone to
        self._here = self._at_work = ""
        self._came = False
        self._steps = {name: self._step(name, number=n) for n, name in enumerate(STEPS, start=1)}
        self._where, self._working = block(), block()
        self._name = widgets.Text(self._desk.by, description="you are", continuous_update=False)
        self._name.tooltip = "Your name: your verdicts carry it"
        self._name.disabled = known_user() is not None
        self._name.observe(self._on_name, names="value")
        self._desk.listen(self._refresh)
        super().__init__([self._style(), self._page, self._header()])
        self.add_class("cleaner-app")
        if not _before_anybody_came():
            self._open_at_start(Place())

    def go(self, name: str) -> None:
        """Show one step and bring it up to date."""
        if name not in self._panels:
            self._panels[name] = panel = STEPS[name](self._desk)
            panel.view.add_class("cleaner-panel")
            self.children += (panel.view,)
        self._here = name
        self._guarded(self._panels[name].refresh)
        for title, panel in self._panels.items():
            panel.view.layout.display = "" if title == name else "none"
        for title, step in self._steps.items():
            (step.add_class if title == name else step.remove_class)("cleaner-here")
        self._tell_work()
        self._keep_place()
        self._begin(name)

    def _begin(self, name: str) -> None:
        """Do what a step begins with by itself: the first check, and loading what trains."""
        panel = self._panels[name]
        if not self._desk.is_open:
            return
        if isinstance(panel, Check) and not (self._desk.busy or self._desk.project.checked):
            panel.start()
        if isinstance(panel, Train) and self._came:
            panel.load()

    def _on_busy(self, busy: bool) -> None:
        """Have the page keep its kernel meanwhile, and know which step is at work."""
        self._page.set_trait("busy", busy)
        self._at_work = self._here if busy else ""
        self._tell_work()

    def _tell_work(self) -> None:
        """Say at the other steps what is at work: their own buttons rest meanwhile."""
        there = self._at_work if self._at_work != self._here else ""
        self._working.value = sentence(
            f"{there} is still at work; wait for it, or stop it there." if there else ""
        )

    def _style(self) -> widgets.HTML:
        style = widgets.HTML(f"<style>{STYLE.read_text(encoding='utf-8')}</style>")
        style.layout.display = "none"
        return style

    def _header(self) -> widgets.HBox:
        steps = widgets.HBox(list(self._steps.values()))
        steps.add_class("cleaner-steps")
        self._name.add_class("cleaner-name")
        header = widgets.HBox(
            [widgets.HTML("<h1>Cleaner</h1>"), steps, self._where, self._working, self._name]
        )
        header.add_class("cleaner-header")
        return header

    def _step(self, name: str, *, number: int) -> widgets.Button:
        made = button(f"{number} {name}", tooltip=f"Go to step {number}")
        made.on_click(lambda _: self.go(name))
        return made

    def _on_shown(self, place: Place) -> None:
        """Go where the person was before; a further view of this kernel's dashboard changes nothing."""
        if self._came:
            return
        self._came = True
        if place.name and known_user() is None:
            self._name.value = place.name
        if _before_anybody_came():
            self._open_at_start(place)
        elif self._desk.is_open and place.folder == str(self._desk.place) and place.step in STEPS:
            self.go(place.step)

    def _open_at_start(self, place: Place) -> None:
        """Open the folder where the person was, else the one that is set, and go to the step that is next."""
        folder = place.folder or self._folder
        if not folder:
            self.go("Choose")
            return
        try:
            self._desk.open_folder(folder)
        except (CleanerError, OSError, ValueError) as error:
            self._where.value = sentence(str(error), tone="warn")
            self.go("Choose")
            return
        project = self._desk.project
        usual = "Apply" if project.notice else "Review" if project.rounds else "Check"
        self.go(place.step if place.step in STEPS and not project.notice else usual)

    def _on_name(self, _: object) -> None:
        try:
            self._desk.rename(self._name.value)
        except (CleanerError, OSError) as error:
            self._where.value = sentence(str(error), tone="warn")
        self._name.value = self._desk.by
        self._keep_place()

    def _keep_place(self) -> None:
        folder = str(self._desk.place) if self._desk.is_open else ""
        typed = "" if self._desk.by == user() else self._desk.by
        self._page.keep(Place(folder=folder, step=self._here, name=typed))

    def _refresh(self) -> None:
        if self._desk.is_open:
            project = self._desk.project
            self._where.value = sentence(str(project.root)) + sentence(project.notice or "", tone="warn")
        if self._here:  # the others are brought up to date when they are gone to
            self._guarded(self._panels[self._here].refresh)

    def _guarded(self, refresh: Callable[[], None]) -> None:
        """Bring a panel up to date; what goes wrong is said at the top, for a callback would swallow it."""
        try:
            refresh()
        except (CleanerError, OSError) as error:
            self._where.value = sentence(str(error), tone="warn")


def _before_anybody_came() -> bool:
    """Say whether this is Voila: it may run the cell ahead of time, and tells so by a variable."""
    return "VOILA_PREHEAT" in os.environ
