"""Files of an image's stem go where the image goes, if asked."""

from __future__ import annotations

import pytest

from cleaner.changes.plan import make_plan, summary
from cleaner.changes.sidecars import with_sidecars
from cleaner.progress import Progress


@pytest.fixture
def annotated(new_world, sidecars, tmp_path):
    return new_world(tmp_path / "data", sidecars)


def test_sidecars_move_with_their_image_and_come_back_with_it(annotated, decide):
    before = annotated.images()
    plan = annotated.plan(decide("cat/deep/3.jpg", "relabel", "elk"), sidecars=True)
    assert [(op.kind, op.target) for op in plan.operations] == [
        ("move", "elk/deep/3.jpg"),
        ("sidecar", "elk/deep/3.xml"),
    ]
    assert "1 image changes class, 1 sidecar file goes along" in summary(plan)
    annotated.apply(plan)
    assert annotated.images()["elk/deep/3.xml"] == before["cat/deep/3.xml"]
    assert annotated.ledger.locations() == {"cat/deep/3.jpg": "elk/deep/3.jpg"}
    annotated.undo()
    assert annotated.images() == before


def test_without_being_asked_sidecars_stay(annotated, decide):
    annotated.apply(annotated.plan(decide("cat/deep/3.jpg", "relabel", "elk")))
    assert "cat/deep/3.xml" in annotated.images()


def test_image_and_sidecars_get_one_number_where_any_of_their_names_is_taken(annotated, decide):
    annotated.write("dog/2.txt", b"nobody's")
    annotated.write("cat/2.txt", b"two's")
    plan = annotated.plan(
        decide("cat/1.jpg", "relabel", "dog"), decide("cat/2.jpg", "relabel", "dog"), sidecars=True
    )
    notes: list[Progress] = []
    annotated.apply(plan, report=notes.append)
    images = annotated.images()
    assert (images["dog/1-2.jpg"], images["dog/1-2.txt"]) == (b"one", b"a box around one")
    assert images["dog/1-2.json"] == b"{}"
    assert (images["dog/2-2.jpg"], images["dog/2-2.txt"]) == (b"two is longer", b"two's")
    assert (images["dog/1.txt"], images["dog/2.txt"]) == (b"of the other one", b"nobody's")
    assert "dog/2.jpg is taken" in notes[1].note


def test_an_image_and_its_sidecars_share_a_stem_however_long_their_names_are(annotated, decide):
    long, cut = "x" * 250, "x" * 248
    for path in (f"cat/{long}.jpg", f"cat/{long}.json", f"dog/{long}.jpg"):
        annotated.write(path, path[:3].encode())
    before, relabel = annotated.images(), decide(f"cat/{long}.jpg", "relabel", "dog")
    annotated.apply(annotated.plan(relabel, sidecars=True))
    assert annotated.images()[f"dog/{cut}-2.jpg"] == annotated.images()[f"dog/{cut}-2.json"] == b"cat"
    annotated.undo()
    assert annotated.images() == before
    plan = annotated.plan(relabel, sidecars=True)
    annotated.write(f"dog/{cut}-2.json", b"nobody's")
    annotated.apply(plan)
    assert annotated.images()[f"dog/{cut}-3.jpg"] == annotated.images()[f"dog/{cut}-3.json"] == b"cat"


def test_a_removed_image_takes_its_sidecars_to_the_trash_and_out_of_it(annotated, decide):
    before = annotated.images()
    receipt = annotated.apply(annotated.plan(decide("owl/5.jpg", "delete"), sidecars=True))
    assert annotated.files()[f".cleaner/trash/{receipt.batch}/owl/5.txt"] == b"what five is"
    annotated.undo(items=["owl/5.jpg"])
    assert annotated.images() == before
    annotated.apply(annotated.plan(decide("owl/5.jpg", "delete"), sidecars=True))
    annotated.empty(["owl/5.jpg"])
    assert b"what five is" not in annotated.files().values()


def test_sidecars_come_back_from_where_a_person_has_moved_them_with_their_image(annotated, decide):
    before = annotated.images()
    annotated.apply(annotated.plan(decide("cat/1.jpg", "relabel", "elk"), sidecars=True))
    (annotated.root / "elk").rename(annotated.root / "moose")
    (annotated.root / "elk").mkdir()
    (annotated.root / "moose/1.txt").rename(annotated.root / "elk/1.txt")  # but this one
    assert annotated.undo(seen={"cat/1.jpg": "moose/1.jpg"}).failed == ()
    assert annotated.images() == before


def test_a_sidecar_that_was_edited_meanwhile_stays_and_its_image_goes(annotated, decide):
    plan = annotated.plan(decide("owl/5.jpg", "delete"), sidecars=True)
    annotated.write("owl/5.txt", b"edited")
    receipt = annotated.apply(plan)
    assert [operation.kind for operation in receipt.done] == ["trash"]
    assert receipt.failed[0].item == "owl/5.txt"
    assert annotated.images()["owl/5.txt"] == b"edited"


def test_the_sidecars_of_an_image_that_cannot_move_stay_with_it(annotated, decide):
    plan = annotated.plan(decide("owl/5.jpg", "delete"), sidecars=True)
    annotated.write("owl/5.jpg", b"fife")
    receipt = annotated.apply(plan)
    assert [failure.item for failure in receipt.failed] == ["owl/5.jpg"]
    assert annotated.images()["owl/5.txt"] == b"what five is"


def test_a_sidecar_that_two_images_share_stays_with_a_warning(annotated, build, decide):
    catalog = build(["cat/1.jpg", "cat/1.png"], root=annotated.root)
    one = decide("cat/1.jpg", "delete")
    plan = with_sidecars(make_plan(catalog, {one.item: one}), catalog=catalog, digest_of=str)
    assert [operation.kind for operation in plan.operations] == ["trash"]
    assert "cat/1.txt belongs to several images, so it stays where it is." in plan.warnings


def test_a_linked_sidecar_is_left_alone(annotated, decide, tmp_path):
    (tmp_path / "outside.txt").write_bytes(b"outside")
    (annotated.root / "dog/4.txt").symlink_to(tmp_path / "outside.txt")
    assert len(annotated.plan(decide("dog/4.jpg", "delete"), sidecars=True)) == 1
