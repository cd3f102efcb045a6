"""A process that applies or undoes is killed before every thing it does to the disk or the database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from cleaner.changes.ledger import Ledger
from cleaner.changes.records import Draft
from tests.support.faults import killed_before

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def counts(world) -> tuple[int, int]:
    moved = [identity for identity, path in world.ledger.locations().items() if path != identity]
    return len(moved), 3 - len(moved)


def said_of_apply(made: int, left: int) -> str:
    verb = "was" if made == 1 else "were"
    start = f"The last apply was interrupted: {made} of 3 changes {verb} made; "
    are = "is" if left == 1 else "are"
    if not left:
        return (
            "The last apply was interrupted at its very end: 3 of 3 changes were made. Undo to put them back."
        )
    if not made:
        return f"{start}{left} {are} still planned. Apply again to go on."
    rest = f"the other {left} {are} still planned. Apply again to go on, or undo to put the {made} back."
    return start + rest


def test_an_apply_killed_at_any_point_is_recovered_and_completed(new_world, mixed, fast_path):
    sentences = set()
    for touch in range(1, 500):
        world = new_world(fast_path / str(touch))
        before, plan = world.images(), world.plan(*mixed)
        if not killed_before(touch, lambda w=world, p=plan: w.apply(p), engine=world.ledger._engine):
            break
        begun = bool(world.ledger.open_batches())
        said = world.recover()
        world.assert_agrees(before)
        if begun:
            assert said == said_of_apply(*counts(world))
            sentences.add(said)
        assert world.recover() is None
        made, left = counts(world)
        again = world.apply(world.plan(*mixed))
        assert (len(again.done), again.failed) == (left, ())
        world.assert_agrees(before)
        for _ in range((made > 0) + (left > 0)):
            world.undo()
        assert world.files() == before
    else:
        pytest.fail("the work never came to its end")
    assert len(sentences) == 4  # 0, 1, 2 and 3 changes made
    assert touch > 30


def test_an_undo_killed_at_any_point_is_recovered_and_completed(new_world, mixed, fast_path):
    sentences = set()
    for touch in range(1, 500):
        world = new_world(fast_path / str(touch))
        before = world.images()
        world.apply(world.plan(*mixed))
        if not killed_before(touch, world.undo, engine=world.ledger._engine):
            break
        begun = bool(world.ledger.open_batches())
        said = world.recover()
        world.assert_agrees(before)
        left, back = counts(world)
        if begun:
            assert said.startswith("The last undo was interrupted")
            assert f"{back} of 3 files" in said
            assert said.endswith("Undo again to go on.") == bool(left)
            sentences.add(said)
        assert world.recover() is None
        if left:
            assert len(world.undo().done) == left
        assert world.files() == before
    else:
        pytest.fail("the work never came to its end")
    assert len(sentences) == 4
    assert touch > 30


def test_a_recovery_killed_at_any_point_is_recovered(new_world, mixed, fast_path):
    """The apply before it died between claiming a name and moving the file, where most is left to settle."""
    for touch in range(1, 100):
        world = new_world(fast_path / str(touch))
        before, plan = world.images(), world.plan(*mixed)
        assert killed_before(
            1, lambda w=world, p=plan: w.apply(p), engine=world.ledger._engine, touches={"os.rename"}
        )
        assert b"" in world.images().values()
        if not killed_before(touch, world.recover, engine=world.ledger._engine):
            break
        world.recover()
        world.assert_agrees(before)
        assert len(world.apply(world.plan(*mixed)).done) == 3
    else:
        pytest.fail("the work never came to its end")
    assert touch > 4


@pytest.mark.parametrize("verb", ["apply", "undo"])
def test_killed_around_any_commit_to_postgresql_it_is_recovered(postgres, new_world, mixed, fast_path, verb):
    for touch in range(1, 50):
        engine = create_engine(postgres())
        world = new_world(fast_path / str(touch), engine=engine)
        before, plan = world.images(), world.plan(*mixed)
        if verb == "undo":
            world.apply(plan)
        work = (lambda w=world, p=plan: w.apply(p)) if verb == "apply" else world.undo
        killed = killed_before(touch, work, engine=engine, touches=frozenset(["commit"]))
        world.recover()
        world.assert_agrees(before)
        world.apply(world.plan(*mixed))
        while world.ledger.can_undo:
            assert world.undo().failed == ()
        assert world.files() == before
        engine.dispose()
        if not killed:
            break
    assert touch > 5


@pytest.mark.parametrize("verb", ["apply", "undo"])
def test_the_next_apply_or_undo_settles_what_nobody_recovered(world, mixed, decide, verb):
    before, plan = world.images(), world.plan(*mixed)
    engine = world.ledger._engine
    assert killed_before(2, lambda: world.apply(plan), engine=engine, touches={"os.rename"})
    if verb == "apply":
        world.apply(world.plan(decide("dog/4.jpg", "delete")))
        world.assert_agrees(before)
        world.undo()
    world.undo()
    world.assert_agrees(before)
    assert world.files() == before


def test_a_file_that_somebody_put_at_the_target_meanwhile_survives_recovery(world, mixed):
    [first, *_] = world.plan(*mixed).operations
    batch = world.ledger.begin("apply", by="ann", total=1)
    world.ledger.record([Draft(first)], batch=batch)
    world.write(first.target, b"somebody's")
    before = world.files()
    assert "0 of 1 changes" in world.recover()
    assert world.files() == before
    assert world.ledger.locations() == {}


def test_a_copy_of_the_image_at_the_target_is_not_taken_for_the_moved_one(world, mixed):
    [first, *_] = world.plan(*mixed).operations
    batch = world.ledger.begin("apply", by="ann", total=1)
    world.ledger.record([Draft(first)], batch=batch)
    world.write(first.target, (world.root / first.source).read_bytes())
    before = world.files()
    world.recover()
    assert world.files() == before
    assert world.ledger.locations() == {}


def test_what_cannot_be_looked_at_now_stays_open_for_the_next_time(world, mixed, monkeypatch):
    [first, *_] = world.plan(*mixed).operations
    batch = world.ledger.begin("apply", by="ann", total=1)
    world.ledger.record([Draft(first)], batch=batch)
    (world.root / first.source).rename(world.root / first.target)
    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", _gone_away(os.lstat, name=Path(first.target).name))
        assert "0 of 1" in world.recover()
    assert Ledger(world.ledger._engine).open_batches()
    assert "1 of 1" in world.recover()
    assert world.ledger.locations() == {first.item: first.target}


def _gone_away(real, *, name: str):
    def lstat(path, **options):
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied")
        return real(path, **options)

    return lstat
