"""Ties verdicts to the pictures that they were given on: another file under the same name is another picture.

Class folders often hold the same names, and whoever moves files from one to another reuses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Column, MetaData, Table, Text, delete, insert, select

from cleaner.catalog.digest import digest_of
from cleaner.errors import UnreadableImage
from cleaner.review.database import writing
from cleaner.review.journal import Journal
from cleaner.types import Strings, strings

pictures = Table(
    "pictures",
    MetaData(),
    Column("item", Text, primary_key=True),
    Column("digest", Text, nullable=False),
)


def tied(paths: Sequence[Path], *, journal: Journal) -> Strings:
    """Return the digests [N] of files, and clear the verdicts given on other ones of the same names."""
    with ThreadPoolExecutor() as threads:
        now = dict(zip(map(str, paths), threads.map(_digest, paths), strict=True))
    with writing(journal.engine) as connection:
        pictures.create(connection, checkfirst=True)
        kept = {row.item: row.digest for row in connection.execute(select(pictures))}
    standing = journal.standing()
    others = [item for item, digest in now.items() if item in kept and kept[item] != digest]
    if stale := [item for item in others if item in standing]:
        journal.decide([(item, "clear", None) for item in stale], round=0)
    _keep({item: digest for item, digest in now.items() if kept.get(item) != digest}, journal=journal)
    return strings(list(now.values()))


def same(path: Path, digest: str) -> bool:
    """Say whether a file is there and still the one with this digest."""
    return path.is_file() and _digest(path) == digest


def _keep(digests: dict[str, str], *, journal: Journal) -> None:
    if not digests:
        return
    rows = [{"item": item, "digest": digest} for item, digest in digests.items()]
    with writing(journal.engine) as connection:
        for row in rows:
            connection.execute(delete(pictures).where(pictures.c.item == row["item"]))
        connection.execute(insert(pictures), rows)


def _digest(path: Path) -> str:
    try:
        return digest_of(path)
    except OSError as error:
        raise UnreadableImage(f"{path} can't be read ({error.strerror}).") from error
