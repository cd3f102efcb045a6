"""Which confusions are errors here: first by what a model makes of the labels, then by the verdicts.

A model confuses two classes in both directions alike; people who label mostly err in one.
"""

from __future__ import annotations

import numpy as np

from cleaner.ranking.rows import Doubles, Rows
from cleaner.types import Floats

CLEAR = 1.0  # nats by which a model must prefer the other class for that to be a contradiction
PRIOR = 8.0  # reviews that the first guess counts for
FAINT = 4.0  # contradictions added to every count, so that none is no proof
WEIGHT = 0.36  # of the log-odds of a confusion beside a standardised score


def contradictions(beliefs: Floats, labels: Rows, *, weights: Doubles) -> Doubles:
    """Guess for each pair of classes, [K given, K suggested], how far the labels are to blame.

    From log-probabilities [K, N] (of any offset for an image), labels [N] and their weights [N]. In log-odds,
    0 for no guess. With R[a, b] the share of the images labelled a that clearly look like b, and C[b, a] the
    share of those labelled b that clearly look like b rather than a: half of log(R[a, b] / C[b, a]), less the
    same for b and a. What is hard to tell apart raises both sides, and goes out; a class of which many images
    carry another's label raises one.
    """
    classes = len(beliefs)
    given = beliefs[labels, np.arange(len(labels))]
    against, beside = np.empty((classes, classes)), np.empty((classes, classes))
    for other, row in enumerate(beliefs):
        lead = row - given
        against[:, other] = np.bincount(labels, weights=weights * (lead > CLEAR), minlength=classes)
        beside[:, other] = np.bincount(labels, weights=weights * (lead < -CLEAR), minlength=classes)
    log_sizes = np.log(np.bincount(labels, weights=weights, minlength=classes) + FAINT)
    log_rate = np.log(against + FAINT) - log_sizes[:, None] - np.log(beside.T + FAINT) + log_sizes
    guess: Doubles = (log_rate - log_rate.T) / 2
    np.fill_diagonal(guess, 0)
    return guess


def confusion_log_odds(guess: Doubles, *, errors: Doubles, reviews: Doubles) -> Doubles:
    """Return the log-odds [K, K] that an image labelled a and suggested as b is labelled wrong.

    From the first guess and the verdicts so far: r = (errors + 8 g) / (reviews + 8), where g is the guess as
    a rate. Of use for the order only: rates of what was looked at first are higher than those of the rest.
    """
    rates = (errors + PRIOR / (1 + np.exp(-guess))) / (reviews + PRIOR)
    rates = rates.clip(1e-3, 1 - 1e-3)
    return np.asarray(np.log(rates / (1 - rates)))


def tally(labels: Rows, suggested: Rows, *, classes: int) -> Doubles:
    """Count images [M] by given and by suggested class, [K, K]."""
    counts = np.bincount(labels * classes + suggested, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.float64)
