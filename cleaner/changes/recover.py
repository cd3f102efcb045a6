"""Settles what an interrupted apply or undo left half-way, by looking at the disk.

It finishes nothing that was not begun and moves no picture: what has arrived is written down as done, what
has not is taken back to planned. Doing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cleaner.changes.files import Files, applying
from cleaner.changes.ledger import Batch, Entry, Ledger, State
from cleaner.errors import Refused


def recover(*, root: Path, home: Path, ledger: Ledger, digest_of: Callable[[Path], str]) -> str | None:
    """Settle an interrupted apply or undo and say so in a sentence or two; None if there was none.

    Does nothing while another program is applying.
    """
    if not ledger.open_batches():
        return None
    try:
        with applying(home):
            counts = settle(ledger, files=Files(root, digest_of))
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
        unclear = False
        for entry in entries:
            if entry.state == "intended":
                try:
                    done += settle_entry(entry, ledger=ledger, files=files)
                except (OSError, Refused):
                    unclear = True
        if not unclear:
            ledger.end(batch.id)
        counts.append((batch, done))
    return tuple(counts)


def settle_entry(
    entry: Entry,
    *,
    ledger: Ledger,
    files: Files,
    otherwise: State = "rolled back",
    reason: str | None = "interrupted",
) -> bool:
    """Settle one intended operation by where its file is now; True if it has arrived.

    If not, the entry gets the state `otherwise`, and the empty file that held its place goes away: the name
    was free when the intent was written, so an empty file there is ours. Errors: OSError if none can tell.
    """
    operation = entry.operation
    arrived = files.holds(operation, path=operation.target) and not files.holds(
        operation, path=operation.source
    )
    if arrived:
        ledger.settle(entry, state="done")
    else:
        files.release(operation.target)
        ledger.settle(entry, state=otherwise, reason=reason)
    return arrived


def _sentence(batch: Batch, done: int) -> str:
    total, left = batch.total, batch.total - done
    are = "is" if left == 1 else "are"
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
