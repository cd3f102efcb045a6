"""Carries out one batch of operations, file by file: check, intent, claim, move, done.

Apply and undo share it. At every instant the ledger and the disk together tell where each file is; who
calls it holds the lock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cleaner.changes.files import Files, sentence
from cleaner.changes.ledger import Entry, Ledger, Verb
from cleaner.changes.recover import settle_entry
from cleaner.errors import DISK_FULL, CleanerError, Refused
from cleaner.progress import Progress, Report, Stop
from cleaner.types import Operation, Receipt, Refusal


@dataclass(frozen=True, slots=True)
class Step:
    """One operation to do: `undoes` is the entry that it takes back, `obstacle` why it can't be done."""

    operation: Operation
    undoes: int | None = None
    obstacle: str | None = None


def execute(
    steps: Sequence[Step],
    *,
    batch: int,
    verb: Verb,
    files: Files,
    ledger: Ledger,
    report: Report,
    stopped: Stop,
) -> Receipt:
    """Do the steps in order and close the batch. What fails is in the receipt, and the rest goes on.

    Errors: CleanerError if the disk is full or the database fails; the batch stays open, to be settled.
    """
    start = time.monotonic()
    done: list[Operation] = []
    failed: list[Refusal] = []
    for number, step in enumerate(steps):
        if stopped():
            break
        result = _carry_out(
            step, batch=batch, files=files, ledger=ledger, made=f"{len(done)} of {len(steps)}"
        )
        note = _note(step, result=result)
        if isinstance(result, Operation):
            done.append(result)
        else:
            failed.append(result)
        report(Progress(verb, number + 1, len(steps), time.monotonic() - start, note))
    ledger.end(batch)
    return Receipt(
        batch=batch,
        verb=verb,
        done=tuple(done),
        failed=tuple(failed),
        stopped=len(done) + len(failed) < len(steps),
    )


def _note(step: Step, *, result: Operation | Refusal) -> str:
    if isinstance(result, Refusal):
        return result.reason
    if result.target == step.operation.target:
        return ""
    return f"{step.operation.target} is taken, so the file is now {result.target}."


def _carry_out(step: Step, *, batch: int, files: Files, ledger: Ledger, made: str) -> Operation | Refusal:
    """Do one step; returns the operation with the target that it really got, or why it was not done."""
    reason = step.obstacle or _problem(step.operation, files=files)
    if reason:
        ledger.record(step.operation, batch=batch, undoes=step.undoes, state="failed", reason=reason)
        return Refusal(item=step.operation.item, reason=reason)
    names = files.free_names(step.operation.target)
    operation = replace(step.operation, target=next(names))
    entry = ledger.record(operation, batch=batch, undoes=step.undoes)
    try:
        while not files.claim(entry.operation.target):
            entry = ledger.retarget(entry, target=next(names))
        files.move(entry.operation)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise CleanerError(
                f"The disk is full: {made} changes were made. Free some space, then go on."
            ) from error
        return _after_error(error, entry=entry, files=files, ledger=ledger)
    ledger.settle(entry, state="done")
    return entry.operation


def _problem(operation: Operation, *, files: Files) -> str | None:
    try:
        files.check(operation)
    except OSError as error:
        return sentence(error, operation=operation)
    except CleanerError as error:
        return str(error)
    return None


def _after_error(error: OSError, *, entry: Entry, files: Files, ledger: Ledger) -> Operation | Refusal:
    """Look where the file is: over a network a move can report an error and yet have happened."""
    reason = sentence(error, operation=entry.operation)
    try:
        if settle_entry(entry, ledger=ledger, files=files, otherwise="failed", reason=reason):
            return entry.operation
    except (OSError, Refused):
        reason = f"{reason} Where it is now can't be told; open the project again."
    return Refusal(item=entry.operation.item, reason=reason)
