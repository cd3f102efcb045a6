"""Two opinions of the same images: who foretells the labels better is heard more."""

from __future__ import annotations

import numpy as np
import pytest

from cleaner.ranking.pooling import pool


def _opinion(labels, *, classes, sureness, seed):
    """Log-probabilities [K, N] that know the labels as well as `sureness` over noise of 1."""
    said = np.random.default_rng(seed).normal(size=(classes, len(labels)))
    said[labels, np.arange(len(labels))] += sureness
    return said.astype(np.float32)


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(0).integers(0, 5, 4000)


def test_two_who_know_equally_much_are_heard_equally(labels) -> None:
    one, other = (_opinion(labels, classes=5, sureness=2, seed=seed) for seed in (1, 2))
    a, b = pool(one, other, labels)
    assert a == pytest.approx(b, rel=0.1)


def test_who_knows_nothing_is_not_heard_and_who_knows_more_is_heard_more(labels) -> None:
    nothing, little, much = (
        _opinion(labels, classes=5, sureness=sureness, seed=3 + k) for k, sureness in enumerate((0, 1, 3))
    )
    a, b = pool(nothing, much, labels)
    assert a < 0.05 * b
    a, b = pool(much, little, labels)
    assert 0 < b < 0.7 * a


def test_independent_normal_opinions_weigh_as_bayes_rule_says(labels) -> None:
    """Log-likelihood ratios of normal numbers, mean m under the class, are m times the number."""
    one, other = (_opinion(labels, classes=5, sureness=m, seed=7 + k) for k, m in enumerate((1.0, 2.0)))
    assert pool(one, other, labels) == pytest.approx((1.0, 2.0), rel=0.1)


def test_a_few_images_leave_the_weights_near_even() -> None:
    labels = np.array([0, 1, 1])
    one = _opinion(labels, classes=2, sureness=9, seed=1)
    a, b = pool(one, -one, labels)
    assert abs(a - 0.5) < 0.2
    assert abs(b - 0.5) < 0.3


def test_certainty_beyond_all_measure_stays_finite() -> None:
    labels = np.array([0, 1] * 20)
    sure = np.where(np.arange(2)[:, None] == labels, 0, -87.0).astype(np.float32)
    assert np.isfinite(pool(sure, -sure, labels)).all()
