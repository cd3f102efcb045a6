"""Step 4: the person looks and decides, in the grid."""

from __future__ import annotations

import ipywidgets as widgets

from cleaner.app.mapping import RoundMap
from cleaner.app.panels.desk import Desk
from cleaner.app.panels.parts import block, button, sentence
from cleaner.app.project import Project
from cleaner.app.words import count, order_line
from cleaner.errors import CleanerError
from cleaner.review.grid import QueueGrid
from cleaner.types import Round


class Review:
    """The grid over the last round's queue; a new round replaces the queue, not the grid."""

    title = "Review"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shown: tuple[Project, int, str] | None = None
        self._grid: QueueGrid | None = None
        self._line = block()
        self._newer = button("", tooltip="Go on with what the last round ranks first")
        self._newer.on_click(lambda _: self._show_latest())
        self._newer.layout.display = "none"
        self._next = button("Next: apply", primary=True)
        self._next.on_click(lambda _: desk.go("Apply"))
        self._contested = button("Contested", tooltip="What the model sees otherwise although you decided it")
        self._contested.on_click(lambda _: self._show_contested())
        self._map: RoundMap | None = None
        self._fold = button("Map", tooltip="All pictures as points, like ones together: choose some of them")
        self._fold.on_click(lambda _: self._fold_or_unfold())
        self._holder = widgets.HBox([], layout=widgets.Layout(flex_flow="row wrap-reverse"))
        # the grid explains itself
        above = widgets.HBox([self._line, self._fold], layout=widgets.Layout(justify_content="space-between"))
        below = widgets.HBox([self._next, self._contested])
        self.view = widgets.VBox([above, self._newer, self._holder, below])

    def refresh(self) -> None:
        """Show the last round's queue; a page somebody is looking at is not pulled away from them."""
        if not self._desk.is_open or not self._desk.project.rounds:
            self._say("There is nothing to review yet: train first.", tone="warn")
            self._close()
            self._shown = None
            self._newer.layout.display = "none"
            return
        if self._latest() == self._shown:
            return
        same_project = self._shown is not None and self._shown[0] is self._desk.project
        if same_project and self.view.layout.display != "none":
            self._newer.description = _name_of_order(self._desk.project.rounds[-1])
            self._newer.layout.display = ""
        else:
            self._show_latest()

    def _latest(self) -> tuple[Project, int, str]:
        project = self._desk.project
        return project, project.rounds[-1].number, project.catalog.digest()

    def _show_latest(self) -> None:
        """Show what there is to review now, in the grid that is there if it is of the same project."""
        latest = self._latest()
        project, number, _ = latest
        try:
            if self._grid is not None and self._shown is not None and self._shown[0] is project:
                looking = project.looking
                self._grid.show(looking.dealer.queue(), round=number, deal=looking.dealer.deal)
                if self._map is not None:
                    self._map.refresh()
            else:
                self._close()
                self._grid = project.review()
                self._grid.layout.flex = "2 1 560px"
                self._lay_out(folded=True)
        except CleanerError as error:
            self._say(str(error), tone="warn")
            return
        self._shown = latest
        self._newer.layout.display = "none"
        self._say(order_line(project.rounds[-1]))

    def _close(self) -> None:
        """Let go of what is shown of a project, and of all that it holds in memory."""
        self._holder.children = ()
        for shown in (self._map, self._grid):
            if shown is not None:
                shown.close()
        self._grid = self._map = None

    def _fold_or_unfold(self) -> None:
        """Show the map beside the grid, made on first use, or fold it away."""
        if self._grid is None:
            return
        try:
            if self._map is None:
                self._map = RoundMap(self._desk.project, grid=self._grid)
                self._map.view.layout.flex = "1 1 420px"
            self._lay_out(folded=self._map.view in self._holder.children)
        except CleanerError as error:
            self._say(str(error), tone="warn")

    def _lay_out(self, *, folded: bool) -> None:
        self._fold.description = "Map" if folded else "Hide the map"
        self._holder.children = (self._grid,) if folded or self._map is None else (self._grid, self._map.view)

    def _show_contested(self) -> None:
        """Show what the model disputes although it was decided, until the order is asked for again."""
        if self._grid is None:
            return
        looking = self._desk.project.looking
        contested = looking.contested()
        if not len(contested):
            self._say("Nothing is contested: wherever you have decided, the model agrees.")
            return
        self._grid.show(contested, round=looking.round.number)
        many = count(len(contested), "image")
        self._say(f"{many} that you have decided and the model sees otherwise, or that you could not tell.")
        self._newer.description = "Back to the order"
        self._newer.layout.display = ""

    def _say(self, text: str, *, tone: str = "plain") -> None:
        self._line.value = sentence(text, tone=tone)


def _name_of_order(last: Round) -> str:
    """Say on a button whose order there is to be had now."""
    mode = "quick look" if last.config.mode == "quick" else "full training"
    return f"Show the new order (round {last.number}, {mode})"
