"""What decisions mean for the files, before any file is touched."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cleaner.changes.names import WOULD_SPLIT, folded, folder_name_problem, numbered
from cleaner.changes.plan import make_plan, summary
from cleaner.types import Plan

PATHS = [f"cat/{n}.jpg" for n in range(12)] + [f"dog/{n}.jpg" for n in range(8, 20)]


def planned(catalog, *decisions) -> Plan:
    return make_plan(catalog, {one.item: one for one in decisions})


def test_a_relabel_moves_the_file_to_the_other_class_and_says_what_it_was(build, decide):
    plan = planned(build(PATHS), decide("cat/3.jpg", "relabel", "dog"))
    [operation] = plan.operations
    assert (operation.kind, operation.source, operation.target) == ("move", "cat/3.jpg", "dog/3.jpg")
    assert (operation.label, operation.new_label) == ("cat", "dog")


def test_a_relabel_below_a_split_folder_stays_in_its_split(build, decide):
    catalog = build(["train/cat/a/1.jpg", "train/dog/2.jpg"], class_level=1)
    plan = planned(catalog, decide("train/cat/a/1.jpg", "relabel", "dog"))
    assert plan.operations[0].target == "train/dog/a/1.jpg"


def test_a_delete_goes_to_the_trash(build, decide):
    [operation] = planned(build(PATHS), decide("cat/3.jpg", "delete")).operations
    assert (operation.kind, operation.source, operation.new_label) == ("trash", "cat/3.jpg", None)


@pytest.mark.parametrize(("action", "label"), [("keep", None), ("unsure", None), ("relabel", "cat")])
def test_what_changes_nothing_is_not_in_the_plan(build, decide, action, label):
    assert planned(build(PATHS), decide("cat/3.jpg", action, label)) == Plan()


def test_decisions_on_images_that_are_gone_change_nothing(build, decide):
    assert planned(build(PATHS), decide("cat/99.jpg", "delete")) == Plan()


def test_a_moved_image_is_planned_from_where_it_lies_now(build, decide):
    catalog = build(["dog/1-2.jpg", "dog/1.jpg"], ids=["cat/1.jpg", "dog/1.jpg"])
    [operation] = planned(catalog, decide("cat/1.jpg", "relabel", "owl")).operations
    assert (operation.item, operation.source) == ("cat/1.jpg", "dog/1-2.jpg")
    assert operation.target == "owl/1-2.jpg"


def test_a_name_that_is_taken_gets_a_number(build, decide):
    plan = planned(
        build(["cat/1.jpg", "owl/1.jpg", "dog/1.jpg", "dog/1-2.JPG"]),
        decide("cat/1.jpg", "relabel", "dog"),
        decide("owl/1.jpg", "relabel", "dog"),
    )
    assert [operation.target for operation in plan.operations] == ["dog/1-3.jpg", "dog/1-4.jpg"]


def test_two_images_that_change_places_never_share_a_name(build, decide):
    plan = planned(
        build(["cat/1.jpg", "dog/1.jpg"]),
        decide("cat/1.jpg", "relabel", "dog"),
        decide("dog/1.jpg", "relabel", "cat"),
    )
    assert [operation.target for operation in plan.operations] == ["dog/1-2.jpg", "cat/1-2.jpg"]


@pytest.mark.parametrize(
    "label",
    [
        *("", " ", ".", "..", "../../etc", "a/b", "a\\b", ".hidden", "a\0b", "a\nb", "a\u2028b", "\ud800"),
        *("a ", " a", "a.", "CON", "nul.txt", "com¹", "a:b", "what?", "x" * 256, "ü" * 128),
    ],
)
def test_a_label_that_cannot_be_a_folder_is_refused_with_a_reason(build, decide, label):
    plan = planned(build(PATHS), decide("cat/3.jpg", "relabel", label))
    assert not plan.operations
    assert plan.refusals[0].item == "cat/3.jpg"
    assert plan.refusals[0].reason == folder_name_problem(label)


@pytest.mark.parametrize("label", ["dog", "Löwe", "猫", "a b", "console", "x" * 255, "ü" * 127, "v1.2"])
def test_ordinary_labels_in_any_script_are_folder_names(label):
    assert folder_name_problem(label) is None


def test_a_class_that_is_there_already_may_have_a_name_that_other_systems_cannot_store(build, decide):
    catalog = build(["cat/1.jpg", "who?/2.jpg"])
    assert len(planned(catalog, decide("cat/1.jpg", "relabel", "who?"))) == 1
    assert len(planned(catalog, decide("cat/1.jpg", "relabel", "why?"))) == 0


def test_a_new_class_spelled_like_another_one_is_refused(build, decide):
    catalog = build(PATHS)
    first, second = decide("cat/1.jpg", "relabel", "owl"), decide("cat/2.jpg", "relabel", "OWL")
    plan = planned(catalog, decide("cat/3.jpg", "relabel", "Dog"), first, second)
    assert [refusal.item for refusal in plan.refusals] == ["cat/2.jpg", "cat/3.jpg"]
    assert "'dog'" in plan.refusals[1].reason


def test_a_new_class_that_would_turn_class_folders_into_split_folders_is_refused(build, decide):
    def plan(*paths, level=0):
        catalog = build(paths, class_level=level)
        wanted = zip(catalog.ids, ("train", "test", "owl"), strict=True)
        decisions = {item: decide(item, "relabel", label) for item, label in wanted}
        return make_plan(catalog, decisions, are_splits={"train", "test"}.issubset)

    refused = plan("a/1.jpg", "a/2.jpg", "a/3.jpg")
    assert [operation.new_label for operation in refused.operations] == ["train", "owl"]
    assert refused.refusals[0].reason == WOULD_SPLIT.format("test")
    assert plan("test/1.jpg", "test/2.jpg", "test/3.jpg").refusals[0].reason == WOULD_SPLIT.format("train")
    assert plan("train/a/1.jpg", "train/a/2.jpg", "test/a/3.jpg", level=1).refusals == ()


def test_a_class_in_another_case_or_normal_form_keeps_the_names_of_its_files(build, decide):
    catalog = build(["Dog/1.jpg", "cafe\u0301/2.jpg", "caf\u00e9/3.jpg", "dog/4.jpg"])
    plan = planned(
        catalog, decide("Dog/1.jpg", "relabel", "dog"), decide("cafe\u0301/2.jpg", "relabel", "caf\u00e9")
    )
    assert [operation.target for operation in plan.operations] == ["dog/1.jpg", "caf\u00e9/2.jpg"]
    rival = build(["Dog/1.jpg", "dog/1.jpg"])
    assert planned(rival, decide("Dog/1.jpg", "relabel", "dog")).operations[0].target == "dog/1-2.jpg"


def test_a_plan_is_a_data_frame(build, decide):
    frame = planned(
        build(PATHS), decide("cat/3.jpg", "relabel", "dog"), decide("dog/9.jpg", "delete")
    ).frame()
    assert list(frame.columns) == ["item", "kind", "source", "target", "label", "new_label"]
    assert list(frame["kind"]) == ["move", "trash"]
    assert list(Plan().frame().columns) == list(frame.columns)


def test_a_plan_on_which_people_do_not_agree_is_warned_of(build, decide):
    warnings = make_plan(build(PATHS), {}, disputed=2).warnings
    assert warnings == ("People do not agree on 2 images: the last decision holds.",)


def test_decisions_on_a_table_move_no_file_and_say_what_to_do_instead(build, decide):
    catalog = build(["1.jpg", "2.jpg"], labels_in="table", labels=["cat", "dog"])
    plan = planned(catalog, decide("1.jpg", "relabel", "dog"), decide("2.jpg", "delete"))
    assert plan.operations == ()
    assert [refusal.item for refusal in plan.refusals] == ["1.jpg", "2.jpg"]
    assert "export" in plan.warnings[0]


@pytest.mark.parametrize("path", ["../cat/1.jpg", "/etc/1.jpg", "cat/../../1.jpg", "cat/\udcff.jpg"])
@pytest.mark.parametrize("action", ["delete", "relabel"])
def test_a_path_that_leaves_the_dataset_or_is_no_text_is_refused(build, decide, path, action):
    catalog = build([path], labels=["cat"], vocab=["dog"])
    plan = planned(catalog, decide(path, action, "dog" if action == "relabel" else None))
    assert not plan.operations
    assert len(plan.refusals) == 1


def test_an_image_outside_of_any_class_folder_is_not_turned_into_a_class(build, decide):
    catalog = build(["1.jpg", "cat/2.jpg"], labels=["cat", "cat"])
    plan = planned(catalog, decide("1.jpg", "relabel", "dog"))
    assert not plan.operations
    assert "no class folder" in plan.refusals[0].reason


@given(label=st.text(max_size=300), known=st.booleans())
@example(label="..", known=True)
@example(label=".", known=True)
@example(label="/etc", known=True)
@example(label=".git", known=False)
@example(label="a/../../b", known=True)
def test_whatever_the_label_no_file_leaves_the_dataset_and_no_class_is_hidden(build, decide, label, known):
    catalog = build(["train/cat/1.jpg"], class_level=1, vocab=[label] if known else [])
    plan = planned(catalog, decide("train/cat/1.jpg", "relabel", label))
    assert len(plan.operations) + len(plan.refusals) == (label != "cat")
    for operation in plan.operations:
        parts = PurePosixPath(operation.target).parts
        assert parts == ("train", label, "1.jpg")
        assert not label.startswith(".")
        assert (Path("/data") / operation.target).is_relative_to("/data/train")


@given(
    moves=st.lists(st.tuples(st.sampled_from("abAB"), st.sampled_from(["x.jpg", "X.jpg"])), unique=True),
    label=st.sampled_from(["a", "b", "c"]),
)
def test_no_two_files_are_ever_planned_for_one_name(build, decide, moves, label):
    catalog = build([f"{folder}/{name}" for folder, name in moves])
    plan = planned(catalog, *(decide(item, "relabel", label) for item in catalog.ids))
    targets = [folded(operation.target) for operation in plan.operations]
    assert len({*targets}) == len(targets)
    for operation in plan.operations:
        others = {folded(path) for path in catalog.paths if path != operation.source}
        assert folded(operation.target) not in others


@pytest.mark.parametrize("pair", [("a/X.JPG", "A/x.jpg"), ("Löwe", "LO\u0308WE"), ("straße", "STRASSE")])
def test_names_that_a_disk_cannot_tell_apart_fold_to_one(pair):
    assert folded(pair[0]) == folded(pair[1]) != folded("other")


def test_numbers_go_before_the_suffix():
    names = numbered("a/x.tar.gz")
    assert [next(names) for _ in range(3)] == ["a/x.tar.gz", "a/x.tar-2.gz", "a/x.tar-3.gz"]


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("x" * 251 + ".jpg", "x" * 248 + "-2.jpg"),
        ("ü" * 125 + ".jpg", "ü" * 124 + "-2.jpg"),
        ("x" * 248 + ".jpg", "x" * 248 + "-2.jpg"),
        ("1. " + "x" * 252, "1. " + "x" * 245 + "-2"),
    ],
)
def test_a_numbered_name_is_never_too_long_nor_is_that_of_its_sidecar(name, second):
    names = numbered(f"a/{name}")
    assert next(names) == f"a/{name}"
    assert next(names) == f"a/{second}"
    assert len(second.encode()) <= 255
    assert len(PurePosixPath(second).with_suffix(".json").name.encode()) <= 255


def test_emptying_a_class_is_warned_of_unless_it_is_filled_again(build, decide):
    catalog = build([*PATHS, "owl/1.jpg"])
    assert "'owl'" in planned(catalog, decide("owl/1.jpg", "delete")).warnings[0]
    refill = (decide("owl/1.jpg", "relabel", "cat"), decide("cat/2.jpg", "relabel", "owl"))
    assert planned(catalog, *refill).warnings == ()


def test_a_class_whose_folder_will_be_made_is_warned_of_once(build, decide):
    two = [decide(f"cat/{n}.jpg", "relabel", "owl") for n in range(2)]
    assert planned(build(PATHS), *two).warnings == ("There is no class 'owl' yet: its folder will be made.",)
    assert planned(build(PATHS, vocab=["owl"]), *two).warnings == ()


def test_removing_more_than_a_tenth_is_warned_of(build, decide):
    catalog = build([f"cat/{n}.jpg" for n in range(20)])
    two = [decide(f"cat/{n}.jpg", "delete") for n in range(2)]
    assert planned(catalog, *two).warnings == ()
    assert "3 of 20" in planned(catalog, *two, decide("cat/9.jpg", "delete")).warnings[0]


def test_touching_held_out_images_is_warned_of(build, decide):
    catalog = build(PATHS, held_out=["cat/1.jpg", "cat/2.jpg", "dog/9.jpg"])
    plan = planned(catalog, decide("cat/1.jpg", "relabel", "dog"), decide("cat/5.jpg", "relabel", "dog"))
    assert plan.warnings == (
        "1 held-out image is touched: rounds are compared on the held-out images that remain.",
    )


def test_the_summary_counts_what_would_happen(build, decide):
    catalog = build(PATHS)
    moves = [decide(f"cat/{n}.jpg", "relabel", "dog") for n in range(2)]
    removal, refused = decide("dog/9.jpg", "delete"), decide("cat/7.jpg", "relabel", "..")
    assert summary(planned(catalog, *moves, removal)) == (
        "2 images change class, 1 goes to the project's trash; nothing is deleted for good."
    )
    assert summary(planned(catalog, removal)) == (
        "1 image goes to the project's trash; nothing is deleted for good."
    )
    assert summary(planned(catalog, refused)) == "No image would be changed; 1 decision can't be applied."
    assert summary(Plan()) == "No image would be changed."
