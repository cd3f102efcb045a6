"""The ledger: what was to be moved, and what was, in the same database as the decisions.

A batch is one apply, one undo or one emptying of the trash; an undo's operations are rows of their own, so
that the last row done for a file always says where it lies. Nothing on the disk is touched here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Insert, bindparam, func, insert, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from cleaner.changes.records import (
    Applied,
    Batch,
    Draft,
    Entry,
    Outcome,
    Thing,
    Verb,
    batches,
    entry_of,
    metadata,
    operations,
    thing,
)
from cleaner.errors import CleanerError

_INSERT = insert(operations)
_SETTLE = (
    update(operations)
    .where(operations.c.id == bindparam("key"))
    .values(state=bindparam("to"), reason=bindparam("why"), at=bindparam("when"))
)
_BATCH = (batches.c.id, batches.c.verb, batches.c.by, batches.c.at, batches.c.total)


class Ledger:
    """Reads and writes the tables `batches` and `operations`; makes them where they are missing.

    Every method raises CleanerError if the database fails; what it wrote is durable when it returns.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        try:
            self._make_tables()
        except CleanerError:  # another program made them between our look and our write
            self._make_tables()

    def _make_tables(self) -> None:
        with self._transaction(writes=True) as connection:
            metadata.create_all(connection)

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        try:
            with self._engine.execution_options(writes=writes).begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise CleanerError(
                f"The project's database can't be used ({cause}); see that it can be reached and that its "
                "disk is not full, then open the project again."
            ) from error

    # --- writing ---------------------------------------------------------------------------------

    def begin(self, verb: Verb, *, by: str, total: int) -> int:
        """Open a batch and return its number."""
        values = {"verb": verb, "by": by, "at": _now(), "total": total}
        with self._transaction(writes=True) as connection:
            return _key(connection, insert(batches), values)

    def record(self, drafts: Sequence[Draft], *, batch: int) -> tuple[Entry, ...]:
        """Write operations down, before the disk is touched; all in one transaction."""
        at = _now()
        entries = []
        with self._transaction(writes=True) as connection:
            for draft in drafts:
                row = {"batch": batch, "undoes": draft.undoes, "state": draft.state, "reason": draft.reason}
                key = _key(connection, _INSERT, row | asdict(draft.operation) | {"at": at})
                entries.append(
                    Entry(key, batch, draft.operation, draft.state, draft.undoes, draft.reason, at)
                )
        return tuple(entries)

    def retarget(self, entry: Entry, *, target: str) -> Entry:
        """Write down another target of an intended operation, before it is claimed."""
        with self._transaction(writes=True) as connection:
            connection.execute(
                update(operations).where(operations.c.id == entry.id).values({"target": target})
            )
        return replace(entry, operation=replace(entry.operation, target=target))

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Write down how intended operations ended; all in one transaction."""
        at = _now()
        rows = [{"key": o.entry.id, "to": o.state, "why": o.reason, "when": at} for o in outcomes]
        if rows:
            with self._transaction(writes=True) as connection:
                connection.execute(_SETTLE, rows)

    def end(self, batch: int) -> None:
        """Close a batch: it ran to its end, was stopped, or was recovered."""
        with self._transaction(writes=True) as connection:
            connection.execute(update(batches).where(batches.c.id == batch).values({"ended": _now()}))

    # --- reading ---------------------------------------------------------------------------------

    def batch(self, number: int) -> Batch | None:
        """Return one batch, None if there is none of that number."""
        return next(iter(self._batches(batches.c.id == number)), None)

    def open_batches(self) -> tuple[Batch, ...]:
        """Return the batches that never came to an end, oldest first."""
        return self._batches(batches.c.ended.is_(None))

    def applied(self) -> tuple[Applied, ...]:
        """Return every apply, oldest first, with the number of its changes that stand."""
        counted = select(operations.c.batch, func.count()).where(*_standing(undo_states=("done",)))
        with self._transaction() as connection:
            standing = {row[0]: row[1] for row in connection.execute(counted.group_by(operations.c.batch))}
        return tuple(
            Applied(batch, standing.get(batch.id, 0)) for batch in self._batches(batches.c.verb == "apply")
        )

    def last_batch(self) -> Batch | None:
        """Return the apply that an undo would take back; None if there is none.

        That is the last one with changes whose undo was not tried, else the last one with changes whose undo
        failed.
        """
        for tried in (("done", "failed"), ("done",)):
            statement = select(func.max(operations.c.batch)).where(*_standing(undo_states=tried))
            with self._transaction() as connection:
                number = connection.scalar(statement)
            if number is not None:
                return self.batch(number)
        return None

    @property
    def can_undo(self) -> bool:
        """Say whether an apply is there to be undone."""
        return self.last_batch() is not None

    def entries(self, batch: int) -> tuple[Entry, ...]:
        """Return what a batch wrote down, in order."""
        return self._entries(operations.c.batch == batch)

    def standing(self, batch: int | None = None) -> tuple[Entry, ...]:
        """Return the changes, of one apply or of all, that are done and neither undone nor destroyed."""
        of_batch = () if batch is None else (operations.c.batch == batch,)
        return self._entries(*of_batch, *_standing(undo_states=("done",)))

    def history(self, item: str) -> tuple[tuple[Batch, Entry], ...]:
        """Return all that was done or tried with the files of one image, in order."""
        entries = self._entries(operations.c.item == item)
        numbers = {entry.batch for entry in entries}
        of = {batch.id: batch for batch in self._batches(batches.c.id.in_(numbers))}
        return tuple((of[entry.batch], entry) for entry in entries)

    def places(self) -> dict[Thing, str]:
        """Map each file that was ever moved to where it lies now, relative to the dataset.

        What is in the trash has a path in the project's own folder; what was destroyed is left out.
        """
        found: dict[Thing, str] = {}
        for entry in self._entries(operations.c.state == "done"):
            found[thing(entry.operation)] = entry.operation.target
        return {key: place for key, place in found.items() if place}

    def locations(self) -> dict[str, str]:
        """Map the id of each image that was ever moved to where it lies now, as `places` does."""
        columns = (operations.c.item, operations.c.target)
        done = (operations.c.state == "done", operations.c.kind != "sidecar")
        with self._transaction() as connection:
            rows = connection.execute(select(*columns).where(*done).order_by(operations.c.id))
            found = {row[0]: row[1] for row in rows}
        return {item: place for item, place in found.items() if place}

    def location(self, item: str) -> str | None:
        """Return where one image lies now; None if it was never moved, or was destroyed."""
        done = (operations.c.state == "done", operations.c.kind != "sidecar", operations.c.item == item)
        statement = select(operations.c.target).where(*done).order_by(operations.c.id.desc()).limit(1)
        with self._transaction() as connection:
            return connection.scalar(statement) or None

    def _batches(self, condition: ColumnElement[bool]) -> tuple[Batch, ...]:
        statement = select(*_BATCH).where(condition).order_by(batches.c.id)
        with self._transaction() as connection:
            return tuple(Batch(*row) for row in connection.execute(statement))

    def _entries(self, *conditions: ColumnElement[bool]) -> tuple[Entry, ...]:
        statement = select(operations).where(*conditions).order_by(operations.c.id)
        with self._transaction() as connection:
            return tuple(entry_of(row) for row in connection.execute(statement))


def _standing(*, undo_states: tuple[str, ...]) -> tuple[ColumnElement[bool], ...]:
    """Select the changes that are done and that no undo or emptying has brought to one of these states."""
    undo = operations.alias("undo")
    taken_back = select(undo.c.id).where(undo.c.undoes == operations.c.id, undo.c.state.in_(undo_states))
    return (operations.c.state == "done", operations.c.undoes.is_(None), ~taken_back.exists())


def _key(connection: Connection, statement: Insert, values: dict[str, Any]) -> int:
    key = connection.execute(statement, values).inserted_primary_key
    assert key is not None, "an insert of one row returns its key"
    return int(key[0])


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
