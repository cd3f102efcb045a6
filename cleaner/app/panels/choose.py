"""Step 1: choose the folder to clean."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

import ipywidgets as widgets
from ipyfilechooser import FileChooser

from cleaner.app.panels.desk import Desk
from cleaner.app.panels.parts import block, heading, sentence
from cleaner.app.project import Project
from cleaner.app.server import START
from cleaner.app.words import count
from cleaner.errors import CleanerError


class _Escaped(str):
    """A template whose fields are escaped: the library puts folder names into HTML as they are."""

    def format(self, *fields: object, **named: object) -> str:
        """Fill the template in with escaped texts."""
        return super().format(*(escape(str(field)) for field in fields), **named)


class FolderChooser(FileChooser):  # type: ignore[misc]  # ipyfilechooser is untyped
    """The library's chooser, safe from folder names that look like HTML."""

    _LBL_TEMPLATE = _Escaped(FileChooser._LBL_TEMPLATE)


class Choose:
    """Pick a folder of class folders and open it as a project."""

    title = "Choose"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        start = os.environ.get(START) or str(Path.cwd())
        # folders end in a stroke: the library's own sign for them needs a font that not every machine has
        self._chooser = FolderChooser(start, show_only_dirs=True, dir_icon="/", dir_icon_append=True)
        self._chooser.title = "Your folder"
        self._chooser.register_callback(lambda _: self._on_select())
        self._line = block()
        lead = (
            "Pick the folder that holds one folder of images per class: press Select, go there, press Select "
            "again. Your images stay as they are until you say «apply»."
        )
        self.view = widgets.VBox([heading("Choose a folder", lead=lead), self._chooser, self._line])

    def refresh(self) -> None:
        """Say which project is open."""
        if not self._desk.is_open:
            return
        project = self._desk.project
        done = count(len(project.rounds), "round")
        self._line.value = sentence(f"Open: {project.root} · {done} done.", tone="good") + sentence(
            project.notice or "", tone="warn"
        )

    def _on_select(self) -> None:
        try:
            self._desk.open(Project.open(self._chooser.selected_path))
        except (CleanerError, OSError) as error:
            self._line.value = sentence(str(error), tone="warn")
            return
        self._desk.go("Check")
