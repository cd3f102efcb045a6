"""A sketch of every image, kept by its content: enough to find its copies.

It decides nothing, and is safe to delete.
"""

from __future__ import annotations

import threading
import time
from functools import cached_property
from pathlib import Path

import numpy as np

from cleaner.catalog.guard import examine_all
from cleaner.catalog.rowcache import CachedRows, RowCache
from cleaner.catalog.sketch import DIGEST, LENGTH, SIDE
from cleaner.progress import Progress, Report, Stop, never, quiet
from cleaner.types import Catalog, Floats, Pixels, Strings, strings

BLOCK = 1024  # sketches written at a time
BLANK = bytes(LENGTH)


class Sketches:
    """The sketches of one project's images, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._rows = RowCache(folder, shape=(LENGTH,), dtype="uint8")
        self._waiting: dict[str, bytes] = {}
        self._one_at_a_time = threading.Lock()

    def keep(self, digest: str, made: bytes) -> None:
        """Keep the sketch of an image with this digest; may be called by several threads."""
        with self._one_at_a_time:
            self._waiting[digest] = made
            if len(self._waiting) >= BLOCK:
                self._write()

    def of(self, catalog: Catalog, *, report: Report = quiet, stopped: Stop = never) -> Sketched:
        """Return the sketches of all images; those that were never looked at are decoded now.

        What can't be decoded any more has a blank one. Raises Stopped; what was made so far is kept.
        """
        with self._one_at_a_time:
            self._write()
        if missing := self._rows.missing(catalog.digests):
            self._look(catalog, missing, report=report, stopped=stopped)
        self._rows.compact(catalog.digests)
        return Sketched(self._rows.take(catalog.digests), catalog.digests)

    def _look(self, catalog: Catalog, missing: list[int], *, report: Report, stopped: Stop) -> None:
        paths, started = [str(catalog.paths[row]) for row in missing], time.monotonic()

        def tell(done: int) -> None:
            elapsed = time.monotonic() - started
            report(Progress("sketching", done, len(missing), elapsed, "looking at the images"))

        try:
            examine_all(catalog.root, paths, keep=self.keep, report=tell, stopped=stopped)
        finally:
            with self._one_at_a_time:
                self._write()
        for row in self._rows.missing(catalog.digests):
            self._waiting[str(catalog.digests[row])] = BLANK
        self._write()

    def _write(self) -> None:
        if self._waiting:
            made = np.frombuffer(b"".join(self._waiting.values()), dtype=np.uint8).reshape(-1, LENGTH)
            self._rows.add(list(self._waiting), made)
            self._waiting = {}


class Sketched:
    """The sketches of N images: small grey pictures, what they look like to the last pixel, how sharp."""

    def __init__(self, rows: CachedRows, digests: Strings) -> None:
        self._rows, self._digests = rows, digests

    @cached_property
    def grey(self) -> Pixels:
        """The small grey pictures, uint8 [N, SIDE, SIDE]."""
        return self._rows[:][:, : SIDE * SIDE].reshape(-1, SIDE, SIDE)

    @cached_property
    def looks(self) -> Strings:
        """A digest of the decoded pixels of each image, [N]: the same in every container.

        Of a large JPEG as it is decoded at a part of its size; of a blank sketch, the digest of the file.
        """
        kept = self._rows[:][:, SIDE * SIDE : SIDE * SIDE + DIGEST]
        rows = zip(kept, self._digests, strict=True)
        return strings([row.tobytes().hex() if row.any() else digest for row, digest in rows])

    @cached_property
    def sharpness(self) -> Floats:
        """The mean step in grey between neighbouring pixels, [N], at one size for all."""
        return np.ascontiguousarray(self._rows[:][:, -4:]).view(np.float32)[:, 0]
