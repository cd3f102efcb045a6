from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleaner.errors import InputError
from cleaner.ranking import live
from cleaner.ranking.live import LiveHead
from cleaner.ranking.ridge import leave_one_out

CLASSES = 3
LABEL = st.integers(0, CLASSES - 1)
WEIGHT = st.sampled_from([0.0, 1.0, 3.0])  # deleted, as given, confirmed by a person


def _drawn(seed: int, *, count: int, width: int, dtype=np.float64):
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    centres = random.normal(size=(CLASSES, width))
    return (random.normal(size=(count, width)) + centres[labels]).astype(dtype), labels


def _fresh(x, head: LiveHead, groups=None) -> LiveHead:
    return LiveHead(
        x, head.labels, classes=CLASSES, penalty=head.penalty, weights=head.weights, groups=groups
    )


@st.composite
def _sessions(draw):
    """Draw a dataset with groups of near-duplicates, and pages of changes, some to be undone."""
    count, width = draw(st.integers(1, 30)), draw(st.sampled_from([3, 8, 40]))
    groups = draw(st.lists(st.integers(0, count // 2), min_size=count, max_size=count))
    page = st.lists(st.tuples(st.integers(0, count - 1), LABEL, WEIGHT), max_size=6, unique_by=lambda c: c[0])
    pages = draw(st.lists(st.tuples(page, st.booleans()), min_size=1, max_size=12))
    return draw(st.integers(0, 9999)), count, width, np.array(groups), pages


@settings(max_examples=150, deadline=None)
@given(_sessions(), st.booleans())
def test_after_any_sequence_of_changes_and_undos_it_is_as_if_fitted_anew(session, grouped: bool) -> None:
    seed, count, width, groups, pages = session
    x, labels = _drawn(seed, count=count, width=width)
    together = groups if grouped else None
    head = LiveHead(x, labels, classes=CLASSES, penalty=0.5, groups=together)
    for changes, undone in pages:
        rows, to, weights = (
            (np.array(column) for column in zip(*changes, strict=True)) if changes else 3 * ([],)
        )
        before = head.update(np.array(rows, dtype=int), labels=to, weights=weights)
        if undone:
            head.update(before.rows, labels=before.labels, weights=before.weights)
    fresh = _fresh(x, head, together)
    np.testing.assert_allclose(head.fitted, fresh.fitted, atol=1e-8)
    np.testing.assert_allclose(head.leverages, fresh.leverages, atol=1e-8)
    np.testing.assert_allclose(head.left_out(), fresh.left_out(), atol=1e-8)


@pytest.mark.parametrize("width", [5, 90], ids=["more images than numbers", "fewer images than numbers"])
@pytest.mark.parametrize("grouped", [False, True], ids=["single", "grouped"])
def test_a_fresh_head_says_what_the_batch_says(width: int, grouped: bool) -> None:
    x, labels = _drawn(1, count=60, width=width)
    weights = np.where(np.arange(60) % 4 == 0, 3.0, 1.0)
    groups = np.arange(60) // 3 if grouped else None
    batch = leave_one_out(x, labels, classes=CLASSES, weights=weights, groups=groups)
    head = LiveHead(x, labels, classes=CLASSES, penalty=batch.penalty, weights=weights, groups=groups)
    np.testing.assert_allclose(head.left_out().T, batch.scores, atol=1e-9)


def test_an_image_of_no_weight_is_judged_by_the_others_alone() -> None:
    x, labels = _drawn(2, count=50, width=6)
    head = LiveHead(x, labels, classes=CLASSES, penalty=2.0, groups=[0, 0, 0, *range(1, 48)])
    head.update([0, 9], labels=labels[[0, 9]], weights=[0, 0])
    for out, judged in (([0, 1, 2], 0), ([0, 9], 9)):  # the one leaves with its group
        rest = np.setdiff1d(np.arange(50), [*out, 0, 9])
        wide = np.column_stack([x, np.ones(50)])
        inverse = np.linalg.inv(wide[rest].T @ wide[rest] + 2.0 * np.eye(7))
        alone = wide[judged] @ inverse @ wide[rest].T @ np.eye(CLASSES)[labels[rest]]
        np.testing.assert_allclose(head.left_out()[:, judged], alone, atol=1e-9)


def test_half_precision_on_disk_is_followed_in_single_precision(monkeypatch) -> None:
    monkeypatch.setattr(live, "STRIPE", 64)
    x, labels = _drawn(3, count=300, width=20, dtype=np.float16)
    head = LiveHead(x, labels, classes=CLASSES, penalty=1.0)
    random = np.random.default_rng(0)
    for _ in range(2 * live.REFRESH):
        rows = random.choice(300, 5, replace=False)
        head.update(rows, labels=random.integers(0, CLASSES, 5), weights=random.choice([0.0, 1, 3], 5))
    assert head.fitted.dtype == np.float32
    np.testing.assert_allclose(head.left_out(), _fresh(x, head).left_out(), atol=1e-4)


def test_a_row_without_numbers_disturbs_nobody() -> None:
    x, labels = _drawn(4, count=40, width=6)
    broken = np.vstack([x, np.full((1, 6), np.nan)])
    head = LiveHead(broken, np.append(labels, 0), classes=CLASSES, penalty=1.0)
    head.update([40, 3], labels=[2, 1], weights=[3, 3])
    alone = LiveHead(x, labels, classes=CLASSES, penalty=1.0)
    alone.update([3], labels=[1], weights=[3])
    np.testing.assert_allclose(head.left_out()[:, :40], alone.left_out(), atol=1e-9)
    assert (head.left_out()[:, 40] == 0).all()


@pytest.mark.parametrize(
    ("rows", "labels", "weights", "said"),
    [
        ([0, 0], [1, 2], [1, 1], "twice"),
        ([9], [1], [1], "0 to 3"),
        ([-1], [1], [1], "0 to 3"),
        ([1], [CLASSES], [1], "0 to 2"),
        ([1], [1], [-1], "at least 0"),
        ([1], [1], [np.nan], "at least 0"),
        ([1, 2], [1], [1], "as many"),
    ],
)
def test_a_change_that_cannot_be_is_refused_and_changes_nothing(rows, labels, weights, said: str) -> None:
    x, given_labels = _drawn(5, count=4, width=2)
    head = LiveHead(x, given_labels, classes=CLASSES, penalty=1.0)
    before = head.left_out()
    with pytest.raises(InputError, match=said):
        head.update(rows, labels=labels, weights=weights)
    np.testing.assert_array_equal(head.left_out(), before)


def test_a_penalty_that_is_no_number_above_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="above 0"):
        LiveHead(np.ones((3, 2)), [0, 1, 0], classes=2, penalty=0.0)
