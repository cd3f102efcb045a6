"""Step 1: choose the folder to clean."""

from __future__ import annotations

from pathlib import Path

import ipywidgets as widgets
from ipyfilechooser import FileChooser

from cleaner.app.panels.desk import Desk
from cleaner.app.panels.parts import block, button, heading, sentence
from cleaner.app.project import Project
from cleaner.app.words import count
from cleaner.errors import CleanerError


class Choose:
    """Pick a folder of class folders and open it as a project."""

    title = "Choose"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._chooser = FileChooser(str(Path.cwd()), show_only_dirs=True, select_default=False)
        self._chooser.title = "Your folder"
        self._open = button("Open this folder", tooltip="Open it and check its images", primary=True)
        self._line = block()
        self._open.on_click(lambda _: self._on_open())
        self.view = widgets.VBox(
            [
                heading(
                    "Choose a folder",
                    lead="Pick the folder that holds one folder of images per class. "
                    "Nothing in it changes before you say «apply».",
                ),
                self._chooser,
                self._open,
                self._line,
            ]
        )

    def refresh(self) -> None:
        """Say which project is open."""
        if not self._desk.is_open:
            return
        project = self._desk.project
        done = count(len(project.rounds), "round")
        self._line.value = sentence(f"Open: {project.root} · {done} done.", tone="good") + sentence(
            project.notice or "", tone="warn"
        )

    def _on_open(self) -> None:
        chosen = self._chooser.selected_path or self._chooser.value
        if not chosen:
            self._line.value = sentence(
                "No folder is selected; press Select, choose one, Select again.", tone="warn"
            )
            return
        try:
            self._desk.open(Project.open(chosen))
        except CleanerError as error:
            self._line.value = sentence(str(error), tone="warn")
            return
        self._desk.go("Check")
