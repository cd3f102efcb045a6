"""The quick head: a linear classifier on embeddings, and what it says of each image when fitted without it.

Closed formulas, no chance and no epochs. It computes no embeddings and scales none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cleaner.errors import InputError
from cleaner.ranking.rows import BLOCK, Doubles, Rows, blocks, checked, divided, read, units, usable
from cleaner.ranking.temperature import GAIN, START, fit_temperature, log_softmax
from cleaner.types import Floats, Pixels

SAMPLE = 2**24  # numbers kept while the penalty is chosen, 128 MB
PENALTIES = 10.0 ** np.arange(0, -7.5, -0.5)  # times the sum of squares; falling: the stronger one wins ties


@dataclass(frozen=True, slots=True, eq=False)
class LeaveOneOut:
    """What the head says of N images, each as if it had not been there, and the head fitted on all of them.

    `log_probs` [N, K] in nats are the log-softmax of `temperature` times `scores` [N, K]; `coefficients`
    [D + 1, K] map an embedding and a constant 1 to scores. `frequencies` [K] are those of the classes among
    the images that took part, each class counted once more; images whose embedding is not all finite numbers
    get them as their probabilities.
    """

    log_probs: Floats
    scores: Doubles
    penalty: float
    temperature: float
    coefficients: Doubles
    frequencies: Doubles

    def predict(self, embeddings: Pixels) -> Floats:
        """Return the log-probabilities [M, K] of other images by their embeddings [M, D]."""
        width, classes = self.coefficients.shape
        if len(embeddings.shape) != 2 or embeddings.shape[1] != width - 1:
            raise InputError(f"The head reads embeddings [M, {width - 1}], not {list(embeddings.shape)}.")
        said = np.empty((len(embeddings), classes), dtype=np.float32)
        there = usable(embeddings)
        for rows in blocks(len(embeddings)):
            scores = read(embeddings, rows, roots=there[rows].astype(np.float64)) @ self.coefficients
            said[rows] = log_softmax(self.temperature * scores)
        said[~there] = np.log(self.frequencies)
        return said


def leave_one_out(
    embeddings: Pixels,
    labels: ArrayLike,
    *,
    classes: int,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> LeaveOneOut:
    """Fit the head on embeddings [N, D] and labels [N] in 0..K-1, and score each image as if left out.

    `weights` [N] above 0 say how much a label counts; images of equal `groups` [N] leave together.

    Ridge regression on one-hot labels y, with rows x of the embeddings and a constant, and
    A = Σ w x xᵀ + penalty · I: the fit on all images says f = (Σ w y xᵀ) A⁻¹ x and has leverages
    h = w xᵀ A⁻¹ x; the fit without this image says (f - h y) / (1 - h). For a group, f and y are matrices,
    h = X A⁻¹ Xᵀ W, and the division is by the inverse. Source: the leave-one-out identity of linear smoothers
    (PRESS, Allen 1974; Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, section 7.10).

    Penalty and temperature are those under which the given labels are likeliest by the left-out scores; where
    N is large, an even sample of the images chooses the penalty. Keeps O(D² + N · K) and SAMPLE numbers.
    Raises InputError for shapes, labels or weights that can't be.
    """
    data = _data(embeddings, labels, classes=classes, weights=weights, groups=groups)
    there = data.roots > 0
    counts = np.bincount(data.labels, weights=data.roots**2, minlength=classes) + 1
    basis = _decompose(data) if there.any() else _nothing(data)
    step = -(-len(there) * max(len(basis.squares), 8 * classes) // SAMPLE)
    pieces = list(_pieces(data, basis, step=step))
    penalty = _choose_penalty(data, basis, pieces) if there.any() else 1.0
    scores = _scores(data, basis, pieces if step == 1 else _pieces(data, basis), penalty=penalty)
    temperature, _ = fit_temperature(scores, data.labels, weights=data.roots**2)
    log_probs = log_softmax(temperature * scores).astype(np.float32)
    log_probs[~there] = np.log(counts / counts.sum())
    coefficients = basis.directions @ basis.fits(penalty)
    return LeaveOneOut(log_probs, scores, penalty, temperature, coefficients, counts / counts.sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """What was passed in, checked. `roots` [N] are those of the weights, 0 where an embedding is no number.

    `units` are rows [M, size] that leave together, one array for each size.
    """

    embeddings: Pixels
    labels: Rows
    roots: Doubles
    units: list[Rows]
    classes: int

    def read(self, rows: slice | Rows) -> Doubles:
        """Return weighted rows [M, D + 1] with the constant."""
        return read(self.embeddings, rows, roots=self.roots[rows])

    def targets(self, rows: slice | Rows) -> Doubles:
        """Return the weighted one-hot labels of rows of any shape [...], as [..., K]."""
        one_hot = self.labels[rows][..., None] == np.arange(self.classes)
        return np.asarray(one_hot * self.roots[rows][..., None])


def _data(
    embeddings: Pixels,
    labels: ArrayLike,
    *,
    classes: int,
    weights: ArrayLike | None,
    groups: ArrayLike | None,
) -> _Data:
    given, trust, together = checked(embeddings, labels, classes=classes, weights=weights, groups=groups)
    if not trust.all():
        raise InputError("Every weight must be a number above 0; leave out the images that should have none.")
    return _Data(embeddings, given, np.sqrt(trust) * usable(embeddings), units(together), classes)


@dataclass(frozen=True, slots=True, eq=False)
class _Basis:
    """The weighted rows as U S Vᵀ: `squares` S² [R], `directions` V [D + 1, R], `moments` S Uᵀ Y [R, K]."""

    squares: Doubles
    directions: Doubles
    moments: Doubles

    def fits(self, penalty: float) -> Doubles:
        """Return the coefficients along the directions, [R, K]."""
        return self.moments / (self.squares + penalty)[:, None]


def _nothing(data: _Data) -> _Basis:
    return _Basis(np.zeros(0), np.zeros((data.embeddings.shape[1] + 1, 0)), np.zeros((0, data.classes)))


def _decompose(data: _Data) -> _Basis:
    """Take the eigenvectors of the smaller of XᵀX and XXᵀ, without the directions that no row has."""
    count, width = len(data.labels), data.embeddings.shape[1] + 1
    few = data.read(slice(None)) if count < width else None
    gram, sums = np.zeros((width, width) if few is None else (0, 0)), np.zeros((width, data.classes))
    for rows in blocks(count):
        read = data.read(rows)
        sums += read.T @ data.targets(rows)
        if few is None:
            gram += read.T @ read
    squares, vectors = np.linalg.eigh(gram if few is None else few @ few.T)
    kept = squares > squares[-1] * len(squares) * np.finfo(np.float64).eps
    squares, vectors = squares[kept], vectors[:, kept]
    directions = vectors if few is None else few.T @ (vectors / np.sqrt(squares))
    return _Basis(squares, directions, directions.T @ sums)


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """M units of one size; their weighted rows in the basis are `frames` [M, size, Q] @ `spread` [M, Q, R].

    The columns of a frame are orthonormal, and no more than needed: one for a hundred copies of one image.
    """

    rows: Rows
    frames: Doubles
    spread: Doubles


def _pieces(data: _Data, basis: _Basis, *, step: int = 1) -> Iterator[_Piece]:
    """Yield every `step`-th unit, a block at a time."""
    for together in data.units:
        chosen, many = together[::step], max(1, BLOCK // together.shape[1])
        for start in range(0, len(chosen), many):
            rows = chosen[start : start + many]
            spread = (data.read(rows.ravel()) @ basis.directions).reshape(*rows.shape, -1)
            yield _framed(rows, spread) if rows.shape[1] > 1 else _Piece(rows, np.ones((1, 1, 1)), spread)


def _framed(rows: Rows, spread: Doubles) -> _Piece:
    frames, lengths, axes = np.linalg.svd(spread, full_matrices=False)
    needed = (lengths > 1e-12 * lengths.max(initial=0)).any(axis=0)
    return _Piece(rows, frames[:, :, needed], (lengths[:, :, None] * axes)[:, needed])


def _left_out(piece: _Piece, data: _Data, basis: _Basis, penalty: float) -> Doubles:
    """Return the scores [M, size, K] of a piece, each unit as if it had not been there."""
    fits, shrink = basis.fits(penalty), 1 / (basis.squares + penalty)
    targets, roots = data.targets(piece.rows), data.roots[piece.rows][..., None]
    if piece.rows.shape[1] == 1:
        rows = piece.spread[:, 0]
        left = divided(rows @ fits, targets[:, 0], (rows * rows) @ shrink)[:, None]
    else:  # the same along the axes of each unit's hat matrix
        leverages, axes = np.linalg.eigh((piece.spread * shrink) @ piece.spread.mT)
        turned = piece.frames @ axes
        left = turned @ divided(axes.mT @ (piece.spread @ fits), turned.mT @ targets, leverages)
    return np.asarray(left / np.where(roots > 0, roots, 1))


def _scores(data: _Data, basis: _Basis, pieces: Iterable[_Piece], *, penalty: float) -> Doubles:
    scores = np.empty((len(data.labels), data.classes))
    for piece in pieces:
        scores[piece.rows] = _left_out(piece, data, basis, penalty)
    return scores


def _choose_penalty(data: _Data, basis: _Basis, pieces: list[_Piece]) -> float:
    rows = np.concatenate([piece.rows.ravel() for piece in pieces])
    labels, weights = data.labels[rows], data.roots[rows] ** 2
    best, least, temperature = 0.0, math.inf, START
    for penalty in PENALTIES * basis.squares.sum():
        left = [_left_out(piece, data, basis, penalty).reshape(-1, data.classes) for piece in pieces]
        temperature, loss = fit_temperature(np.concatenate(left), labels, weights=weights, start=temperature)
        if loss < least - GAIN * weights.sum():
            best, least = float(penalty), loss
    return best
