"""What a picture looks like, in five numbers that follow from a small version of it. Pure: arrays in.

It judges nothing: what is too dark or too blurred is said by the checks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 256  # pixels of the longer side on which edges are measured; a smaller picture is taken as it is
PICKED = 128  # the same for tones: so many pixels give their percentiles to a hundredth

# what the check keeps of each image, a record of the catalog's `looks`
LOOK = np.dtype(
    [
        ("format", "S8"),  # Pillow's name of the container
        ("mode", "S8"),  # Pillow's mode of the file, before any conversion
        ("several", "?"),  # it holds more pictures than one
        ("bright", "f4"),
        ("dim", "f4"),
        ("information", "f4"),
        ("sharpness", "f4"),
        ("colour", "f4"),
    ]
)


def brightness(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the 99th and the 5th percentile of perceived brightness of pixels [..., 3], 0 black to 1 white.

    Brightness is √(.241 R² + .691 G² + .068 B²) (D. Finley 2006, «HSP»), and the percentiles are those by
    which CleanVision tells dark and light pictures.
    """
    values = pixels.reshape(-1, 3).astype(np.float32)
    values *= values
    bright, dim = _percentiles(np.sqrt(values @ _PERCEIVED), 0.99, 0.05)
    return bright / 255, dim / 255


def information(pixels: NDArray[np.uint8]) -> float:
    """Return the mean entropy of the three channels of pixels [..., 3], in bits, 0 to 8 (Shannon 1948).

    CleanVision takes the entropy of the three histograms as one, which is this plus log₂ 3.
    """
    flat = pixels.reshape(-1, 3)
    counts = np.bincount((flat + _BINS).ravel())
    shares = counts[counts > 0] / len(flat)
    return float((0.0 - (shares * np.log2(shares)).sum()) / 3)  # of one tone 0.0, not -0.0


def colour(pixels: NDArray[np.uint8]) -> float:
    """Return how far the channels of pixels [..., 3] are apart: 99th percentile of max - min, 0 to 255.

    A grey picture saved in colour has next to none; JPEG leaves a little.
    """
    red, green, blue = pixels.reshape(-1, 3).T
    most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    return _percentiles(most - least, 0.99)[0]


def sharpness(grey: NDArray[np.uint8]) -> float:
    """Return the standard deviation of the Laplacian of grey [H, W] over that of the greys, from 0 up.

    The variance of the Laplacian is the usual measure of focus (Pech-Pacheco et al. 2000; Pertuz et al. 2013
    compare it with others); dividing by the contrast keeps fog and dusk from passing for blur. A picture of
    fewer than 3 pixels a side has no Laplacian and counts as sharp.
    """
    if min(grey.shape) < 3:
        return 1.0
    g = grey.astype(np.float32)
    inner = g[1:-1, 1:-1]
    laplacian = g[1:-1, :-2] + g[1:-1, 2:] + g[:-2, 1:-1] + g[2:, 1:-1] - 4 * inner
    return _deviation(laplacian) / (_deviation(g) + 1)


_PERCEIVED = np.array([0.241, 0.691, 0.068], dtype=np.float32)
_BINS = np.array([0, 256, 512], dtype=np.uint16)


def _percentiles(values: NDArray[Any], *shares: float) -> list[float]:
    """Return the nearest values, not interpolated: several times as fast on a small picture."""
    places = [round(share * (values.size - 1)) for share in shares]
    return [float(value) for value in np.partition(values, places)[places]]


def _deviation(values: NDArray[np.float32]) -> float:
    flat = values.ravel() - values.mean()
    return math.sqrt(float(flat @ flat) / flat.size)
