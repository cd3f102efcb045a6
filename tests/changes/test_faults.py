"""Whatever fails in the middle, killed, full or forbidden, every file exists once with its bytes.

A child process does the work; what it left behind is then recovered, completed and taken back.
"""

from __future__ import annotations

import errno
import os
import random
import time

import pytest

from cleaner.errors import CleanerError
from tests.support.faults import ENDED, TOLD, failing, killed_after, killed_before

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

RUNS = int(os.environ.get("CLEANER_CRASH_RUNS", "40"))


def taken_back(world) -> None:
    """Undo until there is nothing to undo."""
    while world.ledger.can_undo:
        assert world.undo().failed == ()


def refused(world, plan) -> str | None:
    """Apply; return the sentence that it ended with, if any."""
    try:
        world.apply(plan)
    except CleanerError as error:
        return str(error)
    return None


def completed(world, mixed) -> None:
    """Apply what is still planned, then take everything back."""
    receipt = world.apply(world.plan(*mixed, sidecars=True))
    assert receipt.failed == ()
    assert len(world.plan(*mixed)) == 0
    taken_back(world)


@pytest.mark.parametrize(("verb", "disks"), [("apply", 1), ("apply", 2), ("undo", 2)])
def test_killed_at_any_step_with_sidecars_on_one_disk_or_two(
    new_world, sidecars, mixed, fast_path, verb, disks
):
    for touch in range(1, 500):
        world = new_world(fast_path / str(touch), sidecars)
        before, plan = world.images(), world.plan(*mixed, sidecars=True)
        assert len(plan) == 7
        if verb == "undo":
            world.apply(plan)
        work = (lambda w=world, p=plan: w.apply(p)) if verb == "apply" else world.undo
        if not killed_before(touch, work, engine=world.engine, disks=disks):
            break
        world.recover()
        world.assert_agrees(before)
        assert world.recover() is None
        completed(world, mixed)
        assert world.files() == before
    else:
        pytest.fail("the work never came to its end")
    assert touch > (60 if disks == 2 else 40)


def test_an_undo_of_what_a_person_has_moved_killed_at_any_step_is_recovered(
    new_world, sidecars, mixed, fast_path
):
    seen = {"cat/1.jpg": "hound/1-2.jpg", "cat/deep/3.jpg": "cat/deep/3.jpg"}
    for touch in range(1, 500):
        world = new_world(fast_path / str(touch), sidecars)
        before = world.images()
        world.apply(world.plan(*mixed, sidecars=True))
        (world.root / "dog").rename(world.root / "hound")
        for suffix in (".jpg", ".xml"):
            (world.root / "elk/deep/3").with_suffix(suffix).rename(world.root / f"cat/deep/3{suffix}")
        killed = killed_before(touch, lambda w=world: w.undo(seen=seen), engine=world.engine)
        world.recover()
        while world.ledger.can_undo:
            assert world.undo(seen=seen).failed == ()
        (world.root / "hound").rename(world.root / "dog")
        world.assert_agrees(before)
        if not killed:
            break
    else:
        pytest.fail("the work never came to its end")
    assert touch > 30


def test_a_recovery_between_two_disks_killed_at_any_step_is_recovered(new_world, sidecars, mixed, fast_path):
    """The apply before it died when the first copy was verified, in its place, and its source still there."""
    for touch in range(1, 100):
        world = new_world(fast_path / str(touch), sidecars)
        before, plan = world.images(), world.plan(*mixed, sidecars=True)
        apply = lambda w=world, p=plan: w.apply(p)  # noqa: E731
        killed = killed_before(1, apply, engine=world.engine, touches=frozenset(["os.remove"]), disks=2)
        assert killed
        assert list(world.images().values()).count(b"one") == 2
        if not killed_before(touch, world.recover, engine=world.engine):
            break
        world.recover()
        world.assert_agrees(before)
        completed(world, mixed)
        assert world.files() == before
    else:
        pytest.fail("the work never came to its end")
    assert touch > 4


def test_emptying_the_trash_killed_at_any_step_destroys_nothing_else(new_world, sidecars, mixed, fast_path):
    ours = ("owl/5.jpg", "owl/5.txt")
    for touch in range(1, 200):
        world = new_world(fast_path / str(touch), sidecars)
        before = world.images()
        world.apply(world.plan(*mixed, sidecars=True))
        if not killed_before(touch, world.empty, engine=world.engine):
            break
        world.recover()
        left = set(world.files().values())
        world.assert_agrees(before, destroyed=[path for path in ours if before[path] not in left])
        world.empty()
        world.assert_agrees(before, destroyed=ours)
        taken_back(world)
        assert world.images() == {path: content for path, content in before.items() if path not in ours}
    else:
        pytest.fail("the work never came to its end")
    assert touch > 8


@pytest.mark.parametrize(
    ("code", "lasting"),
    [(errno.ENOSPC, True), (errno.EACCES, False)],
    ids=["full disk", "permission denied"],
)
@pytest.mark.parametrize(("verb", "disks"), [("apply", 1), ("apply", 2), ("undo", 1)])
def test_a_disk_that_fails_at_any_step_loses_nothing_and_the_work_can_go_on(
    new_world, sidecars, mixed, fast_path, verb, disks, code, lasting
):
    told = 0
    for touch in range(1, 500):
        world = new_world(fast_path / str(touch), sidecars)
        before, plan = world.images(), world.plan(*mixed, sidecars=True)
        if verb == "undo":
            world.apply(plan)
        work = (lambda w=world, p=plan: w.apply(p)) if verb == "apply" else world.undo
        ended = failing(
            touch, work, engine=world.engine, code=code, below=world.root, lasting=lasting, disks=disks
        )
        world.recover()
        world.assert_agrees(before)
        completed(world, mixed)
        assert world.files() == before
        told += ended == TOLD
        if ended == ENDED:
            break
    else:
        pytest.fail("the work never came to its end")
    assert touch > 10
    assert told > 0


def test_killed_at_random_moments_again_and_again(new_world, sidecars, mixed, fast_path):
    """One dataset, applied and undone without end, killed and recovered many times over."""
    world = new_world(fast_path / "data", sidecars)
    before, chance = world.images(), random.Random(7)

    def work() -> None:
        while True:
            world.apply(world.plan(*mixed, sidecars=True))
            world.undo()

    begun = time.perf_counter()
    completed(world, mixed)
    longest = 2 * (time.perf_counter() - begun)  # of a whole round, and of starting the child that works
    found = set()
    for _ in range(RUNS):
        killed_after(chance.uniform(0.0, longest), work, engine=world.engine)
        found.add(world.recover())
        world.assert_agrees(before)
    completed(world, mixed)
    assert world.files() == before
    assert len(found) > 2  # in the middle of both, and in between


def test_a_database_that_may_not_grow_stops_the_work_and_loses_nothing(new_world, sidecars, mixed, tmp_path):
    world = new_world(tmp_path / "data", sidecars)
    before = world.images()
    with world.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    world.engine.dispose()
    full = world.limited(pages)
    plan = world.plan(*mixed, sidecars=True)
    while (said := refused(full, plan)) is None:
        full.undo()
    assert "disk is not full" in said
    world.recover()
    world.assert_agrees(before)
    completed(world, mixed)
    assert world.files() == before
