"""Applies a plan: every file goes to its new class or to the trash, none is overwritten, none is deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cleaner.changes.execute import Step, execute
from cleaner.changes.files import Files, applying, trash_of
from cleaner.changes.ledger import Ledger
from cleaner.changes.records import Draft
from cleaner.changes.recover import settle
from cleaner.progress import Report, Stop, never, quiet
from cleaner.types import Plan, Receipt


def apply_plan(
    plan: Plan,
    *,
    root: Path,
    home: Path,
    ledger: Ledger,
    digest_of: Callable[[Path], str],
    by: str,
    report: Report = quiet,
    stopped: Stop = never,
) -> Receipt:
    """Move the files of a plan and say what was done; an empty plan gives a receipt of batch 0.

    `home` is the project's own folder, inside `root`; deleted files go to its `trash/<batch>/`.
    Errors: Refused while another window applies; CleanerError if the disk is full or the database fails:
    then what was done is kept, and `recover` says how much.
    """
    trash = trash_of(home, root=root)
    if not plan.operations:
        return Receipt(batch=0, verb="apply")
    files = Files(root, digest_of, home)
    with applying(home):
        settle(ledger, files=files)
        batch = ledger.begin("apply", by=by, total=len(plan))
        steps = _steps(plan, trash=f"{trash}/{batch}")
        return execute(
            steps, batch=batch, verb="apply", files=files, ledger=ledger, report=report, stopped=stopped
        )


def _steps(plan: Plan, *, trash: str) -> list[Step]:
    """Join each image with its sidecars; what has no target yet goes to the trash."""
    groups: dict[str, list[Draft]] = {}
    for operation in plan.operations:
        target = operation.target or f"{trash}/{operation.source}"
        groups.setdefault(operation.item, []).append(Draft(replace(operation, target=target)))
    return [Step(tuple(parts)) for parts in groups.values()]
