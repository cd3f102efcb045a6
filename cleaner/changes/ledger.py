"""The ledger: what was to be moved, and what was, in the same database as the decisions.

A batch is one apply or one undo; an undo's operations are rows of their own, so that the last row done for
an image always says where it lies. Nothing on the disk is touched here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any, Literal, TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from cleaner.errors import CleanerError
from cleaner.types import Operation

Verb: TypeAlias = Literal["apply", "undo"]
State: TypeAlias = Literal["intended", "done", "failed", "rolled back"]

metadata = MetaData()

batches = Table(
    "batches",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("verb", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("ended", Text),  # empty: still running, or interrupted
)

operations = Table(
    "operations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("batch", ForeignKey("batches.id"), nullable=False, index=True),
    Column("undoes", ForeignKey("operations.id"), index=True),
    Column("item", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("new_label", Text),
    Column("digest", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("at", Text, nullable=False),
)

OPERATION_COLUMNS = tuple(operations.c[name] for name in Operation.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Batch:
    """One apply or one undo: `total` operations were to be done. `at` is UTC in ISO 8601."""

    id: int
    verb: Verb
    by: str
    at: str
    total: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger: an operation, how far it got, and the entry that it takes back, if any."""

    id: int
    batch: int
    operation: Operation
    state: State
    undoes: int | None


class Ledger:
    """Reads and writes the tables `batches` and `operations`; makes them where they are missing.

    Every method raises CleanerError if the database fails; what it wrote is durable when it returns.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
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
        return self._insert(batches, {"verb": verb, "by": by, "at": _now(), "total": total})

    def record(
        self,
        operation: Operation,
        *,
        batch: int,
        undoes: int | None = None,
        state: State = "intended",
        reason: str | None = None,
    ) -> Entry:
        """Write an operation down, before the disk is touched."""
        row = {"batch": batch, "undoes": undoes, "state": state, "reason": reason, "at": _now()}
        key = self._insert(operations, row | asdict(operation))
        return Entry(id=key, batch=batch, operation=operation, state=state, undoes=undoes)

    def retarget(self, entry: Entry, *, target: str) -> Entry:
        """Write down another target of an intended operation, before it is claimed."""
        self._update(operations, entry.id, {"target": target})
        return replace(entry, operation=replace(entry.operation, target=target))

    def settle(self, entry: Entry, *, state: State, reason: str | None = None) -> None:
        """Write down how an intended operation ended."""
        self._update(operations, entry.id, {"state": state, "reason": reason, "at": _now()})

    def end(self, batch: int) -> None:
        """Close a batch: it ran to its end, was stopped, or was recovered."""
        self._update(batches, batch, {"ended": _now()})

    def _insert(self, table: Table, values: dict[str, object]) -> int:
        with self._transaction(writes=True) as connection:
            key = connection.execute(insert(table).values(values)).inserted_primary_key
        assert key is not None, "an insert of one row returns its key"
        return int(key[0])

    def _update(self, table: Table, key: int, values: dict[str, object]) -> None:
        with self._transaction(writes=True) as connection:
            connection.execute(update(table).where(table.c.id == key).values(values))

    # --- reading ---------------------------------------------------------------------------------

    def open_batches(self) -> tuple[Batch, ...]:
        """Return the batches that never came to an end, oldest first."""
        return self._batches(batches.c.ended.is_(None))

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
                return self._batches(batches.c.id == number)[0]
        return None

    def entries(self, batch: int) -> tuple[Entry, ...]:
        """Return what a batch wrote down, in order."""
        return self._entries(operations.c.batch == batch)

    def standing(self, batch: int) -> tuple[Entry, ...]:
        """Return the changes of an apply that are done and not undone, in order."""
        return self._entries(operations.c.batch == batch, *_standing(undo_states=("done",)))

    def last_changes(self) -> dict[str, int]:
        """Map each image to the last entry that changed it and is not undone."""
        key = func.max(operations.c.id)
        statement = select(operations.c.item, key).where(*_standing(undo_states=("done",)))
        with self._transaction() as connection:
            return {row[0]: row[1] for row in connection.execute(statement.group_by(operations.c.item))}

    def locations(self) -> dict[str, str]:
        """Map the id of each image that was ever moved to where it lies now, relative to the dataset.

        Images in the trash have a path in the project's own folder.
        """
        statement = select(operations.c.item, operations.c.target).where(operations.c.state == "done")
        with self._transaction() as connection:
            return {row[0]: row[1] for row in connection.execute(statement.order_by(operations.c.id))}

    def _batches(self, condition: ColumnElement[bool]) -> tuple[Batch, ...]:
        columns = (batches.c.id, batches.c.verb, batches.c.by, batches.c.at, batches.c.total)
        statement = select(*columns).where(condition).order_by(batches.c.id)
        with self._transaction() as connection:
            return tuple(Batch(*row) for row in connection.execute(statement))

    def _entries(self, *conditions: ColumnElement[bool]) -> tuple[Entry, ...]:
        statement = select(operations).where(*conditions).order_by(operations.c.id)
        with self._transaction() as connection:
            return tuple(_entry(row) for row in connection.execute(statement))


def _standing(*, undo_states: tuple[str, ...]) -> tuple[ColumnElement[bool], ...]:
    """Select the changes that are done and that no undo has brought to one of these states."""
    undo = operations.alias("undo")
    taken_back = select(undo.c.id).where(undo.c.undoes == operations.c.id, undo.c.state.in_(undo_states))
    return (operations.c.state == "done", operations.c.undoes.is_(None), ~taken_back.exists())


def _entry(row: Row[Any]) -> Entry:
    values = row._mapping
    operation = Operation(*(values[column] for column in OPERATION_COLUMNS))
    return Entry(
        id=values["id"],
        batch=values["batch"],
        operation=operation,
        state=values["state"],
        undoes=values["undoes"],
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
