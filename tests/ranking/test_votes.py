from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleaner.errors import InputError
from cleaner.ranking.neighbours import Neighbours, nearest
from cleaner.ranking.votes import SPREAD, Votes
from cleaner.types import TRUST

CLASSES = 3


def _drawn(seed: int = 0, *, count: int = 30, k: int = 6):
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 4))
    x[random.random(count) < 0.1] = np.nan
    return nearest(x, k=k), random.integers(0, CLASSES, count)


def _brute(found: Neighbours, labels, weights):
    counts = np.zeros((CLASSES, len(found)))
    for row, others in enumerate(found.rows):
        for other in others[others >= 0]:
            counts[labels[other], row] += weights[other]
    return counts


def test_every_neighbour_has_one_vote_for_its_label() -> None:
    found, labels = _drawn()
    votes = Votes(found, labels, classes=CLASSES)
    np.testing.assert_array_equal(votes.counts, _brute(found, labels, np.ones(30)))
    assert votes.counts.dtype == np.float32


def test_many_blocks_are_counted_as_one(monkeypatch) -> None:
    monkeypatch.setattr("cleaner.ranking.rows.BLOCK", 7)
    found, labels = _drawn()
    weights = np.arange(30) % 4
    counts = Votes(found, labels, classes=CLASSES, weights=weights).counts
    np.testing.assert_array_equal(counts, _brute(found, labels, weights))


CHANGES = st.lists(
    st.lists(
        st.tuples(st.integers(0, 29), st.integers(0, CLASSES - 1), st.sampled_from([0.0, 1.0, TRUST])),
        max_size=8,
        unique_by=lambda change: change[0],
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), CHANGES)
def test_after_any_changes_the_counts_are_those_of_counting_afresh(seed, pages) -> None:
    found, labels = _drawn(seed)
    weights = np.ones(30)
    votes = Votes(found, labels, classes=CLASSES)
    for page in pages:
        rows, given_labels, given_weights = np.array(page).reshape(-1, 3).T
        rows, given_labels = rows.astype(int), given_labels.astype(int)
        labels[rows], weights[rows] = given_labels, given_weights
        votes.update(rows, labels=given_labels, weights=given_weights)
        np.testing.assert_array_equal(votes.counts, _brute(found, labels, weights))
    np.testing.assert_array_equal(
        votes.probs(), Votes(found, labels, classes=CLASSES, weights=weights).probs()
    )


def test_what_was_passed_in_stays_as_it_was() -> None:
    found, labels = _drawn()
    before = labels.copy()
    Votes(found, labels, classes=CLASSES).update([4], labels=[(labels[4] + 1) % 3], weights=[3])
    np.testing.assert_array_equal(labels, before)


def test_a_change_touches_only_those_that_ask_for_it() -> None:
    found, labels = _drawn()
    votes = Votes(found, labels, classes=CLASSES)
    before = votes.counts.copy()
    votes.update([5], labels=[(labels[5] + 1) % CLASSES], weights=[1])
    touched = (votes.counts != before).any(axis=0)
    np.testing.assert_array_equal(touched, (found.rows == 5).any(axis=1))


def test_the_more_neighbours_agree_the_likelier_and_nothing_is_impossible() -> None:
    rows = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]], dtype=np.int32)
    votes = Votes(Neighbours(rows, np.ones((4, 3), np.float32)), [0, 0, 1, 0], classes=2)
    shares = votes.probs()
    np.testing.assert_allclose(shares.sum(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(shares[:, 0], (np.array([2, 1]) + SPREAD / 2) / (3 + SPREAD))
    assert shares[0, 2] > shares[0, 0] > shares[1, 0] > shares[1, 2] > 0


def test_an_image_without_neighbours_may_be_anything() -> None:
    found = Neighbours(np.full((2, 5), -1, np.int32), np.full((2, 5), -np.inf, np.float32))
    np.testing.assert_allclose(Votes(found, [0, 1], classes=4).probs(), 0.25)


def test_when_all_voters_are_gone_nothing_is_left_of_their_votes() -> None:
    found, labels = _drawn()
    votes = Votes(found, labels, classes=CLASSES)
    votes.update(np.arange(30), labels=labels, weights=np.zeros(30))
    assert not votes.counts.any()
    np.testing.assert_allclose(votes.probs(), 1 / CLASSES)


def test_no_images_have_no_votes() -> None:
    votes = Votes(nearest(np.zeros((0, 3))), np.zeros(0, dtype=int), classes=2)
    votes.update(np.zeros(0, dtype=int), labels=np.zeros(0, dtype=int), weights=[])
    assert votes.probs().shape == (2, 0)


@pytest.mark.parametrize(
    ("rows", "labels", "weights", "said"),
    [
        ([1, 2], [0], [1, 1], "2 rows need as many labels and weights"),
        ([1], [0], [1, 1], "1 rows need as many"),
        ([1], [3], [1], "Labels must be 0 to 2, not 3 to 3"),
        ([1], [-1], [1], "not -1 to -1"),
    ],
)
def test_an_update_that_cannot_be_is_refused_and_changes_nothing(rows, labels, weights, said) -> None:
    found, given_labels = _drawn()
    votes = Votes(found, given_labels, classes=CLASSES)
    before = votes.counts.copy()
    with pytest.raises(InputError, match=said):
        votes.update(rows, labels=labels, weights=weights)
    np.testing.assert_array_equal(votes.counts, before)


def test_labels_outside_the_classes_are_refused() -> None:
    found, _ = _drawn()
    with pytest.raises(InputError, match="Labels for 3 classes must be 0 to 2"):
        Votes(found, np.full(30, 3), classes=CLASSES)
