"""Every image decoded once, as one memory-mapped array at the side the network sees.

Safe to delete; keyed by content, so that a renamed or relabelled image costs nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from PIL import Image

from cleaner.catalog.pictures import open_picture
from cleaner.errors import CleanerError, Stopped
from cleaner.progress import Progress, Report, Stop, never, quiet
from cleaner.types import Catalog

THREADS = 4  # Pillow decodes outside the interpreter lock


def pixels(
    catalog: Catalog, *, side: int, cache: Path, report: Report = quiet, stopped: Stop = never
) -> NDArray[np.uint8]:
    """Return all images as uint8 [N, side, side, 3], squeezed to squares, rows in catalog order.

    Decodes only what the cache lacks. Raises UnreadableImage if a file has vanished or changed for the worse,
    CleanerError if the disk can't hold the array, Stopped on request; an older cache survives all three.
    """
    path = cache / f"{side}-{_key(catalog)}.npy"
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache, report=report, stopped=stopped):
        array = _load(path, count=len(catalog), side=side)
        if array is None:
            _build(path, catalog=catalog, side=side, report=report, stopped=stopped)
            array = _load(path, count=len(catalog), side=side)
    if array is None:
        raise CleanerError(
            f"The decoded images in {cache} can't be read back; delete that folder and train again."
        )
    return array


def square(path: Path, *, side: int) -> NDArray[np.uint8]:
    """Decode one image as uint8 [side, side, 3], squeezed to a square. Raises UnreadableImage."""
    image = open_picture(path, side=side)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0))


@contextlib.contextmanager
def _alone(cache: Path, *, report: Report, stopped: Stop) -> Iterator[None]:
    """Let one window at a time build the cache; the others wait, can be stopped, and then find it there."""
    lock = FileLock(cache / ".lock")
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            report(Progress("decoding", 0, 0, note="another window is decoding the images"))
        if stopped():
            raise Stopped("Stopped while waiting for another window; nothing was changed.")
    try:
        yield
    finally:
        lock.release()


def _load(path: Path, *, count: int, side: int) -> NDArray[np.uint8] | None:
    """Map an array from disk; None if there is none or it is damaged, which is as good as none."""
    with contextlib.suppress(OSError, EOFError, ValueError):
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r")
        if array.shape == (count, side, side, 3) and array.dtype == np.uint8:
            return array
    return None


def _key(catalog: Catalog) -> str:
    return hashlib.blake2b("".join(catalog.digests).encode(), digest_size=8).hexdigest()


def _build(path: Path, *, catalog: Catalog, side: int, report: Report, stopped: Stop) -> None:
    _require_space(path.parent, len(catalog) * side * side * 3)
    older = [array for array in _older(path.parent, side=side) if array != path]
    draft = path.with_suffix(".draft")
    try:
        _fill(draft, catalog=catalog, side=side, older=older, report=report, stopped=stopped)
        # else a power cut could leave an array of the right size, full of zeros
        with draft.open("rb+") as written:
            os.fsync(written.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    path.with_suffix(".digests").write_text("\n".join(catalog.digests))
    for outdated in older:
        with contextlib.suppress(OSError):  # on Windows one that another window still reads can't be removed
            outdated.unlink()
            outdated.with_suffix(".digests").unlink()


def _fill(
    draft: Path, *, catalog: Catalog, side: int, older: list[Path], report: Report, stopped: Stop
) -> None:
    shape = (len(catalog), side, side, 3)
    out = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)
    missing = _copy_known(out, catalog=catalog, older=older)
    started = time.monotonic()
    for done, (row, square) in enumerate(_decode(catalog, missing, side=side), start=1):
        out[row] = square
        if stopped():
            raise Stopped("Stopped while the images were being decoded; nothing was changed.")
        report(Progress("decoding", done, len(missing), time.monotonic() - started, "decoding the images"))
    out.flush()


def _copy_known(out: NDArray[np.uint8], *, catalog: Catalog, older: list[Path]) -> list[int]:
    """Copy the rows that an older array already has; return the rows still to be decoded."""
    have: dict[str, tuple[NDArray[np.uint8], int]] = {}
    for path in older:
        digests = path.with_suffix(".digests").read_text().split("\n")
        if (array := _load(path, count=len(digests), side=out.shape[1])) is not None:
            have.update({digest: (array, row) for row, digest in enumerate(digests)})
    missing = []
    for row, digest in enumerate(catalog.digests):
        if digest in have:
            array, source = have[digest]
            out[row] = array[source]
        else:
            missing.append(row)
    return missing


def _decode(catalog: Catalog, rows: list[int], *, side: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    def one(row: int) -> tuple[int, NDArray[np.uint8]]:
        return row, square(catalog.root / catalog.paths[row], side=side)

    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(rows), 64):  # in blocks: Stop need not wait for all
            yield from pool.map(one, rows[start : start + 64])


def _older(folder: Path, *, side: int) -> list[Path]:
    return [path for path in folder.glob(f"{side}-*.npy") if path.with_suffix(".digests").exists()]


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise CleanerError(
            f"The decoded images take {needed / 1e9:.1f} GB, but {folder} has {free / 1e9:.1f} GB free; "
            "free some space or train with a smaller size."
        )
