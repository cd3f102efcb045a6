"""A picture seen through round windows, as waves along rings: turned or mirrored, they say the same.

Pure: small grey pictures in, numbers out. It does not decide what is a copy of what.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cleaner.ranking.rows import Rows
from cleaner.types import Floats

Waves: TypeAlias = NDArray[np.complex64]

RINGS, ANGLES, WAVES = 8, 32, 7
FINER = 4  # steps of an angle between two of ANGLES, when two pictures are turned against each other
_WEIGHT = np.sqrt((np.arange(RINGS, dtype=np.float32) + 0.5) / RINGS)  # outer rings are longer
_POWER = np.sqrt(np.maximum(1, np.arange(WAVES + 1))) * np.where(np.arange(WAVES + 1) > 0, np.sqrt(2), 1)


def _windows() -> Floats:
    """List the windows: centre and radius, in halves of the short side from the middle; the whole first."""
    near, far = (-0.14, 0.0, 0.14), (-0.24, 0.24)
    parts = [(x, y, 0.86) for x in near for y in near] + [(x, y, 0.72) for x in far for y in far]
    return np.array([(0, 0, 1), *parts, (0, 0, 0.72)], dtype=np.float32)


WINDOWS = _windows()


def values_at(pictures: Floats, rows: Rows, x: Floats, y: Floats) -> Floats:
    """Read rows [P] of pictures [N, S, S] at points [P, Q] in -1..1, bilinear; return [P, Q]."""
    (upper, lower), down, _ = _interpolated(pictures, rows, x, y)
    return upper + (lower - upper) * down


def slopes_at(pictures: Floats, rows: Rows, x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Return what `values_at` does, and how it changes with x and with y, [P, Q] each."""
    (upper, lower), down, (upper_step, lower_step) = _interpolated(pictures, rows, x, y)
    half = np.float32(pictures.shape[1] / 2)
    slope = (upper_step + (lower_step - upper_step) * down) * half
    return upper + (lower - upper) * down, slope, (lower - upper) * half


def _interpolated(
    pictures: Floats, rows: Rows, x: Floats, y: Floats
) -> tuple[tuple[Floats, Floats], Floats, tuple[Floats, Floats]]:
    """Read above and below each point; return both, how far down it lies between them, and their slopes."""
    side = pictures.shape[1]
    across, down = (((at + 1) * (side / 2) - 0.5).clip(0, side - 1.001).astype(np.float32) for at in (x, y))
    left, top = across.astype(np.int32), down.astype(np.int32)
    across, down = across - left, down - top
    at, flat = (rows * side**2)[:, None] + (top * side + left), pictures.ravel()
    near = [flat.take(at + beside) for beside in (0, 1, side, side + 1)]
    steps = near[1] - near[0], near[3] - near[2]
    return (near[0] + steps[0] * across, near[2] + steps[1] * across), down, steps


def stretch(sizes: NDArray[np.integer[Any]]) -> Floats:
    """Return half the width and half the height in halves of the short side, [N, 2], of sizes [N, 2]."""
    return np.asarray(sizes / sizes.min(axis=1, keepdims=True), dtype=np.float32)


def waves(pictures: Floats, stretched: Floats, windows: Floats) -> Waves:
    """Look at each picture [N, S, S] through its window [N, 3]; return waves [N, RINGS, WAVES + 1].

    They have length 1 and know neither brightness nor contrast: two pictures' product is a correlation.
    """
    turn = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    radius = (np.arange(RINGS)[:, None] + 0.5) / RINGS
    x, y = ((radius * wave(turn)).ravel().astype(np.float32) for wave in (np.cos, np.sin))
    across = (windows[:, 0, None] + windows[:, 2, None] * x) / stretched[:, 0, None]
    down = (windows[:, 1, None] + windows[:, 2, None] * y) / stretched[:, 1, None]
    seen = values_at(pictures, np.arange(len(pictures)), across, down)
    found = np.fft.rfft(seen.reshape(-1, RINGS, ANGLES), axis=2)[:, :, : WAVES + 1] * _WEIGHT[:, None]
    found[:, :, 0] -= (found[:, :, 0] @ _WEIGHT / (_WEIGHT @ _WEIGHT))[:, None] * _WEIGHT
    found *= _POWER
    length = np.sqrt((np.abs(found) ** 2).sum(axis=(1, 2)))
    return np.asarray(found / np.maximum(length, 1e-6)[:, None, None], dtype=np.complex64)


def fingerprints(seen: Waves) -> Floats:
    """Return what no turn and no mirror changes in waves [N, RINGS, WAVES + 1], [N, D] of length 1.

    The height of each wave, and how far it agrees with that of the next ring.
    """
    pairs = seen[:, :-1, 1:] * np.conj(seen[:, 1:, 1:])
    agreeing = pairs.real / np.sqrt(np.abs(pairs) + 1e-9)
    parts = (seen[:, :, 0].real, np.abs(seen[:, :, 1:]), agreeing)
    joined = np.concatenate([part.reshape(len(seen), -1) for part in parts], axis=1)
    return np.asarray(joined / np.maximum(np.linalg.norm(joined, axis=1, keepdims=True), 1e-9), np.float32)


def best_turn(ours: Waves, theirs: Waves) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Turn each of ours [P, ...] until it is most like its partner of theirs, mirrored or not.

    Returns the angles [P] from ours to theirs in radians, the mirrored ones [P], and the correlations [P].
    """
    plain, mirrored = _turned(ours, theirs), _turned(ours, np.conj(theirs))
    flipped = mirrored.max(axis=1) > plain.max(axis=1)
    chosen = np.where(flipped[:, None], mirrored, plain)
    angle = chosen.argmax(axis=1) * (2 * np.pi / chosen.shape[1])
    return np.where(flipped, angle, -angle).astype(np.float32), flipped, chosen.max(axis=1)


def _turned(ours: Waves, theirs: Waves) -> Floats:
    """Correlate pairs at every angle, [P, ANGLES · FINER]; steady waves count once, the others as a pair."""
    products = (ours * np.conj(theirs)).sum(axis=1)
    products[:, 1:] /= 2
    steps = ANGLES * FINER
    return np.asarray(np.fft.irfft(products, n=steps, axis=1) * steps, dtype=np.float32)
