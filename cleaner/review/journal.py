"""The journal: every decision as an event that is only ever appended. It knows no widget and no image.

What stands is a fold over the events; the copy kept in memory is only a fold that was begun earlier.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    Row,
    Select,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.engine import Connection, Engine

from cleaner.errors import Refused
from cleaner.review.database import reading, writing
from cleaner.types import ACTIONS, Action, Decision, How

Verdict: TypeAlias = tuple[str, Action, "str | None"]  # item, action, label

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


def fold(events: Iterable[Decision]) -> dict[str, Decision]:
    """Return what stands after the events, in their order: the last one of an item, unless it is "clear"."""
    last = {event.item: event for event in events}
    return {item: event for item, event in last.items() if event.action != "clear"}


def taken_back(history: Sequence[Decision], *, batch: int, by: str) -> tuple[Verdict, ...]:
    """Return the verdicts that restore what the items of a batch had before it.

    `history` holds all events of those items, in order. An item on which somebody else has decided
    since is left out: their decision is not ours to undo.
    """
    before = fold(event for event in history if event.batch < batch)
    last = {event.item: event for event in history}
    items = dict.fromkeys(event.item for event in history if event.batch == batch)
    return tuple(_restored(item, before.get(item)) for item in items if last[item].by == by)


def _restored(item: str, before: Decision | None) -> Verdict:
    return (item, "clear", None) if before is None else (item, before.action, before.label)


@dataclass(frozen=True, slots=True)
class Conflict:
    """One image on which people do not agree: the last verdict of each, the oldest first."""

    item: str
    verdicts: tuple[Decision, ...]


def conflicts(events: Iterable[Decision]) -> tuple[Conflict, ...]:
    """Return the images of which people's own last verdicts differ, in the order of first mention.

    "unsure" and "clear" contradict nobody. A conflict ends when all who judged the image say the same, or
    take back what they said.
    """
    said: dict[str, dict[str, Decision]] = {}
    for event in events:
        mine = said.setdefault(event.item, {})
        mine.pop(event.by, None)  # what is said again is the latest
        if event.action not in ("clear", "unsure"):
            mine[event.by] = event
    differing = {
        item: tuple(of.values())
        for item, of in said.items()
        if len({(event.action, event.label) for event in of.values()}) > 1
    }
    return tuple(Conflict(item, verdicts) for item, verdicts in differing.items())


def repeats(kept: Decision | None, verdict: Verdict) -> bool:
    """Say whether a verdict is the one that stands: to write it again would make the next undo do nothing."""
    return kept is not None and (kept.item, kept.action, kept.label) == verdict


def check(verdicts: Sequence[Verdict]) -> None:
    """Refuse verdicts that can't be kept: none at all, an unknown action, a label missing or too much."""
    if not verdicts:
        raise Refused("No verdict was given; nothing was saved.")
    if len({item for item, _, _ in verdicts}) < len(verdicts):
        raise Refused("One image has two verdicts at once; give one verdict per image.")
    for item, action, label in verdicts:
        if action not in ACTIONS:
            raise Refused(f"{action!r} is no verdict; choose one of {', '.join(ACTIONS)}.")
        if action == "relabel" and not label:
            raise Refused(f"The new label of {item} is missing; a relabel needs one.")
        if action != "relabel" and label is not None:
            raise Refused(f"{action} of {item} came with the label {label!r}; only a relabel carries one.")


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

    def decide(self, verdicts: Sequence[Verdict], *, round: int, how: How = "person") -> tuple[Decision, ...]:
        """Keep verdicts as one batch, in one transaction. Errors: Refused; none is kept."""
        check(verdicts)
        with writing(self.engine) as connection:
            return self._append(connection, verdicts, round=round, how=how)

    def undo(self, *, round: int) -> tuple[Decision, ...]:
        """Take back this person's latest batch that can be taken back, and return the events that did it.

        A batch on all of whose images somebody else has decided since is passed over.
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
        with self._lock:
            with reading(self.engine) as connection:
                query = select(decisions).where(decisions.c.seq > self._seen).order_by(decisions.c.seq)
                rows = connection.execute(query).all()
            for row in rows:
                self._take(row)
            return dict(self._last)

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

    def _take_back(self, batches: Select[Any], *, round: int) -> tuple[Decision, ...]:
        with writing(self.engine) as connection:
            for batch in connection.execute(batches).scalars().all():
                history = _read(connection, _of_batch(batch))
                if verdicts := taken_back(history, batch=batch, by=self.by):
                    return self._append(connection, verdicts, round=round, undoes=batch)
        return ()

    def _append(
        self,
        connection: Connection,
        verdicts: Sequence[Verdict],
        *,
        round: int,
        undoes: int | None = None,
        how: How = "person",
    ) -> tuple[Decision, ...]:
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
    """Select this person's batches, latest first, that are no undo and that no undo still takes back."""
    mine, undos = decisions.alias(), decisions.alias()
    undone = select(undos.c.undoes).where(undos.c.undoes.is_not(None), undos.c.batch.not_in(_taken_back()))
    query = select(mine.c.batch).distinct().where(mine.c.by == by, mine.c.undoes.is_(None))
    return query.where(mine.c.batch.not_in(undone)).order_by(mine.c.batch.desc())


def _redoable(by: str) -> Select[Any]:
    """Select this person's undos, latest first, that are not taken back and that no new batch follows."""
    mine, own = decisions.alias(), decisions.alias()
    decided = select(own.c.batch).where(own.c.by == by, own.c.undoes.is_(None))
    latest = select(func.coalesce(func.max(own.c.batch), 0)).where(own.c.by == by, own.c.undoes.is_(None))
    query = select(mine.c.batch).distinct().where(mine.c.by == by, mine.c.undoes.in_(decided))
    query = query.where(mine.c.batch > latest.scalar_subquery(), mine.c.batch.not_in(_taken_back()))
    return query.order_by(mine.c.batch.desc())


def _taken_back() -> Select[Any]:
    """Select the batches that another one takes back: batches by an undo, undos by a redo."""
    later = decisions.alias()
    return select(later.c.undoes).where(later.c.undoes.is_not(None))


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
