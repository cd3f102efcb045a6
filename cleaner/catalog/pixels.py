"""Every image decoded once, at the side the network sees, and kept on disk by its content.

A renamed or relabelled image costs nothing, and what was decoded is never lost to a stop. Safe to delete.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cleaner.catalog.digest import digest_of
from cleaner.catalog.pictures import as_rgb, open_picture
from cleaner.catalog.rowcache import Digests, RowCache, alone, make_room
from cleaner.errors import CleanerError, Stopped, UnreadableImage
from cleaner.progress import Progress, Report, Stop, never, quiet
from cleaner.types import Catalog, Pixels

THREADS = min(16, max(4, os.cpu_count() or 4))  # Pillow decodes outside the interpreter lock
BLOCK = 8 * 10**6  # bytes added at a time: a kill loses no more
AHEAD = 64 * 10**6  # bytes decoded ahead, so that the threads go on while a block is written
TASK = 10**5  # bytes of one task: to hand one over takes as long as to decode a small picture
LIMIT = 20 * 10**9  # bytes for the images of all sides


def pixels(
    catalog: Catalog,
    *,
    side: int,
    cache: Path,
    limit: int = LIMIT,
    report: Report = quiet,
    stopped: Stop = never,
) -> Pixels:
    """Return all images as uint8 [N, side, side, 3], squeezed to squares, rows in catalog order.

    Decodes only what the cache lacks and keeps it as it comes, so that the next call goes on where this one
    was stopped, failed or killed. The images of all sides take at most `limit` bytes; those of the sides not
    used for longest make room. Raises UnreadableImage if a file has vanished, changed or can't be decoded,
    CleanerError if limit or disk are too small, Stopped on request.
    """
    rows = RowCache(cache / str(side), shape=(side, side, 3), dtype="uint8")
    with alone(cache, report=report, stopped=stopped):
        _make_room(rows, digests=catalog.digests, cache=cache, limit=limit)
        _fill(rows, catalog=catalog, side=side, report=report, stopped=stopped)
        taken = rows.take(catalog.digests)
        os.utime(rows.folder, ns=(time.time_ns(), time.time_ns()))
    return taken


def square(source: Path | bytes | Image.Image, *, side: int) -> NDArray[np.uint8]:
    """Decode one image file, or the bytes of one, as uint8 [side, side, 3], squeezed to a square.

    One that Pillow has opened is taken as it is, whole. Raises UnreadableImage.
    """
    image = as_rgb(source) if isinstance(source, Image.Image) else open_picture(source, side=side)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0))


def _make_room(rows: RowCache, *, digests: Digests, cache: Path, limit: int) -> None:
    """Forget images and sides no longer asked for until this side fits; raise CleanerError if it can't."""
    wanted = len(set(digests))
    most = limit // rows.row_bytes
    if wanted > most:
        needed = wanted * rows.row_bytes
        raise CleanerError(
            f"The decoded images take {_amount(needed)}, but the cache may take no more than "
            f"{_amount(limit)}; train with a smaller size, or set CLEANER_CACHE_GB={math.ceil(needed / 1e9)}."
        )
    rows.compact(digests, spare=min(wanted, most - wanted))
    missing = len(rows.missing(digests))
    make_room(cache, but=rows.folder, room=limit - (len(rows) + missing) * rows.row_bytes)
    _require_space(cache, missing * rows.row_bytes)


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise CleanerError(
            f"The decoded images take {_amount(needed)}, but {folder} has {_amount(free)} free; "
            "free some space or train with a smaller size."
        )


def _fill(rows: RowCache, *, catalog: Catalog, side: int, report: Report, stopped: Stop) -> None:
    """Decode what is missing and add it in blocks; whatever ends this, what was decoded is kept."""
    missing = rows.missing(catalog.digests)
    if not missing:
        return
    total, started = len(missing), time.monotonic()
    note = f"decoding {total:,} image{'s' * (total > 1)} into {_amount(total * rows.row_bytes)}"
    report(Progress("decoding", 0, total, note=note))

    def step(before: int, more: int) -> None:
        done = before + more
        report(Progress("decoding", done, total, time.monotonic() - started, note))
        if stopped():
            raise Stopped("Stopped while the images were being decoded; those decoded so far are kept.")

    with closing(_decode(catalog, missing, side=side)) as squares:
        block = max(1, BLOCK // rows.row_bytes)
        for start in range(0, total, block):
            digests = catalog.digests[missing[start : start + block]]
            _fill_block(rows, squares, digests=digests, step=partial(step, start))


def _fill_block(
    rows: RowCache,
    squares: Iterator[NDArray[np.uint8]],
    *,
    digests: Digests,
    step: Callable[[int], None],
) -> None:
    block: list[NDArray[np.uint8]] = []
    try:
        for made in islice(squares, len(digests)):
            block.append(made)
            step(len(block))
    finally:
        if block:
            rows.add(digests[: len(block)], np.stack(block))


def _decode(catalog: Catalog, rows: Sequence[int], *, side: int) -> Generator[NDArray[np.uint8], None, None]:
    """Decode images in the order given, some ahead of the one that is taken."""
    some = max(1, TASK // (side * side * 3))
    most = max(THREADS, AHEAD // (some * side * side * 3))
    pool = ThreadPoolExecutor(THREADS)
    ahead: deque[Future[tuple[list[NDArray[np.uint8]], CleanerError | None]]] = deque()
    try:
        for start in range(0, len(rows), some):
            ahead.append(pool.submit(_decode_some, catalog, rows[start : start + some], side=side))
            if len(ahead) > most:
                yield from _or_raise(*ahead.popleft().result())
        while ahead:
            yield from _or_raise(*ahead.popleft().result())
    finally:
        pool.shutdown(cancel_futures=True)


def _decode_some(
    catalog: Catalog, rows: Sequence[int], *, side: int
) -> tuple[list[NDArray[np.uint8]], CleanerError | None]:
    """Decode images up to the first that can't be, and say why it can't."""
    made: list[NDArray[np.uint8]] = []
    for row in rows:
        try:
            made.append(_decode_one(catalog, row, side=side))
        except CleanerError as error:
            return made, error
    return made, None


def _or_raise(
    made: list[NDArray[np.uint8]], error: CleanerError | None
) -> Generator[NDArray[np.uint8], None, None]:
    yield from made
    if error is not None:
        raise error


def _decode_one(catalog: Catalog, row: int, *, side: int) -> NDArray[np.uint8]:
    """Decode one image of a catalog; refuse other content, or it would be kept under this one's digest."""
    path = catalog.root / catalog.paths[row]
    made = square(path, side=side)
    now = path.stat()
    untouched = (now.st_size, now.st_mtime_ns) == (catalog.bytes[row], catalog.mtimes[row])
    if not untouched and digest_of(path) != catalog.digests[row]:
        raise UnreadableImage(f"{path.name} has changed since the folder was checked; check it again.")
    return made


def _amount(size: int) -> str:
    """Say a number of bytes: «38 MB», «0.4 GB»."""
    return f"{size / 1e9:,.1f} GB" if size >= 10**8 else f"{math.ceil(size / 1e6)} MB"
