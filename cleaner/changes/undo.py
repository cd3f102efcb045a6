"""Takes back the last apply: every file returns to where it came from, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cleaner.changes.execute import Step, execute
from cleaner.changes.files import Files, applying
from cleaner.changes.ledger import Batch, Entry, Ledger
from cleaner.changes.recover import settle
from cleaner.errors import Refused
from cleaner.progress import Report, Stop, never, quiet
from cleaner.types import Operation, Receipt


def undo_last(
    *,
    root: Path,
    home: Path,
    ledger: Ledger,
    digest_of: Callable[[Path], str],
    by: str,
    report: Report = quiet,
    stopped: Stop = never,
) -> Receipt:
    """Undo the last apply that is not undone, last file first; again and again undoes the ones before it.

    A file whose old name is taken meanwhile gets a free one beside it (its `target` in the receipt). What
    failed is tried again once nothing else is left to undo. Errors: Refused if there is nothing to undo or
    another window applies; CleanerError if the disk is full or the database fails.
    """
    files = Files(root, digest_of)
    with applying(home):
        settle(ledger, files=files)
        last = ledger.last_batch()
        if last is None:
            raise Refused("There is nothing to undo: no change was applied, or all were undone.")
        steps = _steps(last, ledger=ledger)
        batch = ledger.begin("undo", by=by, total=len(steps))
        return execute(
            steps, batch=batch, verb="undo", files=files, ledger=ledger, report=report, stopped=stopped
        )


def _steps(last: Batch, *, ledger: Ledger) -> list[Step]:
    locations, changes = ledger.locations(), ledger.last_changes()
    steps = []
    for entry in reversed(ledger.standing(last.id)):
        item = entry.operation.item
        later = changes[item] != entry.id
        obstacle = f"{locations[item]} was changed again later; undo that first." if later else None
        steps.append(Step(_inverse(entry, place=locations[item]), undoes=entry.id, obstacle=obstacle))
    return steps


def _inverse(entry: Entry, *, place: str) -> Operation:
    operation = entry.operation
    return replace(
        operation,
        kind="move",
        source=place,
        target=operation.source,
        label=operation.new_label or operation.label,
        new_label=operation.label,
    )
