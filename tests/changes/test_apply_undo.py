"""Apply moves, undo brings back, and no byte of anybody is lost on the way."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from cleaner.changes.apply import apply_plan
from cleaner.changes.ledger import Ledger
from cleaner.errors import CleanerError, Refused
from cleaner.progress import Progress


def test_apply_moves_and_undo_restores_byte_for_byte(world, mixed):
    before = world.images()
    receipt = world.apply(world.plan(*mixed))
    assert (len(receipt.done), receipt.failed, receipt.stopped) == (3, (), False)
    after = world.images()
    assert after["dog/1.jpg"] == before["dog/1.jpg"]
    assert after["dog/1-2.jpg"] == before["cat/1.jpg"]
    assert after["elk/deep/3.jpg"] == before["cat/deep/3.jpg"]
    assert "owl/5.jpg" not in after
    assert world.files()[f".cleaner/trash/{receipt.batch}/owl/5.jpg"] == before["owl/5.jpg"]
    undone = world.undo()
    assert (undone.verb, undone.failed) == ("undo", ())
    assert [operation.item for operation in undone.done] == [one.item for one in reversed(receipt.done)]
    assert world.files() == before


def test_the_receipt_and_the_ledger_name_the_place_that_each_file_really_got(world, mixed):
    receipt = world.apply(world.plan(*mixed))
    assert world.ledger.locations() == {operation.item: operation.target for operation in receipt.done}
    assert all((world.root / operation.target).is_file() for operation in receipt.done)
    world.undo()
    assert world.ledger.locations() == {operation.item: operation.item for operation in receipt.done}


def test_applying_again_after_a_new_scan_changes_nothing(world, mixed):
    world.apply(world.plan(*mixed))
    before = world.files()
    plan = world.plan(*mixed)
    assert len(plan) == 0
    assert world.apply(plan).batch == 0
    assert world.files() == before
    assert world.ledger.last_batch().total == 3


def test_a_plan_that_is_applied_twice_fails_file_by_file_and_harms_nothing(world, mixed):
    plan = world.plan(*mixed)
    world.apply(plan)
    before = world.files()
    receipt = world.apply(plan)
    assert len(receipt.failed) == 3
    assert "check the folder again" in receipt.failed[0].reason
    assert world.files() == before
    assert len(world.undo().done) == 3


def test_undo_goes_back_batch_by_batch_until_there_is_nothing(world, decide):
    trees = [world.images()]
    for label in ("dog", "owl", "elk"):
        world.apply(world.plan(decide("cat/1.jpg", "relabel", label), decide("cat/2.jpg", "relabel", label)))
        trees.append(world.images())
    for tree in reversed(trees[:-1]):
        world.undo()
        assert world.images() == tree
    with pytest.raises(Refused, match="nothing to undo"):
        world.undo()


def test_any_apply_can_be_undone_by_its_number_in_any_order_that_makes_sense(world, decide):
    before = world.images()
    one = world.apply(world.plan(decide("cat/1.jpg", "relabel", "dog"))).batch
    two = world.apply(world.plan(decide("cat/2.jpg", "relabel", "dog"))).batch
    three = world.apply(world.plan(decide("cat/2.jpg", "relabel", "owl"))).batch
    assert [(a.batch.id, a.standing) for a in world.ledger.applied()] == [(one, 1), (two, 1), (three, 1)]
    assert len(world.undo(one).done) == 1
    assert world.images()["cat/1.jpg"] == before["cat/1.jpg"]
    blocked = world.undo(two)
    assert not blocked.done
    assert "changed again later; undo that first" in blocked.failed[0].reason
    assert len(world.undo(three).done) == len(world.undo(two).done) == 1
    assert world.images() == before
    assert [a.standing for a in world.ledger.applied()] == [0, 0, 0]


def test_what_is_no_apply_or_is_undone_already_is_refused(world, mixed):
    number = world.apply(world.plan(*mixed)).batch
    undone = world.undo().batch
    with pytest.raises(Refused, match=f"all that apply {number} did was undone"):
        world.undo(number)
    for wrong in (undone, 99):
        with pytest.raises(Refused, match=f"{wrong} is no apply"):
            world.undo(wrong)


def test_single_images_are_undone_step_by_step(world, mixed, decide):
    before = world.images()
    world.apply(world.plan(*mixed))
    world.apply(world.plan(decide("cat/1.jpg", "relabel", "owl")))
    assert world.undo(items=["cat/1.jpg", "owl/5.jpg"]).failed == ()
    assert world.images()["dog/1-2.jpg"] == before["cat/1.jpg"]
    assert world.images()["owl/5.jpg"] == before["owl/5.jpg"]
    assert "elk/deep/3.jpg" in world.images()
    world.undo(items=["cat/1.jpg"])
    assert world.images()["cat/1.jpg"] == before["cat/1.jpg"]
    with pytest.raises(Refused, match=r"'cat/1\.jpg' was not changed, or that was undone"):
        world.undo(items=["cat/deep/3.jpg", "cat/1.jpg"])
    world.undo()
    assert world.images() == before


def test_more_images_than_one_commit_takes_are_moved_and_brought_back(world, decide):
    for number in range(100):
        world.write(f"cat/n{number}.jpg", b"%d" % number)
    before = world.images()
    decisions = [decide(f"cat/n{number}.jpg", "relabel", "dog") for number in range(100)]
    assert len(world.apply(world.plan(*decisions)).done) == 100
    world.undo()
    assert world.images() == before


def test_two_disks_a_file_is_copied_verified_and_only_then_removed(world, mixed, monkeypatch):
    before = world.images()
    real = Path.replace

    def apart(self, target):
        if self.parent != Path(target).parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", apart)
    os.utime(world.root / "cat/1.jpg", (1, 1))
    receipt = world.apply(world.plan(*mixed))
    assert (len(receipt.done), receipt.failed) == (3, ())
    assert (world.root / "dog/1-2.jpg").stat().st_mtime == 1
    world.assert_agrees(before)
    world.undo()
    assert world.files() == before


def test_a_file_that_changes_while_it_is_copied_to_another_disk_stays(world, decide, monkeypatch):
    plan = world.plan(decide("cat/2.jpg", "relabel", "dog"))
    real = shutil.copyfile

    def edited(source, target):
        real(source, target)
        Path(source).write_bytes(b"edited just now")

    def other_disk(self, target):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(Path, "replace", other_disk)
    monkeypatch.setattr(shutil, "copyfile", edited)
    receipt = world.apply(plan)
    assert "changed while it was copied" in receipt.failed[0].reason
    assert world.images()["cat/2.jpg"] == b"edited just now"
    assert "dog/2.jpg" not in world.images()
    assert world.recover() is None


def test_where_a_file_is_that_could_not_be_told_is_settled_the_next_time(world, decide, monkeypatch):
    plan = world.plan(decide("cat/2.jpg", "relabel", "dog"))
    real = Path.replace

    def away(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:

        def confused(self, target):
            real(self, target)
            patch.setattr(os, "lstat", away)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        patch.setattr(Path, "replace", confused)
        receipt = world.apply(plan)
    assert "can't be told; open the project again" in receipt.failed[0].reason
    assert "1 of 1 changes was made" in world.recover()
    assert world.ledger.locations() == {"cat/2.jpg": "dog/2.jpg"}


def test_an_apply_after_an_undo_can_be_undone_too(world, mixed, decide):
    before = world.images()
    world.apply(world.plan(*mixed))
    world.undo()
    world.apply(world.plan(decide("cat/1.jpg", "relabel", "owl")))
    world.apply(world.plan(decide("cat/2.jpg", "delete")))
    world.undo()
    world.undo()
    assert world.images() == before


def test_a_file_that_only_the_disk_knows_of_is_never_overwritten(world, decide):
    plan = world.plan(decide("cat/2.jpg", "relabel", "dog"))
    world.write("dog/2.jpg", b"")
    world.write("dog/2-2.jpg", b"somebody's")
    notes: list[Progress] = []
    receipt = world.apply(plan, report=notes.append)
    assert receipt.done[0].target == "dog/2-3.jpg"
    assert "dog/2.jpg is taken" in notes[0].note
    images = world.images()
    assert (images["dog/2.jpg"], images["dog/2-2.jpg"]) == (b"", b"somebody's")


def test_a_name_that_is_taken_in_the_very_last_moment_is_not_overwritten(world, decide, monkeypatch):
    plan = world.plan(decide("cat/2.jpg", "relabel", "dog"))
    real = os.open

    def late(path, flags, *rest, **options):
        if flags & os.O_EXCL and Path(path).name == "2.jpg":
            Path(path).write_bytes(b"first")
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", late)
    receipt = world.apply(plan)
    assert receipt.done[0].target == "dog/2-2.jpg" == world.ledger.locations()["cat/2.jpg"]
    assert world.images()["dog/2.jpg"] == b"first"


def test_a_name_as_long_as_a_disk_takes_gets_a_number_too(world, decide):
    name = "x" * 251 + ".jpg"
    world.write(f"cat/{name}", b"cat's")
    world.write(f"dog/{name}", b"dog's")
    before = world.images()
    receipt = world.apply(world.plan(decide(f"cat/{name}", "relabel", "dog")))
    assert receipt.done[0].target == "dog/" + "x" * 248 + "-2.jpg"
    assert world.undo().failed == ()
    assert world.images() == before


def test_a_place_whose_name_is_too_long_fails_with_a_sentence_and_leaves_nothing_open(world, decide):
    plan = world.plan(decide("cat/2.jpg", "relabel", "dog"), decide("owl/5.jpg", "delete"))
    too_long = replace(plan.operations[0], target="dog/" + "x" * 256)
    before = world.images()
    receipt = world.apply(replace(plan, operations=(too_long, *plan.operations[1:])))
    assert receipt.failed[0].reason.endswith("x: the name is too long.")
    assert [operation.item for operation in receipt.done] == ["owl/5.jpg"]
    assert world.recover() is None
    world.assert_agrees(before)


def test_undo_puts_a_file_beside_one_that_took_its_name(world, decide):
    world.apply(world.plan(decide("cat/1.jpg", "delete")))
    world.write("cat/1.jpg", b"newcomer")
    receipt = world.undo()
    assert receipt.done[0].target == "cat/1-2.jpg" == world.ledger.locations()["cat/1.jpg"]
    assert (world.images()["cat/1.jpg"], world.images()["cat/1-2.jpg"]) == (b"newcomer", b"one")


def test_an_earlier_batch_is_undone_from_where_a_later_undo_had_to_put_the_file(world, decide):
    world.apply(world.plan(decide("cat/2.jpg", "relabel", "dog")))
    world.apply(world.plan(decide("cat/2.jpg", "relabel", "owl")))
    world.write("dog/2.jpg", b"newcomer")
    assert world.undo().done[0].target == "dog/2-2.jpg"
    assert world.undo().done[0].target == "cat/2.jpg"
    assert world.images()["cat/2.jpg"] == b"two is longer"
    assert world.images()["dog/2.jpg"] == b"newcomer"


def test_changed_and_vanished_files_fail_with_a_sentence_and_the_rest_goes_on(world, mixed):
    plan = world.plan(*mixed)
    world.write("cat/1.jpg", b"oni")  # same size, other bytes
    (world.root / "owl/5.jpg").unlink()
    receipt = world.apply(plan)
    assert [operation.item for operation in receipt.done] == ["cat/deep/3.jpg"]
    reasons = {failure.item: failure.reason for failure in receipt.failed}
    assert reasons["cat/1.jpg"] == "cat/1.jpg has changed since it was checked; check the folder again."
    assert reasons["owl/5.jpg"] == "owl/5.jpg is no longer there; check the folder again."
    assert world.images()["cat/1.jpg"] == b"oni"


def test_undo_brings_a_file_back_from_where_a_person_has_moved_it(world, mixed):
    before = world.images()
    world.apply(world.plan(*mixed))
    (world.root / "dog").rename(world.root / "hound")
    world.write("dog/1-2.jpg", b"a newcomer")
    receipt = world.undo(seen={"cat/1.jpg": "hound/1-2.jpg"})
    assert receipt.failed == ()
    assert world.ledger.locations()["cat/1.jpg"] == "cat/1.jpg"
    (world.root / "dog/1-2.jpg").unlink()
    (world.root / "dog").rmdir()
    (world.root / "hound").rename(world.root / "dog")
    assert world.images() == before


def test_a_file_that_a_person_has_put_back_stays_there_and_counts_as_undone(world, mixed):
    before = world.images()
    world.apply(world.plan(*mixed))
    (world.root / "dog/1-2.jpg").rename(world.root / "cat/1.jpg")
    receipt = world.undo(seen={"cat/1.jpg": "cat/1.jpg"})
    assert (len(receipt.done), receipt.failed) == (3, ())
    assert world.images() == before
    assert not world.ledger.can_undo


def test_undo_takes_no_other_picture_for_one_that_a_person_has_moved(world, decide):
    world.apply(world.plan(decide("cat/1.jpg", "relabel", "dog")))
    (world.root / "dog/1-2.jpg").rename(world.root / "owl/1.jpg")
    world.write("owl/1.jpg", b"eno")
    receipt = world.undo(seen={"cat/1.jpg": "owl/1.jpg"})
    assert receipt.failed[0].reason == "dog/1-2.jpg is no longer there; check the folder again."
    assert world.images()["owl/1.jpg"] == b"eno"


def test_undo_leaves_a_file_that_was_edited_where_it_is_and_goes_on(world, mixed):
    world.apply(world.plan(*mixed))
    world.write("dog/1-2.jpg", b"edited")
    receipt = world.undo()
    assert [failure.item for failure in receipt.failed] == ["cat/1.jpg"]
    assert len(receipt.done) == 2
    assert world.images()["dog/1-2.jpg"] == b"edited"
    assert world.ledger.locations()["cat/1.jpg"] == "dog/1-2.jpg"


def test_a_failed_undo_does_not_bar_the_earlier_batches_and_can_be_tried_again(world, decide):
    before = world.images()
    world.apply(world.plan(decide("cat/1.jpg", "relabel", "owl"), decide("cat/2.jpg", "relabel", "owl")))
    world.apply(world.plan(decide("cat/1.jpg", "relabel", "elk")))
    world.write("elk/1.jpg", b"edited")
    assert len(world.undo().failed) == 1
    earlier = world.undo()
    assert [operation.item for operation in earlier.done] == ["cat/2.jpg"]
    assert "later" in earlier.failed[0].reason
    world.write("elk/1.jpg", before["cat/1.jpg"])
    assert len(world.undo().done) == 1
    assert len(world.undo().done) == 1
    assert world.images() == before


def test_a_file_where_the_class_folder_should_be_fails_only_what_goes_there(world, mixed):
    plan = world.plan(*mixed)
    world.write("elk", b"a file")
    receipt = world.apply(plan)
    assert [failure.item for failure in receipt.failed] == ["cat/deep/3.jpg"]
    assert receipt.failed[0].reason.endswith("a file stands where its folder should be.")
    assert len(receipt.done) == 2
    assert world.images()["elk"] == b"a file"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EACCES, "permission denied"),
        (errno.EIO, "input/output error"),
    ],
)
def test_a_file_that_may_not_be_moved_fails_and_leaves_no_trace(world, mixed, monkeypatch, code, words):
    plan = world.plan(*mixed)
    before = world.images()
    real = Path.replace

    def barred(self, target):
        if self.name == "1.jpg":
            raise OSError(code, os.strerror(code))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", barred)
    receipt = world.apply(plan)
    assert [failure.item for failure in receipt.failed] == ["cat/1.jpg"]
    assert words in receipt.failed[0].reason
    assert len(receipt.done) == 2
    assert sorted(world.files().values()) == sorted(before.values())
    assert "dog/1-2.jpg" not in world.images()
    assert world.recover() is None


def test_a_move_that_reports_an_error_and_yet_happened_counts_as_done(world, decide, monkeypatch):
    real = Path.replace

    def confused(self, target):
        real(self, target)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "replace", confused)
    receipt = world.apply(world.plan(decide("cat/2.jpg", "relabel", "dog")))
    assert len(receipt.done) == 1
    assert world.ledger.locations() == {"cat/2.jpg": "dog/2.jpg"}


def test_a_full_disk_stops_with_a_sentence_and_can_go_on(world, mixed, monkeypatch):
    plan = world.plan(*mixed)
    before = world.images()
    real = os.open
    claims = []

    def full(path, flags, *rest, **options):
        if flags & os.O_EXCL and Path(path).suffix == ".jpg":
            claims.append(path)
            if len(claims) == 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, flags, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(CleanerError, match=r"disk is full: 1 of 3 changes"):
            world.apply(plan)
    assert sorted(world.files().values()) == sorted(before.values())
    assert world.recover().startswith("The last apply was interrupted: 1 of 3 changes was made")
    assert len(world.apply(world.plan(*mixed)).done) == 2
    world.undo()
    world.undo()
    assert world.files() == before


def test_a_failing_database_stops_with_a_sentence_and_loses_nothing(new_world, mixed, tmp_path):
    world = new_world(tmp_path / "data")
    plan = world.plan(*mixed)
    before = world.images()
    engine = world.ledger._engine
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER broken BEFORE UPDATE ON operations WHEN NEW.item = 'cat/deep/3.jpg' "
                "BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
            )
        )
    with pytest.raises(CleanerError, match=r"database can't be used \(disk I/O error\)"):
        world.apply(plan)
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER broken"))
    assert sorted(world.files().values()) == sorted(before.values())
    assert "3 of 3 changes were made" in world.recover()  # the moves of a block, before their common end
    world.undo()
    assert world.files() == before


def test_stop_keeps_what_was_done_and_apply_goes_on_later(world, mixed):
    before = world.images()
    seen: list[Progress] = []
    receipt = world.apply(world.plan(*mixed), report=seen.append, stopped=lambda: len(seen) == 1)
    assert (len(receipt.done), receipt.stopped) == (1, True)
    assert world.recover() is None
    assert len(world.apply(world.plan(*mixed)).done) == 2
    halfway = world.undo(stopped=lambda: len(seen) == 1)
    assert (len(halfway.done), halfway.stopped) == (0, True)
    world.undo()
    world.undo()
    assert world.files() == before


def test_progress_is_reported_to_the_end(world, mixed):
    seen: list[Progress] = []
    world.apply(world.plan(*mixed), report=seen.append)
    assert [(one.phase, one.done, one.total) for one in seen] == [("apply", n, 3) for n in (1, 2, 3)]


def test_a_class_folder_that_leads_outside_is_left_alone(world, decide, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "9.jpg").write_bytes(b"nine")
    plan = world.plan(decide("cat/1.jpg", "relabel", "elk"), decide("owl/5.jpg", "delete"))
    (world.root / "elk").symlink_to(outside, target_is_directory=True)
    (world.root / "owl").rename(tmp_path / "owl")
    (world.root / "owl").symlink_to(tmp_path / "owl", target_is_directory=True)
    receipt = world.apply(plan)
    assert len(receipt.failed) == 2
    assert all("leads outside of the dataset" in failure.reason for failure in receipt.failed)
    assert [place.name for place in outside.iterdir()] == ["9.jpg"]
    assert (tmp_path / "owl/5.jpg").is_file()


def test_a_link_in_the_place_of_an_image_is_left_alone(world, decide, tmp_path):
    plan = world.plan(decide("cat/1.jpg", "delete"))
    (world.root / "cat/1.jpg").rename(tmp_path / "1.jpg")
    (world.root / "cat/1.jpg").symlink_to(tmp_path / "1.jpg")
    assert "not a plain file" in world.apply(plan).failed[0].reason
    assert (tmp_path / "1.jpg").read_bytes() == b"one"


def test_the_trash_must_lie_inside_the_dataset(world, mixed, tmp_path):
    with pytest.raises(Refused, match="outside of the dataset, so no file of it is ever moved"):
        apply_plan(
            world.plan(*mixed),
            root=world.root,
            home=tmp_path,
            ledger=world.ledger,
            digest_of=str,
            by="ann",
        )


def test_a_folder_that_cannot_be_locked_is_refused_with_a_sentence(world, mixed):
    plan = world.plan(*mixed)
    (world.home / "apply.lock").mkdir()
    with pytest.raises(Refused, match="can't be written to"):
        world.apply(plan)


LOCKER = """
import sys, time
from pathlib import Path
from cleaner.changes.files import applying
with applying(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_only_one_program_applies_at_a_time_and_the_lock_dies_with_it(world, mixed):
    before = world.files()
    world.ledger.begin("apply", by="the other window", total=40)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LOCKER, str(world.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout.readline() == b"locked\n"
        for verb in (lambda: world.apply(world.plan(*mixed)), world.undo):
            with pytest.raises(Refused, match="Another window is applying"):
                verb()
        assert world.recover() is None
        assert world.files() == before
        assert len(world.ledger.open_batches()) == 1
        other.kill()
    said = world.recover()
    assert said.startswith("The last apply was interrupted: 0 of 40 changes were made; 40 are still planned.")
    assert len(world.apply(world.plan(*mixed)).done) == 3


def test_windows_that_open_a_new_database_at_once_all_find_their_tables(request, world, tmp_path):
    url = f"sqlite:///{tmp_path / 'new.db'}"
    if world.engine.name == "postgresql":
        url = request.getfixturevalue("postgres")()
    engines = [create_engine(url) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        ledgers = list(pool.map(Ledger, engines))
    assert [ledger.applied() for ledger in ledgers] == [()] * 6
    for engine in engines:
        engine.dispose()


def test_the_tables_live_beside_others_and_are_made_once(world, mixed):
    world.apply(world.plan(*mixed))
    again = Ledger(world.ledger._engine)
    assert again.locations() == world.ledger.locations()
    last = again.last_batch()
    assert (last.verb, last.by, last.total) == ("apply", "ann", 3)
    assert last.at.endswith("+00:00")
