from __future__ import annotations

import numpy as np
import pytest

from cleaner.ranking.queue import rank
from cleaner.ranking.scores import area_under_margin, log_odds, surprise
from cleaner.types import Predictions, strings


def _said(losses, origins, *, margins=None, quick=None) -> Predictions:
    losses = np.array(losses, dtype=np.float32)
    given = np.exp(-losses)
    return Predictions(
        ids=strings([f"{n:03d}" for n in range(len(losses))]),
        vocab=("cat", "dog"),
        labels=np.zeros(len(losses), dtype=np.int32),
        probs=np.stack([given, 1 - given], axis=1),
        losses=losses,
        origins=strings(origins),
        margins=None if margins is None else np.array(margins, dtype=np.float32),
        quick=None if quick is None else np.array(quick, dtype=np.float32),
    )


@pytest.mark.parametrize("p", [1e-30, 0.1, 0.5, 0.9, 0.999999])
def test_log_odds_are_those_of_the_probability(p: float) -> None:
    loss = np.array([-np.log(p)], dtype=np.float32)
    assert log_odds(loss)[0] == pytest.approx(np.log1p(-p) - np.log(p), rel=2e-2, abs=1e-6)


def test_log_odds_stay_finite_for_certainty() -> None:
    assert np.isfinite(log_odds(np.array([0, 1e4], dtype=np.float32))).all()


def test_the_area_is_the_mean_over_the_epochs_that_saw_the_image() -> None:
    margins = np.array([[1, -3], [np.nan, 2], [np.nan, np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(area_under_margin(margins), [1, -2, np.nan])


def test_what_the_network_has_memorised_still_comes_first_by_its_margins() -> None:
    losses = [0.01, 0.01, 0.02, 0.01]
    margins = [[3, 4], [-9, 4], [3, 4], [2, 5]]
    assert rank(_said(losses, ["in-sample"] * 4)).ids[0] == "002"
    assert rank(_said(losses, ["in-sample"] * 4, margins=margins)).ids[0] == "001"


def test_an_image_learned_late_says_so() -> None:
    said = _said([0.01, 0.01], ["in-sample"] * 2, margins=[[3, 4], [-9, 4]])
    queue = rank(said)
    assert queue.candidate(0).reasons == (
        "the model agrees with cat (99%), which it doubted while it learned",
    )
    assert queue.candidate(1).reasons == ("the model agrees with cat (99%)",)


def test_neither_origin_crowds_out_the_other() -> None:
    """A network is surer of what it has learned from; the worst of each kind come first all the same."""
    learned, held = [0.001, 0.002, 0.2, 0.001], [1.0, 2.0, 9.0, 1.5]
    said = _said(
        learned + held,
        ["in-sample"] * 4 + ["held-out"] * 4,
        margins=[[5], [5], [-1], [6]] + [[np.nan]] * 4,
    )
    assert set(rank(said).ids[:2]) == {"002", "006"}


def test_a_quick_head_has_half_the_say_and_suggests_for_images_that_were_learned_from() -> None:
    quick = [[0.9, 0.1], [0.9, 0.1], [0.05, 0.95]]
    said = _said([0.1, 0.1, 0.1], ["in-sample"] * 3, margins=[[1], [1], [1]], quick=quick)
    first = rank(said).candidate(0)
    assert (first.id, first.suggested) == ("002", "dog")
    assert first.reasons == ("the model sees dog (95%) rather than cat (5%)",)


def test_surprise_is_the_same_to_the_bit_in_any_order() -> None:
    chance = np.random.default_rng(0)
    losses, margins = chance.random(50), chance.normal(size=(50, 3))
    said = _said(losses, ["in-sample"] * 50, margins=margins)
    shuffled = chance.permutation(50)
    other = _said(losses[shuffled], ["in-sample"] * 50, margins=margins[shuffled])
    assert surprise(said)[shuffled].tobytes() == surprise(other).tobytes()


@pytest.mark.parametrize("count", [0, 1])
def test_few_images_have_an_order_too(count: int) -> None:
    said = _said([0.3] * count, ["out-of-fold"] * count, margins=np.ones((count, 2)))
    assert len(rank(said)) == count
