"""A sketch of every image, kept by its content: enough to find its copies.

It decides nothing, and is safe to delete.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cleaner.catalog.pictures import open_picture
from cleaner.catalog.rowcache import CachedRows, RowCache
from cleaner.errors import Stopped, UnreadableImage
from cleaner.progress import Progress, Report, Stop, never, quiet
from cleaner.types import Catalog, Floats, Pixels, Strings, strings

SIDE = 32  # pixels of a sketch
LOOKED_AT = 256  # pixels of the short side at which a JPEG is decoded at least
SHARP_AT = 128  # pixels of the longer side at which sharpness is compared, whatever the size
DIGEST = 16  # bytes
BLOCK = 256
THREADS = 4
ROW = SIDE * SIDE + DIGEST + 4


class Sketches:
    """The sketches of one project's images, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._rows = RowCache(folder, shape=(ROW,), dtype="uint8")

    def of(self, catalog: Catalog, *, report: Report = quiet, stopped: Stop = never) -> Sketched:
        """Return the sketches of all images; decodes those that were never looked at, on several threads.

        What can't be decoded any more has a blank one. Raises Stopped; what was made so far is kept.
        """
        missing = self._rows.missing(catalog.digests)
        with ThreadPoolExecutor(THREADS) as pool:
            for start in range(0, len(missing), BLOCK):
                report(Progress("sketching", start, len(missing), note="looking at the images"))
                if stopped():
                    raise Stopped("Stopped while looking at the images; what was seen so far is kept.")
                rows = missing[start : start + BLOCK]
                made = pool.map(lambda row: sketch(_decoded(catalog.root / catalog.paths[row])), rows)
                self._rows.add(catalog.digests[rows], np.stack(list(made)))
        self._rows.compact(catalog.digests)
        return Sketched(self._rows.take(catalog.digests))


class Sketched:
    """The sketches of N images: small grey pictures, what they look like to the last pixel, how sharp."""

    def __init__(self, rows: CachedRows) -> None:
        self._rows = rows

    @cached_property
    def grey(self) -> Pixels:
        """The small grey pictures, uint8 [N, SIDE, SIDE]."""
        return self._rows[:][:, : SIDE * SIDE].reshape(-1, SIDE, SIDE)

    @cached_property
    def looks(self) -> Strings:
        """A digest of the decoded pixels of each image, [N]: the same in every container.

        Of a large JPEG as it is decoded at a part of its size.
        """
        kept = self._rows[:][:, SIDE * SIDE : SIDE * SIDE + DIGEST]
        return strings([row.tobytes().hex() for row in kept])

    @cached_property
    def sharpness(self) -> Floats:
        """The mean step in grey between neighbouring pixels, [N], at one size for all."""
        return np.ascontiguousarray(self._rows[:][:, -4:]).view(np.float32)[:, 0]


def sketch(picture: Image.Image) -> NDArray[np.uint8]:
    """Return one row, uint8 [ROW]: a small grey picture, a digest of all pixels, and the sharpness."""
    grey = picture.convert("L")
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    size = np.array(picture.size, dtype=np.int64).tobytes()
    look = hashlib.blake2b(size + picture.tobytes(), digest_size=DIGEST).digest()
    grey.thumbnail((SHARP_AT, SHARP_AT), Image.Resampling.BILINEAR)
    steps = np.asarray(grey, dtype=np.float32)
    sharp = np.float32(
        sum(np.abs(np.diff(steps, axis=axis)).mean() for axis in (0, 1) if steps.shape[axis] > 1)
    )
    parts = (small.tobytes(), look, sharp.tobytes())
    return np.frombuffer(b"".join(parts), dtype=np.uint8)


def _decoded(path: Path) -> Image.Image:
    try:
        return open_picture(path, side=LOOKED_AT)
    except (UnreadableImage, OSError):
        return Image.new("RGB", (SIDE, SIDE))
