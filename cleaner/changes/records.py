"""What the ledger holds: its two tables, and their rows as values. Nothing is read or written here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal, TypeAlias

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Row, Table, Text

from cleaner.types import Operation

Verb: TypeAlias = Literal["apply", "undo", "empty"]
State: TypeAlias = Literal["intended", "copied", "done", "failed", "rolled back"]
Thing: TypeAlias = tuple[str, str]  # one file for the life of a project: its image, and a sidecar's suffix

OPEN: tuple[State, ...] = ("intended", "copied")

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
    Column("item", Text, nullable=False, index=True),
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
    """One apply, undo or emptying: `total` operations were to be done. `at` is UTC in ISO 8601."""

    id: int
    verb: Verb
    by: str
    at: str
    total: int


@dataclass(frozen=True, slots=True)
class Applied:
    """An apply and how many of its changes stand, neither undone nor destroyed."""

    batch: Batch
    standing: int


@dataclass(frozen=True, slots=True)
class Draft:
    """An operation before it is written down: `undoes` is the entry that it takes back, if any."""

    operation: Operation
    undoes: int | None = None
    state: State = "intended"
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger: an operation, how far it got, and the entry that it takes back, if any."""

    id: int
    batch: int
    operation: Operation
    state: State
    undoes: int | None
    reason: str | None
    at: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an entry ended, to be written down."""

    entry: Entry
    state: State
    reason: str | None = None


def thing(operation: Operation) -> Thing:
    """Say which file an operation is about, wherever it lies."""
    suffix = PurePosixPath(operation.source).suffix if operation.kind == "sidecar" else ""
    return operation.item, suffix


def entry_of(row: Row[Any]) -> Entry:
    """Read one row of the table `operations`."""
    values = row._mapping
    return Entry(
        id=values[operations.c.id],
        batch=values[operations.c.batch],
        operation=Operation(*(values[column] for column in OPERATION_COLUMNS)),
        state=values[operations.c.state],
        undoes=values[operations.c.undoes],
        reason=values[operations.c.reason],
        at=values[operations.c.at],
    )
