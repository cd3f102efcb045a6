from __future__ import annotations

import numpy as np
import pytest

from cleaner.errors import InputError
from cleaner.ranking.evidence import Grounds, evidence, usual
from cleaner.ranking.neighbours import nearest

VOCAB = ("black", "grizzly", "teddy")


def _fan(*angles: float):
    """Return directions in a plane, degrees from the first: the smaller the angle, the more alike."""
    radians = np.deg2rad(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def _one(x, labels, *, row: int = 0, suggested: int | None = None, **asked) -> Grounds:
    instead = labels[row] if suggested is None else suggested
    (found,) = evidence([row], x, np.asarray(labels), vocab=VOCAB, suggested=[instead], **asked)
    return found


def _said(x, labels, **asked) -> tuple[str, ...]:
    return _one(x, labels, **asked).reasons


def test_the_nearest_of_both_classes_are_shown_best_first() -> None:
    labels = [0, 1, 0, 1, 0, 1, 0, 1, 0, 2]
    found = _one(_fan(0, 9, 8, 7, 6, 5, 4, 3, 2, 1), labels, suggested=1)
    assert found.given.tolist() == [8, 6, 4]
    assert found.suggested.tolist() == [7, 5, 3]
    assert found.given.dtype == found.suggested.dtype == found.copies.dtype == np.int32


def test_fewer_are_shown_where_there_are_fewer_and_ties_go_to_the_lower_row() -> None:
    found = _one(_fan(0, 5, -5, 5, 9), [0, 0, 0, 0, 1], suggested=1, shown=2)
    assert found.given.tolist() == [1, 2]
    assert found.suggested.tolist() == [4]


def test_without_another_class_to_suggest_only_the_given_one_is_shown() -> None:
    assert _one(_fan(0, 1, 2), [0, 0, 1]).suggested.tolist() == []


def test_a_near_copy_shows_nothing_and_of_each_group_one_is_enough() -> None:
    x, groups = _fan(0, 1, 2, 3, 4, 5), [7, 7, 3, 3, 4, 5]
    found = _one(x, [0] * 6, groups=groups)
    assert found.given.tolist() == [2, 4, 5]
    assert found.copies.tolist() == [1]
    assert found.reasons[-1] == "the 3 nearest images are all black"


def test_labels_that_are_sound_are_shown_first_and_others_only_where_these_are_too_few() -> None:
    """What lies nearest to a wrong label are wrong labels of the same kind: they would vouch for it."""
    x, sound = _fan(0, 1, 2, 3, 40, 50), np.array([True, False, False, False, True, True])
    found = _one(x, [0] * 6, sound=sound)
    assert found.given.tolist() == [4, 5, 1]
    assert _one(x, [0] * 6, sound=sound, groups=[0, 4, 2, 3, 4, 5]).given.tolist() == [4, 5, 2]


def test_what_is_gone_takes_no_part() -> None:
    gone = np.array([False, True, False, False, True])
    found = _one(_fan(0, 1, 2, 3, 4), [0, 1, 0, 0, 0], gone=gone, groups=[0, 1, 2, 3, 0])
    assert found.given.tolist() == [2, 3]
    assert found.copies.tolist() == []
    assert found.reasons == ("the 2 nearest images are all black",)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([1] * 12, "the 10 nearest images are all grizzly"),
        ([0] * 10 + [1] * 5, "the 10 nearest images are all black"),
        ([1] * 8 + [0] * 2, "8 of the 10 nearest images are grizzly, 2 black"),
        ([1] * 8 + [2] * 2, "8 of the 10 nearest images are grizzly, none black"),
        ([0] * 7 + [1] * 2 + [2], "7 of the 10 nearest images are black, 2 grizzly"),
        ([1] * 5 + [2] * 5, "none of the 10 nearest images is black"),
        ([1] * 5 + [2] * 4 + [0], "only 1 of the 10 nearest images is black, 5 grizzly"),
        ([0] * 4 + [1] * 3 + [2] * 3, "only 4 of the 10 nearest images are black, 3 grizzly"),
        ([1, 2], "none of the 2 nearest images is black"),
        ([1] * 3, "the 3 nearest images are all grizzly"),
        ([2], "the nearest image is teddy"),
    ],
)
def test_what_the_nearest_images_are_is_said_in_words(others: list[int], said: str) -> None:
    angles = range(1, len(others) + 1)
    assert _said(_fan(0, *angles), [0, *others]) == (said,)


def test_with_one_class_there_is_little_to_say() -> None:
    (found,) = evidence([0], _fan(0, 1, 2), np.zeros(3, dtype=int), vocab=["<b>x</b>"], suggested=[0])
    assert found.reasons == ("the 2 nearest images are all <b>x</b>",)


@pytest.mark.parametrize(
    ("labels", "groups", "pictures", "said"),
    [
        ([0, 1, 0, 0], [0, 0, 2, 3], [0, 0, 2, 3], "the same picture is also labelled grizzly"),
        ([0, 1, 2, 0], [0, 0, 0, 3], [0, 0, 0, 3], "the same picture is also labelled grizzly and teddy"),
        ([0, 1, 0, 0], [0, 0, 2, 3], [0, 1, 2, 3], "a near-copy is labelled grizzly"),
        ([0, 2, 1, 0], [0, 0, 0, 3], [0, 1, 2, 3], "near-copies are labelled grizzly and teddy"),
        ([0, 2, 0, 0], [0, 0, 0, 3], [0, 1, 0, 3], "a near-copy is labelled teddy"),
        ([0, 0, 1, 1], [0, 0, 2, 3], [0, 1, 2, 3], "a near-copy of another image"),
        ([0, 0, 0, 1], [0, 0, 0, 3], [0, 1, 0, 3], "a near-copy of 2 other images"),
        ([0, 0, 0, 1], [0, 0, 0, 3], [0, 0, 0, 3], "the same picture as 2 other images"),
    ],
)
def test_what_its_copies_are_labelled_is_said_first(labels, groups, pictures, said) -> None:
    assert _said(_fan(0, 1, 2, 30), labels, groups=groups, pictures=pictures)[0] == said


def test_copies_need_not_be_told_apart() -> None:
    assert _said(_fan(0, 1, 2), [0, 1, 0], groups=[4, 4, 5])[0] == "a near-copy is labelled grizzly"


def test_an_image_unlike_all_others_is_said_to_be_so() -> None:
    random = np.random.default_rng(0)
    x = np.vstack([random.normal(size=(200, 8)) + 9 * np.eye(8)[0], -np.eye(8)[:1]])
    limit = usual(nearest(x, k=5))
    first, last = evidence([0, 200], x, np.zeros(201, dtype=int), vocab=VOCAB, suggested=[0, 0], unlike=limit)
    assert first.reasons == ("the 10 nearest images are all black",)
    assert last.reasons == ("nothing like it in this dataset", "the 10 nearest images are all black")


def test_when_all_are_spread_evenly_none_is_unlike_the_others() -> None:
    x = np.random.default_rng(0).normal(size=(500, 8))
    found = nearest(x, k=5)
    assert (found.similarities[:, 0] < usual(found)).sum() <= 2


@pytest.mark.parametrize("x", [np.ones((50, 4)), np.zeros((50, 4)), _fan(0, 1, 2, 90), np.zeros((0, 4))])
def test_without_a_range_nothing_is_unusual(x) -> None:
    assert usual(nearest(x, k=5)) == -1


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_an_image_that_can_not_be_compared_still_has_its_copies(value: float) -> None:
    x = _fan(0, 1, 2, 3)
    x[0] = value
    found = _one(x, [0, 1, 0, 1], suggested=1, groups=[0, 0, 2, 3])
    assert (found.given.tolist(), found.suggested.tolist(), found.copies.tolist()) == ([], [], [1])
    assert found.reasons == ("a near-copy is labelled grizzly",)
    assert not np.isin(0, _one(x, [0, 1, 0, 1], row=2).given)


def test_the_only_image_has_no_evidence() -> None:
    found = _one(_fan(0), [0], suggested=1)
    assert (found.given.tolist(), found.suggested.tolist(), found.reasons) == ([], [], ())


def test_a_whole_page_is_answered_as_each_image_alone_in_any_blocks(monkeypatch) -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=(300, 6)).astype(np.float16)
    labels, groups, gone = random.integers(0, 3, 300), random.integers(0, 200, 300), random.random(300) < 0.2
    asked, instead = random.permutation(300)[:24], random.integers(0, 3, 24)
    known = {"vocab": VOCAB, "groups": groups, "gone": gone, "sound": random.random(300) < 0.3}
    page = evidence(asked, x, labels, suggested=instead, **known)
    monkeypatch.setattr("cleaner.ranking.rows.BLOCK", 17)
    for row, other, found in zip(asked, instead, page, strict=True):
        (alone,) = evidence([row], x, labels, suggested=[other], **known)
        assert found.reasons == alone.reasons
        for name in ("given", "suggested", "copies"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))


def test_no_rows_no_evidence() -> None:
    assert evidence([], _fan(0, 1), np.array([0, 1]), vocab=VOCAB, suggested=[]) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"suggested": [1, 1]}, "1 rows need as many suggested classes, not 2"),
        ({"labels": [0, 5]}, "Labels for 3 classes must be 0 to 2"),
        ({"gone": [0, 1]}, "gone must be 2 times True or False"),
        ({"sound": [True]}, "sound must be 2 times True or False"),
        ({"groups": [0]}, "groups must be 2 whole numbers"),
        ({"pictures": [0]}, "groups must be 2 whole numbers"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(asked: dict, said: str) -> None:
    good = {"suggested": [1], "labels": [0, 1]}
    good |= asked
    with pytest.raises(InputError, match=said):
        evidence([0], _fan(0, 1), np.array(good.pop("labels")), vocab=VOCAB, **good)
