"""Every apply so far, in step 5: who did it and when, what of it stands, and a way to take it back."""

from __future__ import annotations

import ipywidgets as widgets

from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.parts import button, heading_small
from cleaner.app.settings import may_not_apply
from cleaner.app.words import count, moment, receipt_line
from cleaner.changes.records import Applied
from cleaner.progress import Report, Stop
from cleaner.types import Plan, Receipt


class Applies:
    """List the applies, newest first, and undo the chosen one; nothing while there are none."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._chosen = widgets.Select(options=(), rows=4, layout=widgets.Layout(width="auto"))
        self._chosen.tooltip = "What was applied, newest first"
        self._undo = button("Undo the chosen apply", tooltip="Put its files back where they were")
        self._runner = Runner(desk, self._undo)
        self._undo.on_click(lambda _: self._on_undo())
        self._chosen.observe(lambda _: self._refresh_button(), names="value")
        self._inside = widgets.VBox([heading_small("What was applied"), self._chosen])
        self.view = widgets.VBox([self._inside, self._runner.view])

    def refresh(self) -> None:
        """List what was applied until now."""
        applied = self._desk.project.ledger.applied() if self._desk.is_open else ()
        self._inside.layout.display = self._undo.layout.display = "" if applied else "none"
        options = [(line(one), one.batch.id if one.standing else None) for one in reversed(applied)]
        if list(self._chosen.options) != options:
            self._chosen.options = options
        self._refresh_button()

    def _refresh_button(self) -> None:
        denied = may_not_apply(self._desk.by) is not None
        self._undo.disabled = denied or self._desk.busy or self._chosen.value is None

    def _on_undo(self) -> None:
        number = self._chosen.value

        def work(report: Report, stopped: Stop) -> Receipt:
            return self._desk.project.undo(number, report=report, stopped=stopped)

        self._runner.run(work, on_done=said)


def line(applied: Applied) -> str:
    """Say in one line what an apply did, and what of it stands."""
    batch = applied.batch
    stands = "all undone" if not applied.standing else f"{applied.standing:,} of them stand"
    return f"{moment(batch.at)}, by {batch.by}: {count(batch.total, 'change')}, {stands}"


def carry_out(plan: Plan, *, desk: Desk, runner: Runner) -> None:
    """Apply a plan in the background, and say what was done."""

    def work(report: Report, stopped: Stop) -> Receipt:
        return desk.project.apply(plan, report=report, stopped=stopped)

    runner.run(work, on_done=said)


def said(receipt: Receipt) -> tuple[str, str]:
    """Say what was done with files, and in what tone."""
    return receipt_line(receipt), "warn" if receipt.failed or receipt.stopped else "good"
