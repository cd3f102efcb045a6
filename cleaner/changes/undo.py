"""Takes back an apply, or what was done to single images: every file returns to where it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from cleaner.changes.execute import Step, execute
from cleaner.changes.files import Files, applying, trash_of
from cleaner.changes.ledger import Ledger
from cleaner.changes.records import Draft, Entry, Thing, thing
from cleaner.changes.recover import settle
from cleaner.errors import Refused
from cleaner.progress import Report, Stop, never, quiet
from cleaner.types import Operation, Receipt


def undo(
    batch: int | None = None,
    *,
    items: Sequence[str] | None = None,
    seen: Mapping[str, str],
    root: Path,
    home: Path,
    ledger: Ledger,
    digest_of: Callable[[Path], str],
    by: str,
    report: Report = quiet,
    stopped: Stop = never,
) -> Receipt:
    """Undo an apply by its number, or the last change of each of some images, last file first.

    With neither, that is the last apply that is not undone; again and again undoes the ones before it. What
    was changed again by a later apply, or destroyed since, fails with a reason. A file whose old name is
    taken meanwhile gets a free one beside it (its `target` in the receipt). What failed is tried again once
    nothing else is left to undo. `seen` maps ids to where the last check saw the images: a file that a person
    has moved since comes back from there, and one that they have put back counts as done.

    Errors: Refused if there is nothing to undo or another window applies; CleanerError if the disk is full or
    the database fails.
    """
    trash_of(home, root=root)
    files = Files(root, digest_of, home)
    with applying(home):
        settle(ledger, files=files)
        entries = _of_batch(batch, ledger=ledger) if items is None else _of_items(items, ledger=ledger)
        steps = _steps(entries, ledger=ledger, where=_Where(files, seen))
        number = ledger.begin("undo", by=by, total=len(entries))
        back = ledger.record([part for step in steps for part in step.parts if _is_back(part)], batch=number)
        left = [step for step in map(_left, steps) if step.parts]
        receipt = execute(
            left, batch=number, verb="undo", files=files, ledger=ledger, report=report, stopped=stopped
        )
        return replace(receipt, done=(*(entry.operation for entry in back), *receipt.done))


def _of_batch(number: int | None, *, ledger: Ledger) -> tuple[Entry, ...]:
    batch = ledger.last_batch() if number is None else ledger.batch(number)
    if batch is None and number is None:
        raise Refused("There is nothing to undo: no change was applied, or all were undone.")
    if batch is None or batch.verb != "apply":
        raise Refused(f"Number {number} is no apply; `cleaner history` lists those that there are.")
    entries = ledger.standing(batch.id)
    if not entries:
        raise Refused(f"There is nothing to undo: all that apply {batch.id} did was undone or destroyed.")
    return entries


def _of_items(items: Sequence[str], *, ledger: Ledger) -> tuple[Entry, ...]:
    """Return the last standing change of each image, with those of its sidecars in the same apply."""
    wanted = set(items)
    entries = [entry for entry in ledger.standing() if entry.operation.item in wanted]
    last = {entry.operation.item: entry.batch for entry in entries}
    if missing := [item for item in items if item not in last]:
        raise Refused(f"There is nothing to undo: {missing[0]!r} was not changed, or that was undone.")
    return tuple(entry for entry in entries if last[entry.operation.item] == entry.batch)


@dataclass(frozen=True, slots=True)
class _Where:
    """Where files lie now, also those that a person has moved."""

    files: Files
    seen: Mapping[str, str]

    def of(self, operation: Operation, *, put: str) -> str:
        """Return where the last check saw a file that no longer lies where it was `put`, else that."""
        place = self.seen.get(operation.item, put)
        if operation.kind == "sidecar":
            place = str(PurePosixPath(place).with_suffix(PurePosixPath(put).suffix))
        with suppress(OSError, Refused):  # the check of what was put says why
            if place != put and not self._holds(operation, put) and self._holds(operation, place):
                return place
        return put

    def _holds(self, operation: Operation, place: str) -> bool:
        return self.files.holds(operation, path=place)


def _steps(entries: Iterable[Entry], *, ledger: Ledger, where: _Where) -> list[Step]:
    places = ledger.places()
    latest = {thing(entry.operation): entry.id for entry in ledger.standing()}
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.operation.item, []).append(entry)
    return [_step(group, places=places, latest=latest, where=where) for group in reversed(groups.values())]


def _step(
    group: list[Entry], *, places: Mapping[Thing, str], latest: Mapping[Thing, int], where: _Where
) -> Step:
    parts = []
    for entry in sorted(group, key=lambda entry: entry.operation.kind == "sidecar"):
        operation = entry.operation
        place = places.get(thing(operation))
        if place is None:
            return _barred(entry, f"{operation.source} was destroyed when the trash was emptied.")
        if latest[thing(operation)] != entry.id:
            return _barred(entry, f"{place} was changed again later; undo that first.")
        inverse = _inverse(operation, place=where.of(operation, put=place))
        is_back = inverse.source == inverse.target
        parts.append(Draft(inverse, undoes=entry.id, state="done" if is_back else "intended"))
    return Step(tuple(parts))


def _is_back(part: Draft) -> bool:
    return part.state == "done"


def _left(step: Step) -> Step:
    """Leave out what a person has put back."""
    return replace(step, parts=tuple(part for part in step.parts if not _is_back(part)))


def _barred(entry: Entry, obstacle: str) -> Step:
    return Step((Draft(entry.operation, undoes=entry.id),), obstacle)


def _inverse(operation: Operation, *, place: str) -> Operation:
    return replace(
        operation,
        kind="sidecar" if operation.kind == "sidecar" else "move",
        source=place,
        target=operation.source,
        label=operation.new_label or operation.label,
        new_label=operation.label,
    )
