"""Puts predictions in the order in which to look at them; equal input gives the same order, to the bit."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from cleaner.errors import InputError
from cleaner.ranking.scores import loss_score
from cleaner.types import Predictions, Queue


def rank(predictions: Predictions) -> Queue:
    """Order all images, held-out and in-sample in one list, by falling loss; ties by id.

    Suggests the most probable class. Raises InputError where a loss or a probability is not a number.
    """
    _require_numbers(predictions)
    order = np.lexsort((predictions.ids, -predictions.losses))
    rows = np.arange(len(predictions))
    suggested = predictions.probs.argmax(axis=1).astype(np.int32) if len(rows) else predictions.labels
    queue = Queue(
        vocab=predictions.vocab,
        ids=predictions.ids,
        scores=loss_score(predictions.losses),
        labels=predictions.labels,
        suggested=suggested,
        confidence=predictions.probs[rows, suggested],
        given_probs=predictions.probs[rows, predictions.labels],
        origins=predictions.origins,
    )
    return queue.take(order)


def without(queue: Queue, ids: Collection[str]) -> Queue:
    """Leave some images out, those already decided for instance; the order of the rest is kept."""
    return queue.take(np.array([identity not in ids for identity in queue.ids], dtype=bool))


def found_within(queue: Queue, wrong: Collection[str], looks: int) -> int:
    """Count the images known to be wrong among the first `looks` of the queue."""
    return sum(identity in wrong for identity in queue.ids[:looks])


def _require_numbers(predictions: Predictions) -> None:
    bad: NDArray[np.bool_] = ~(np.isfinite(predictions.losses) & np.isfinite(predictions.probs).all(axis=1))
    if bad.any():
        raise InputError(
            f"The prediction for {predictions.ids[int(bad.argmax())]!r} is not a number "
            f"({int(bad.sum())} such); train again with a lower learning rate."
        )
