"""Checks every file that a source lists, and gives each image an id for the life of the project.

Reads only. What can't be used becomes a finding and is never in the way of the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleaner.catalog.checks import look_findings
from cleaner.catalog.digest import digest_of, split_of
from cleaner.catalog.examine import Seen
from cleaner.catalog.faults import Fault
from cleaner.catalog.findings import duplicates, nested, too_many_failures
from cleaner.catalog.folders import list_folders
from cleaner.catalog.guard import Keep, examine_all
from cleaner.catalog.identity import departed, identities
from cleaner.catalog.listing import Listing
from cleaner.catalog.quality import LOOK
from cleaner.errors import InputError, Stopped
from cleaner.progress import Progress, Report, Stop, never, quiet
from cleaner.types import Catalog, Finding, Ints, Split, Strings, strings

DAMAGED = 0.9  # severity of a file that can't be read
STRIDE = 5000  # files between two looks at the clock and at Stop while nothing is opened


def scan(
    root: Path,
    *,
    listing: Listing | None = None,
    known: Catalog | None = None,
    moved: Mapping[str, str] | None = None,
    keep: Keep | None = None,
    report: Report = quiet,
    stopped: Stop = never,
) -> tuple[Catalog, tuple[Finding, ...]]:
    """List and check a dataset; return its catalog and what was found, worst first.

    Without a `listing` the class folders of `root` are listed. `known` is the catalog of the last scan: files
    of the same path, size and time are not read again, and ids carry over, also to files that the person has
    moved (recognised by content). `moved` maps ids to where this program has put them; `keep` takes the
    sketches of what is read, as in `examine_all`. Raises InputError for a folder that isn't there, holds no
    class folders, or only empty ones when it is first seen; and Stopped.
    """
    there = listing or list_folders(root, report=report, stopped=stopped)
    if known is None and not there.paths and not there.findings:
        raise InputError(f"There are no files in the folders of {root}; fill them, or choose another folder.")
    kept = _unchanged(root, there.paths, known=known, report=report, stopped=stopped)
    seen, damaged = _check_all(root, there.paths, kept=kept, keep=keep, report=report, stopped=stopped)
    catalog = _assemble(root, there, kept=kept, seen=seen, known=known, moved=moved or {})
    findings = [*there.findings, *damaged, *duplicates(catalog), *look_findings(catalog), *nested(catalog)]
    findings += too_many_failures(damaged, total=len(there.paths))
    return catalog, tuple(sorted(findings, key=lambda f: (-f.severity, f.kind, f.item)))


def doubted(catalog: Catalog, items: Collection[str]) -> Catalog:
    """Return a catalog by which a scan reads some images again: those whose bytes are not what was read.

    With them all of the same size and time are read again, since they may have changed places.
    """
    rows = catalog.positions()
    other = [rows[item] for item in items if item in rows and _is_other(catalog, rows[item])]
    stamps = list(zip(catalog.bytes.tolist(), catalog.mtimes.tolist(), strict=True))
    wrong = {stamps[row] for row in other}
    return replace(catalog, mtimes=np.where([stamp in wrong for stamp in stamps], -1, catalog.mtimes))


def _is_other(catalog: Catalog, row: int) -> bool:
    try:
        return bool(digest_of(catalog.root / catalog.paths[row]) != catalog.digests[row])
    except OSError:  # the scan says why
        return False


def _unchanged(
    root: Path, paths: Sequence[str], *, known: Catalog | None, report: Report, stopped: Stop
) -> Ints:
    """Say which row of the last scan each file is still as it was in, -1 for none, shape [N]."""
    kept = np.full(len(paths), -1, dtype=np.int32)
    if known is None or known.looks is None:  # of an older check, which measured nothing
        return kept
    before = {path: row for row, path in enumerate(known.paths)}
    sizes, times = known.bytes, known.mtimes
    started = time.monotonic()
    for position, path in enumerate(paths):
        if position % STRIDE == 0:
            _go_on(stopped)
            elapsed = time.monotonic() - started
            report(Progress("looking", position, len(paths), elapsed, "looking for changed files"))
        row = before.get(path)
        if row is not None and _size_and_time(f"{root}/{path}") == (sizes[row], times[row]):
            kept[position] = row
    report(Progress("checking", int((kept >= 0).sum()), len(paths), 0.0, "checking the images"))
    return kept


def _size_and_time(path: str) -> tuple[int, int] | None:
    try:
        stat = os.stat(path)  # noqa: PTH116  three times as fast as with Path
    except OSError:  # reading it says why
        return None
    return stat.st_size, stat.st_mtime_ns


def _check_all(
    root: Path, paths: Sequence[str], *, kept: Ints, keep: Keep | None, report: Report, stopped: Stop
) -> tuple[dict[int, Seen], list[Finding]]:
    """Read every file that is not as it was; map the positions of the readable ones to what was seen."""
    left = np.flatnonzero(kept < 0).tolist()
    started = time.monotonic()

    def tell(done: int) -> None:
        elapsed = time.monotonic() - started
        done += len(paths) - len(left)
        report(Progress("checking", done, len(paths), elapsed, "checking the images"))

    answers = examine_all(
        root, [paths[position] for position in left], keep=keep, report=tell, stopped=stopped
    )
    seen = {at: answer for at, answer in zip(left, answers, strict=True) if isinstance(answer, Seen)}
    damaged = [
        Finding(paths[at], answer.kind, DAMAGED, answer.detail)
        for at, answer in zip(left, answers, strict=True)
        if isinstance(answer, Fault)
    ]
    return seen, damaged


def _go_on(stopped: Stop) -> None:
    if stopped():
        raise Stopped("The check was stopped; what was known before is unchanged.")


def _assemble(
    root: Path,
    there: Listing,
    *,
    kept: Ints,
    seen: Mapping[int, Seen],
    known: Catalog | None,
    moved: Mapping[str, str],
) -> Catalog:
    """Join what is as it was with what was read now, in the order of the ids."""
    readable = [position for position, row in enumerate(kept.tolist()) if row >= 0 or position in seen]
    digests = [
        seen[position].digest if kept[position] < 0 or known is None else known.digests[kept[position]]
        for position in readable
    ]
    paths = [there.paths[position] for position in readable]
    ids = identities(dict(zip(paths, digests, strict=True)), known=known, moved=moved)
    order = sorted(range(len(paths)), key=lambda row: ids[paths[row]])
    places = [readable[row] for row in order]
    labels = [there.labels[position] for position in places]
    vocab = tuple(sorted({*labels, *there.classes}, key=lambda name: (name.casefold(), name)))
    codes = {name: code for code, name in enumerate(vocab)}
    ordered = strings([digests[row] for row in order])
    number = partial(_numbers, places=places, kept=kept, seen=seen, known=known)
    return Catalog(
        root=root,
        vocab=vocab,
        ids=strings([ids[paths[row]] for row in order]),
        paths=strings([paths[row] for row in order]),
        labels=np.array([codes[label] for label in labels], dtype=np.int32),
        splits=_splits(there, places=places, digests=ordered),
        digests=ordered,
        widths=number("widths").astype(np.int32),
        heights=number("heights").astype(np.int32),
        bytes=number("bytes"),
        mtimes=number("mtimes"),
        looks=_looks(places, kept=kept, seen=seen, known=known),
        class_level=there.class_level,
        labels_in=there.labels_in,
        departed=departed(known, staying=ids.values()),
    )


def _numbers(
    name: str, places: Sequence[int], *, kept: Ints, seen: Mapping[int, Seen], known: Catalog | None
) -> NDArray[Any]:
    """Return a column of sizes or times: of what was read now, else as the last scan knew it."""
    column = np.array([getattr(seen[place], name) if place in seen else 0 for place in places], np.int64)
    if known is not None:
        rows = kept[list(places)]
        column[rows >= 0] = getattr(known, name)[rows[rows >= 0]]
    return column


def _looks(
    places: Sequence[int], *, kept: Ints, seen: Mapping[int, Seen], known: Catalog | None
) -> NDArray[np.void]:
    """Return what was measured of each image now, else what the last scan knew of it."""
    column = np.zeros(len(places), LOOK)
    read = np.array([place in seen for place in places], dtype=bool)
    column[read] = np.frombuffer(b"".join(seen[place].look for place in places if place in seen), LOOK)
    if known is not None and known.looks is not None:
        rows = kept[list(places)]
        column[rows >= 0] = known.looks[rows[rows >= 0]]
    return column


def _splits(there: Listing, *, places: Sequence[int], digests: Strings) -> Strings:
    given: Sequence[Split | None] = there.splits or ()
    of = (given[place] if given else None for place in places)
    return strings([split or split_of(digest) for split, digest in zip(of, digests, strict=True)])
