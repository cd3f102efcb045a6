"""What is believed of each image, its own label aside, and how much that speaks against the label.

Class-major, [K, N]: what is summed over classes then runs along memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cleaner.ranking.live import LiveHead
from cleaner.ranking.neighbours import Neighbours, nearest
from cleaner.ranking.ridge import leave_one_out
from cleaner.ranking.rows import Doubles, Rows
from cleaner.ranking.votes import Votes
from cleaner.types import Floats, Pixels

NEIGHBOURS = np.float32(0.25)  # share of the votes in what is believed; the head has the rest


@dataclass(slots=True, eq=False)
class Believer:
    """What features say of every image: a head and, where there are any, the neighbours' votes.

    `temperature` is the factor that makes the head's scores logits.
    """

    head: LiveHead
    temperature: float
    votes: Votes | None = None

    def update(self, rows: Rows, *, labels: Rows, weights: Doubles) -> None:
        """Give some rows other labels and weights; a weight of 0 leaves an image out."""
        self.head.update(rows, labels=labels, weights=weights)
        if self.votes is not None:
            self.votes.update(rows, labels=labels, weights=weights)

    def beliefs(self) -> Floats:
        """Return log-probabilities [K, N], up to a constant for each image.

        The mean, 3 to 1, of temperature · left-out scores and the logarithm of the votes.
        """
        said = np.asarray(self.head.left_out(), dtype=np.float32)
        said *= np.float32(self.temperature)
        if self.votes is not None:
            said *= 1 - NEIGHBOURS
            said += NEIGHBOURS * np.log(self.votes.probs())
        return said


def believer(
    embeddings: Pixels,
    labels: Rows,
    *,
    classes: int,
    groups: ArrayLike | None = None,
    neighbours: Neighbours | None = None,
) -> Believer:
    """Fit a head and count votes on embeddings [N, D] and labels [N].

    Images of equal `groups` [N] leave together. `neighbours` are those by the same embeddings and groups,
    found here if not given.
    """
    fitted = leave_one_out(embeddings, labels, classes=classes, groups=groups)
    near = nearest(embeddings, groups=groups) if neighbours is None else neighbours
    head = LiveHead(embeddings, labels, classes=classes, penalty=fitted.penalty, groups=groups)
    return Believer(head, fitted.temperature, Votes(near, labels, classes=classes))


def odds(beliefs: Floats, labels: Rows, *, sharpness: float = 1.0) -> tuple[Floats, Rows]:
    """Return the log-odds [N] against the labels [N], and of all other classes the likeliest [N].

    From log-probabilities [K, N], up to a constant for each image: log(q / p), where q is the sum of the
    other classes' probabilities with `sharpness` 1, their highest with infinity, and (sum of q^s)^(1/s) in
    between. With one class there is nothing against it: 0, and that class.
    """
    if len(beliefs) < 2:
        return np.zeros(len(labels), dtype=np.float32), labels
    columns = np.arange(len(labels))
    given = beliefs[labels, columns]
    others = beliefs.copy()
    others[labels, columns] = -np.inf
    best = _highest(others)
    top = others[best, columns]
    if not np.isfinite(sharpness):
        return top - given, best
    others -= top
    others *= np.float32(sharpness)
    total = np.exp(others, out=others).sum(axis=0)
    return top + np.log(total) / np.float32(sharpness) - given, best


def normalised(beliefs: Floats) -> Floats:
    """Return log-probabilities [K, N] of which the probabilities of each image sum to 1."""
    rest = beliefs - beliefs.max(axis=0)
    said: Floats = rest - np.log(np.exp(rest).sum(axis=0))
    return said


def logarithms(probs: Floats) -> Floats:
    """Return the log-probabilities [K, N] of probabilities [N, K]; of 0, a very low one."""
    logs: Floats = np.log(np.maximum(probs.T, np.finfo(np.float32).tiny), dtype=np.float32)
    return logs


def _highest(beliefs: Floats) -> Rows:
    """Return the first of the highest classes [N]; faster than argmax across the rows of memory."""
    top, best = beliefs.max(axis=0), np.zeros(beliefs.shape[1], dtype=np.intp)
    for number in range(len(beliefs) - 1, -1, -1):
        best[beliefs[number] == top] = number
    return best
