"""What lies on both sides of the split, in step 2: put on one side, after the moves it takes are shown."""

from __future__ import annotations

import ipywidgets as widgets

from cleaner.app.panels.applies import carry_out
from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.parts import block, button, sentence, table
from cleaner.app.project import Project
from cleaner.app.settings import may_not_apply
from cleaner.app.sides import leaking
from cleaner.app.words import count, put_line
from cleaner.changes.plan import summary
from cleaner.progress import Report, Stop
from cleaner.types import SPLITS, Plan

SHOWN = 20  # files to be moved; the rest are counted


class Leaks:
    """Offer to put what leaks on one side, and to take the last such choice back; nothing without either."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._of: Project | None = None
        self._leaking: tuple[str, ...] = ()
        self._plan = Plan()
        self._said, self._moves = block(), block()
        self._side = widgets.Dropdown(options=(), description="side")
        self._put = button("Put on one side", tooltip="With their copies; no file moves without being shown")
        self._move = button("Move the files", tooltip="Step 5 can take it back", primary=True)
        self._undo = button("Undo the last choice of a side", tooltip="As it was before")
        self._runner = Runner(desk, self._put, self._move, self._undo)
        self._put.on_click(lambda _: self._on_put())
        self._move.on_click(lambda _: self._on_move())
        self._undo.on_click(lambda _: self._on_undo())
        self.view = widgets.VBox([self._said, self._side, self._runner.view, self._moves])

    def refresh(self) -> None:
        """Offer what there is to do now; a plan for what leaked before is forgotten."""
        is_there = self._desk.is_open and self._desk.project.checked
        leaks = leaking(self._desk.project.findings) if is_there else ()
        if is_there and self._desk.project is not self._of:
            self._of = self._desk.project
            self._runner.say("")
        if leaks != self._leaking:
            self._leaking, self._plan = leaks, Plan()
        chosen = is_there and bool(self._desk.project.sides.chosen())
        self.view.layout.display = "" if leaks or chosen or self._runner.line.value else "none"
        for widget in (self._side, self._put):
            widget.layout.display = "" if leaks else "none"
        self._undo.layout.display = "" if chosen else "none"
        self._move.layout.display = "" if self._plan.operations else "none"
        denied = may_not_apply(self._desk.by)
        self._move.disabled = denied is not None
        self._said.value = sentence(told(leaks), tone="warn")
        self._moves.value = moves_view(self._plan, denied=denied)
        if is_there:
            self._offer_sides()

    def _offer_sides(self) -> None:
        there = set(self._desk.project.catalog.splits)
        sides = tuple(side for side in SPLITS if side in there)
        if self._side.options != sides:
            self._side.options = sides
            self._side.index = 0 if sides else None

    def _on_put(self) -> None:
        items, side = self._leaking, self._side.value

        def work(_: Report, __: Stop) -> Plan:
            return self._desk.project.sides.put(items, side)

        def done(plan: Plan) -> tuple[str, str]:
            self._plan = plan
            return (summary(plan), "plain") if plan.operations else (put_line(items, side), "good")

        self._runner.run(work, on_done=done)

    def _on_move(self) -> None:
        carry_out(self._plan, desk=self._desk, runner=self._runner)

    def _on_undo(self) -> None:
        def work(_: Report, __: Stop) -> bool:
            return self._desk.project.sides.undo()

        self._runner.run(work, on_done=lambda _: ("The last choice of a side is taken back.", "good"))


def moves_view(plan: Plan, *, denied: str | None) -> str:
    """Show where a plan moves files, and why this person may not; nothing for an empty plan."""
    if not plan.operations:
        return ""
    rows = [[operation.source, operation.target] for operation in plan.operations[:SHOWN]]
    more = len(plan.operations) - len(rows)
    rest = sentence(f"and {more:,} more" if more else "")
    return sentence(denied or "", tone="warn") + table(["from", "to"], rows, numbers=False) + rest


def told(leaks: tuple[str, ...]) -> str:
    """Say how much leaks, and why that matters."""
    if not leaks:
        return ""
    return (
        f"{count(len(leaks), 'image')} of groups that lie on both sides of the split: what is learned on one "
        "side is known on the other, and the error rate looks too good."
    )
