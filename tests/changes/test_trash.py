"""The trash: what lies in it, what comes back, and what is destroyed when the word for it is given."""

from __future__ import annotations

import pytest

from cleaner.changes.trash import in_trash
from cleaner.errors import Refused


@pytest.fixture
def removed(decide):
    return (decide("cat/1.jpg", "delete"), decide("owl/5.jpg", "delete"))


def ids(world) -> list[str]:
    return [image.id for image in in_trash(world.ledger)]


def test_the_trash_lists_what_was_removed_by_whom_and_from_where(world, removed):
    receipt = world.apply(world.plan(*removed))
    first, second = in_trash(world.ledger)
    assert (first.id, second.id) == ("owl/5.jpg", "cat/1.jpg")
    assert (second.path, second.label, second.by, second.bytes) == ("cat/1.jpg", "cat", "ann", 3)
    assert second.apply == receipt.batch
    assert second.at.endswith("+00:00")


def test_single_images_come_back_and_the_rest_stays(world, removed):
    before = world.images()
    world.apply(world.plan(*removed))
    world.undo(items=["cat/1.jpg"])
    assert ids(world) == ["owl/5.jpg"]
    assert world.images()["cat/1.jpg"] == before["cat/1.jpg"]
    world.undo()
    assert world.images() == before
    assert ids(world) == []


@pytest.mark.parametrize("word", ["", "yes", "Destroy", "destroy "])
def test_nothing_is_destroyed_without_the_word(world, removed, word):
    world.apply(world.plan(*removed))
    before = world.files()
    with pytest.raises(Refused, match="give the word 'destroy'"):
        world.empty(word=word)
    assert world.files() == before


def test_emptying_destroys_what_is_in_the_trash_and_nothing_else(world, removed, decide):
    before = world.images()
    world.apply(world.plan(*removed, decide("cat/2.jpg", "relabel", "dog")))
    receipt = world.empty()
    assert (receipt.verb, len(receipt.done), receipt.failed) == ("empty", 2, ())
    assert not (world.home / "trash").exists() or not list((world.home / "trash").rglob("*"))
    assert ids(world) == []
    world.assert_agrees(before, destroyed=["cat/1.jpg", "owl/5.jpg"])
    assert len(world.undo().done) == 1
    left = {path: content for path, content in before.items() if path not in ("cat/1.jpg", "owl/5.jpg")}
    assert world.images() == left
    with pytest.raises(Refused, match="nothing to undo"):
        world.undo()
    assert world.empty().batch == 0


def test_single_images_are_destroyed_and_the_rest_can_still_come_back(world, removed):
    world.apply(world.plan(*removed))
    world.empty(["cat/1.jpg"])
    assert ids(world) == ["owl/5.jpg"]
    assert [operation.item for operation in world.undo().done] == ["owl/5.jpg"]
    with pytest.raises(Refused, match=r"'cat/2\.jpg' is not in the trash"):
        world.empty(["cat/2.jpg"])


def test_what_was_changed_before_it_was_destroyed_cannot_be_undone_either(world, decide):
    first = world.apply(world.plan(decide("cat/1.jpg", "relabel", "owl"))).batch
    world.apply(world.plan(decide("cat/1.jpg", "delete")))
    world.empty()
    receipt = world.undo(first)
    assert not receipt.done
    assert "was destroyed" in receipt.failed[0].reason


def test_a_file_in_the_trash_that_is_not_ours_is_left_alone(world, removed):
    receipt = world.apply(world.plan(*removed))
    world.write(f".cleaner/trash/{receipt.batch}/cat/1.jpg", b"somebody's")
    world.write(".cleaner/trash/note.txt", b"by hand")
    emptied = world.empty()
    assert [operation.item for operation in emptied.done] == ["owl/5.jpg"]
    assert "has changed" in emptied.failed[0].reason
    assert world.files()[f".cleaner/trash/{receipt.batch}/cat/1.jpg"] == b"somebody's"
    assert world.files()[".cleaner/trash/note.txt"] == b"by hand"


def test_what_somebody_removed_from_the_trash_by_hand_is_no_longer_listed_after_emptying(world, removed):
    receipt = world.apply(world.plan(*removed))
    (world.home / "trash" / str(receipt.batch) / "cat/1.jpg").unlink()
    assert len(world.empty().done) == 2
    assert ids(world) == []


def test_a_stopped_emptying_keeps_the_rest(world, removed, monkeypatch):
    monkeypatch.setattr("cleaner.changes.trash.BLOCK", 1)
    world.apply(world.plan(*removed))
    seen = []
    receipt = world.empty(report=seen.append, stopped=lambda: len(seen) == 1)
    assert (len(receipt.done), receipt.stopped) == (1, True)
    assert len(ids(world)) == 1


def test_a_link_that_was_put_into_the_trash_leads_nobody_outside(world, removed, tmp_path):
    receipt = world.apply(world.plan(*removed))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "1.jpg").write_bytes(b"one")
    place = world.home / "trash" / str(receipt.batch) / "cat"
    place.rename(tmp_path / "moved")
    place.symlink_to(outside, target_is_directory=True)
    assert len(world.empty().failed) == 1
    assert (outside / "1.jpg").read_bytes() == b"one"
