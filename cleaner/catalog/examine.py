"""Opens one file once and says all that the check wants to know of it: digest, size, looks, or what is wrong.

It decodes in the process that calls it, so it is called in one that may die of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from cleaner.catalog.digest import digest_of
from cleaner.catalog.faults import Fault, fault_of
from cleaner.catalog.pictures import opened, to_rgb, turned, upright
from cleaner.catalog.quality import LOOK, PICKED, SIDE, brightness, colour, information, sharpness
from cleaner.catalog.sketch import sketch

Record: TypeAlias = bytes

LARGE = 16 * 10**6  # pixels above which a picture is shrunk before anything else is done with it
SEVERAL = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")  # an MPO's second picture is the camera's own affair
_AVERAGED = ("L", "RGB", "CMYK", "YCbCr", "F", "I")  # modes whose neighbours can be averaged


@dataclass(frozen=True, slots=True)
class Seen:
    """One readable file, as read now; fields are named like the columns of a catalog.

    `look` is one record of quality.LOOK, in bytes, and `sketch` what is left to find copies by, if wanted.
    """

    digest: str
    widths: int
    heights: int
    bytes: int
    mtimes: int
    look: Record
    sketch: Record = b""


def examine(root: Path, path: str, *, sketched: bool = False) -> Seen | Fault:
    """Read `root/path` whole and decode it whole: that is the only proof that it can be read."""
    full = root / path
    try:
        stat = full.stat()
        digest = digest_of(full)
        with opened(full) as image:
            header = _header(image)
            width, height = _decoded(image)
            rgb = to_rgb(_smaller(image))  # the same steps that open it later
            grey = rgb.convert("L")
            look = np.array((*header, *_measures(rgb, grey)), dtype=LOOK).tobytes()
            made = sketch(rgb, grey) if sketched else b""
    except Exception as error:  # noqa: BLE001  decoders raise whatever they stumble over
        return _fault(error, full=full, path=path)
    return Seen(digest, width, height, stat.st_size, stat.st_mtime_ns, look, made)


def _fault(error: Exception, *, full: Path, path: str) -> Fault:
    try:
        return fault_of(error, source=full, name=path)
    except OSError:
        return Fault("unreadable", f"{path} can't be read ({error}).")


def _header(image: Image.Image) -> tuple[str, str, bool]:
    return image.format or "", image.mode, _holds_several(image)


def _decoded(image: Image.Image) -> tuple[int, int]:
    """Load a picture, a JPEG no larger than it is measured; return its width and height when upright."""
    size, scaled = image.size, image.draft(image.mode, (SIDE, SIDE))
    image.load()
    width, height = size if scaled else image.size  # some containers know better once they are loaded
    return (height, width) if turned(image) else (width, height)


def _measures(rgb: Image.Image, grey: Image.Image) -> tuple[float, ...]:
    # picked pixels have the tones of all, averaged ones don't; with edges it is the other way round
    picked = np.asarray(rgb.resize(_within(rgb, side=PICKED), Image.Resampling.NEAREST))
    averaged = grey.resize(_within(grey, side=SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    return *brightness(picked), information(picked), sharpness(np.asarray(averaged)), colour(picked)


def _within(image: Image.Image, *, side: int) -> tuple[int, int]:
    scale = min(1.0, side / max(image.size))
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _holds_several(image: Image.Image) -> bool:
    try:
        return image.format in SEVERAL and bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001  a second frame that is damaged is not used anyway
        return True


def _smaller(image: Image.Image) -> Image.Image:
    """Shrink a very large picture in its own mode, so that no step copies it whole."""
    if image.width * image.height <= LARGE:
        return upright(image)
    factor = max(2, min(image.size) // (2 * SIDE))
    if image.mode in _AVERAGED:
        return image.reduce(factor)
    size = (max(1, image.width // factor), max(1, image.height // factor))
    return image.resize(size, Image.Resampling.NEAREST)
