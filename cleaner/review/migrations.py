"""Brings the database of an older Cleaner up to date, step by step, each inside the caller's transaction.

A step is never changed once it was released: what it meets is what the version before it left behind.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, inspect, text


def _to_2(connection: Connection) -> None:
    """Decisions say how they came about; the ledger finds what was done to one image."""
    tables = inspect(connection).get_table_names()
    if "decisions" in tables:
        connection.execute(text("ALTER TABLE decisions ADD COLUMN how TEXT NOT NULL DEFAULT 'person'"))
    if "operations" in tables:
        connection.execute(text("CREATE INDEX ix_operations_item ON operations (item)"))


STEPS: dict[int, Callable[[Connection], None]] = {2: _to_2}  # by the version that a step leads to
VERSION = max(STEPS)


def migrate(connection: Connection, *, version: int) -> None:
    """Take every step from a version to the present one."""
    for number in range(version + 1, VERSION + 1):
        STEPS[number](connection)
