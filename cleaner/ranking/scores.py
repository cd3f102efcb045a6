"""How hard a model finds each label to believe. Every score points one way: higher = look first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cleaner.types import Floats, Predictions

Doubles = NDArray[np.float64]


def log_odds(losses: Floats) -> Doubles:
    """Map cross-entropies [N] in nats to the log-odds against the given label, log((1 - p) / p).

    The same order as by loss, but without its floor at 0: labels that are believed stand apart too.
    """
    sure = np.maximum(losses.astype(np.float64), 1e-12)
    return sure + np.log(-np.expm1(-sure))


def area_under_margin(margins: Floats) -> Doubles:
    """Return minus the mean over the epochs of margins [N, E]; NaN for images that were not learned from.

    It does not fade as a network memorises: labels that it learned late were doubted for long. Source:
    Pleiss et al., «Identifying Mislabeled Data using the Area Under the Margin Ranking», NeurIPS 2020.
    """
    watched = np.isfinite(margins)
    sums = np.where(watched, margins, 0).sum(axis=1, dtype=np.float64)
    return np.asarray(np.where(watched.any(axis=1), -sums / np.maximum(watched.sum(axis=1), 1), np.nan))


def surprise(predictions: Predictions) -> Doubles:
    """Return how surprising each label is, [N], by everything that is known of it.

    For images that the network has not learned from, the log-odds against the label; for those that it has,
    the area under the margin, if the training was watched; for those scored out of fold, the mean of both;
    and, where there is a quick head, the mean of that with the log-odds by the quick head. What is averaged
    is standardised first, and what comes of it too, each among the images of one origin: a network is less
    surprised by what it has learned from, and neither kind should crowd out the other.
    """
    if predictions.margins is None and predictions.quick is None:
        return log_odds(predictions.losses)
    network, total = _by_network(predictions), np.empty(len(predictions))
    quick = None if predictions.quick is None else log_odds(_losses(predictions.quick, predictions.labels))
    for origin in np.unique(predictions.origins.astype(str)):
        rows = predictions.origins == origin
        known = [network[rows]] if quick is None else [network[rows], quick[rows]]
        total[rows] = _standardised(np.sum([_standardised(values) for values in known], axis=0))
    return total


def _by_network(predictions: Predictions) -> Doubles:
    odds = log_odds(predictions.losses)
    if predictions.margins is None:
        return odds
    area = area_under_margin(predictions.margins)
    watched = np.isfinite(area)
    honest = watched & (predictions.origins != "in-sample")
    both = np.where(watched, area, odds)
    both[honest] = _standardised(area[honest]) + _standardised(odds[honest])
    return both


def _losses(probs: Floats, labels: NDArray[np.int32]) -> Floats:
    given = probs[np.arange(len(labels)), labels]
    losses: Floats = -np.log(np.maximum(given, np.finfo(np.float32).tiny))
    return losses


def _standardised(values: Doubles) -> Doubles:
    """Return values less their mean, in standard deviations; the same to the bit in any order."""
    if not len(values):
        return values
    ordered = np.sort(values)
    spread = np.sqrt(np.mean((ordered - ordered.mean()) ** 2))
    standardised: Doubles = (values - ordered.mean()) / (spread or 1.0)
    return standardised
