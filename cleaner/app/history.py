"""What was decided on one image, and what was done to its files: by whom, when, why. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cleaner.app.rounds import load_predictions, load_rounds
from cleaner.catalog.listing import is_text
from cleaner.changes.ledger import Ledger
from cleaner.changes.records import Batch, Entry
from cleaner.review.journal import Journal
from cleaner.types import Decision, Predictions, percent


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an image. `at` is UTC in ISO 8601; `why` is empty where nothing is known."""

    at: str
    by: str
    what: str
    why: str = ""


def history(item: str, *, journal: Journal, ledger: Ledger, rounds: Path) -> tuple[Event, ...]:
    """Join the decisions on an image and the changes of its files in the order of time.

    Why somebody decided is what the model of that round saw, as kept in the folder `rounds`. Nothing is known
    of a name that is not valid text: its file is reported and left out.
    """
    if not is_text(item):
        return ()
    numbers = {result.number: result for result in load_rounds(rounds)}

    def seen(number: int) -> str:
        kept = numbers.get(number)
        return seen_by(load_predictions(rounds, result=kept), item) if kept else ""

    decided = journal.events(item)
    saw = {number: seen(number) for number in {decision.round for decision in decided}}
    said = [Event(d.at, d.by, _decided(d), saw[d.round]) for d in decided]
    done = [Event(entry.at, batch.by, *_changed(batch, entry)) for batch, entry in ledger.history(item)]
    return tuple(sorted(said + done, key=lambda event: event.at))


def seen_by(predictions: Predictions, item: str) -> str:
    """Say what a model believed of an image: «the model saw dog (97%)»; nothing if it never saw it."""
    rows = np.flatnonzero(predictions.ids == item)
    if not len(rows):
        return ""
    probs = predictions.probs[rows[0]]
    best = int(probs.argmax())
    return f"the model saw {predictions.vocab[best]} ({percent(float(probs[best]))})"


def _decided(decision: Decision) -> str:
    words = {
        "keep": "fine as it is",
        "relabel": f"relabelled {decision.label}",
        "delete": "to be removed",
        "unsure": "can't tell",
        "clear": "verdict cleared",
    }
    how = {"person": "", "bulk": ", with others at once", "propagated": ", as what it resembles"}
    undone = f", batch {decision.undoes} taken back" if decision.undoes else ""
    return f"{words[decision.action]} (round {decision.round}{how[decision.how]}{undone})"


def _changed(batch: Batch, entry: Entry) -> tuple[str, str]:
    operation = entry.operation
    if not operation.target:
        done = f"destroyed {operation.source}"
    else:
        done = f"moved {operation.source} to {operation.target}"
    named = {"apply": "apply", "undo": "undo", "empty": "emptying of the trash"}[batch.verb]
    why = f"{named}, number {batch.id}"
    if entry.state == "done":
        return done, why
    return f"not {done}", f"{why}: {entry.reason or entry.state}"
