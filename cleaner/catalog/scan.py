"""Lists a folder of class folders, checks every file, and gives each image an id for the life of the project.

Reads only. What can't be used becomes a finding and is never in the way of the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cleaner.catalog.digest import digest_of, split_of
from cleaner.catalog.findings import duplicates, too_many_failures
from cleaner.catalog.identity import departed, identities
from cleaner.catalog.pictures import open_picture, upright_size
from cleaner.errors import InputError, Stopped, UnreadableImage
from cleaner.progress import Progress, Report, Stop, never, quiet
from cleaner.types import SIDECARS, Catalog, Finding, Split, strings

GIVEN_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
}
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
CHECK_SIDE = 512  # a JPEG is decoded no larger than this to prove that it is whole
THREADS = 4
BLOCK = 256


@dataclass(frozen=True, slots=True)
class _Seen:
    """One readable file, as found now."""

    path: str
    digest: str
    width: int
    height: int
    bytes: int
    mtime: int


def scan(
    root: Path,
    *,
    known: Catalog | None = None,
    moved: Mapping[str, str] | None = None,
    report: Report = quiet,
    stopped: Stop = never,
) -> tuple[Catalog, tuple[Finding, ...]]:
    """List and check a dataset; return its catalog and what was found, worst first.

    `known` is the catalog of the last scan: files of the same path, size and time are not read again, and
    ids carry over, also to files that the person has moved (recognised by content). `moved` maps ids to where
    this program has put them. Sidecars of images are left out. Raises InputError for a folder that isn't
    there or holds no class folders.
    """
    require_class_folders(root)
    level = class_level(root)
    files, findings = _list_files(root, level=level)
    seen, damaged = _check_all(root, files, known=known, report=report, stopped=stopped)
    findings += damaged
    used = [*files, *(finding.item for finding in findings)]
    empty = _empty_classes(root, level=level, used=used)
    catalog = _assemble(root, seen, classes=empty, level=level, known=known, moved=moved or {})
    findings += duplicates(catalog)
    findings += too_many_failures(damaged, total=len(files))
    return catalog, tuple(sorted(findings, key=lambda f: (-f.severity, f.kind, f.item)))


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
    tops = {entry.name.lower() for entry in _folders(root)}
    return 1 if "train" in tops and any(GIVEN_SPLITS.get(name, "train") != "train" for name in tops) else 0


def _folders(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = [e for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    except OSError:  # the walk reports it
        return []
    return sorted(found, key=lambda e: e.name)


def _list_files(root: Path, *, level: int) -> tuple[list[str], list[Finding]]:
    """Walk without following links; return the labelled files, and a finding for each that can't be taken."""
    files: list[str] = []
    findings: list[Finding] = []

    def closed(error: OSError) -> None:
        shown = _shown(Path(error.filename).relative_to(root).as_posix())
        detail = f"The folder {shown} may not be read ({error.strerror}); nothing in it was checked."
        findings.append(Finding(shown, "closed folder", 1.0, detail))

    for folder, inner, names in os.walk(root, onerror=closed):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        linked = [name for name in inner if Path(folder, name).is_symlink()]
        beside = _sidecars(names)
        for name in [*linked, *sorted(names)]:
            if name.startswith(".") or name.lower() in SYSTEM_FILES or name in beside:
                continue
            full = Path(folder, name)
            path = full.relative_to(root).as_posix()
            if problem := _unusable(full, path, level=level):
                findings.append(problem)
            else:
                files.append(path)
    return files, findings


def _sidecars(names: Sequence[str]) -> set[str]:
    """Name the files of one folder that only say something of another one there, of the same stem."""
    stems = {name: name.rpartition(".")[0] for name in names}
    others = {stem for name, stem in stems.items() if not name.lower().endswith(SIDECARS)}
    return {name for name, stem in stems.items() if name.lower().endswith(SIDECARS) and stem in others}


def _shown(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def _unusable(full: Path, path: str, *, level: int) -> Finding | None:
    shown, top = _shown(path), path.split("/")[0]
    if shown != path:
        return Finding(shown, "odd name", 0.6, f"The name of {shown} is not valid text; rename the file.")
    if full.is_symlink():
        return Finding(path, "link", 0.5, f"{path} is a link; put the files themselves into the dataset.")
    if not full.is_file():
        return Finding(path, "not a file", 0.5, f"{path} is not a regular file and was left out.")
    if level and top.lower() not in GIVEN_SPLITS:
        return Finding(path, "no split", 1.0, f"{path} lies beside the split folders; move {top} into them.")
    if path.count("/") <= level:
        return Finding(path, "no label", 0.5, f"{path} lies outside the class folders; move it into one.")
    return None


def _check_all(
    root: Path, files: Sequence[str], *, known: Catalog | None, report: Report, stopped: Stop
) -> tuple[list[_Seen], list[Finding]]:
    before = _by_path(known)
    seen: list[_Seen] = []
    damaged: list[Finding] = []
    started = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(files), BLOCK):
            if stopped():
                raise Stopped("The check was stopped; what was known before is unchanged.")
            block = files[start : start + BLOCK]
            for result in pool.map(lambda path: _check(root, path, before=before), block):
                if isinstance(result, _Seen):
                    seen.append(result)
                else:
                    damaged.append(result)
            elapsed = time.monotonic() - started
            report(Progress("checking", start + len(block), len(files), elapsed, "checking the images"))
    return seen, damaged


def _by_path(known: Catalog | None) -> dict[str, _Seen]:
    if known is None:
        return {}
    columns = (known.paths, known.digests, known.widths, known.heights, known.bytes, known.mtimes)
    return {row[0]: _Seen(row[0], row[1], *map(int, row[2:])) for row in zip(*columns, strict=True)}


def _check(root: Path, path: str, *, before: Mapping[str, _Seen]) -> _Seen | Finding:
    """Read one file whole, unless it is as it was: decoding is the only proof that it can be read."""
    full = root / path
    try:
        stat = full.stat()
        kept = before.get(path)
        if kept and (kept.bytes, kept.mtime) == (stat.st_size, stat.st_mtime_ns):
            return kept
        digest = digest_of(full)
        open_picture(full, side=CHECK_SIDE)
        width, height = upright_size(full)
    except UnreadableImage as error:
        return Finding(path, "unreadable", 0.9, str(error))
    except OSError as error:
        return Finding(path, "unreadable", 0.9, f"{path} can't be read ({error.strerror or error}).")
    return _Seen(path, digest, width, height, stat.st_size, stat.st_mtime_ns)


def _assemble(
    root: Path,
    seen: list[_Seen],
    *,
    classes: Iterable[str],
    level: int,
    known: Catalog | None,
    moved: Mapping[str, str],
) -> Catalog:
    ids = identities({row.path: row.digest for row in seen}, known=known, moved=moved)
    rows = sorted(((ids[row.path], row) for row in seen), key=lambda pair: pair[0])
    labels = [row.path.split("/")[level] for _, row in rows]
    vocab = tuple(sorted({*labels, *classes}, key=lambda name: (name.casefold(), name)))
    codes = {name: code for code, name in enumerate(vocab)}
    return Catalog(
        root=root,
        vocab=vocab,
        ids=strings([identity for identity, _ in rows]),
        paths=strings([row.path for _, row in rows]),
        labels=np.array([codes[label] for label in labels], dtype=np.int32),
        splits=strings([_split(row, level=level) for _, row in rows]),
        digests=strings([row.digest for _, row in rows]),
        widths=np.array([row.width for _, row in rows], dtype=np.int32),
        heights=np.array([row.height for _, row in rows], dtype=np.int32),
        bytes=np.array([row.bytes for _, row in rows], dtype=np.int64),
        mtimes=np.array([row.mtime for _, row in rows], dtype=np.int64),
        class_level=level,
        departed=departed(known, staying=set(ids.values())),
    )


def _split(row: _Seen, *, level: int) -> Split:
    return GIVEN_SPLITS[row.path.split("/")[0].lower()] if level else split_of(row.digest)


def _empty_classes(root: Path, *, level: int, used: Iterable[str]) -> set[str]:
    """Name the class folders in which nothing at all was found: emptied by cleaning, or made for later."""
    parents = (
        [root] if level == 0 else [Path(e.path) for e in _folders(root) if e.name.lower() in GIVEN_SPLITS]
    )
    found = {tuple(path.split("/")[: level + 1]) for path in used}
    return {
        entry.name
        for parent in parents
        for entry in _folders(parent)
        if _shown(entry.name) == entry.name and Path(entry.path).relative_to(root).parts not in found
    }
