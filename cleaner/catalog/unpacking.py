"""Pictures that lie in a dataset as bytes, written out once as files: their names say row and content.

A file appears under its name only when it is whole; nothing there is ever overwritten.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from cleaner.catalog.pictures import kind_of
from cleaner.errors import UnreadableImage
from cleaner.writing import whole

IN_ONE_FOLDER = 1000


def unpacked(data: bytes, *, folder: Path, number: int) -> Path:
    """Write the bytes of the picture in row `number` to a file in `folder`, if it isn't there; return it."""
    digest = blake2b(data, digest_size=5).hexdigest()
    path = folder / f"{number // IN_ONE_FOLDER:04d}" / f"{number:07d}-{digest}{_suffix(data)}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            part.write_bytes(data)
    return path


def _suffix(data: bytes) -> str:
    try:
        return kind_of(data)
    except UnreadableImage:
        return ".bin"  # the check says what is wrong with it
