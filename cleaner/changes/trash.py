"""The trash of a project: what lies in it, and emptying it, the only thing that ever destroys a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cleaner.changes.execute import BLOCK
from cleaner.changes.files import Files, applying, sentence, trash_of
from cleaner.changes.ledger import Ledger
from cleaner.changes.records import Batch, Draft, Entry, Outcome
from cleaner.changes.recover import settle
from cleaner.errors import CleanerError, Refused
from cleaner.progress import Progress, Report, Stop, never, quiet
from cleaner.types import Kind, Receipt, Refusal

WORD = "destroy"  # to be typed by who empties the trash


@dataclass(frozen=True, slots=True)
class Trashed:
    """One image in the trash: where it lay before, what it was labelled, who removed it, when, how large."""

    id: str
    path: str
    label: str
    by: str
    at: str
    apply: int
    bytes: int


def in_trash(ledger: Ledger) -> tuple[Trashed, ...]:
    """List the images in the trash, the last removed first."""
    batches = {applied.batch.id: applied.batch for applied in ledger.applied()}
    entries = [entry for entry in ledger.standing() if entry.operation.kind == "trash"]
    return tuple(_trashed(entry, batch=batches[entry.batch]) for entry in reversed(entries))


def empty_trash(
    items: Sequence[str] | None = None,
    *,
    word: str,
    root: Path,
    home: Path,
    ledger: Ledger,
    digest_of: Callable[[Path], str],
    by: str,
    report: Report = quiet,
    stopped: Stop = never,
) -> Receipt:
    """Destroy what lies in the trash, or some images of it with their sidecars; no undo brings them back.

    Errors: Refused without the right word, for an image that is not in the trash, while another window
    applies; CleanerError if the database fails.
    """
    if word != WORD:
        raise Refused(f"Nothing was removed: to empty the trash, give the word {WORD!r}.")
    trash = trash_of(home, root=root)
    files = Files(root, digest_of, home)
    with applying(home):
        settle(ledger, files=files)
        entries = _chosen(items, ledger=ledger, trash=trash)
        if not entries:
            return Receipt(batch=0, verb="empty")
        batch = ledger.begin("empty", by=by, total=len(entries))
        outcomes: list[Outcome] = []
        start = time.monotonic()
        while len(outcomes) < len(entries) and not stopped():
            block = entries[len(outcomes) : len(outcomes) + BLOCK]
            outcomes += _destroy(block, batch=batch, files=files, ledger=ledger)
            report(Progress("empty", len(outcomes), len(entries), time.monotonic() - start))
        ledger.end(batch)
        _remove_empty_folders(root / trash)
    return _receipt(batch, outcomes, total=len(entries))


def _receipt(batch: int, outcomes: Sequence[Outcome], *, total: int) -> Receipt:
    done = [outcome.entry.operation for outcome in outcomes if outcome.state == "done"]
    failed = [
        Refusal(item=outcome.entry.operation.item, reason=outcome.reason or "")
        for outcome in outcomes
        if outcome.state != "done"
    ]
    return Receipt(batch, "empty", tuple(done), tuple(failed), stopped=len(outcomes) < total)


def _trashed(entry: Entry, *, batch: Batch) -> Trashed:
    operation = entry.operation
    return Trashed(
        id=operation.item,
        path=operation.source,
        label=operation.label,
        by=batch.by,
        at=entry.at,
        apply=batch.id,
        bytes=operation.bytes,
    )


def _chosen(items: Sequence[str] | None, *, ledger: Ledger, trash: str) -> list[Entry]:
    """Return the entries that brought something into the trash, sidecars too, whose image is chosen."""
    entries = [e for e in ledger.standing() if e.operation.target.startswith(f"{trash}/")]
    if items is None:
        return entries
    there = {entry.operation.item for entry in entries}
    if missing := [item for item in items if item not in there]:
        raise Refused(f"{missing[0]!r} is not in the trash; nothing was removed.")
    chosen = set(items)
    return [entry for entry in entries if entry.operation.item in chosen]


def _destroy(entries: Sequence[Entry], *, batch: int, files: Files, ledger: Ledger) -> list[Outcome]:
    drafts = [_draft(entry, files=files) for entry in entries]
    written = ledger.record(drafts, batch=batch)
    outcomes = [_removed(entry, files=files) for entry in written if entry.state == "intended"]
    files.sync(outcome.entry.operation.source for outcome in outcomes)
    ledger.settle(outcomes)
    return outcomes + [Outcome(e, e.state, e.reason) for e in written if e.state == "failed"]


def _draft(entry: Entry, *, files: Files) -> Draft:
    """Plan the end of one file; one that somebody has removed already has met it."""
    operation = entry.operation
    kind: Kind = "sidecar" if operation.kind == "sidecar" else "destroy"
    gone = replace(operation, kind=kind, source=operation.target, target="", new_label=None)
    draft = Draft(gone, undoes=entry.id)
    try:
        if files.is_there(gone.source):
            files.check(gone)
    except OSError as error:
        return replace(draft, state="failed", reason=sentence(error, operation=gone))
    except CleanerError as error:
        return replace(draft, state="failed", reason=str(error))
    return draft


def _removed(entry: Entry, *, files: Files) -> Outcome:
    try:
        files.remove(entry.operation.source)
    except OSError as error:
        return Outcome(entry, "failed", sentence(error, operation=entry.operation))
    return Outcome(entry, "done")


def _remove_empty_folders(trash: Path) -> None:
    for folder in sorted((p for p in trash.rglob("*") if p.is_dir()), reverse=True):
        with suppress(OSError):  # what is not empty stays
            folder.rmdir()
