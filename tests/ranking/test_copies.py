from __future__ import annotations

import numpy as np
import pytest

from cleaner.errors import InputError
from cleaner.ranking.copies import MOST, near_duplicates
from cleaner.ranking.neighbours import nearest


def _scattered(count: int = 400, *, width: int = 16, seed: int = 0):
    return np.random.default_rng(seed).normal(size=(count, width))


def _jittered(x, rows, *, by: float = 0.02, seed: int = 1):
    """Return near-copies of some rows."""
    return x[rows] + by * np.random.default_rng(seed).normal(size=(len(rows), x.shape[1]))


def _groups(x, **asked):
    return near_duplicates(nearest(x, k=20, groups=asked.get("equal")), **asked)


def _shared(groups) -> list[list[int]]:
    """Return the groups of several rows."""
    return [
        np.flatnonzero(groups == group).tolist() for group in np.unique(groups) if sum(groups == group) > 1
    ]


def test_planted_near_copies_are_found_and_nothing_else_is() -> None:
    x = _scattered()
    x = np.vstack([x, _jittered(x, np.array([3, 9, 9]))])
    assert _shared(_groups(x)) == [[3, 400], [9, 401, 402]]


def test_a_group_bears_the_number_of_its_first_row() -> None:
    x = _scattered(50)
    x = np.vstack([_jittered(x, np.array([7])), x])
    groups = _groups(x)
    assert groups[8] == groups[0] == 0
    assert groups.dtype == np.int32
    np.testing.assert_array_equal(np.delete(groups, 8), np.delete(np.arange(51), 8))


def test_equal_files_and_near_copies_of_them_are_one_group() -> None:
    x = _scattered()
    x = np.vstack([x, _jittered(x, np.array([5])), x[[9]]])
    equal = np.arange(402)
    equal[[5, 9, 401]] = 77_000  # as if files 5 and 9 were equal, whatever the encoder says
    assert _shared(_groups(x, equal=equal)) == [[5, 9, 400, 401]]


def test_equal_files_stay_together_however_many_and_whatever_their_embeddings() -> None:
    x = _scattered(300)
    x[:100] = np.nan
    equal = np.where(np.arange(300) < 100, 0, np.arange(300))
    assert _shared(_groups(x, equal=equal, labels=equal // 100)) == [list(range(100))]


def test_equal_files_need_not_have_been_left_out_before() -> None:
    x = _scattered()
    x = np.vstack([x, x, _jittered(x, np.array([3]))])
    equal = np.append(np.arange(800) % 400, 400)
    found = near_duplicates(nearest(x, k=30), equal=equal)
    np.testing.assert_array_equal(found, _groups(x, equal=equal))
    assert [3, 403, 800] in _shared(found)


def test_a_chain_does_not_swallow_a_class() -> None:
    """Each like the next, the ends not at all: a turning object, filmed."""
    angles = np.linspace(0, 2, 120)
    chain = np.stack([np.cos(angles), np.sin(angles), *np.zeros((14, 120))], axis=1)
    groups = _groups(np.vstack([_scattered(), chain]))
    assert max(map(len, _shared(groups)), default=0) <= MOST


def test_within_a_chain_what_is_much_closer_still_is_a_copy() -> None:
    angles = np.linspace(0, 2, 120)
    chain = np.stack([np.cos(angles), np.sin(angles), *np.zeros((14, 120))], axis=1)
    x = np.vstack([_scattered(), chain, chain[[60]] + 1e-4])
    assert [460, 520] in _shared(_groups(x))


@pytest.mark.parametrize("count", [3, 30, 300])
def test_embeddings_that_are_all_alike_say_nothing(count: int) -> None:
    assert not _shared(_groups(np.ones((count, 8))))


@pytest.mark.parametrize("by", [0.0, 1e-3])
def test_images_without_texture_are_not_copies_of_each_other(by: float) -> None:
    """A third of the images are blank, and the encoder sees hardly a difference."""
    blank = _jittered(np.ones((1, 16)), np.zeros(200, dtype=int), by=by)
    groups = _groups(np.vstack([_scattered(), blank]))
    assert max(map(len, _shared(groups)), default=0) <= MOST


@pytest.mark.parametrize("spread", [0.1, 0.3, 0.6, 0.65, 0.7])
def test_in_a_dense_crowd_closeness_says_little(spread: float) -> None:
    """Ships on a grey sea: each is as close to many others as a copy is elsewhere."""
    crowd = np.ones((1, 16)) + spread * _scattered(100, seed=5)
    x = np.vstack([_scattered(), crowd, crowd[[8]] + 0.002 * _scattered(1, seed=6)])
    assert _shared(_groups(x)) == [[408, 500]]


def test_a_small_class_apart_from_all_others_is_no_group_of_copies() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(60) // 3
    x = 5 * random.normal(size=(20, 16))[labels] + random.normal(size=(60, 16))
    assert len(_shared(_groups(x))) <= 1  # two of sixty may be as close by chance


def test_when_most_images_are_blank_none_is_a_copy() -> None:
    assert not _shared(_groups(np.vstack([_scattered(100), np.ones((300, 16))])))


def test_a_class_is_never_mostly_one_group_if_the_labels_are_known() -> None:
    x = _scattered()
    x = np.vstack([x, _jittered(x, np.array([0, 0, 1, 2]))])
    labels = np.zeros(404, dtype=int)
    labels[[0, 400, 401]] = 5  # a class of three, all from one burst
    labels[[1, 402]] = [1, 2]  # the only images of two classes
    assert [0, 400, 401] in _shared(_groups(x))
    assert _shared(_groups(x, labels=labels)) == [[1, 402], [2, 403]]


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_of_a_few_images_nothing_is_said(count: int) -> None:
    found = nearest(np.ones((count, 4)))
    assert near_duplicates(found).tolist() == list(range(count))
    assert near_duplicates(found, labels=np.zeros(count, dtype=int)).tolist() == list(range(count))


def test_images_without_numbers_are_alone() -> None:
    x = _scattered(60)
    x[10:40] = np.nan
    assert not _shared(_groups(x))


def test_numbers_for_other_images_are_refused() -> None:
    with pytest.raises(InputError, match="For 5 images, groups must be 5 whole numbers"):
        near_duplicates(nearest(_scattered(5)), equal=[1, 2])
