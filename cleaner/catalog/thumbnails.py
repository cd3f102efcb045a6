"""Small pictures for the review, made once per content and kept in a cache that is safe to delete."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from PIL import Image

from cleaner.catalog.pictures import open_picture
from cleaner.writing import whole

SIDE = 256
QUALITY = 88


def thumbnail(path: Path, *, digest: str, cache: Path, side: int = SIDE) -> bytes:
    """Return a JPEG of at most `side` pixels a side, upright; from the cache if this content was seen before.

    Raises UnreadableImage with the reason; a cache that can't be written costs time, not the picture.
    """
    kept = cache / digest[:2] / f"{digest}-{side}.jpg"
    with contextlib.suppress(OSError):
        return kept.read_bytes()
    made = small(path, side=side)
    with contextlib.suppress(OSError):
        _keep(kept, made)
    return made


def small(path: Path, *, side: int = SIDE) -> bytes:
    """Make a JPEG of at most `side` pixels a side, upright. Raises UnreadableImage with the reason."""
    image = open_picture(path, side=side)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()


def _keep(path: Path, data: bytes) -> None:
    """Write whole or not at all: another thread or window may read the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        part.write_bytes(data)
