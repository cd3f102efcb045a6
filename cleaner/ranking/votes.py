"""What the labels of its neighbours say of each image, kept true while verdicts change labels and weights.

It finds no neighbours, and what a verdict means is not its business.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cleaner.errors import InputError
from cleaner.ranking.neighbours import Neighbours
from cleaner.ranking.rows import blocks, checked
from cleaner.types import Floats

SPREAD = 5.0  # votes that the classes share beforehand; more or fewer rank worse with many classes or few


class Votes:
    """How many of the k neighbours of each of N images carry each of K labels.

    `counts` [K, N] are sums of the weights of the neighbours, class-major: what is summed over classes then
    runs along memory. A weight of 0 takes a neighbour's vote away. Counts after any updates are those of a
    fresh count, to the bit, as long as all weights are whole numbers below 2^24 / k.
    """

    def __init__(
        self, neighbours: Neighbours, labels: ArrayLike, *, classes: int, weights: ArrayLike | None = None
    ) -> None:
        given, trust, _ = checked(neighbours.rows, labels, classes=classes, weights=weights, groups=None)
        self.classes = classes
        self._labels, self._weights = given.astype(np.int32), trust.astype(np.float32)
        self.counts = self._count(neighbours)
        self._starts, self._askers = _askers(neighbours)

    def update(self, rows: ArrayLike, *, labels: ArrayLike, weights: ArrayLike) -> None:
        """Give some rows [M] other labels [M] and weights [M]; touches only the images that ask them."""
        which, given, trust = np.asarray(rows, np.intp), np.asarray(labels), np.asarray(weights, np.float32)
        if not which.shape == given.shape == trust.shape:
            raise InputError(f"{which.size} rows need as many labels and weights.")
        if which.size and not (given.min() >= 0 and given.max() < self.classes):
            raise InputError(f"Labels must be 0 to {self.classes - 1}, not {given.min()} to {given.max()}.")
        for row, label, weight in zip(which, given, trust, strict=True):
            askers = self._askers[self._starts[row] : self._starts[row + 1]]
            self.counts[self._labels[row], askers] -= self._weights[row]
            self.counts[label, askers] += weight
            self._labels[row], self._weights[row] = label, weight

    def probs(self) -> Floats:
        """Return the shares [K, N] of the labels among the neighbours, as if SPREAD more had voted for all.

        (count + SPREAD / K) / (total + SPREAD): the mean under a Dirichlet prior (Perks 1947). An image
        without neighbours gets 1 / K for every class.
        """
        shares: Floats = self.counts + np.float32(SPREAD / self.classes)
        shares /= shares.sum(axis=0)
        return shares

    def _count(self, neighbours: Neighbours) -> Floats:
        counts = np.empty((self.classes, len(neighbours)), dtype=np.float32)
        labels, weights = np.append(self._labels, 0), np.append(self._weights, 0)  # the last for row -1
        for some in blocks(len(neighbours)):
            rows = neighbours.rows[some]
            cells = labels[rows] * np.intp(len(rows)) + np.arange(len(rows))[:, None]
            votes = np.bincount(cells.ravel(), weights[rows].ravel(), minlength=self.classes * len(rows))
            counts[:, some] = votes.reshape(self.classes, -1)
        return counts


def _askers(neighbours: Neighbours) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Turn the neighbours round: those of which row r is one are askers[starts[r] : starts[r + 1]]."""
    from scipy import sparse  # takes a second, and only few need it

    there = neighbours.rows >= 0
    count, starts = len(there), np.append(0, np.cumsum(there.sum(axis=1)))
    votes = np.ones(int(starts[-1]), dtype=np.int8)
    turned = sparse.csr_array((votes, neighbours.rows[there], starts), shape=(count, count)).tocsc()
    return turned.indptr, turned.indices
