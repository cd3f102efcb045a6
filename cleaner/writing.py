"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a place beside `path` for a file that takes that name, and the place of what had it, at the end.

    Nobody else writes to that place, and a leading dot hides it from whoever lists the folder. If the block
    fails nothing is left there. With `durable` the bytes are on the disk before the file takes its name.
    Errors: OSError.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield part
        if durable:
            with part.open("r+b") as file:
                os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
