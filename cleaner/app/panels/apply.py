"""Step 5: see what the decisions would do to the files, do it, and take it back."""

from __future__ import annotations

import ipywidgets as widgets

from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.parts import block, button, figure, figures, heading, sentence, table
from cleaner.app.panels.trash import TrashBox
from cleaner.app.project import Project
from cleaner.app.words import count, receipt_line
from cleaner.changes.plan import summary
from cleaner.errors import CleanerError
from cleaner.progress import Report, Stop
from cleaner.types import Operation, Plan, Receipt

SHOWN = 24  # pictures; the rest of the plan is counted


class Apply:
    """Show the plan with pictures, apply it, undo it, export the result."""

    title = "Apply"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._plan = Plan()
        self._apply = button("Apply", tooltip="Move the files as shown; undo is one click away", primary=True)
        self._undo = button("Undo the last apply", tooltip="Put every file back where it was")
        self._export = button("Write cleaned.csv", tooltip="The cleaned labels as a table, beside the folder")
        self._next = button("Next: train again", primary=True)
        self._sidecars = widgets.Checkbox(
            description="move .txt, .xml and .json files of the same name along", indent=False
        )
        self._sidecars.observe(lambda _: self.refresh(), names="value")
        self._trash = TrashBox(desk)
        self._runner = Runner(desk, self._apply, self._undo)
        self._shown, self._exported = block(), block()
        self._apply.on_click(lambda _: self._on_apply())
        self._undo.on_click(lambda _: self._on_undo())
        self._export.on_click(lambda _: self._on_export())
        self._next.on_click(lambda _: desk.go("Train"))
        lead = (
            "Relabelled images move to their class folder, removed ones to the trash; nothing is destroyed."
        )
        self.view = widgets.VBox(
            [
                heading("Apply", lead=lead),
                self._shown,
                self._sidecars,
                self._runner.view,
                widgets.HBox([self._export, self._exported]),
                self._trash.view,
                self._next,
            ]
        )

    def refresh(self) -> None:
        """Show what the decisions would do now, and what lies in the trash."""
        self._trash.refresh()
        if not self._desk.is_open or not self._desk.project.checked:
            self._shown.value = sentence("There is nothing to apply yet: open a folder and check it first.")
            self._apply.disabled = self._undo.disabled = True
            return
        project = self._desk.project
        self._plan = project.plan(sidecars=self._sidecars.value)
        self._apply.disabled = self._desk.busy or not self._plan.operations
        self._undo.disabled = self._desk.busy or not project.ledger.can_undo
        self._apply.description = f"Apply {count(len(self._plan), 'change')}"
        self._shown.value = plan_view(project, self._plan)

    def _on_apply(self) -> None:
        plan = self._plan

        def work(report: Report, stopped: Stop) -> Receipt:
            return self._desk.project.apply(plan, report=report, stopped=stopped)

        self._runner.run(work, on_done=_done)

    def _on_undo(self) -> None:
        def work(report: Report, stopped: Stop) -> Receipt:
            return self._desk.project.undo(report=report, stopped=stopped)

        self._runner.run(work, on_done=_done)

    def _on_export(self) -> None:
        try:
            project = self._desk.project
            written = project.export.csv(project.root.with_name(f"{project.root.name}-cleaned.csv"))
            self._exported.value = sentence(f"Wrote {written}.", tone="good")
        except (CleanerError, OSError) as error:
            self._exported.value = sentence(str(error), tone="warn")


def _done(receipt: Receipt) -> tuple[str, str]:
    return receipt_line(receipt), "warn" if receipt.failed or receipt.stopped else "good"


def plan_view(project: Project, plan: Plan) -> str:
    """Show a plan as a sentence, warnings, pictures with where each goes, and refusals."""
    shown = [figure(_picture(project, op), caption=_arrow(op)) for op in plan.operations[:SHOWN]]
    more = len(plan) - len(shown)
    refused = [[refusal.item, refusal.reason] for refusal in plan.refusals]
    return (
        sentence(summary(plan))
        + "".join(sentence(warning, tone="warn") for warning in plan.warnings)
        + figures(shown)
        + sentence(f"and {more:,} more" if more > 0 else "")
        + (table(["refused", "why"], refused, numbers=False) if refused else "")
    )


def _arrow(operation: Operation) -> str:
    return f"{operation.label} → {operation.new_label or 'trash'}"


def _picture(project: Project, operation: Operation) -> bytes | None:
    try:
        return project.picture(operation.item)
    except (CleanerError, OSError):
        return None
