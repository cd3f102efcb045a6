"""Ties verdicts to the pictures that they were given on: another file under the same name is another picture.

Class folders often hold the same names, and whoever moves files from one to another reuses them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Column, MetaData, Table, Text, delete, insert, select

from cleaner.catalog.digest import digest_of
from cleaner.catalog.listing import is_text, shown
from cleaner.errors import CleanerError, InputError, UnreadableImage
from cleaner.review.database import writing
from cleaner.review.journal import Journal
from cleaner.types import Strings, strings

SWAPPED = "Cleaner"  # who clears a verdict on another picture: no person's undo brings that back

pictures = Table(
    "pictures",
    MetaData(),
    Column("item", Text, primary_key=True),
    Column("digest", Text, nullable=False),
)


def tied(paths: Sequence[Path], *, journal: Journal) -> Strings:
    """Return the digests [N] of files, and clear the verdicts given on other ones of the same names.

    Raises InputError for a name that is not valid text: no verdict could be kept under it.
    """
    _require_text(map(str, paths))
    now = _digests({str(path): path for path in paths})
    _tie(now, journal=journal)
    return strings([now[str(path)] for path in paths])


class Ties:
    """Ties verdicts to pictures as they are given, for more files than are to be read beforehand.

    Only files with a verdict are read: those of `paths` at once, where it is cleared if they are other ones.
    Raises InputError for a name that is not valid text: no verdict could be kept under it.
    """

    def __init__(self, paths: Sequence[str], *, journal: Journal) -> None:
        _require_text(paths)
        self._journal, self._folder = journal, Path.cwd()
        standing = journal.standing()
        self._last = max((decision.batch for decision in standing.values()), default=0)
        _tie(self._now(item for item in paths if item in standing), journal=journal)

    def follow(self) -> None:
        """Tie the verdicts given since to their files as they are now; called after each."""
        new = [d for d in self._journal.standing().values() if d.batch > self._last]
        with suppress(CleanerError):  # the verdicts are kept; these are tied after the next one
            _keep(self._now(decision.item for decision in new), journal=self._journal)
            self._last = max((decision.batch for decision in new), default=self._last)

    def _now(self, items: Iterable[str]) -> dict[str, str]:
        """Return the digests of those that can be read; the others keep their verdicts."""
        files = {item: self._folder / item for item in items}
        return _digests({i: file for i, file in files.items() if file.is_file() and os.access(file, os.R_OK)})


def same(path: Path, digest: str) -> bool:
    """Say whether a file is there and still the one with this digest."""
    return path.is_file() and _digest(path) == digest


def _require_text(paths: Iterable[str]) -> None:
    if odd := next((path for path in paths if not is_text(path)), None):
        raise InputError(f"The name of {shown(odd)} is not valid text; rename the file.")


def _tie(now: dict[str, str], *, journal: Journal) -> None:
    """Clear the verdicts on what was another file than now, and keep what the files are."""
    with writing(journal.engine) as connection:
        pictures.create(connection, checkfirst=True)
        kept = {row.item: row.digest for row in connection.execute(select(pictures))}
    standing = journal.standing()
    others = [item for item, digest in now.items() if item in kept and kept[item] != digest]
    if stale := [item for item in others if item in standing]:
        clearing = Journal(journal.engine, by=SWAPPED)
        clearing.decide([(item, "clear", None) for item in stale], round=0)
    _keep({item: digest for item, digest in now.items() if kept.get(item) != digest}, journal=journal)


def _keep(digests: dict[str, str], *, journal: Journal) -> None:
    if not digests:
        return
    rows = [{"item": item, "digest": digest} for item, digest in digests.items()]
    with writing(journal.engine) as connection:
        for row in rows:
            connection.execute(delete(pictures).where(pictures.c.item == row["item"]))
        connection.execute(insert(pictures), rows)


def _digests(files: Mapping[str, Path]) -> dict[str, str]:
    with ThreadPoolExecutor() as threads:
        return dict(zip(files, threads.map(_digest, files.values()), strict=True))


def _digest(path: Path) -> str:
    try:
        return digest_of(path)
    except OSError as error:
        raise UnreadableImage(f"{path} can't be read ({error.strerror}).") from error
