"""Puts predictions in the order in which to look at them; equal input gives the same order, to the bit."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from cleaner.errors import InputError
from cleaner.ranking.scores import area_under_margin, surprise
from cleaner.types import Floats, Predictions, Queue


def rank(predictions: Predictions) -> Queue:
    """Order all images, of whatever origin in one list, by how surprising their labels are; ties by id.

    Suggests the most probable class: by the quick head, if there is one, for images that the network itself
    has learned from. Raises InputError where a loss or a probability is not a number.
    """
    _require_numbers(predictions)
    how_surprising = surprise(predictions)
    order = np.lexsort((predictions.ids, -how_surprising))
    rows = np.arange(len(predictions))
    probs = _believed(predictions)
    suggested = probs.argmax(axis=1).astype(np.int32) if len(rows) else predictions.labels
    queue = Queue(
        vocab=predictions.vocab,
        ids=predictions.ids,
        scores=(1 / (1 + np.exp(-how_surprising))).astype(np.float32),
        labels=predictions.labels,
        suggested=suggested,
        confidence=probs[rows, suggested],
        given_probs=probs[rows, predictions.labels],
        origins=predictions.origins,
        late=_late(predictions),
    )
    return queue.take(order)


def _believed(predictions: Predictions) -> Floats:
    """Return the probabilities [N, K] to suggest from: those that no image has had a say in itself."""
    if predictions.quick is None:
        return predictions.probs
    learned = (predictions.origins == "in-sample")[:, None]
    return np.where(learned, predictions.quick, predictions.probs)


def _late(predictions: Predictions) -> NDArray[np.bool_]:
    """Mark the images whose label the network doubted on average while it learned, [N]."""
    if predictions.margins is None:
        return np.zeros(len(predictions), dtype=bool)
    return np.asarray(area_under_margin(predictions.margins) > 0)


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
