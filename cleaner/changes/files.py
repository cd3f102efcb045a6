"""Moves single files inside a dataset so that no file of anybody is ever overwritten, and locks it meanwhile.

It knows operations and the disk, not the ledger: who calls it has written down the intent before.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from cleaner.changes.names import numbered
from cleaner.errors import Refused
from cleaner.types import Operation

ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)  # nothing lies there, nor ever could
CAUSES = {
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOTDIR: "a file stands where its folder should be",
    errno.EEXIST: "a file stands where its folder should be",
}


@dataclass(frozen=True)
class Files:
    """The files of one dataset. Paths are relative to `root`, with forward slashes.

    `home` is the project's own folder, which may be a link to another disk: its trash is found through it.
    """

    root: Path
    digest_of: Callable[[Path], str]
    home: Path

    @cached_property
    def _real_root(self) -> Path:
        return self.root.resolve()

    @cached_property
    def _real_home(self) -> Path:
        return self.home.resolve()

    def at(self, path: str) -> Path:
        """Return where a path lies. Errors: Refused if it leads outside of the dataset."""
        place = self.root / path
        folder = Path(os.path.realpath(place.parent))
        inside = folder.is_relative_to(self._real_root)
        inside = inside or (place.is_relative_to(self.home) and folder.is_relative_to(self._real_home))
        if ".." in path.split("/") or not inside:
            raise Refused(f"{path} leads outside of the dataset; it is left alone.")
        return place

    def check(self, operation: Operation) -> None:
        """See that a file is still the one that was planned for. Errors: Refused, OSError."""
        place, source = self.at(operation.source), operation.source
        if operation.target:
            self.at(operation.target)
        found = _found(place)
        if found is None:
            raise Refused(f"{source} is no longer there; check the folder again.")
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"{source} is not a plain file (a link, perhaps); it is left alone.")
        if not self.holds(operation, path=source):
            raise Refused(f"{source} has changed since it was checked; check the folder again.")

    def holds(self, operation: Operation, *, path: str) -> bool:
        """Say whether the very picture of an operation lies at a path. Errors: OSError if none can tell."""
        place = self.at(path)
        found = _found(place)
        if found is None or not stat.S_ISREG(found.st_mode) or found.st_size != operation.bytes:
            return False
        with suppress(FileNotFoundError):  # it went meanwhile
            return self.digest_of(place) == operation.digest
        return False

    def is_there(self, path: str) -> bool:
        """Say whether anything at all lies at a path. Errors: Refused, OSError if none can tell."""
        return _found(self.at(path)) is not None

    def free_names(self, paths: Sequence[str], *, taken: Iterable[str] = ()) -> Iterator[tuple[str, ...]]:
        """Yield the paths and their numbered neighbours, with one number for all, as far as all are free."""
        suffixes = {PurePosixPath(path).suffix for path in paths}
        for names in zip(*(numbered(path, along=suffixes) for path in paths), strict=True):
            if not any(name in taken or os.path.lexists(self.root / name) for name in names):
                yield names

    def claim(self, path: str) -> bool:
        """Take a name with an empty file, at once or not at all; False if somebody else was first."""
        place = self.at(path)
        _make_folder(place.parent)
        try:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        return True

    def move(self, operation: Operation) -> None:
        """Put a file in the place claimed for it, on the same disk; durable after `sync`. Errors: OSError."""
        self.at(operation.source).replace(self.at(operation.target))

    def copy(self, operation: Operation, *, part: str) -> None:
        """Copy a file to a path beside its target; verified and durable. Errors: OSError, Refused."""
        source, place = self.at(operation.source), self.at(part)
        shutil.copyfile(source, place)
        shutil.copystat(source, place)
        with place.open("rb+") as file:
            os.fsync(file.fileno())
        if self.digest_of(place) != operation.digest or self.digest_of(source) != operation.digest:
            raise Refused(f"{operation.source} changed while it was copied; check the folder again.")

    def replace(self, operation: Operation, *, part: str) -> None:
        """Let a verified copy take the claimed place, and the source go; durable after `sync`."""
        target = self.at(operation.target)
        self.at(part).replace(target)
        sync_folder(target.parent)
        self.remove(operation.source)

    def remove(self, path: str) -> None:
        """Remove a file that was copied, or is to be destroyed; one that is gone is no error."""
        place = self.at(path)
        if _found(place) is not None:
            place.unlink(missing_ok=True)

    def sync(self, paths: Iterable[str]) -> None:
        """Bring the names in the folders of some paths to the disk."""
        for folder in {self.at(path).parent for path in paths}:
            sync_folder(folder)

    def release(self, path: str) -> None:
        """Give a claimed name back: remove the file there if it is empty, and only then."""
        place = self.at(path)
        found = _found(place)
        if found is not None and stat.S_ISREG(found.st_mode) and found.st_size == 0:
            place.unlink(missing_ok=True)


@contextmanager
def applying(home: Path) -> Iterator[None]:
    """Hold the one right to move files of a dataset; the system takes it back from a program that dies.

    `home` is the project's own folder. Errors: Refused if another program holds it or the
    folder can't be written to.
    """
    try:
        home.mkdir(exist_ok=True)
        lock = FileLock(home / "apply.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise Refused(
            "Another window is applying changes to this dataset; try again when it is done."
        ) from None
    except OSError as error:
        raise Refused(f"Nothing was changed: {home} can't be written to ({error.strerror}).") from error
    try:
        yield
    finally:
        lock.release()


def trash_of(home: Path, *, root: Path) -> str:
    """Return the path of the trash, relative to the dataset. Errors: Refused if it lies elsewhere."""
    try:
        return (home.absolute().relative_to(root.absolute()) / "trash").as_posix()
    except ValueError:
        raise Refused(
            f"This project is kept in {home}, outside of the dataset, so no file of it is ever moved; "
            "export the cleaned dataset instead."
        ) from None


def sentence(error: OSError, *, operation: Operation) -> str:
    """Say in words why a file was not moved, or not removed."""
    cause = CAUSES.get(error.errno or 0) or (error.strerror or str(error)).lower()
    if not operation.target:
        return f"{operation.source} could not be removed: {cause}."
    return f"{operation.source} could not be moved to {operation.target}: {cause}."


def part_of(target: str, *, number: int) -> str:
    """Name the place beside a target in which a copy is made; `number` is the ledger's."""
    return str(PurePosixPath(target).with_name(f".cleaner-{number}.part"))


def _found(place: Path) -> os.stat_result | None:
    """Return what lies at a place, None if nothing does. Errors: OSError if that can't be told."""
    try:
        return os.lstat(place)
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_files(folder: Path) -> None:
    """Bring all files of a folder to the disk, so that a power cut leaves all of them or, unnamed, none."""
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system lets a folder be synced."""
    if os.name == "nt":  # folders can't be opened there
        return
    with suppress(OSError):  # some network disks refuse; the move itself is done
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
