"""What is left of a picture to find its copies by: one row of bytes. Pure."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

SIDE = 32  # pixels of the small grey picture
SHARP_AT = 128  # pixels of the longer side at which sharpness is compared, whatever the size
DIGEST = 16  # bytes
LENGTH = SIDE * SIDE + DIGEST + 4


def sketch(picture: Image.Image, grey: Image.Image) -> bytes:
    """Return LENGTH bytes of an RGB picture and the same in grey.

    They are SIDE² grey levels, a digest of all pixels, and the sharpness, a float32.
    """
    small = grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    size = np.array(picture.size, dtype=np.int64).tobytes()
    look = hashlib.blake2b(size + picture.tobytes(), digest_size=DIGEST).digest()
    middle = grey.copy()
    middle.thumbnail((SHARP_AT, SHARP_AT), Image.Resampling.BILINEAR)
    steps = np.asarray(middle, dtype=np.float32)
    sharp = sum(np.abs(np.diff(steps, axis=axis)).mean() for axis in (0, 1) if steps.shape[axis] > 1)
    return b"".join((small.tobytes(), look, np.float32(sharp).tobytes()))
