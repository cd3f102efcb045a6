"""The check of a folder: what is listed, what is there twice, and on which side of the split it falls.

It keeps what it found of copies by content, so that a check of an unchanged folder compares nothing. Several
windows may check at once: each goes on from what was kept last, whoever kept it, so that ids never part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from filelock import FileLock

from cleaner.app.features import Features, load_features
from cleaner.app.rounds import round_folder
from cleaner.app.sources import Source
from cleaner.catalog.findings import copies as found_copies
from cleaner.catalog.findings import lookalikes, order
from cleaner.catalog.folders import list_folders
from cleaner.catalog.scan import scan
from cleaner.catalog.sides import with_sides
from cleaner.catalog.sketches import Sketched, Sketches
from cleaner.catalog.store import load_catalog, save_catalog
from cleaner.progress import Report, Stop
from cleaner.ranking.copies import copies, joined
from cleaner.ranking.pixelcopies import Links, links
from cleaner.types import Catalog, Finding, Ints, Round, Split, Strings
from cleaner.writing import whole

Checked: TypeAlias = tuple[Catalog, tuple[Finding, ...]]
Stamp: TypeAlias = tuple[int, int, int]  # inode, time and size: another whenever a file was written anew

_FILE = "copies.json"
_NONE: Stamp = (0, 0, 0)
LIMIT = 100_000  # images; comparing so many takes minutes on two cores, twice as many four times that


class Check:
    """The check of one dataset. `moved` tells where files were put, `chosen` which side a person wants."""

    def __init__(
        self,
        source: Source,
        *,
        moved: Callable[[], Mapping[str, str]],
        chosen: Callable[[], Mapping[str, Split]],
    ) -> None:
        self._source, self._home, self._moved, self._chosen = source, source.home, moved, chosen
        self._by_model: tuple[int, Catalog, tuple[Finding, ...]] | None = None
        self._file, self._seen = source.home / "catalog.npz", _NONE

    def last(self) -> Checked | None:
        """Return what the last check kept, in whichever window it was; None if nothing can be read."""
        self._seen = _stamp(self._file)
        return load_catalog(self._file, root=self._source.root)

    def __call__(self, known: Catalog | None, *, report: Report, stopped: Stop) -> Checked:
        """Scan the folder, find what is there twice, and keep and return its catalog and its findings.

        `known` is the catalog of the last check that this window knows. If another window kept one meanwhile,
        the scan is done again from there, so that an image has the same id for both. Copies are put on one
        side of a split that follows from content.
        """
        while True:
            if _stamp(self._file) != self._seen and (newer := self.last()):
                known = newer[0]
            checked = self._checked(known, report=report, stopped=stopped)
            with FileLock(self._home / "catalog.lock"):
                if _stamp(self._file) == self._seen:
                    save_catalog(*checked, self._file)
                    self._seen = _stamp(self._file)
                    return checked

    def _checked(self, known: Catalog | None, *, report: Report, stopped: Stop) -> Checked:
        sketches, source = Sketches(self._home / "sketches"), self._source
        listing = source.list() or list_folders(source.root, report=report, stopped=stopped)
        listed, findings = scan(
            source.root,
            listing=listing,
            known=known,
            moved=self._moved(),
            keep=sketches.keep if len(listing.paths) <= LIMIT else None,
            report=report,
            stopped=stopped,
        )
        catalog, twice = self._twice(listed, sketches, report=report, stopped=stopped)
        return catalog, by_severity(findings, twice)

    def by_model(self, catalog: Catalog | None, rounds: Sequence[Round]) -> tuple[Finding, ...]:
        """Return what the features of the last of some rounds add to a check; asked again, it is known."""
        if catalog is None or not rounds:
            return ()
        number = rounds[-1].number
        known = self._by_model
        if known is None or known[0] != number or known[1] is not catalog:
            features = load_features(round_folder(self._home / "rounds", number))
            found = [] if features is None else by_features(self._home, catalog, features)
            known = self._by_model = number, catalog, tuple(found)
        return known[2]

    def _twice(
        self, listed: Catalog, sketches: Sketches, *, report: Report, stopped: Stop
    ) -> tuple[Catalog, list[Finding]]:
        """Look for copies; return the catalog with each group on one side, and what was found."""
        chosen = self._chosen()
        if len(listed) > LIMIT:
            said = f"More than {LIMIT:,} images are not compared with each other: only equal files are found."
            equal = known_copies(self._home, listed.digests)
            return with_sides(listed, equal, chosen=chosen), [Finding("", "not compared", 0.2, said)]
        seen = sketches.of(listed, report=report, stopped=stopped)
        groups = _compared(listed, seen, home=self._home, report=report, stopped=stopped)
        catalog = with_sides(listed, groups, chosen=chosen)
        return catalog, found_copies(catalog, groups, looks=seen.looks, sharpness=seen.sharpness)


def _stamp(file: Path) -> Stamp:
    try:
        stat = file.stat()
    except OSError:
        return _NONE
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def by_severity(*found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return all findings, the worst first, and what belongs together side by side."""
    return tuple(sorted(chain(*found), key=order))


def known_copies(home: Path, digests: Strings) -> Ints:
    """Return the groups of copies [N] that the last check found among images; equal files are one group."""
    first = {digest: group[0] for group in _kept(home)["groups"] for digest in group}
    names = np.array([first.get(digest, digest) for digest in digests], dtype=str)
    return np.unique(names, return_inverse=True)[1].astype(np.int32)


def by_features(home: Path, catalog: Catalog, features: Features) -> list[Finding]:
    """Return what the features of a round add to a check: lookalikes, and images like none.

    Images that have come since the round are left out; those that have gone say nothing.
    """
    row = {digest: number for number, digest in enumerate(features.digests)}
    there = np.array([at for at, digest in enumerate(catalog.digests) if digest in row], dtype=np.intp)
    of_round = np.array([row[digest] for digest in catalog.digests[there]], dtype=np.intp)
    known = known_copies(home, catalog.digests)
    groups = len(features.digests) + np.arange(len(catalog))
    groups[there] = features.groups[of_round]
    odd = [
        Finding(catalog.ids[at], "outlier", 0.3, f"{catalog.paths[at]} looks like no other image here.")
        for at in there[features.lonely(home)[of_round]].tolist()
    ]
    return [*lookalikes(catalog, joined(groups, known), known=known), *odd]


def _compared(catalog: Catalog, seen: Sketched, *, home: Path, report: Report, stopped: Stop) -> Ints:
    """Compare all pictures, unless all of them were compared before; return the groups of copies [N]."""
    if not set(catalog.digests) <= set(_kept(home)["compared"]):
        _, rows = np.unique(catalog.digests.astype(str), return_index=True)
        _, first, looks = np.unique(seen.looks[rows].astype(str), return_index=True, return_inverse=True)
        shown = rows[first]  # each picture once, in however many files it lies
        sizes = np.stack([catalog.widths[shown], catalog.heights[shown]], axis=1)
        found = links(seen.grey[shown], sizes, report=report, stopped=stopped)
        of_files = Links(first[found.one], first[found.other], found.distances)
        _keep(home, digests=catalog.digests[rows], groups=copies(of_files, equal=looks))
    return known_copies(home, catalog.digests)


def _kept(home: Path) -> dict[str, list[Any]]:
    """Return the digests that were compared, and the groups of several among them."""
    try:
        kept = json.loads((home / _FILE).read_text(encoding="utf-8"))
        return {"compared": list(kept["compared"]), "groups": list(kept["groups"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"compared": [], "groups": []}


def _keep(home: Path, *, digests: Strings, groups: Ints) -> None:
    together: dict[int, list[str]] = {}
    for digest, group in zip(digests, groups.tolist(), strict=True):
        together.setdefault(group, []).append(digest)
    several = [group for group in together.values() if len(group) > 1]
    with whole(home / _FILE) as part:
        part.write_text(json.dumps({"compared": list(digests), "groups": several}), encoding="utf-8")
