"""Step 5: see what the decisions would do to the files, do it, and take it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import ipywidgets as widgets

from cleaner.app.export import OWN
from cleaner.app.panels.applies import Applies, carry_out, said
from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.parts import (
    beside,
    block,
    button,
    figure,
    figures,
    fold,
    heading,
    picture_of,
    sentence,
    table,
)
from cleaner.app.panels.trash import TrashBox
from cleaner.app.project import Project
from cleaner.app.settings import confined, may_not_apply
from cleaner.app.words import count
from cleaner.changes.plan import summary
from cleaner.errors import CleanerError, Refused
from cleaner.progress import Report, Stop
from cleaner.review.verdicts import Conflict
from cleaner.types import Operation, Plan, Receipt

SHOWN, OF_ONE_WAY = 48, 12  # pictures in all, and of images that go the same way; the rest are counted

VERDICTS = {"keep": "fine", "delete": "remove", "unsure": "can't tell"}  # in the words of the grid


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
        self._sidecars.layout.width = "auto"
        self._sidecars.observe(lambda _: self.refresh(), names="value")
        self._applies, self._trash = Applies(desk), TrashBox(desk)
        self._runner = Runner(desk, self._apply, self._undo)
        self._denied, self._shown, self._exported = block(), block(), block()
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
                self._denied,
                self._runner.view,
                self._sidecars,
                self._shown,
                widgets.HBox([self._export, self._exported]),
                self._next,
                self._applies.view,
                self._trash.view,
            ]
        )

    def refresh(self) -> None:
        """Show what the decisions would do now, and what lies in the trash."""
        self._applies.refresh()
        self._trash.refresh()
        denied = may_not_apply(self._desk.by)
        self._denied.value = sentence(denied or "", tone="warn")
        if not self._desk.is_open or not self._desk.project.checked:
            self._shown.value = sentence("There is nothing to apply yet: open a folder and check it first.")
            self._apply.disabled = self._undo.disabled = True
            return
        project = self._desk.project
        self._plan = project.plan(sidecars=self._sidecars.value)
        self._apply.disabled = denied is not None or self._desk.busy or not self._plan.operations
        self._undo.disabled = denied is not None or self._desk.busy or not project.ledger.can_undo
        self._apply.description = f"Apply {count(len(self._plan), 'change')}"
        self._shown.value = plan_view(project, self._plan)

    def _on_apply(self) -> None:
        carry_out(self._plan, desk=self._desk, runner=self._runner)

    def _on_undo(self) -> None:
        def work(report: Report, stopped: Stop) -> Receipt:
            return self._desk.project.undo(report=report, stopped=stopped)

        self._runner.run(work, on_done=said)

    def _on_export(self) -> None:
        try:
            project = self._desk.project
            written = project.export.csv(_place_of_table(project))
            self._exported.value = sentence(f"Wrote {written}.", tone="good")
        except (CleanerError, OSError) as error:
            self._exported.value = sentence(str(error), tone="warn")


def _place_of_table(project: Project) -> Path:
    """Return a path beside the dataset, or in the project's own folder where that lies out of bounds."""
    try:
        return confined(project.root.with_name(f"{project.root.name}-cleaned.csv"))
    except Refused:
        return project.home / OWN


def plan_view(project: Project, plan: Plan) -> str:
    """Show a plan as a sentence, warnings, pictures under where they go, and refusals."""
    ways: dict[str, list[Operation]] = {}
    for operation in plan.operations:
        ways.setdefault(_arrow(operation), []).append(operation)
    refused = [[refusal.item, refusal.reason] for refusal in plan.refusals]
    return (
        sentence(summary(plan))
        + "".join(sentence(warning, tone="warn") for warning in plan.warnings)
        + _disputed(project, project.journal.conflicts())
        + _pictured(project, ways)
        + (table(["refused", "why"], refused, numbers=False) if refused else "")
    )


def _disputed(project: Project, conflicts: Sequence[Conflict]) -> str:
    """Show what each person said of the images on which they do not agree, folded away."""
    if not conflicts:
        return ""
    rows = [
        [at.item, " · ".join(f"{d.by}: {d.label or VERDICTS.get(d.action, d.action)}" for d in at.verdicts)]
        for at in conflicts[:SHOWN]
    ]
    pictures = figures([figure(picture_of(project, item), caption=item) for item, _ in rows])
    rest = sentence(f"and {len(conflicts) - SHOWN:,} more" if len(conflicts) > SHOWN else "")
    listed = table(["image", "what each said, the last one last"], rows, numbers=False)
    return fold("Where people do not agree", pictures + listed + rest)


def _pictured(project: Project, ways: Mapping[str, Sequence[Operation]]) -> str:
    """Show the first pictures of each way that images go, the most frequent way first; count the rest."""
    left, shown = SHOWN, list[tuple[str, str]]()
    for way, operations in sorted(ways.items(), key=lambda pair: -len(pair[1])):
        some = operations[: min(OF_ONE_WAY, left)]
        if not some:
            return beside(shown) + sentence("The rest is not shown.")
        left -= len(some)
        more = len(operations) - len(some)
        pictures = figures([figure(picture_of(project, op.item), caption=op.item) for op in some])
        rest = sentence(f"and {more:,} more" if more else "")
        shown.append((f"{way}: {len(operations):,}", pictures + rest))
    return beside(shown)


def _arrow(operation: Operation) -> str:
    return f"{operation.label} → {operation.new_label or 'trash'}"
