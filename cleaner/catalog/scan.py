"""Lists a folder of class folders, checks every file, and gives each image an id for the life of the project.

Reads only. What can't be used becomes a finding and is never in the way of the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cleaner.catalog.digest import digest_of, split_of
from cleaner.catalog.findings import duplicates, too_many_failures
from cleaner.catalog.pictures import open_picture, upright_size
from cleaner.errors import InputError, Stopped, UnreadableImage
from cleaner.types import Catalog, Finding, Progress, Report, Split, Stop, never, quiet, strings

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
    this program has put them. Raises InputError for a folder that isn't there or holds no class folders.
    """
    level = class_level(root)
    files, findings = _list_files(root, level=level)
    seen, damaged = _check_all(root, files, known=known, report=report, stopped=stopped)
    findings += damaged
    catalog = _assemble(root, seen, level=level, known=known, moved=moved or {})
    if not len(catalog) and not catalog.vocab:
        raise InputError(
            f"{root} holds no class folders with images; put the images of each class into their own folder."
        )
    findings += duplicates(catalog)
    findings += too_many_failures(damaged, total=len(files))
    return catalog, tuple(sorted(findings, key=lambda f: (-f.severity, f.kind, f.item)))


def class_level(root: Path) -> int:
    """Say which part of a path names the class: 1 under split folders such as train and valid, else 0."""
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; choose the folder that holds one folder per class.")
    tops = [entry.name.lower() for entry in _folders(root)]
    split = "train" in tops and len(tops) > 1 and all(name in GIVEN_SPLITS for name in tops)
    return 1 if split else 0


def _folders(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        found = [e for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    return sorted(found, key=lambda e: e.name)


def _list_files(root: Path, *, level: int) -> tuple[list[str], list[Finding]]:
    """Walk without following links; return the labelled files, and a finding for each that can't be taken."""
    files: list[str] = []
    findings: list[Finding] = []
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or name.lower() in SYSTEM_FILES:
                continue
            full = Path(folder, name)
            path = full.relative_to(root).as_posix()
            if problem := _unusable(full, path, level=level):
                findings.append(problem)
            else:
                files.append(path)
    return files, findings


def _unusable(full: Path, path: str, *, level: int) -> Finding | None:
    shown = path.encode("utf-8", "backslashreplace").decode()
    if shown != path:
        return Finding(shown, "odd name", 0.6, f"The name of {shown} is not valid text; rename the file.")
    if full.is_symlink():
        return Finding(path, "link", 0.5, f"{path} is a link; put the file itself into the dataset.")
    if not full.is_file():
        return Finding(path, "not a file", 0.5, f"{path} is not a regular file and was left out.")
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
    root: Path, seen: list[_Seen], *, level: int, known: Catalog | None, moved: Mapping[str, str]
) -> Catalog:
    ids = identities(seen, known=known, moved=moved)
    rows = sorted(zip(ids, seen, strict=True), key=lambda row: row[0])
    labels = [row.path.split("/")[level] for _, row in rows]
    vocab = tuple(
        sorted({*labels, *_empty_classes(root, level=level)}, key=lambda name: (name.casefold(), name))
    )
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
    )


def _split(row: _Seen, *, level: int) -> Split:
    return GIVEN_SPLITS[row.path.split("/")[0].lower()] if level else split_of(row.digest)


def _empty_classes(root: Path, *, level: int) -> Iterator[str]:
    """Name the class folders without a single file: emptied by cleaning, or made for new labels."""
    parents = [root] if level == 0 else [Path(entry.path) for entry in _folders(root)]
    for parent in parents:
        for entry in _folders(parent):
            if not any(Path(entry.path).iterdir()) and entry.name.isprintable():
                yield entry.name


def identities(seen: Sequence[_Seen], *, known: Catalog | None, moved: Mapping[str, str]) -> list[str]:
    """Give each file the id it has had, or a new one: its path, numbered if an earlier image had it."""
    last = dict(zip(known.ids, known.paths, strict=True)) if known is not None else {}
    present = {row.path: row.digest for row in seen}
    # where the person has moved a file again since, the last scan knows better than the program's own record
    unmoved = _unmoved(known, present)
    last |= {key: path for key, path in moved.items() if key not in unmoved}
    by_path = {path: identity for identity, path in last.items()}
    adrift: dict[str, list[str]] = {}
    if known is not None:
        for identity, digest in zip(known.ids, known.digests, strict=True):
            if last[identity] not in present and not last[identity].startswith("."):
                adrift.setdefault(digest, []).append(identity)
    taken = set(last)
    ids = []
    for row in seen:
        identity = by_path.get(row.path)
        if identity is None and adrift.get(row.digest):
            identity = adrift[row.digest].pop(0)
        ids.append(identity or _new_id(row.path, taken=taken))
        taken.add(ids[-1])
    return ids


def _unmoved(known: Catalog | None, present: Mapping[str, str]) -> set[str]:
    """Name the images that still lie where the last scan saw them."""
    if known is None:
        return set()
    rows = zip(known.ids, known.paths, known.digests, strict=True)
    return {identity for identity, path, digest in rows if present.get(path) == digest}


def _new_id(path: str, *, taken: set[str]) -> str:
    if path not in taken:
        return path
    number = 2
    while f"{path}#{number}" in taken:
        number += 1
    return f"{path}#{number}"
