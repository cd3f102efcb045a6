"""Lays one small picture over another, as it was moved, turned, mirrored, cut or squeezed, and compares them.

Pure. From a rough guess each pair is brought together by least squares (B. Lucas and T. Kanade, «An iterative
image registration technique», 1981); it does not guess, nor decide what is a copy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleaner.ranking.rows import Rows
from cleaner.ranking.turning import slopes_at, values_at
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
    from scipy.ndimage import gaussian_filter1d  # takes half a second, and not every command needs it

    kernel = gaussian_filter1d(np.eye(pictures.shape[1], dtype=np.float32), width, axis=0)
    return np.asarray(kernel @ pictures @ kernel.T, dtype=np.float32)


def brought_together(pictures: Floats, ours: Rows, theirs: Rows, fit: Fit, *, points: int, steps: int) -> Fit:
    """Improve how our rows [P] of pictures [N, S, S] lie over their rows [P], on points² of ours."""
    x, y = _points(points)
    wanted = _fixed(pictures, x, y)[ours]
    about = np.stack([x, y, np.ones_like(x)])
    for _ in range(steps):
        across, down = fit.of(x, y)
        inside = _inside(across, down)
        seen, *slopes = slopes_at(pictures, theirs, across, down)
        ideal, _ = _even(wanted, inside)
        found, contrast = _even(seen, inside)
        scale = inside / contrast[:, None]
        change = np.concatenate([(slope * scale)[:, None] * about for slope in slopes], axis=1)
        change -= (change.sum(axis=2) / _counted(inside))[..., None] * inside[:, None]
        fit = _stepped(fit, change, ideal - found)
    return fit


def likeness(pictures: Floats, ours: Rows, theirs: Rows, fit: Fit, *, points: int) -> tuple[Floats, ...]:
    """Compare pairs where they overlap: correlations, and the overlap's shares of ours and theirs, [P]."""
    x, y = _points(points)
    across, down = fit.of(x, y)
    inside = _inside(across, down)
    ideal, _ = _even(_fixed(pictures, x, y)[ours], inside)
    found, _ = _even(values_at(pictures, theirs, across, down), inside)
    share = inside.mean(axis=1)
    area = np.abs(np.linalg.det(fit.turn))
    correlation = (ideal * found).sum(axis=1) / _counted(inside)[:, 0]
    return correlation, share, np.minimum(share * area, 1)


def _points(points: int) -> tuple[Floats, Floats]:
    steps = ((np.arange(points, dtype=np.float32) + 0.5) / points * 2 - 1) * np.float32(EDGE)
    x, y = np.meshgrid(steps, steps)
    return x.ravel(), y.ravel()


def _fixed(pictures: Floats, x: Floats, y: Floats) -> Floats:
    """Read all pictures [N, S, S] at the same points [Q], [N, Q]."""
    shape = (len(pictures), len(x))
    every = np.arange(len(pictures))
    return values_at(pictures, every, np.broadcast_to(x, shape), np.broadcast_to(y, shape))


def _inside(across: Floats, down: Floats) -> Floats:
    return ((np.abs(across) <= EDGE) & (np.abs(down) <= EDGE)).astype(np.float32)


def _counted(inside: Floats) -> Floats:
    """Return how many points count, at least 1, [P, 1]."""
    return np.asarray(np.maximum(inside.sum(axis=1, keepdims=True), 1), dtype=np.float32)


def _even(values: Floats, inside: Floats) -> tuple[Floats, Floats]:
    """Bring values [P, Q] to mean 0 and deviation 1 where they count; return them and the deviations [P]."""
    count = _counted(inside)
    centred = (values - (values * inside).sum(axis=1, keepdims=True) / count) * inside
    contrast = np.sqrt((centred**2).sum(axis=1) / count[:, 0]) + np.float32(1e-3)
    return centred / contrast[:, None], contrast


def _stepped(fit: Fit, change: Floats, wrong: Floats) -> Fit:
    """Take one damped step of least squares by `change` [P, 6, Q] for what is `wrong` [P, Q]."""
    normal, towards = change @ change.transpose(0, 2, 1), change @ wrong[..., None]
    damping = 0.02 / 6 * np.trace(normal, axis1=1, axis2=2) + 1e-3
    step = np.linalg.solve(normal + np.eye(6, dtype=np.float32) * damping[:, None, None], towards)[..., 0]
    step = (step * np.minimum(1, LONGEST / np.maximum(np.abs(step).max(axis=1), 1e-9))[:, None]).reshape(
        -1, 2, 3
    )
    return Fit(fit.turn + step[..., :2], fit.shift + step[..., 2])
