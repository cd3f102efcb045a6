"""How much a trained network doubts each label, by all that its training has left behind."""

from __future__ import annotations

import numpy as np

from cleaner.ranking.beliefs import logarithms, odds
from cleaner.ranking.rows import Doubles
from cleaner.types import Floats, Predictions, Strings

NETWORK = 2.0  # sharpness of a network's log-odds: of 1, 2 and infinity the best on out-of-fold predictions


def network_doubt(predictions: Predictions) -> Doubles:
    """Return how much the network doubts each label, [N]: higher = look first, comparable within an origin.

    The log-odds against the label, for images that it has not learned from; for those that it has, the area
    under the margin, if the training was watched; for those scored out of fold, the standardised sum of both.
    """
    given = predictions.labels.astype(np.intp)
    against = odds(logarithms(predictions.probs), given, sharpness=NETWORK)[0].astype(np.float64)
    if predictions.margins is None:
        return against
    area = area_under_margin(predictions.margins)
    watched = np.isfinite(area)
    honest = watched & (predictions.origins != "in-sample")
    both = np.where(watched, area, against)
    both[honest] = standardised(area[honest]) + standardised(against[honest])
    return both


def area_under_margin(margins: Floats) -> Doubles:
    """Return minus the mean over the epochs of margins [N, E]; NaN for images that were not learned from.

    It does not fade as a network memorises: labels that it learned late were doubted for long. Source:
    Pleiss et al., «Identifying Mislabeled Data using the Area Under the Margin Ranking», NeurIPS 2020.
    """
    watched = np.isfinite(margins)
    sums = np.where(watched, margins, 0).sum(axis=1, dtype=np.float64)
    return np.asarray(np.where(watched.any(axis=1), -sums / np.maximum(watched.sum(axis=1), 1), np.nan))


def scale(values: Doubles, origins: Strings) -> tuple[Doubles, Doubles]:
    """Return the mean and the standard deviation (1 if all agree) of the values of the same origin, [N]."""
    centre, spread = np.zeros(len(values)), np.ones(len(values))
    for origin in np.unique(origins.astype(str)):
        rows = origins == origin
        ordered = np.sort(values[rows])  # so that they are the same to the bit in any order
        centre[rows] = ordered.mean()
        spread[rows] = np.sqrt(np.mean((ordered - ordered.mean()) ** 2)) or 1.0
    return centre, spread


def standardised(values: Doubles) -> Doubles:
    """Return values [N] less their mean, in standard deviations."""
    centre, spread = scale(values, np.full(len(values), "", dtype=object))
    return (values - centre) / spread
