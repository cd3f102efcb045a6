"""Random sequences of everything a person, a crash and a second window can do, against a model in memory.

After each step every picture is where the model says, with its bytes and under its id, once.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cleaner import Project
from cleaner.app.rounds import save_round
from cleaner.errors import Refused
from cleaner.types import Predictions, Round, TrainConfig, strings
from tests.support.faults import killed_before
from tests.support.images import colour_fields

CLASSES = ("black", "grizzly", "teddy")
EACH = 2
TRASH, GONE = "(trash)", "(destroyed)"
EXAMPLES = int(os.environ.get("CLEANER_RANDOM_EXAMPLES", "8"))

LABELS = st.sampled_from(CLASSES)
NUMBERS = st.integers(0, 1_000)


@dataclass
class Change:
    """One change of one image by an apply: from which class to which, or to the trash."""

    item: str
    before: str
    after: str


@dataclass
class Model:
    """What should be: where each image lies, what is decided, and what can still be undone."""

    where: dict[str, str]
    decided: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    said: list[dict[str, tuple[str, str | None]]] = field(default_factory=list)  # before each verdict
    applies: dict[int, list[Change]] = field(default_factory=dict)  # the changes that stand

    def present(self) -> list[str]:
        return sorted(item for item, place in self.where.items() if place not in (TRASH, GONE))

    def planned(self) -> dict[str, str]:
        """Map each image that an apply would change to where it would go."""
        goes = {}
        for item in self.present():
            action, label = self.decided.get(item, ("keep", None))
            if action == "delete":
                goes[item] = TRASH
            elif action == "relabel" and label and label != self.where[item]:
                goes[item] = label
        return goes

    def latest(self, item: str) -> int | None:
        """Return the last apply with a standing change of an image."""
        return max((n for n, cs in self.applies.items() if any(c.item == item for c in cs)), default=None)

    def undone(self, changes: list[Change], *, number: int) -> list[str]:
        """Take back what can be taken back of an apply; return those images."""
        back = [c for c in changes if self.latest(c.item) == number and self.where[c.item] != GONE]
        for change in back:
            self.where[change.item] = change.before
            self.applies[number].remove(change)
        return sorted(change.item for change in back)


class Loop(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        memory = Path("/dev/shm")
        self.place = tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None)
        self.root = colour_fields(Path(self.place, "photos"), classes=CLASSES, each=EACH, side=8)
        self.project = Project.open(self.root, by="ann")
        catalog = self.project.catalog
        self.bytes = {item: (self.root / item).read_bytes() for item in catalog.ids}
        self.model = Model({item: item.split("/")[0] for item in catalog.ids})

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.project.journal.engine.dispose()
            shutil.rmtree(self.place)

    def _one(self, number: int) -> str | None:
        present = self.model.present()
        return present[number % len(present)] if present else None

    @rule(
        number=NUMBERS, action=st.sampled_from(["keep", "delete", "unsure", "clear", "relabel"]), label=LABELS
    )
    def decide(self, number: int, action: str, label: str) -> None:
        item = self._one(number)
        if item is None or (action == "relabel" and label == self.model.where[item]):
            return
        given = label if action == "relabel" else None
        self.project.decide([item], action, label=given)
        self.model.said.append(dict(self.model.decided))
        if action == "clear":
            self.model.decided.pop(item, None)
        else:
            self.model.decided[item] = (action, given)

    @rule()
    def take_back_a_verdict(self) -> None:
        if not self.model.said:
            with pytest.raises(Refused):
                self.project.journal.undo(round=1)
            return
        self.project.journal.undo(round=1)
        self.model.decided = self.model.said.pop()

    @rule()
    def apply(self) -> None:
        goes = self.model.planned()
        receipt = self.project.apply()
        assert {operation.item for operation in receipt.done} == set(goes)
        assert receipt.failed == ()
        self._applied(receipt.batch, goes)

    def _applied(self, batch: int, goes: dict[str, str]) -> None:
        if goes:
            self.model.applies[batch] = [Change(i, self.model.where[i], to) for i, to in goes.items()]
        self.model.where |= goes

    @rule(touch=st.integers(1, 120))
    def apply_and_be_killed(self, touch: int) -> None:
        goes, plan = self.model.planned(), self.project.plan()
        if not goes:
            return
        engine = self.project.journal.engine
        killed_before(touch, lambda: self.project.apply(plan), engine=engine)
        open_before = self.project.ledger.open_batches()
        self.reopen()
        if open_before:
            assert "interrupted" in self.project.notice
        locations = self.project.ledger.locations()
        moved = {item: to for item, to in goes.items() if self._is_at(locations.get(item), to)}
        if moved:
            self._applied(self.project.ledger.applied()[-1].batch.id, moved)

    def _is_at(self, place: str | None, label: str) -> bool:
        if place is None:
            return False
        return place.startswith(".cleaner/trash/") if label == TRASH else place.startswith(f"{label}/")

    @rule()
    def undo(self) -> None:
        standing = [applied for applied in self.project.ledger.applied() if applied.standing]
        assert {a.batch.id: a.standing for a in standing} == {
            number: len(changes) for number, changes in self.model.applies.items() if changes
        }
        if not standing:
            with pytest.raises(Refused):
                self.project.undo()
            return
        self.undo_by_number(-1)

    @rule(number=NUMBERS)
    def undo_by_number(self, number: int) -> None:
        numbers = [n for n, changes in self.model.applies.items() if changes]
        if not numbers:
            return
        chosen = numbers[number % len(numbers)]
        receipt = self.project.undo(chosen)
        back = self.model.undone(list(self.model.applies[chosen]), number=chosen)
        assert sorted(operation.item for operation in receipt.done) == back

    @rule(touch=st.integers(1, 120))
    def undo_and_be_killed(self, touch: int) -> None:
        numbers = [n for n, changes in self.model.applies.items() if changes]
        if not numbers:
            return
        engine, chosen = self.project.journal.engine, numbers[-1]
        killed_before(touch, lambda: self.project.undo(chosen), engine=engine)
        self.reopen()
        standing = {entry.operation.item for entry in self.project.ledger.standing(chosen)}
        back = [change for change in self.model.applies[chosen] if change.item not in standing]
        done = self.model.undone(back, number=chosen)
        assert done == sorted(change.item for change in back)

    @precondition(lambda self: TRASH in self.model.where.values())
    @rule(number=NUMBERS)
    def restore(self, number: int) -> None:
        removed = sorted(item for item, place in self.model.where.items() if place == TRASH)
        item = removed[number % len(removed)]
        latest = self.model.latest(item)
        change = next(c for c in self.model.applies[latest] if c.item == item)
        assert [operation.item for operation in self.project.trash.restore([item]).done] == [item]
        assert self.model.undone([change], number=latest) == [item]
        if self.model.decided.get(item, ("",))[0] == "delete":
            self.model.said.append(dict(self.model.decided))
            del self.model.decided[item]

    @precondition(lambda self: TRASH in self.model.where.values())
    @rule(number=NUMBERS)
    def destroy(self, number: int) -> None:
        removed = sorted(item for item, place in self.model.where.items() if place == TRASH)
        item = removed[number % len(removed)]
        assert [operation.item for operation in self.project.trash.empty("destroy", items=[item]).done] == [
            item
        ]
        self.model.where[item] = GONE
        for changes in self.model.applies.values():
            changes[:] = [c for c in changes if not (c.item == item and c.after == TRASH)]

    @rule(number=NUMBERS, label=LABELS)
    def move_by_hand(self, number: int, label: str) -> None:
        item = self._one(number)
        if item is None:
            return
        row = self.project.catalog.positions()[item]
        place = self.root / self.project.catalog.paths[row]
        target = next(
            path for n in range(99) if not (path := self.root / label / f"by hand {n}.png").exists()
        )
        target.parent.mkdir(exist_ok=True)
        place.rename(target)
        self.project.verify()
        self.model.where[item] = label

    @rule()
    def train_again(self) -> None:
        catalog = self.project.catalog
        if not len(catalog):
            return
        probs = np.full((len(catalog), len(catalog.vocab)), 1 / len(catalog.vocab), np.float32)
        losses, origins = np.ones(len(catalog), np.float32), strings(["held-out"] * len(catalog))
        said = Predictions(catalog.ids, catalog.vocab, catalog.labels, probs, losses, origins)
        done = Round(1, TrainConfig(), catalog.vocab, (), catalog.digest(), 1, 0.5, "CPU", (), 0.0, "")
        save_round(done, said, folder=self.project.home / "rounds", save_network=lambda path: None)
        assert set(self.project.queue().ids) <= set(self.model.present())

    @rule()
    def reopen(self) -> None:
        self.project.journal.engine.dispose()
        self.project = Project.open(self.root, by="ann")

    @invariant()
    def every_picture_is_where_it_should_be(self) -> None:
        if not hasattr(self, "model"):
            return
        lying = [path for path in self.root.rglob("*.png") if "thumbnails" not in path.parts]
        kept = {item: place for item, place in self.model.where.items() if place != GONE}
        assert sorted(path.read_bytes() for path in lying) == sorted(self.bytes[item] for item in kept)
        catalog = self.project.catalog
        seen = {}
        for row in range(len(catalog)):
            item = catalog.item(row)
            seen[item.id] = item.label
            assert (self.root / item.path).read_bytes() == self.bytes[item.id]
        assert seen == {item: place for item, place in kept.items() if place != TRASH}
        removed = {image.id for image in self.project.trash.list()}
        assert removed == {item for item, place in kept.items() if place == TRASH}
        standing = {item: (d.action, d.label) for item, d in self.project.decisions().items()}
        assert standing == self.model.decided
        assert self.project.ledger.open_batches() == ()


Loop.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
test_nothing_is_ever_lost = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")(Loop.TestCase)
