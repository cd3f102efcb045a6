"""Settles what an interrupted apply, undo or emptying left half-way, by looking at the disk.

It finishes nothing that was not begun and moves no picture: what has arrived is written down as done, what
has not is taken back to planned. Doing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cleaner.changes.files import Files, applying, part_of
from cleaner.changes.ledger import Ledger
from cleaner.changes.records import OPEN, Batch, Entry, Outcome
from cleaner.errors import Refused


def recover(*, root: Path, home: Path, ledger: Ledger, digest_of: Callable[[Path], str]) -> str | None:
    """Settle an interrupted apply or undo and say so in a sentence or two; None if there was none.

    Does nothing while another program is applying.
    """
    if not ledger.open_batches():
        return None
    try:
        with applying(home):
            counts = settle(ledger, files=Files(root, digest_of, home))
    except Refused:
        return None
    return _sentence(*counts[-1]) if counts else None


def settle(ledger: Ledger, *, files: Files) -> tuple[tuple[Batch, int], ...]:
    """Settle every batch that never ended; returns each with how many of its operations are done.

    To be called by who holds the lock. What can't be looked at now stays open for the next time.
    """
    counts = []
    for batch in ledger.open_batches():
        entries = ledger.entries(batch.id)
        done = sum(entry.state == "done" for entry in entries)
        outcomes = [_outcome(entry, files=files) for entry in entries if entry.state in OPEN]
        ledger.settle(outcome for outcome in outcomes if outcome)
        done += sum(outcome is not None and outcome.state == "done" for outcome in outcomes)
        if None not in outcomes:
            ledger.end(batch.id)
        counts.append((batch, done))
    return tuple(counts)


def _outcome(entry: Entry, *, files: Files) -> Outcome | None:
    try:
        came = arrived(entry, files=files)
    except (OSError, Refused):
        return None
    return Outcome(entry, "done") if came else Outcome(entry, "rolled back", "interrupted")


def arrived(entry: Entry, *, files: Files) -> bool:
    """Say whether an intended operation has happened, by where its file is now; tidy up after it if not.

    The name of the target was free when the intent was written, so an empty file there is ours and goes; so
    does a copy to another disk that was not finished. Of one that was, the source goes instead. Errors:
    OSError, Refused if none can tell.
    """
    operation = entry.operation
    if not operation.target:
        return not files.is_there(operation.source)
    part = part_of(operation.target, number=entry.id)
    unfinished = files.is_there(part)
    came = not unfinished and files.holds(operation, path=operation.target)
    if came and files.holds(operation, path=operation.source):
        came = entry.state == "copied"
        if came:
            files.remove(operation.source)
    if not came:
        files.remove(part)
        files.release(operation.target)
    return came


def _sentence(batch: Batch, done: int) -> str:
    total, left = batch.total, batch.total - done
    are = "is" if left == 1 else "are"
    if batch.verb == "empty":
        gone = f"{done} of {total} files {'was' if done == 1 else 'were'} removed for good"
        return f"The emptying of the trash was interrupted: {gone}; {left} {are} still in it."
    if batch.verb == "apply":
        made = f"{done} of {total} changes {'was' if done == 1 else 'were'} made"
        if not left:
            return f"The last apply was interrupted at its very end: {made}. Undo to put them back."
        if not done:
            return (
                f"The last apply was interrupted: {made}; {left} {are} still planned. Apply again to go on."
            )
        return (
            f"The last apply was interrupted: {made}; the other {left} {are} still planned. "
            f"Apply again to go on, or undo to put the {done} back."
        )
    made = f"{done} of {total} files {'was' if done == 1 else 'were'} put back"
    if not left:
        return f"The last undo was interrupted at its very end: {made}."
    return f"The last undo was interrupted: {made}; {left} {are} not. Undo again to go on."
