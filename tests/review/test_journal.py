"""The journal loses nothing, takes back what it should, and agrees with its own fold."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from cleaner.errors import Refused
from cleaner.review.database import open_database
from cleaner.review.journal import Journal
from cleaner.review.verdicts import Verdict
from cleaner.types import Decision

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return request.getfixturevalue("postgres")()
    return f"sqlite:///{(tmp_path / 'cleaner.db').as_posix()}"


@pytest.fixture
def ann(engine: Engine) -> Journal:
    return Journal(engine, by="ann")


@pytest.fixture
def bob(engine: Engine) -> Journal:
    return Journal(engine, by="bob")


def verdict_of(journal: Journal, item: str) -> tuple[str, str | None] | None:
    decision = journal.standing().get(item)
    return decision and (decision.action, decision.label)


def test_a_decision_is_returned_as_it_was_kept(ann: Journal) -> None:
    (decision,) = ann.decide([("a.jpg", "relabel", "cat")], round=2)
    assert ann.events() == (decision,)
    assert (decision.by, decision.round, decision.undoes) == ("ann", 2, None)
    assert datetime.fromisoformat(decision.at).utcoffset() == timedelta(0)


def test_the_last_decision_of_an_item_holds(ann: Journal) -> None:
    ann.decide([("a", "keep", None), ("b", "keep", None)], round=1)
    ann.decide([("a", "delete", None)], round=1)
    ann.decide([("b", "clear", None)], round=1)
    assert {item: event.action for item, event in ann.standing().items()} == {"a": "delete"}
    assert [event.action for event in ann.events("a")] == ["keep", "delete"]


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        ([], "No verdict was given"),
        ([("a", "burn", None)], "'burn' is no verdict; choose one of keep, relabel, delete, unsure, clear"),
        ([("a", "relabel", None)], "new label of a is missing"),
        ([("a", "relabel", "")], "new label of a is missing"),
        ([("a", "keep", "cat")], "keep of a came with the label 'cat'"),
        ([("a", "keep", None), ("a", "delete", None)], "two verdicts at once"),
        ([("b", "keep", None), ("a", "burn", None)], "'burn' is no verdict"),
    ],
)
def test_verdicts_that_make_no_sense_are_refused_as_a_whole(
    ann: Journal, verdicts: list[Verdict], sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence):
        ann.decide(verdicts, round=1)
    assert ann.events() == ()


def test_a_journal_without_a_person_is_refused(engine: Engine) -> None:
    with pytest.raises(Refused, match="name of the person"):
        Journal(engine, by=" ")


def test_undo_restores_what_each_item_had_before(ann: Journal) -> None:
    ann.decide([("a", "relabel", "cat")], round=1)
    before = ann.standing()["a"]
    batch = ann.decide([("a", "keep", None), ("b", "keep", None)], round=1)[0].batch
    events = ann.undo(round=1)
    assert [(event.item, event.action, event.label) for event in events] == [
        ("a", "relabel", "cat"),
        ("b", "clear", None),
    ]
    assert {event.undoes for event in events} == {batch}
    assert verdict_of(ann, "a") == (before.action, before.label)
    assert verdict_of(ann, "b") is None


def test_undo_goes_back_key_by_key_across_a_restart(ann: Journal, url: str) -> None:
    for label in ("cat", "dog", "cow"):
        ann.decide([("a", "relabel", label)], round=1)
    ann.undo(round=1)
    assert verdict_of(ann, "a") == ("relabel", "dog")
    again = open_database(url)
    restarted = Journal(again, by="ann")
    restarted.undo(round=1)
    assert verdict_of(restarted, "a") == ("relabel", "cat")
    restarted.undo(round=1)
    assert verdict_of(restarted, "a") is None
    with pytest.raises(Refused, match="nothing to undo"):
        restarted.undo(round=1)
    again.dispose()


def test_undo_after_a_new_decision_takes_back_the_new_one(ann: Journal) -> None:
    ann.decide([("a", "keep", None)], round=1)
    ann.undo(round=1)
    ann.decide([("a", "delete", None)], round=1)
    ann.undo(round=1)
    assert verdict_of(ann, "a") is None
    with pytest.raises(Refused):
        ann.undo(round=1)


def test_how_a_decision_came_about_is_kept(ann: Journal) -> None:
    ann.decide([("a", "keep", None)], round=1)
    ann.decide([("b", "keep", None), ("c", "keep", None)], round=1, how="bulk")
    ann.decide([("d", "delete", None)], round=1, how="propagated")
    ann.undo(round=1)
    assert [event.how for event in ann.events()] == ["person", "bulk", "bulk", "propagated", "person"]


def test_people_who_do_not_agree_are_listed_with_what_each_said(ann: Journal, bob: Journal) -> None:
    ann.decide([("a", "relabel", "cat"), ("b", "keep", None), ("c", "keep", None)], round=1)
    bob.decide([("a", "relabel", "dog"), ("b", "keep", None), ("c", "unsure", None)], round=1)
    (conflict,) = ann.conflicts()
    assert conflict.item == "a"
    assert [(said.by, said.label) for said in conflict.verdicts] == [("ann", "cat"), ("bob", "dog")]
    assert verdict_of(ann, "a") == ("relabel", "dog")
    assert bob.conflicts() == ann.conflicts()


def test_a_conflict_ends_when_somebody_comes_round_or_takes_back(ann: Journal, bob: Journal) -> None:
    ann.decide([("a", "keep", None), ("b", "keep", None)], round=1)
    bob.decide([("a", "delete", None), ("b", "delete", None)], round=1)
    assert len(ann.conflicts()) == 2
    ann.decide([("a", "delete", None)], round=1)
    assert [conflict.item for conflict in ann.conflicts()] == ["b"]
    bob.decide([("b", "clear", None)], round=1)
    assert ann.conflicts() == ()


def test_undoing_a_slip_leaves_a_conflict_as_it_was(ann: Journal, bob: Journal) -> None:
    ann.decide([("a", "keep", None)], round=1)
    bob.decide([("a", "delete", None)], round=1)
    before = ann.conflicts()
    ann.decide([("a", "unsure", None)], round=1)
    assert ann.conflicts() == ()
    ann.undo(round=1)
    assert ann.conflicts() == before
    assert [(said.by, said.action) for said in before[0].verdicts] == [("ann", "keep"), ("bob", "delete")]


def test_who_undoes_what_they_said_contradicts_nobody(ann: Journal, bob: Journal) -> None:
    ann.decide([("a", "keep", None)], round=1)
    bob.decide([("a", "delete", None)], round=1)
    bob.undo(round=1)
    assert ann.conflicts() == ()
    bob.redo(round=1)
    assert len(ann.conflicts()) == 1


def test_one_person_who_changes_their_mind_contradicts_nobody(ann: Journal) -> None:
    ann.decide([("a", "keep", None)], round=1)
    ann.decide([("a", "delete", None)], round=1)
    assert ann.conflicts() == ()


def test_nobody_undoes_what_somebody_else_decided(ann: Journal, bob: Journal) -> None:
    ann.decide([("a", "keep", None), ("b", "keep", None)], round=1)
    bob.decide([("a", "delete", None)], round=1)
    assert [event.item for event in ann.undo(round=1)] == ["b"]
    assert verdict_of(ann, "a") == ("delete", None)
    with pytest.raises(Refused):
        ann.undo(round=1)
    assert [event.item for event in bob.undo(round=1)] == ["a"]
    assert verdict_of(bob, "a") == ("keep", None)


def test_a_batch_overruled_by_others_does_not_block_older_undos(ann: Journal, bob: Journal) -> None:
    ann.decide([("old", "keep", None)], round=1)
    ann.decide([("a", "keep", None)], round=1)
    bob.decide([("a", "delete", None)], round=1)
    assert [event.item for event in ann.undo(round=1)] == ["old"]


def test_undo_never_reaches_below_what_somebody_else_decided(ann: Journal, bob: Journal) -> None:
    ann.decide([("a", "relabel", "cat")], round=1)
    bob.decide([("a", "delete", None)], round=1)
    ann.decide([("a", "keep", None)], round=1)
    ann.undo(round=1)
    assert verdict_of(ann, "a") == ("delete", None)
    with pytest.raises(Refused, match="nothing to undo"):
        ann.undo(round=1)
    assert verdict_of(ann, "a") == ("delete", None)


def test_what_somebody_else_gave_back_can_be_undone(ann: Journal, bob: Journal) -> None:
    ann.decide([("a", "relabel", "cat"), ("b", "keep", None)], round=1)
    bob.decide([("a", "delete", None)], round=1)
    assert [event.item for event in ann.undo(round=1)] == ["b"]
    bob.undo(round=1)
    assert verdict_of(ann, "a") == ("relabel", "cat")
    assert [event.item for event in ann.undo(round=1)] == ["a"]
    assert ann.standing() == {}
    assert [event.item for _ in range(2) for event in ann.redo(round=1)] == ["a", "b"]


def test_another_persons_decisions_are_seen_at_once(ann: Journal, bob: Journal) -> None:
    assert ann.standing() == {}
    bob.decide([("a", "unsure", None)], round=1)
    assert verdict_of(ann, "a") == ("unsure", None)


def test_changing_what_standing_returned_changes_no_decision(ann: Journal) -> None:
    ann.decide([("a", "keep", None)], round=1)
    ann.standing().clear()
    assert verdict_of(ann, "a") == ("keep", None)


def test_threads_that_decide_at_once_lose_nothing(ann: Journal) -> None:
    def decide(number: int) -> int:
        return ann.decide([(f"item {number}", "keep", None)], round=1)[0].batch

    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(decide, range(40)))
    assert len(set(batches)) == 40
    assert len(ann.standing()) == 40


def test_the_rest_overrules_nobody_who_decides_at_once(ann: Journal, bob: Journal) -> None:
    items = [f"item {number}" for number in range(20)]

    def bobs(item: str) -> None:
        bob.decide([(item, "delete", None)], round=1)

    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(bobs, item) for item in items[:10]]
        verdicts: list[Verdict] = [(item, "keep", None) for item in items]
        kept = threads.submit(ann.decide, verdicts, round=1, rest=True).result()
        assert [thread.result() for thread in waiting] == [None] * 10
    assert {event.item for event in kept} >= set(items[10:])
    assert {verdict_of(ann, item) for item in items[:10]} == {("delete", None)}
    assert ann.decide(verdicts, round=1, rest=True) == ()


def test_redo_brings_back_undo_by_undo_until_something_new_is_decided(ann: Journal) -> None:
    for label in ("cat", "dog", "cow"):
        ann.decide([("a", "relabel", label)], round=1)
    for _ in range(3):
        ann.undo(round=1)
    with pytest.raises(Refused, match="nothing to undo"):
        ann.undo(round=1)
    for label in ("cat", "dog"):
        ann.redo(round=1)
        assert verdict_of(ann, "a") == ("relabel", label)
    ann.undo(round=1)
    assert verdict_of(ann, "a") == ("relabel", "cat")
    ann.decide([("b", "keep", None)], round=1)
    with pytest.raises(Refused, match="nothing to redo"):
        ann.redo(round=1)


def test_nobody_redoes_over_what_somebody_else_decided(ann: Journal, bob: Journal) -> None:
    ann.decide([("a", "keep", None), ("b", "keep", None)], round=1)
    ann.undo(round=1)
    bob.decide([("a", "delete", None)], round=1)
    assert [event.item for event in ann.redo(round=1)] == ["b"]
    assert verdict_of(ann, "a") == ("delete", None)
    with pytest.raises(Refused):
        bob.redo(round=1)


WRITER = """
import sys
from cleaner.review.database import open_database
from cleaner.review.journal import Journal
journal = Journal(open_database(sys.argv[1]), by=sys.argv[2])
for number in range(8):
    journal.decide([(f"{sys.argv[2]} {number}", "keep", None), ("shared", "unsure", None)], round=1)
"""


def test_processes_that_decide_at_once_on_a_new_database_lose_nothing(url: str) -> None:
    command = [sys.executable, "-c", WRITER, url]
    processes = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("ann", "bob", "cat")]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    engine = open_database(url)
    events = Journal(engine, by="ann").events()
    engine.dispose()
    assert len({event.batch for event in events}) == 24
    assert len(events) == 48
    assert [event.batch for event in events] == sorted(event.batch for event in events)


ITEMS = st.sampled_from("abcd")
VERDICTS = st.one_of(
    st.tuples(ITEMS, st.sampled_from(["keep", "delete", "unsure", "clear"]), st.none()),
    st.tuples(ITEMS, st.just("relabel"), st.sampled_from(["cat", "dog"])),
)
BATCHES = st.lists(VERDICTS, min_size=1, max_size=3, unique_by=lambda verdict: verdict[0])
STEP = st.one_of(st.sampled_from(["undo", "redo"]), BATCHES)
STEPS = st.lists(st.tuples(st.sampled_from(["ann", "bob"]), STEP), max_size=24)


@dataclass(eq=False)
class Said:
    """One verdict of one person on one item, in the plain model: it holds or it doesn't."""

    by: str
    batch: int
    item: str
    action: str
    label: str | None
    holds: bool = True


class Meaning:
    """What undo and redo by several people are to mean: verdicts in the order in which they were given.

    Undo switches off those of one's latest batch that have none of somebody else's on top; redo switches on
    again what one's latest undo switched off, where nothing is on top.
    """

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.undos: dict[str, list[list[Said]]] = {"ann": [], "bob": []}
        self.batches = 0

    def decide(self, by: str, verdicts: list[Verdict]) -> set[str]:
        self.batches += 1
        self.said += [Said(by, self.batches, *verdict) for verdict in verdicts]
        self.undos[by] = []
        return {item for item, _, _ in verdicts}

    def undo(self, by: str) -> set[str]:
        for batch in range(self.batches, 0, -1):
            of_batch = [said for said in self.said if (said.by, said.batch, said.holds) == (by, batch, True)]
            off = [said for said in of_batch if all(other.by == by for other in self.on_top(said))]
            if off:
                self.undos[by].append(off)
                return self.switch(off, holds=False)
        return set()

    def redo(self, by: str) -> set[str]:
        for off in reversed(self.undos[by]):
            if on := [said for said in off if not self.on_top(said)]:
                off[:] = [said for said in off if said not in on]
                return self.switch(on, holds=True)
        return set()

    def switch(self, those: list[Said], *, holds: bool) -> set[str]:
        for said in those:
            said.holds = holds
        return {said.item for said in those}

    def on_top(self, said: Said) -> list[Said]:
        later = self.said[self.said.index(said) + 1 :]
        return [other for other in later if other.holds and other.item == said.item]

    def standing(self) -> dict[str, tuple[str, str | None]]:
        last = {said.item: said for said in self.said if said.holds}
        return {item: (said.action, said.label) for item, said in last.items() if said.action != "clear"}

    def conflicts(self) -> dict[str, dict[str, tuple[str, str | None]]]:
        last = {(said.item, said.by): said for said in self.said if said.holds}
        of: dict[str, dict[str, tuple[str, str | None]]] = {}
        for (item, by), said in last.items():
            if said.action not in ("clear", "unsure"):
                of.setdefault(item, {})[by] = (said.action, said.label)
        return {item: views for item, views in of.items() if len(set(views.values())) > 1}


def with_engine(act: Callable[[Engine], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{folder}/x.db")
        act(engine)
        engine.dispose()


def attempt(take_back: Callable[..., tuple[Decision, ...]]) -> tuple[Decision, ...]:
    try:
        return take_back(round=1)
    except Refused:
        return ()


@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_two_people_who_decide_undo_and_redo_in_turn_get_what_that_means(
    steps: list[tuple[str, object]],
) -> None:
    def act(engine: Engine) -> None:
        reader, meaning = Journal(engine, by="cat"), Meaning()
        for name, step in steps:
            journal = Journal(engine, by=name)  # as after a restart
            before = journal.events()
            if isinstance(step, str):
                events, meant = attempt(getattr(journal, step)), getattr(meaning, step)(name)
            else:
                events, meant = journal.decide(step, round=1), meaning.decide(name, step)
            assert {event.item for event in events} == meant
            assert journal.events() == before + events
            assert reader.standing() == journal.standing() == last_of(before + events)
            assert said(reader) == meaning.standing()
            assert views(reader) == meaning.conflicts()

    with_engine(act)


def last_of(events: tuple[Decision, ...]) -> dict[str, Decision]:
    last = {event.item: event for event in events}
    return {item: event for item, event in last.items() if event.action != "clear"}


def views(journal: Journal) -> dict[str, dict[str, tuple[str, str | None]]]:
    return {
        item: {said.by: (said.action, said.label) for said in verdicts}
        for item, verdicts in ((conflict.item, conflict.verdicts) for conflict in journal.conflicts())
    }


@settings(max_examples=25, deadline=None)
@given(st.lists(STEP, max_size=16))
def test_one_persons_undo_and_redo_are_two_stacks(steps: list[object]) -> None:
    def act(engine: Engine) -> None:
        ann, past, future = Journal(engine, by="ann"), [{}], []
        for step in steps:
            if step == "undo":
                assert bool(attempt(ann.undo)) == (len(past) > 1)
                future += [past.pop()] if len(past) > 1 else []
            elif step == "redo":
                assert bool(attempt(ann.redo)) == bool(future)
                past += [future.pop()] if future else []
            else:
                ann.decide(step, round=1)
                past, future = [*past, said(ann)], []
            assert said(ann) == past[-1]

    with_engine(act)


def said(journal: Journal) -> dict[str, tuple[str, str | None]]:
    return {item: (event.action, event.label) for item, event in journal.standing().items()}
