"""Lists a folder of class folders: which files are there, and what their class is. It opens none of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cleaner.catalog.listing import GIVEN_SPLITS, Listing, are_splits, is_text, shown
from cleaner.errors import InputError, Stopped
from cleaner.progress import INTERVAL, Progress, Report, Stop, never, quiet
from cleaner.types import SIDECARS, Finding

SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})


def list_folders(root: Path, *, report: Report = quiet, stopped: Stop = never) -> Listing:
    """List the files of a folder of class folders, sorted; links, hidden and system files are left out.

    So are sidecars of images. Raises InputError for a folder that isn't there or holds no class folders,
    and Stopped.
    """
    require_class_folders(root)
    level = class_level(root)
    walk = _Walk(root, level=level, report=report, stopped=stopped)
    walk.through()
    return Listing(
        paths=walk.paths,
        labels=[path.split("/", level + 1)[level] for path in walk.paths],
        splits=[GIVEN_SPLITS[path.split("/", 1)[0].lower()] for path in walk.paths] if level else None,
        findings=tuple(walk.findings),
        classes=_empty_classes(root, level=level, used=walk.used),
        class_level=level,
    )


def require_class_folders(root: Path) -> None:
    """Raise InputError for a folder that isn't there or has no folders in it."""
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; choose the folder that holds one folder per class.")
    if not _folders(root):
        raise InputError(
            f"{root} holds no folders; choose the one that holds a folder per class, {root.parent} perhaps."
        )


def class_level(root: Path) -> int:
    """Say which part of a path names the class: 1 under split folders such as train and valid, else 0."""
    return 1 if are_splits(entry.name for entry in _folders(root)) else 0


def _folders(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = [e for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    except OSError:  # the walk reports it
        return []
    return sorted(found, key=lambda e: e.name)


class _Walk:
    """Goes through a folder without following links; nothing is asked of a file but its kind.

    `paths` are the labelled files, `findings` the rest, `used` the class folders in which anything was found.
    """

    def __init__(self, root: Path, *, level: int, report: Report, stopped: Stop) -> None:
        self._root, self._level, self._report, self._stopped = root, level, report, stopped
        self._started = self._reported = time.monotonic()
        self.paths: list[str] = []
        self.findings: list[Finding] = []
        self.used: set[str] = set()

    def through(self) -> None:
        """List all of it. Raises Stopped."""
        left = [""]
        while left:
            folder = left.pop()
            self._tell()
            entries = self._entries(folder)
            beside = _sidecars([entry.name for entry in entries])
            inner = []
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    inner.append(f"{folder}{entry.name}/")
                elif entry.name.lower() not in SYSTEM_FILES and entry.name not in beside:
                    self._take(entry, f"{folder}{entry.name}")
            left += reversed(inner)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._root / folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            name = shown(folder.rstrip("/"))
            detail = f"The folder {name} may not be read ({error.strerror}); nothing in it was checked."
            self.findings.append(Finding(name, "closed folder", 1.0, detail))
            self.used.add("/".join(name.split("/")[: self._level + 1]))
            return []

    def _take(self, entry: os.DirEntry[str], path: str) -> None:
        self.used.add(path[: _ends(path, self._level)])
        if problem := _unusable(entry, path, level=self._level):
            self.findings.append(problem)
        else:
            self.paths.append(path)

    def _tell(self) -> None:
        if self._stopped():
            raise Stopped("The check was stopped; what was known before is unchanged.")
        now = time.monotonic()
        if now - self._reported >= INTERVAL:
            self._reported = now
            note = f"listing the files: {len(self.paths):,}"
            self._report(Progress("listing", len(self.paths), 0, now - self._started, note))


def _ends(path: str, level: int) -> int:
    """Return how many characters of a path name its class folder."""
    end = -1
    for _ in range(level + 1):
        end = path.find("/", end + 1)
        if end < 0:
            return len(path)
    return end


def _sidecars(names: Sequence[str]) -> set[str]:
    """Name the files of one folder that only say something of another one there, of the same stem."""
    aside = [name for name in names if name.lower().endswith(SIDECARS)]
    if not aside:
        return set()
    others = {name.rpartition(".")[0] for name in names if not name.lower().endswith(SIDECARS)}
    return {name for name in aside if name.rpartition(".")[0] in others}


def _unusable(entry: os.DirEntry[str], path: str, *, level: int) -> Finding | None:
    if not is_text(path):
        name = shown(path)
        return Finding(name, "odd name", 0.6, f"The name of {name} is not valid text; rename the file.")
    if entry.is_symlink():
        return Finding(path, "link", 0.5, f"{path} is a link; put the files themselves into the dataset.")
    if not entry.is_file(follow_symlinks=False):
        return Finding(path, "not a file", 0.5, f"{path} is not a regular file and was left out.")
    top = path.split("/", 1)[0]
    if level and top.lower() not in GIVEN_SPLITS:
        return Finding(path, "no split", 1.0, f"{path} lies beside the split folders; move {top} into them.")
    if path.count("/") <= level:
        return Finding(path, "no label", 0.5, f"{path} lies outside the class folders; move it into one.")
    return None


def _empty_classes(root: Path, *, level: int, used: set[str]) -> frozenset[str]:
    """Name the class folders in which nothing at all was found: emptied by cleaning, or made for later."""
    return frozenset(
        folder.rpartition("/")[2]
        for folder in _class_folders(root, level=level)
        if folder not in used and is_text(folder)
    )


def _class_folders(root: Path, *, level: int) -> Iterator[str]:
    for top in _folders(root):
        if level == 0:
            yield top.name
        elif top.name.lower() in GIVEN_SPLITS:
            yield from (f"{top.name}/{entry.name}" for entry in _folders(Path(top.path)))
