"""Whole pictures for the browser: JPEG, or a grey PNG of 16 bits that keeps its depth. It keeps nothing."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from cleaner.catalog.pictures import open_whole

MOST = 4096  # pixels a side: more than a screen has, and little enough for one message
QUALITY = 92


def full_size(path: Path, *, side: int = MOST) -> bytes:
    """Return a picture upright, at most `side` pixels a side, for a browser. Raises UnreadableImage."""
    image = open_whole(path, side=side)
    out = io.BytesIO()
    if image.mode == "I;16":
        # compressing harder would take seconds, to send it from a machine to itself
        _smaller(image, side=side).save(out, "PNG", compress_level=1)
    else:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        image.save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()


def _smaller(image: Image.Image, *, side: int) -> Image.Image:
    """Average whole blocks of a 16-bit picture until it fits; Pillow resizes 8 bits only."""
    factor = -(-max(image.size) // side)
    if factor == 1:
        return image
    values = np.asarray(image)
    height, width = (max(1, length // factor) for length in values.shape)
    rows, columns = (min(factor, length) for length in values.shape)
    blocks = values[: height * rows, : width * columns].reshape(height, rows, width, columns)
    return Image.fromarray(blocks.mean(axis=(1, 3)).round().astype(np.uint16))
