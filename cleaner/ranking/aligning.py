"""Lays one small picture over another, as it was moved, turned, mirrored, cut or squeezed, and compares them.

Pure. From a rough guess each pair is brought together by least squares (B. Lucas and T. Kanade, «An iterative
image registration technique», 1981); it does not guess, nor decide what is a copy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cleaner.ranking.rows import Rows
from cleaner.ranking.turning import values_at
from cleaner.types import Floats

EDGE = 0.93  # what lies further out has something of the frame mixed in
LONGEST = 0.25  # of half a side: no step is longer


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """How P pictures lie over others: a point p lies at `turn` [P, 2, 2] · p + `shift` [P, 2], in -1..1."""

    turn: Floats
    shift: Floats

    def take(self, rows: Rows | NDArray[np.bool_]) -> Fit:
        """Return some of them."""
        return Fit(self.turn[rows], self.shift[rows])

    def of(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return where points [Q] lie, [P, Q] each."""
        across, down = (
            self.turn[:, row, :1] * x + self.turn[:, row, 1:] * y + self.shift[:, row, None] for row in (0, 1)
        )
        return across, down


def blurred(pictures: Floats, width: float) -> Floats:
    """Blur pictures [N, S, S] by a number of pixels."""
    return np.asarray(gaussian_filter(pictures, (0, width, width)), dtype=np.float32)


def brought_together(pictures: Floats, ours: Rows, theirs: Rows, fit: Fit, *, points: int, steps: int) -> Fit:
    """Improve how our rows [P] of pictures [N, S, S] lie over their rows [P], on points² of ours."""
    half = pictures.shape[1] / 2
    sloped = np.stack([pictures, *(np.gradient(pictures, axis=axis) * half for axis in (2, 1))], axis=-1)
    x, y = _points(points)
    wanted = _fixed(sloped[..., :1], ours, x, y)[..., 0]
    about = np.stack([x, y, np.ones_like(x)], axis=1)
    for _ in range(steps):
        across, down = fit.of(x, y)
        seen, inside = values_at(sloped, theirs, across, down), _inside(across, down)
        ideal, _ = _even(wanted, inside)
        found, contrast = _even(seen[..., 0], inside)
        slopes = seen[..., 1:] * (inside / contrast[:, None])[..., None]
        change = np.concatenate([slopes[..., :1] * about, slopes[..., 1:] * about], axis=2)
        change -= _mean(change, inside[..., None]) * inside[..., None]
        fit = _stepped(fit, change, ideal - found)
    return fit


def likeness(pictures: Floats, ours: Rows, theirs: Rows, fit: Fit, *, points: int) -> tuple[Floats, ...]:
    """Compare pairs where they overlap: correlations, and the overlap's shares of ours and theirs, [P]."""
    x, y = _points(points)
    across, down = fit.of(x, y)
    inside = _inside(across, down)
    ideal, _ = _even(_fixed(pictures[..., None], ours, x, y)[..., 0], inside)
    found, _ = _even(values_at(pictures[..., None], theirs, across, down)[..., 0], inside)
    share = inside.mean(axis=1)
    area = np.abs(np.linalg.det(fit.turn))
    correlation = (ideal * found).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    return correlation, share, np.minimum(share * area, 1)


def _points(points: int) -> tuple[Floats, Floats]:
    steps = ((np.arange(points, dtype=np.float32) + 0.5) / points * 2 - 1) * np.float32(EDGE)
    x, y = np.meshgrid(steps, steps)
    return x.ravel(), y.ravel()


def _fixed(pictures: Floats, rows: Rows, x: Floats, y: Floats) -> Floats:
    shape = (len(rows), len(x))
    return values_at(pictures, rows, np.broadcast_to(x, shape), np.broadcast_to(y, shape))


def _inside(across: Floats, down: Floats) -> Floats:
    return ((np.abs(across) <= EDGE) & (np.abs(down) <= EDGE)).astype(np.float32)


def _mean(values: Floats, inside: Floats) -> Floats:
    total = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    return np.asarray((values * inside).sum(axis=1, keepdims=True) / total, dtype=np.float32)


def _even(values: Floats, inside: Floats) -> tuple[Floats, Floats]:
    """Bring values [P, Q] to mean 0 and deviation 1 where they count; return them and the deviations [P]."""
    centred = (values - _mean(values, inside)) * inside
    contrast = np.sqrt(_mean(centred**2, inside)[:, 0]) + np.float32(1e-3)
    return centred / contrast[:, None], contrast


def _stepped(fit: Fit, change: Floats, wrong: Floats) -> Fit:
    """Take one damped step of least squares by `change` [P, Q, 6] for what is `wrong` [P, Q]."""
    turned = change.transpose(0, 2, 1)
    normal, towards = turned @ change, turned @ wrong[..., None]
    damping = 0.02 / 6 * np.trace(normal, axis1=1, axis2=2) + 1e-3
    step = np.linalg.solve(normal + np.eye(6, dtype=np.float32) * damping[:, None, None], towards)[..., 0]
    step = (step * np.minimum(1, LONGEST / np.maximum(np.abs(step).max(axis=1), 1e-9))[:, None]).reshape(
        -1, 2, 3
    )
    return Fit(fit.turn + step[..., :2], fit.shift + step[..., 2])
