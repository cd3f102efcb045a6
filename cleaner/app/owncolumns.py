"""The cleaned dataset in the columns of the table that it comes from, with what is ours after them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cleaner.catalog.columns import ADDED, own, text
from cleaner.catalog.table import Written, split_words
from cleaner.changes.cleaned import Row
from cleaner.errors import Refused


def in_own_columns(rows: Sequence[Row], table: Written) -> tuple[list[str], list[list[Any]]]:
    """Return column names and lines, in the order of the table: its own cells, the label as cleaned.

    After them come the split, where the table says none, and what a Row has besides. Where a column of the
    table has that name already, ours begins with `cleaner_`. Raises Refused where the table has changed.
    """
    if gone := [row.path for row in rows if row.path not in table.rows]:
        raise Refused(
            f"{gone[0]} is no longer in {table.name}; check again, with project.verify(), and export."
        )
    names = own(table.columns)
    ours = ADDED if table.roles.split else ("split", *ADDED)
    classes = {text(cell).strip(): cell for cell in table.columns[table.roles.label]}
    lines = [
        [*(_cell(table, name, row, classes) for name in names), *(getattr(row, name) for name in ours)]
        for row in sorted(rows, key=lambda row: table.rows[row.path])
    ]
    return [*names, *(f"cleaner_{name}" if name in names else name for name in ours)], lines


def _cell(table: Written, name: str, row: Row, classes: dict[str, Any]) -> Any:
    """Return what stands in a column for an image; None for what is missing, in every library's words."""
    cell = table.columns[name][table.rows[row.path]]
    if name == table.roles.label:
        return classes.get(row.label, row.label)
    if name == table.roles.split and split_words(name).get(text(cell).strip().lower()) != row.split:
        return row.split
    return cell if text(cell) else None
