"""Carries out one batch of operations, block by block: check, intents, claim and move each file, done.

Apply and undo share it. At every instant the ledger and the disk together tell where each file is; who
calls it holds the lock.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain

from cleaner.changes.files import Files, part_of, sentence
from cleaner.changes.ledger import Ledger
from cleaner.changes.records import Draft, Entry, Outcome, Verb
from cleaner.changes.recover import arrived
from cleaner.errors import DISK_FULL, CleanerError, Refused
from cleaner.progress import Progress, Report, Stop
from cleaner.types import Operation, Receipt, Refusal

BLOCK = 128  # images whose intents share one commit, and their ends another: a commit costs more than a move


@dataclass(frozen=True, slots=True)
class Step:
    """One image: its own operation first, then those of its sidecars; `obstacle` is why it can't be done."""

    parts: tuple[Draft, ...]
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
    work = _Work(batch, verb, len(steps), files=files, ledger=ledger, report=report, stopped=stopped)
    for first in range(0, len(steps), BLOCK):
        if work.halted or stopped():
            break
        work.block(steps[first : first + BLOCK])
    if not work.unclear:
        ledger.end(batch)
    return Receipt(
        batch=batch,
        verb=verb,
        done=tuple(work.done),
        failed=tuple(work.failed),
        stopped=work.reached < len(steps),
    )


@dataclass(slots=True, eq=False)
class _Work:
    """A batch under way, and what came of it so far."""

    batch: int
    verb: Verb
    total: int
    files: Files
    ledger: Ledger
    report: Report
    stopped: Stop
    start: float = field(default_factory=time.monotonic)
    reached: int = 0
    done: list[Operation] = field(default_factory=list)
    failed: list[Refusal] = field(default_factory=list)
    halted: bool = False  # asked to stop in the middle of a block
    unclear: bool = False  # where a file is could not be told; the batch stays open

    def block(self, steps: Sequence[Step]) -> None:
        """Do some steps: their intents are one commit, and how they ended another."""
        outcomes: list[Outcome] = []
        groups = self._intend(steps)
        try:
            for step, group in zip(steps, groups, strict=True):
                self.halted = self.halted or self.stopped()
                if self.halted:
                    outcomes += [Outcome(e, "rolled back", "stopped") for e in group if e.state == "intended"]
                else:
                    self._group(step, group, outcomes=outcomes)
        except BaseException:
            with suppress(CleanerError):
                self._close(outcomes)
            raise
        self._close(outcomes)

    def _close(self, outcomes: Sequence[Outcome]) -> None:
        moved = [outcome.entry.operation for outcome in outcomes if outcome.state == "done"]
        self.files.sync(chain.from_iterable((op.source, op.target) for op in moved))
        self.ledger.settle(outcomes)

    def _intend(self, steps: Sequence[Step]) -> list[list[Entry]]:
        """Write down what each step would do, under names that are free, and what can't be done."""
        taken: set[str] = set()
        drafts = [self._drafts(step, taken=taken) for step in steps]
        entries = iter(self.ledger.record(list(chain.from_iterable(drafts)), batch=self.batch))
        return [[next(entries) for _ in group] for group in drafts]

    def _drafts(self, step: Step, *, taken: set[str]) -> list[Draft]:
        problems = [step.obstacle or self._problem(part.operation) for part in step.parts]
        failed = [
            replace(part, state="failed", reason=problem)
            for part, problem in zip(step.parts, problems, strict=True)
            if problem
        ]
        if problems[0]:  # the sidecars stay with their image
            return failed[:1]
        going = [part for part, problem in zip(step.parts, problems, strict=True) if not problem]
        names = next(self.files.free_names([part.operation.target for part in going], taken=taken))
        taken.update(names)
        return [_at(part, target=name) for part, name in zip(going, names, strict=True)] + failed

    def _problem(self, operation: Operation) -> str | None:
        try:
            self.files.check(operation)
        except OSError as error:
            return sentence(error, operation=operation)
        except CleanerError as error:
            return str(error)
        return None

    def _group(self, step: Step, group: Sequence[Entry], *, outcomes: list[Outcome]) -> None:
        """Move one image and its sidecars, and tell of it."""
        ended = [Outcome(e, "failed", e.reason) for e in group if e.state == "failed"]
        moved = self._move([e for e in group if e.state == "intended"])
        outcomes += moved
        self.reached += 1
        note = ""
        for outcome in [*moved, *ended]:
            operation = outcome.entry.operation
            if outcome.state == "done":
                self.done.append(operation)
            elif outcome.state != "rolled back":
                note = outcome.reason or ""
                name = operation.source if operation.kind == "sidecar" else operation.item
                self.failed.append(Refusal(item=name, reason=note))
        note = note or _renamed(step, moved)
        self.report(Progress(self.verb, self.reached, self.total, time.monotonic() - self.start, note))

    def _move(self, group: list[Entry]) -> list[Outcome]:
        if not group:
            return []
        try:
            group = self._claimed(group)
        except (OSError, Refused) as error:
            return [self._after(error, entry=entry) for entry in group]
        first = self._place(group[0])
        if first.state == "done":
            return [first, *(self._place(entry) for entry in group[1:])]
        for entry in group[1:]:
            self.files.release(entry.operation.target)
        return [first, *(Outcome(entry, "rolled back", first.reason) for entry in group[1:])]

    def _claimed(self, group: list[Entry]) -> list[Entry]:
        """Take the names of a group, or the next ones that nobody took first."""
        wanted = tuple(entry.operation.target for entry in group)
        for names in chain([wanted], self.files.free_names(wanted)):
            if names != wanted:
                group = [self.ledger.retarget(e, target=n) for e, n in zip(group, names, strict=True)]
            mine = [name for name in names if self.files.claim(name)]
            if len(mine) == len(names):
                return group
            for name in mine:
                self.files.release(name)
        raise AssertionError("there is always a next name")

    def _place(self, entry: Entry) -> Outcome:
        try:
            self.files.move(entry.operation)
        except (OSError, Refused) as error:
            if isinstance(error, OSError) and error.errno == errno.EXDEV:
                return self._across(entry)
            return self._after(error, entry=entry)
        return Outcome(entry, "done")

    def _across(self, entry: Entry) -> Outcome:
        """Move a file to another disk: copy, verify, write that down, and only then remove the source."""
        part = part_of(entry.operation.target, number=entry.id)
        try:
            self.files.copy(entry.operation, part=part)
            self.ledger.settle([Outcome(entry, "copied")])
            entry = replace(entry, state="copied")
            self.files.replace(entry.operation, part=part)
        except (OSError, Refused) as error:
            return self._after(error, entry=entry)
        return Outcome(entry, "done")

    def _after(self, error: OSError | Refused, *, entry: Entry) -> Outcome:
        """Look where the file is: over a network a move can report an error and yet have happened."""
        reason = sentence(error, operation=entry.operation) if isinstance(error, OSError) else str(error)
        try:
            came = arrived(entry, files=self.files)
        except (OSError, Refused):
            self.unclear = True
            reason = f"{reason} Where it is now can't be told; open the project again."
            return Outcome(entry, entry.state, reason)
        if not came and isinstance(error, OSError) and error.errno in DISK_FULL:
            raise CleanerError(
                f"The disk is full: {self.reached - len(self.failed)} of {self.total} changes were made. "
                "Free some space, then go on."
            ) from error
        return Outcome(entry, "done") if came else Outcome(entry, "failed", reason)


def _at(part: Draft, *, target: str) -> Draft:
    return replace(part, operation=replace(part.operation, target=target))


def _renamed(step: Step, moved: Sequence[Outcome]) -> str:
    wanted = step.parts[0].operation.target
    if not moved or moved[0].entry.operation.target == wanted:
        return ""
    return f"{wanted} is taken, so the file is now {moved[0].entry.operation.target}."
