from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleaner.errors import InputError
from cleaner.ranking.order import LiveOrder
from cleaner.ranking.queue import found_within, without
from cleaner.types import Predictions, strings


def _predictions(losses: list[float], *, ids: list[str] | None = None) -> Predictions:
    loss = np.array(losses, dtype=np.float32)
    given_probs = np.exp(-loss)
    return Predictions(
        ids=strings(ids or [f"{n:03d}" for n in range(len(losses))]),
        vocab=("cat", "dog"),
        labels=np.zeros(len(losses), dtype=np.int32),
        probs=np.stack([given_probs, 1 - given_probs], axis=1),
        losses=loss,
        origins=strings(["in-sample" if int(n) % 2 else "held-out" for n in ids or range(len(losses))]),
    )


def test_the_highest_loss_comes_first_whatever_its_origin() -> None:
    queue = LiveOrder(_predictions([0.1, 3.0, 0.5, 2.0])).queue()
    assert list(queue.ids) == ["001", "003", "002", "000"]
    assert list(queue.origins) == ["in-sample", "in-sample", "held-out", "held-out"]


def test_the_suggestion_is_the_class_the_model_believes() -> None:
    queue = LiveOrder(_predictions([3.0, 0.1])).queue()
    first, second = queue.candidate(0), queue.candidate(1)
    assert (first.label, first.suggested) == ("cat", "dog")
    assert first.confidence == pytest.approx(1 - np.exp(-3), rel=1e-5)
    assert first.reasons == ("the model sees dog (95%) rather than cat (5%)",)
    assert (second.suggested, second.confidence) == (None, pytest.approx(np.exp(-0.1), rel=1e-5))


def test_a_queue_is_gone_through_by_candidates_and_is_a_table() -> None:
    queue = LiveOrder(_predictions([0.1, 3.0])).queue()
    assert [candidate.id for candidate in queue] == ["001", "000"]
    frame = queue.frame()
    assert frame[["id", "label", "origin"]].values.tolist() == [
        ["001", "cat", "in-sample"],
        ["000", "cat", "held-out"],
    ]
    assert frame["suggested"][0] == "dog"
    assert frame["score"][0] > frame["score"][1]
    empty = queue.take(np.zeros(0, dtype=np.intp)).frame()
    assert list(empty) == ["id", "score", "label", "suggested", "confidence", "origin", "reasons"]


@given(st.lists(st.floats(0, 50, width=32), min_size=1, max_size=40), st.randoms())
def test_the_order_does_not_depend_on_the_order_of_the_input(losses: list[float], random) -> None:
    ids = [f"{n:03d}" for n in range(len(losses))]
    pairs = list(zip(losses, ids, strict=True))
    straight = LiveOrder(_predictions(losses, ids=ids)).queue()
    random.shuffle(pairs)
    shuffled = LiveOrder(_predictions([p[0] for p in pairs], ids=[p[1] for p in pairs])).queue()
    assert list(straight.ids) == list(shuffled.ids)
    assert straight.scores.tobytes() == shuffled.scores.tobytes()


@given(st.lists(st.floats(0, 80, width=32), max_size=40))
def test_scores_lie_between_0_and_1_and_never_rise_along_the_queue(losses: list[float]) -> None:
    scores = LiveOrder(_predictions(losses)).queue().scores
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.diff(scores) <= 0).all()


def test_losses_too_large_for_a_score_still_keep_their_order() -> None:
    assert list(LiveOrder(_predictions([40.0, 60.0, 50.0])).queue().ids) == ["001", "002", "000"]


def test_a_loss_that_is_no_number_is_refused_with_its_image() -> None:
    with pytest.raises(InputError, match="'001'"):
        LiveOrder(_predictions([1.0, float("nan")])).queue()


def test_leaving_out_keeps_the_order_and_counting_counts() -> None:
    queue = LiveOrder(_predictions([4.0, 3.0, 2.0, 1.0])).queue()
    assert list(without(queue, {"001"}).ids) == ["000", "002", "003"]
    assert found_within(queue, {"000", "003"}, looks=2) == 1
