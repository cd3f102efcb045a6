"""Step 4: the person looks and decides, in the grid."""

from __future__ import annotations

import ipywidgets as widgets

from cleaner.app.panels.desk import Desk
from cleaner.app.panels.parts import block, button, sentence
from cleaner.app.project import Project
from cleaner.errors import CleanerError
from cleaner.review.grid import ReviewGrid


class Review:
    """The grid over the last round's queue; a new round replaces the queue, not the grid."""

    title = "Review"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shown: tuple[Project, int] | None = None
        self._grid: ReviewGrid | None = None
        self._line = block()
        self._next = button("Next: apply", primary=True)
        self._next.on_click(lambda _: desk.go("Apply"))
        self._holder = widgets.VBox([])
        self.view = widgets.VBox([self._line, self._holder, self._next])  # the grid explains itself

    def refresh(self) -> None:
        """Show the last round's queue; leave the grid alone if it shows that already."""
        if not self._desk.is_open or not self._desk.project.rounds:
            self._say("There is nothing to review yet: train first.")
            self._holder.children, self._grid, self._shown = (), None, None
            return
        project = self._desk.project
        latest = (project, project.rounds[-1].number)
        if latest == self._shown:
            return
        try:
            self._show(project, latest[1])
        except CleanerError as error:
            self._say(str(error))
            return
        self._shown = latest
        self._say("")

    def _show(self, project: Project, number: int) -> None:
        if self._grid is not None and self._shown is not None and self._shown[0] is project:
            self._grid.show(project.queue(), round=number)
            return
        self._grid = project.review()
        self._holder.children = (self._grid,)

    def _say(self, text: str) -> None:
        self._line.value = sentence(text, tone="warn")
