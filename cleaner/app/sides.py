"""On which side of the split a person wants images: choices that are kept, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import cast

import numpy as np
from sqlalchemy import Boolean, Column, Integer, MetaData, Table, Text, func, insert, select, update

from cleaner.app.agenda import unknown_image
from cleaner.app.checking import known_copies
from cleaner.catalog.sides import sides
from cleaner.changes.plan import plan_moves
from cleaner.errors import InputError, Refused
from cleaner.review.database import reading, writing
from cleaner.review.journal import Journal
from cleaner.types import SPLITS, Catalog, Finding, Plan, Split

events = Table(
    "sides",
    MetaData(),
    Column("seq", Integer, primary_key=True),
    Column("batch", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("undone", Boolean, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
)


def leaking(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the images that a check has found on both sides of the split, by their ids, each once."""
    return tuple(dict.fromkeys(finding.item for finding in findings if finding.kind.endswith("leak")))


class Sides:
    """The choices of sides in one project; `again` checks the folder after one has changed."""

    def __init__(
        self, journal: Journal, *, home: Path, catalog: Callable[[], Catalog], again: Callable[[], object]
    ) -> None:
        self._engine, self._by, self._home = journal.engine, journal.by, home
        self._catalog, self._again = catalog, again
        with writing(self._engine) as connection:
            events.create(connection, checkfirst=True)

    def chosen(self) -> dict[str, Split]:
        """Return the side that was last chosen for each content, by its digest."""
        standing = select(events.c.digest, events.c.side).where(events.c.undone.is_(False))
        with reading(self._engine) as connection:
            rows = connection.execute(standing.order_by(events.c.seq)).all()
        return {row.digest: cast(Split, row.side) for row in rows}

    def put(self, items: Sequence[str], side: Split) -> Plan:
        """Put images, and all their copies, on one side of the split.

        Where the split follows from content the choice is kept and holds from now on: no file is moved, and
        the plan returned is empty. Where folders say it nothing happens yet: apply the plan returned, which
        moves the files into the other split folder. Raises InputError for an id or a side that isn't there,
        Refused where a table says it.
        """
        catalog = self._catalog()
        rows = self._with_copies(catalog, items, side=side)
        if self._is_ours(catalog):
            self._record([(catalog.digests[row], side) for row in rows])
            return Plan()
        if not catalog.class_level:
            raise Refused("The split of these images comes from a table; change it there and check again.")
        folders = {path.split("/")[0] for path in catalog.paths[catalog.splits == side]}
        if not folders:
            raise InputError(f"No image is on the side {side} yet; put one into such a folder by hand first.")
        moving = [row for row in rows if catalog.splits[row] != side]
        rest = {row: catalog.paths[row].split("/", 1)[1] for row in moving}
        return plan_moves(catalog, {row: f"{min(folders)}/{path}" for row, path in rest.items()})

    def undo(self) -> bool:
        """Take back the last choice that was kept; return whether there was one."""
        last = select(func.max(events.c.batch)).where(events.c.undone.is_(False))
        with writing(self._engine) as connection:
            batch = connection.execute(last).scalar()
            connection.execute(update(events).where(events.c.batch == batch).values(undone=True))
        if batch is not None:
            self._again()
        return batch is not None

    def _with_copies(self, catalog: Catalog, items: Sequence[str], *, side: str) -> list[int]:
        if side not in SPLITS:
            raise InputError(f"{side!r} is no side of a split; choose one of {', '.join(SPLITS)}.")
        positions = catalog.positions()
        if missing := [item for item in items if item not in positions]:
            raise InputError(unknown_image(missing[0], catalog))
        groups = known_copies(self._home, catalog.digests)
        wanted = groups[[positions[item] for item in items]]
        return [int(row) for row in np.flatnonzero(np.isin(groups, wanted))]

    def _is_ours(self, catalog: Catalog) -> bool:
        groups = known_copies(self._home, catalog.digests)
        return list(sides(catalog.digests, groups, chosen=self.chosen())) == list(catalog.splits)

    def _record(self, choices: Sequence[tuple[str, str]]) -> None:
        with writing(self._engine) as connection:
            batch = 1 + (connection.execute(select(func.max(events.c.batch))).scalar() or 0)
            about = {
                "batch": batch,
                "undone": False,
                "by": self._by,
                "at": datetime.now(timezone.utc).isoformat(),
            }
            rows = [{"digest": digest, "side": side, **about} for digest, side in choices]
            connection.execute(insert(events), rows)
        self._again()
