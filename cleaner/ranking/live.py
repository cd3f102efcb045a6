"""The quick head kept up to date: a verdict changes it at once and exactly, without fitting it again.

It knows rows, labels and weights; what a verdict means, and when to look again, is not its business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cleaner.errors import InputError
from cleaner.ranking.rows import (
    LEAST_REMAINDER,
    Doubles,
    Rows,
    blocks,
    checked,
    divided,
    read,
    units,
    usable,
)
from cleaner.types import Pixels

Numbers: TypeAlias = NDArray[Any]  # float64 where the embeddings are, else float32

REFRESH = 50  # updates between two exact fits: rounding in single precision adds up
LEAST_LEFT = 0.1  # of 1 - leverage: below it, to take an image out by an update would cost digits
STRIPE = 2048  # rows at a time in an update, so that what lies between two products stays in the cache


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What an update replaced: labels [M] and weights [M] of some rows [M]. Updating with it undoes that."""

    rows: Rows
    labels: Rows
    weights: Doubles


class LiveHead:
    """Ridge regression on one-hot labels, `leave_one_out` with a given penalty, that follows changes.

    `fitted` [K, N] are the scores by the head on all images, `leverages` [N] are xᵀ A⁻¹ x, both of the
    present labels [N] and weights [N]; a weight of 0 leaves an image out. Class-major on purpose: what is
    summed over classes then runs along memory. Rows are kept in double precision if the embeddings are, else
    in single. Where images are fewer than dimensions they are turned into as many coordinates as there are
    images.
    """

    def __init__(
        self,
        embeddings: Pixels,
        labels: ArrayLike,
        *,
        classes: int,
        penalty: float,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> None:
        if not (np.isfinite(penalty) and penalty > 0):
            raise InputError(f"The penalty must be a number above 0, not {penalty}.")
        given, trust, together = checked(embeddings, labels, classes=classes, weights=weights, groups=groups)
        self.classes, self.penalty = classes, penalty
        self.labels, self.weights = given.copy(), trust.copy()
        self._usable = usable(embeddings)
        self._rows = _coordinates(embeddings, self._usable)
        self._units = [rows for rows in units(together) if rows.shape[1] > 1]
        self._fit()

    def update(self, rows: ArrayLike, *, labels: ArrayLike, weights: ArrayLike) -> State:
        """Give some rows [M], each named once, other labels [M] and weights [M]; return what they had.

        With changes of weights D, of weighted targets E, U = A⁻¹Xᵀ and V = XU of these rows, and
        S = (I + DV)⁻¹D, the inverse A⁻¹ loses USUᵀ and the coefficients B gain U(E - S(XB + VE)). Source: the
        Sherman-Morrison-Woodbury identity. Cost: one product of all rows with M columns.
        """
        which = np.asarray(rows, dtype=np.intp)
        now = State(which, np.asarray(labels, dtype=np.intp), np.asarray(weights, dtype=np.float64))
        self._check(now)
        then = State(which, self.labels[which], self.weights[which])
        self.labels[which], self.weights[which] = now.labels, now.weights
        self._updates += 1
        if len(which) > self._rows.shape[1] // 4 or self._updates > REFRESH:
            self._fit()
        elif len(which):
            self._move(which, then, now)
        return then

    def left_out(self) -> Numbers:
        """Return the scores [K, N] of each image by the head fitted without it, or without its group."""
        own = (self.weights * self._usable).astype(self._rows.dtype) * self.leverages
        rest = np.maximum(1 - own, LEAST_REMAINDER)
        left: Numbers = self.fitted / rest
        left[self.labels, np.arange(len(own))] -= own / rest
        for rows, gram in zip(self._units, self._grams, strict=True):
            left[:, rows] = np.moveaxis(self._groups_left_out(rows, gram), -1, 0)
        return left

    def _check(self, now: State) -> None:
        count = len(self.labels)
        if not (now.rows.ndim == 1 and now.labels.shape == now.weights.shape == now.rows.shape):
            raise InputError(f"For {now.rows.size} rows, give as many labels and weights.")
        if len(now.rows) and not (now.rows.min() >= 0 and now.rows.max() < count):
            raise InputError(
                f"Rows must be 0 to {count - 1}, but these go from {now.rows.min()} to {now.rows.max()}."
            )
        if len(np.unique(now.rows)) < len(now.rows):
            raise InputError("A row was named twice in one update; give each its last label and weight.")
        if len(now.rows) and not (now.labels.min() >= 0 and now.labels.max() < self.classes):
            raise InputError(f"Labels for {self.classes} classes must be 0 to {self.classes - 1}.")
        if not (np.isfinite(now.weights) & (now.weights >= 0)).all():
            raise InputError("Every weight must be a number of at least 0.")

    def _targets(self, state: State) -> Doubles:
        return np.asarray((state.labels[:, None] == np.arange(self.classes)) * state.weights[:, None])

    def _fit(self) -> None:
        """Fit anew, from the labels and weights as they are."""
        width, count = self._rows.shape[1], len(self._rows)
        gram, moments = np.zeros((width, width)), np.zeros((width, self.classes))
        for some in blocks(count):
            wide, weights = self._rows[some].astype(np.float64), self.weights[some]
            gram += wide.T @ (wide * weights[:, None])
            moments += wide.T @ self._targets(State(np.arange(0), self.labels[some], weights))
        self._inverse = np.linalg.inv(gram + self.penalty * np.eye(width))
        self._coefficients = self._inverse @ moments
        narrow = self._rows.dtype
        self.fitted: Numbers = self._coefficients.T.astype(narrow) @ self._rows.T
        self.leverages: Numbers = np.empty(count, dtype=narrow)
        inverse = self._inverse.astype(narrow)
        for some in blocks(count):
            self.leverages[some] = np.einsum("nd,nd->n", self._rows[some] @ inverse, self._rows[some])
        self._grams = [self._rows[rows] @ inverse @ self._rows[rows].mT for rows in self._units]
        self._updates = 0

    def _move(self, rows: Rows, then: State, now: State) -> None:
        mine = self._rows[rows].astype(np.float64)
        shift, change = now.weights - then.weights, self._targets(now) - self._targets(then)
        reach = self._inverse @ mine.T
        overlap = mine @ reach
        inner = np.eye(len(rows)) + shift[:, None] * overlap
        if np.linalg.svd(inner, compute_uv=False)[-1] < LEAST_LEFT:
            self._fit()
            return
        shrink = np.linalg.solve(inner, np.diag(shift))
        push = change - shrink @ (mine @ self._coefficients + overlap @ change)
        self._inverse -= reach @ shrink @ reach.T
        self._coefficients += reach @ push
        narrow = self._rows.dtype
        self._spread(reach.astype(narrow), push.T.astype(narrow), shrink.astype(narrow))

    def _spread(self, reach: Numbers, push: Numbers, shrink: Numbers) -> None:
        """Bring an update to all images: `reach` [D, M], `push` [K, M], `shrink` [M, M]."""
        weighed = bool(shrink.any())
        for start in range(0, len(self._rows), STRIPE):
            some = slice(start, start + STRIPE)
            touched = self._rows[some] @ reach
            self.fitted[:, some] += push @ touched.T
            if weighed:
                self.leverages[some] -= np.einsum("nm,nm->n", touched @ shrink, touched)
        for rows, gram in zip(self._units if weighed else (), self._grams, strict=False):
            touched = self._rows[rows] @ reach
            gram -= touched @ shrink @ touched.mT

    def _groups_left_out(self, rows: Rows, gram: Numbers) -> Numbers:
        """Return the scores [G, size, K] of groups [G, size] that leave together.

        The residuals without the group are R = (I - HW)⁻¹(Y - F), along the axes of √W H √W; the scores are
        then F - HWR, for images of no weight too.
        """
        roots = np.sqrt(self.weights[rows] * self._usable[rows])[..., None].astype(gram.dtype)
        targets = (self.labels[rows][..., None] == np.arange(self.classes)).astype(gram.dtype)
        fitted = np.moveaxis(self.fitted[:, rows], 0, -1)
        leverages, axes = np.linalg.eigh(roots * gram * roots.mT)
        turned = axes.mT @ (roots * targets)
        left = divided(axes.mT @ (roots * fitted), turned, leverages)
        return np.asarray(fitted - gram @ (roots * (axes @ (turned - left))))


def _coordinates(embeddings: Pixels, usable: NDArray[np.bool_]) -> Numbers:
    """Return the rows with a constant, [N, D + 1], or [N, N] of the same inner products if that is less."""
    exact = embeddings.dtype == np.float64
    rows = np.empty((len(embeddings), embeddings.shape[1] + 1), dtype=np.float64 if exact else np.float32)
    for some in blocks(len(rows)):
        rows[some] = read(embeddings, some, roots=usable[some].astype(np.float64))
    if len(rows) >= rows.shape[1]:
        return rows
    corner = np.linalg.qr(rows.T.astype(np.float64), mode="r")  # of the same inner products
    return np.ascontiguousarray(np.asarray(corner).T, dtype=rows.dtype)
