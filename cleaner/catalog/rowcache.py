"""Rows of one shape and type on disk, each found by the content digest of the image it was made from.

Safe to delete between uses; what a kill, a full disk or another program leaves there is never taken for a
row. It makes no rows itself and knows nothing of pictures or networks.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from cleaner.errors import DISK_FULL, CleanerError, InputError, Stopped
from cleaner.progress import Progress, Report, Stop, never, quiet
from cleaner.types import Strings
from cleaner.writing import whole

Digests: TypeAlias = Sequence[str] | Strings

INDEX = "digests"  # the file of lines
COPIED = 256  # rows at a time when a cache is rewritten


class CachedRows:
    """Some rows of a cache in the order asked for, [N, ...], indexed like one array; read only."""

    def __init__(self, stored: NDArray[Any], rows: NDArray[np.intp]) -> None:
        self._stored = stored
        self._rows = rows

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths, as of an array."""
        return (len(self._rows), *self._stored.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one number."""
        return self._stored.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any, /) -> NDArray[Any]:
        picked: NDArray[Any] = self._stored[self._rows[rows]]
        return picked


class RowCache:
    """A folder with rows of one shape and type: a file of raw rows, and an index of lines that names it.

    The index says which digest has which row, in the order of the rows; its first line names the file of
    rows, so that replacing the index replaces both. A row counts once its line is whole. Several processes
    may use one folder. Every method raises CleanerError if the folder can't be read or written.
    """

    def __init__(self, folder: Path, *, shape: tuple[int, ...], dtype: str) -> None:
        self.folder = folder
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.row_bytes = int(np.prod(shape)) * self.dtype.itemsize
        self._index = folder / INDEX
        self._lock = FileLock(folder / ".rows.lock")
        self._forget(None)

    def __len__(self) -> int:
        with self._locked():
            return len(self._rows)

    def missing(self, digests: Digests) -> list[int]:
        """Return the positions of the digests that have no row, the first of each digest only."""
        with self._locked():
            return self._missing(digests)

    def add(self, digests: Digests, rows: NDArray[Any]) -> None:
        """Append a block of rows, [N, ...] with their N digests; the ones already there are left as they are.

        When this returns, the block is on disk to stay. Raises InputError if the rows are of another shape or
        type, CleanerError if the disk is full.
        """
        if rows.shape != (len(digests), *self.shape) or rows.dtype != self.dtype:
            wanted = (len(digests), *self.shape)
            raise InputError(f"The rows must be {self.dtype} {wanted}, but are {rows.dtype} {rows.shape}.")
        with self._locked():
            fresh = self._missing(digests)
            new = [digests[position] for position in fresh]
            if self._name is None:
                self._rewrite(new, [rows[fresh]])
            elif new:
                self._append(new, rows[fresh])

    def take(self, digests: Digests) -> CachedRows:
        """Return the rows of these digests, in their order, without reading them yet.

        They stay readable if the cache is rewritten or deleted afterwards. Raises CleanerError if one is
        missing.
        """
        with self._locked():
            if lacking := len(self._missing(digests)):
                raise CleanerError(
                    f"The cache {self.folder} lacks {lacking:,} of the rows asked for; start again, and they "
                    "are made anew."
                )
            rows = np.fromiter((self._rows[digest] for digest in digests), dtype=np.intp, count=len(digests))
            return CachedRows(self._stored(), rows)

    def compact(self, wanted: Digests, *, spare: int | None = None) -> None:
        """Forget the rows of all other digests if they are more than `spare`, or more than the wanted ones.

        Does nothing while the disk can't hold both the old and the new file.
        """
        with self._locked():
            kept = list(dict.fromkeys(digest for digest in wanted if digest in self._rows))
            limit = len(set(wanted)) if spare is None else spare
            room = shutil.disk_usage(self.folder).free // self.row_bytes
            if len(self._rows) - len(kept) > limit and len(kept) <= room:
                self._rewrite(kept, self._copies(kept))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder for a moment, knowing what is in it now."""
        with _explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock:
                self._look()
                yield

    def _missing(self, digests: Digests) -> list[int]:
        first: dict[str, int] = {}
        for position, digest in enumerate(digests):
            if digest not in self._rows:
                first.setdefault(digest, position)
        return list(first.values())

    def _forget(self, name: str | None) -> None:
        """Know of no row; `name` is the file of rows, None if there is none to append to."""
        self._name = name
        self._rows: dict[str, int] = {}
        self._end = len(self._head(name)) if name else 0  # of the last whole line, in bytes

    def _head(self, name: str) -> bytes:
        lengths = "x".join(map(str, self.shape))
        return f"{name} {self.dtype.str} {lengths}\n".encode()

    def _look(self) -> None:
        """Read what the index has got since the last look; all of it if it is another one or has shrunk."""
        try:
            with self._index.open("rb") as file:
                name = self._named(file.readline())
                size = (self.folder / name).stat().st_size if name else 0
                shrunk = size < len(self._rows) * self.row_bytes or file.seek(0, os.SEEK_END) < self._end
                if name != self._name or shrunk:
                    self._forget(name)
                if name:
                    file.seek(self._end)
                    self._read_lines(file, limit=size // self.row_bytes)
        except FileNotFoundError:
            self._forget(None)

    def _named(self, line: bytes) -> str | None:
        """Return the file that the first line of an index names, None if it is no index of such rows."""
        found = re.match(rb"rows-[0-9a-f]{16}", line)
        name = found.group().decode() if found else None
        return name if name and line == self._head(name) else None

    def _read_lines(self, file: BinaryIO, *, limit: int) -> None:
        """Read lines up to the first that is torn, out of turn, or beyond what the file of rows holds."""
        for line in file:
            number, _, text = line.partition(b" ")
            digest = text[:-1].decode("utf-8", "replace")
            in_turn = number == b"%d" % len(self._rows) and digest not in self._rows
            if len(self._rows) >= limit or not in_turn or not line.endswith(b"\n"):
                return
            self._rows[digest] = len(self._rows)
            self._end += len(line)

    def _append(self, digests: Digests, rows: NDArray[Any]) -> None:
        """Write behind the last whole row, rows first, then the lines that name them."""
        if self._index.stat().st_size > self._end:  # these lines must never seem to name the rows to come
            _write(self._index, [], at=self._end)
        first = len(self._rows)
        _write(self.folder / str(self._name), [rows.tobytes()], at=first * self.row_bytes)
        _write(self._index, _lines(digests, first=first), at=self._end)

    def _rewrite(self, digests: Digests, blocks: Iterable[NDArray[Any]]) -> None:
        """Begin a new file of rows and a new index that names it, and remove what is not named then."""
        name = f"rows-{secrets.token_hex(8)}"
        try:
            _write(self.folder / name, (block.tobytes() for block in blocks), at=0)
            with whole(self._index) as part:
                _write(part, [self._head(name), *_lines(digests, first=0)], at=0)
        finally:
            self._look()
            for path in self.folder.glob("rows-*"):
                if path.name != self._name:
                    with contextlib.suppress(OSError):  # Windows keeps a file that a window still reads
                        path.unlink()

    def _stored(self) -> NDArray[Any]:
        """Map all whole rows from disk, read only."""
        shape = (len(self._rows), *self.shape)
        if not self._rows:  # nothing can't be mapped
            return np.empty(shape, dtype=self.dtype)
        return np.memmap(self.folder / str(self._name), self.dtype, "r", shape=shape).view(np.ndarray)

    def _copies(self, digests: Digests) -> Iterator[NDArray[Any]]:
        stored = self._stored()
        rows = [self._rows[digest] for digest in digests]
        for start in range(0, len(rows), COPIED):
            yield stored[rows[start : start + COPIED]]


@contextlib.contextmanager
def alone(folder: Path, *, report: Report = quiet, stopped: Stop = never) -> Iterator[None]:
    """Let one window at a time fill the caches under a folder; the next one then finds the rows there.

    The others wait, and say so. Raises Stopped if asked to stop waiting, CleanerError if the folder can't be
    written.
    """
    lock = FileLock(folder / ".lock")
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        while not _acquired(lock):
            report(Progress("waiting", 0, 0, note="another window is preparing the images"))
            if stopped():
                raise Stopped("Stopped while waiting for another window; nothing was changed.")
    try:
        yield
    finally:
        lock.release()


def make_room(folder: Path, *, but: Path, room: int) -> None:
    """Remove caches in a folder, those not used for longest, until all `but` one fit into so many bytes.

    When a cache was last used is the time of its folder, which whoever uses it sets.
    """
    caches = [path for path in folder.iterdir() if (path / INDEX).is_file() and path != but]
    sizes = {path: sum(file.stat().st_size for file in path.iterdir()) for path in caches}
    for oldest in sorted(caches, key=lambda path: path.stat().st_mtime_ns):
        if sum(sizes.values()) <= room:
            return
        shutil.rmtree(oldest, ignore_errors=True)  # Windows keeps a file that a window still reads
        del sizes[oldest]


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0.2)
    except Timeout:
        return False
    return True


def _lines(digests: Digests, *, first: int) -> list[bytes]:
    """Return the lines of an index: numbered, so that a damaged page can't shift the rows behind it."""
    return [f"{row} {digest}\n".encode() for row, digest in zip(count(first), digests, strict=False)]


def _write(path: Path, parts: Iterable[bytes], *, at: int) -> None:
    """Replace all that a file holds from a byte on, and wait until it is on disk."""
    with path.open("r+b" if at else "wb") as file:
        file.seek(at)
        file.truncate()
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn what the disk says into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise CleanerError(
                f"The disk is full; free some space for {folder} and start again: it goes on from there."
            ) from error
        raise CleanerError(
            f"The cache {folder} can't be used ({error.strerror or error}); delete it and start again."
        ) from error
