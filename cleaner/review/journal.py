"""The journal: every decision as an event that is only ever appended. It knows no widget and no image.

What stands is a fold over the events; the copy kept in memory is only a fold that was begun earlier.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Integer,
    MetaData,
    Row,
    Select,
    Table,
    Text,
    and_,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.engine import Connection, Engine

from cleaner.errors import Refused
from cleaner.review.database import reading, writing
from cleaner.review.verdicts import Conflict, Verdict, check, conflicts, taken_back
from cleaner.types import Decision, How

decisions = Table(
    "decisions",
    MetaData(),
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("batch", BigInteger, nullable=False, index=True),
    Column("item", Text, nullable=False, index=True),
    Column("action", Text, nullable=False),
    Column("label", Text),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("undoes", BigInteger, index=True),
    Column("how", Text, nullable=False, server_default="person"),  # since version 2
    sqlite_autoincrement=True,
)


class Journal:
    """The decisions of a project as one person writes them and everybody reads them.

    Safe across threads and processes: writers pass one after another, and a decision is on the disk when
    `decide` returns.
    """

    def __init__(self, engine: Engine, *, by: str) -> None:
        if not by.strip():
            raise Refused("The journal needs the name of the person who decides; pass by='your name'.")
        self.by = by
        self.engine = engine
        self._lock = threading.Lock()
        self._seen = 0  # the last event in the fold below
        self._last: dict[str, Decision] = {}
        if not inspect(engine).has_table(decisions.name):
            with writing(engine) as connection:
                decisions.create(connection, checkfirst=True)

    def decide(
        self, verdicts: Sequence[Verdict], *, round: int, how: How = "person", rest: bool = False
    ) -> tuple[Decision, ...]:
        """Keep verdicts as one batch, in one transaction; of the `rest` those where none stands by then.

        Errors: Refused; none is kept.
        """
        check(verdicts)
        with writing(self.engine) as connection:
            spared = self._standing(connection) if rest else {}
            new = [verdict for verdict in verdicts if verdict[0] not in spared]
            return self._append(connection, new, round=round, how=how)

    def undo(self, *, round: int) -> tuple[Decision, ...]:
        """Take back this person's latest batch that can be taken back, and return the events that did it.

        A batch on all of whose images a later verdict of somebody else holds is passed over.
        Errors: Refused, when nothing is left to undo.
        """
        if events := self._take_back(_undoable(self.by), round=round):
            return events
        raise Refused("There is nothing to undo.")

    def redo(self, *, round: int) -> tuple[Decision, ...]:
        """Take back this person's latest undo that nothing was decided after, and return the events of it.

        Errors: Refused, when nothing is left to redo.
        """
        if events := self._take_back(_redoable(self.by), round=round):
            return events
        raise Refused("There is nothing to redo.")

    def standing(self) -> dict[str, Decision]:
        """Return the decision that holds for each item; items without one, or cleared, are absent."""
        with reading(self.engine) as connection:
            return self._standing(connection)

    def events(self, item: str | None = None) -> tuple[Decision, ...]:
        """Return every event in the order of writing, or those of one item."""
        query = select(decisions)
        with reading(self.engine) as connection:
            return _read(connection, query if item is None else query.where(decisions.c.item == item))

    def conflicts(self) -> tuple[Conflict, ...]:
        """Return the images on which people do not agree."""
        several = select(decisions.c.item).group_by(decisions.c.item)
        several = several.having(func.count(decisions.c.by.distinct()) > 1)
        with reading(self.engine) as connection:
            return conflicts(_read(connection, select(decisions).where(decisions.c.item.in_(several))))

    def _standing(self, connection: Connection) -> dict[str, Decision]:
        with self._lock:
            query = select(decisions).where(decisions.c.seq > self._seen).order_by(decisions.c.seq)
            for row in connection.execute(query).all():
                self._take(row)
            return dict(self._last)

    def _take_back(self, batches: Select[Any], *, round: int) -> tuple[Decision, ...]:
        with writing(self.engine) as connection:
            batch = connection.execute(batches.limit(1)).scalar()
            if batch is None:
                return ()
            verdicts = taken_back(_read(connection, _of_batch(batch)), batch=batch)
            return self._append(connection, verdicts, round=round, undoes=batch)

    def _append(
        self,
        connection: Connection,
        verdicts: Sequence[Verdict],
        *,
        round: int,
        undoes: int | None = None,
        how: How = "person",
    ) -> tuple[Decision, ...]:
        if not verdicts:
            return ()
        batch = connection.execute(select(func.coalesce(func.max(decisions.c.batch), 0) + 1)).scalar_one()
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        pattern = Decision("", "clear", None, self.by, at, round, batch, undoes=undoes, how=how)
        events = tuple(
            replace(pattern, item=item, action=action, label=label) for item, action, label in verdicts
        )
        connection.execute(insert(decisions), [_columns(event) for event in events])
        return events

    def _take(self, row: Row[Any]) -> None:
        event = _decision(row)
        self._seen = row.seq
        if event.action == "clear":
            self._last.pop(event.item, None)
        else:
            self._last[event.item] = event


def _undoable(by: str) -> Select[Any]:
    """Select this person's batches, latest first, that hold for an image on which nobody decided later."""
    mine = decisions.alias()
    query = select(mine.c.batch).where(mine.c.by == by, _survives(mine), ~_followed(mine, mine.c.batch))
    return query.order_by(mine.c.batch.desc())


def _redoable(by: str) -> Select[Any]:
    """Select this person's undos, latest first, that are not taken back and that no new batch follows.

    Since the latest batch, an undo takes back that one or one before it, and a redo takes back an undo.
    """
    mine, own = decisions.alias(), decisions.alias()
    latest = select(func.coalesce(func.max(own.c.batch), 0)).where(own.c.by == by, _undoes(own) == 0)
    since = mine.c.batch > latest.scalar_subquery(), mine.c.undoes <= latest.scalar_subquery()
    query = select(mine.c.batch).where(mine.c.by == by, *since)
    query = query.where(~_redone(mine), ~_followed(mine, mine.c.undoes))
    return query.order_by(mine.c.batch.desc())


def _survives(event: FromClause) -> ColumnElement[bool]:
    """Say whether an event is a verdict that no undo still takes back: `surviving`, asked of the database."""
    undo = decisions.alias()
    undone = select(undo.c.seq).where(undo.c.item == event.c.item, _undoes(undo) == event.c.batch)
    return and_(_undoes(event) == 0, ~undone.where(~_redone(undo)).exists())


def _redone(undo: FromClause) -> ColumnElement[bool]:
    """Say whether an undo is itself taken back."""
    redo = decisions.alias()
    return select(redo.c.seq).where(redo.c.item == undo.c.item, _undoes(redo) == undo.c.batch).exists()


def _followed(event: FromClause, batch: ColumnElement[int]) -> ColumnElement[bool]:
    """Say whether a verdict of a later batch holds for the item of an event."""
    later = decisions.alias()
    of_item = select(later.c.seq).where(later.c.item == event.c.item, later.c.batch > batch)
    return of_item.where(_survives(later)).exists()


def _undoes(event: FromClause) -> ColumnElement[int]:
    """Return what an event undoes, 0 for nothing."""
    # So no index on it is used: that of the items is, and a batch of thousands is not searched for each.
    return func.coalesce(event.c.undoes, 0)


def _of_batch(batch: int) -> Select[Any]:
    """Select all events of the items of one batch."""
    members = decisions.alias()
    items = select(members.c.item).where(members.c.batch == batch)
    return select(decisions).where(decisions.c.item.in_(items))


def _read(connection: Connection, query: Select[Any]) -> tuple[Decision, ...]:
    return tuple(_decision(row) for row in connection.execute(query.order_by(decisions.c.seq)))


def _decision(row: Row[Any]) -> Decision:
    return Decision(
        item=row.item,
        action=row.action,
        label=row.label,
        by=row.by,
        at=row.at,
        round=row.round,
        batch=row.batch,
        undoes=row.undoes,
        how=row.how,
    )


def _columns(event: Decision) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__slots__}
