"""How sure to be: the one factor that turns scores of any scale into probabilities. It ranks nothing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

RANGE = (1e-3, 1e4)
START = 10.0  # near what scores from 0 to 1 need
GAIN = 1e-6  # nats per image; less may be rounding, and is nothing to become surer by


def fit_temperature(
    scores: NDArray[np.float64],
    labels: NDArray[np.intp],
    *,
    weights: NDArray[np.float64],
    start: float = START,
) -> tuple[float, float]:
    """Return the factor of scores [N, K] under which labels [N] are likeliest, and their loss in nats.

    The loss is the weighted sum of -log softmax(temperature · scores) at the labels. It is convex in the
    temperature: Newton's steps, and halvings of the range where one would leave it, until no temperature in
    the range could gain more than GAIN. Where all do equally well it stays at `start`.
    """
    centred = scores - scores.max(axis=1, keepdims=True)
    low, high = RANGE
    now = start
    for _ in range(60):
        loss, slope, curvature = _derivatives(centred, labels, weights, now)
        if abs(slope) * high <= GAIN * weights.sum():
            break
        low, high = (low, now) if slope > 0 else (now, high)
        newton = now - slope / curvature if curvature > 0 else now
        then = newton if low <= newton <= high else math.sqrt(low * high)
        if abs(then - now) <= 1e-9 * now:
            break
        now = then
    return now, loss


def log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log-probabilities [N, K] in nats."""
    centred: NDArray[np.float64] = scores - scores.max(axis=1, keepdims=True)
    centred -= np.log(np.exp(centred).sum(axis=1, keepdims=True))
    return centred


def _derivatives(
    centred: NDArray[np.float64], labels: NDArray[np.intp], weights: NDArray[np.float64], temperature: float
) -> tuple[float, float, float]:
    """Return the loss and its first two derivatives by the temperature; the highest scores [N] must be 0."""
    odds = np.exp(temperature * centred)
    total = odds.sum(axis=1)
    given = centred[np.arange(len(labels)), labels]
    mean = np.einsum("ij,ij->i", odds, centred) / total
    square = np.einsum("ij,ij,ij->i", odds, centred, centred) / total
    loss = weights @ (np.log(total) - temperature * given)
    return float(loss), float(weights @ (mean - given)), float(weights @ (square - mean**2))
