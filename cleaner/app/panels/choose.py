"""Step 1: choose the folder to clean: by looking for it, one of the last, or the demo."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

import ipywidgets as widgets
from ipyfilechooser import FileChooser
from ipyfilechooser.errors import ParentPathError

from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.parts import block, button, heading, sentence
from cleaner.app.recent import recent
from cleaner.app.settings import confined, setting
from cleaner.app.words import count
from cleaner.errors import CleanerError
from cleaner.progress import Progress, Report, Stop

DEMO = "cleaner-demo"  # the folder made for the demo


class _Escaped(str):
    """A template whose fields are escaped: the library puts folder names into HTML as they are."""

    def format(self, *fields: object, **named: object) -> str:
        """Fill the template in with escaped texts."""
        return super().format(*(escape(str(field)) for field in fields), **named)


class FolderChooser(FileChooser):  # type: ignore[misc]  # ipyfilechooser is untyped
    """The library's chooser, safe from folder names that look like HTML, and from links out of its root."""

    _LBL_TEMPLATE = _Escaped(FileChooser._LBL_TEMPLATE)

    def _set_form_values(self, path: str, filename: str) -> None:
        """Stay where one is instead of failing where a link leads out of the root or a folder is gone."""
        try:
            super()._set_form_values(path, filename)
        except (ParentPathError, OSError):
            here = self._expand_path(self._pathlist.value or "")
            super()._set_form_values(here if Path(here).is_dir() else self._default_path, "")


class Choose:
    """Pick a folder of class folders and open it as a project."""

    title = "Choose"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._chooser = chooser()
        self._chooser.register_callback(lambda _: self._open(self._chooser.selected_path))
        self._path = widgets.Text(
            placeholder="of a folder, or of a table of labels",
            description="or its path",
            continuous_update=False,  # or a quick hand's click would overtake its last letters
        )
        self._typed = button("Open this path", tooltip="Without looking for it")
        self._typed.on_click(lambda _: self._open(typed(self._path.value)))
        self._recent = widgets.Dropdown(options=(), description="opened last")
        self._reopen = button("Open", tooltip="Go on with this one")
        self._reopen.on_click(lambda _: self._open(self._recent.value))
        self._made: Path | None = None
        self._demo = button("Try the demo", tooltip="Its images are made where you begin to look")
        self._demo.on_click(lambda _: self._build_demo())
        self._next = button("Next: check", primary=True)
        self._next.on_click(lambda _: desk.go("Check"))
        self._runner = Runner(desk, self._demo)
        self._line = block()
        lead = (
            "Pick the folder that holds one folder of images per class: press Select, go there, press Select "
            "again; or type its path. Your images stay as they are until you say «apply»."
        )
        self._last = widgets.HBox([self._recent, self._reopen])
        named = widgets.HBox([self._path, self._typed])
        for row in (named, self._last):
            row.add_class("cleaner-row")
            row.children[0].layout.width = "min(100%, 560px)"
        self.view = widgets.VBox(
            [
                heading("Choose a folder", lead=lead),
                self._line,
                self._chooser,
                named,
                self._last,
                block(
                    sentence("Or try it on 1,797 handwritten digits, 5 % of them labelled wrong on purpose:")
                ),
                self._runner.view,
                self._next,
            ]
        )

    def refresh(self) -> None:
        """Say which project is open, and list those opened last."""
        folders = recent()
        self._last.layout.display = "" if folders else "none"
        if tuple(self._recent.options) != tuple(map(str, folders)):
            self._recent.options = [str(folder) for folder in folders]
            self._recent.index = 0 if folders else None
        self._next.layout.display = "" if self._desk.is_open else "none"
        if not self._desk.is_open:
            return
        project = self._desk.project
        done = count(len(project.rounds), "round")
        self._line.value = sentence(f"Open: {project.root} · {done} done.", tone="good") + sentence(
            project.notice or "", tone="warn"
        )

    def _open(self, folder: str | None) -> None:
        try:
            self._desk.open_folder(folder or "")
        except (CleanerError, OSError, ValueError) as error:
            self._line.value = sentence(str(error), tone="warn")
            return
        self._desk.go("Check")

    def _build_demo(self) -> None:
        """Make the demo's images where the chooser stands, and open them."""

        def work(report: Report, _: Stop) -> Path:
            from cleaner.app.demo import build_demo  # scikit-learn takes seconds to import

            home = confined(Path(start()) / DEMO)
            report(Progress("making the demo", 0, 0, note=f"making the demo in {home}"))
            return build_demo(home).folder

        def done(folder: Path) -> tuple[str, str]:
            self._made = folder
            return f"The demo is in {folder}.", "good"

        self._made = None
        self._runner.run(work, on_done=done, then=self._open_demo)

    def _open_demo(self) -> None:
        if self._made is not None:
            self._open(str(self._made))


def chooser() -> FolderChooser:
    """Return the folder chooser, kept within the root that is set, if any."""
    # folders end in a stroke: the library's own sign for them needs a font that not every machine has
    made = FolderChooser(
        start(), show_only_dirs=True, dir_icon="/", dir_icon_append=True, sandbox_path=setting("root")
    )
    made.title = "Your folder"
    made.layout.width = "min(100%, 560px)"
    return made


def typed(path: str) -> str:
    """Return what was typed as a path; a relative one counts from where one begins to look."""
    path = path.strip()
    return str(Path(start()) / Path(path).expanduser()) if path else ""


def start() -> str:
    """Return where to begin to look for a folder: the place that is set, else here, else the root."""
    for place in (setting("start"), str(Path.cwd())):
        try:
            if place is not None and os.access(confined(Path(place)), os.R_OK | os.X_OK):
                return str(confined(Path(place)))
        except CleanerError:
            continue
    return setting("root") or str(Path.cwd())
