"""What the project of a table keeps of how it was opened: the columns that were named, and its root.

Both hold wherever it is opened later: by its path alone, on the command line, or once it was moved.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cleaner.catalog.table import Table, list_table, root_of
from cleaner.changes.export import text_file
from cleaner.errors import InputError

NAMED = "table.json"
ROOT = "root.txt"  # ids are relative to the root, so it stays what it was when the project was made
COLUMNS = ("path_col", "label_col", "split_col")


def as_named(table: Table, *, home: Path) -> Table:
    """Return a table with the columns and the base that were named before, where none are named now."""
    kept = _kept(home)
    columns = {column: getattr(table, column) or kept.get(column) for column in COLUMNS}
    base = kept.get("root")
    root = table.root if table.root is not None or base is None else _place(base, home=home)
    return replace(table, **columns, root=root)


def keep_names(table: Table, *, home: Path) -> None:
    """Keep the columns that are named of a table, and its base, for those who open it by its path alone."""
    names = {column: getattr(table, column) for column in COLUMNS}
    names = {name: value for name, value in names.items() if value is not None}
    if table.file is not None and table.base != table.file.parent:
        names["root"] = _way(table.base, table, home=home)
    if names != _kept(home):
        with text_file(home / NAMED) as file:
            json.dump(names, file)


def root_kept(table: Table, *, home: Path) -> Path:
    """Return the root that a table's project was made with, or a new one if its images were moved or copied.

    Raises InputError for a table that is opened for the first time and can't be listed.
    """
    kept = home / ROOT
    text = kept.read_text(encoding="utf-8", errors="surrogateescape") if kept.exists() else ""
    before = _place(text, home=home) if text else None
    beside = _beside(table, home=home)
    if before is not None and (table.base.is_relative_to(before) or (before.is_dir() and not beside)):
        return before
    root = root_of(table, before=before) if before else _accepted(table, home)
    if root != before:
        with text_file(kept) as file:
            file.write(_way(root, table, home=home))
    return root


def _accepted(table: Table, own: Path) -> Path:
    """Return the root of a table that is opened for the first time; one that is refused leaves nothing."""
    try:
        root = root_of(table)
        list_table(table, root=root)
    except InputError:
        with contextlib.suppress(OSError):  # a folder that holds something stays
            own.rmdir()
        raise
    return root


def _kept(home: Path) -> Mapping[str, str]:
    try:
        kept = json.loads((home / NAMED).read_text(encoding="utf-8"))
        return {name: value for name, value in kept.items() if isinstance(value, str)}
    except (OSError, ValueError, AttributeError):
        return {}


def _beside(table: Table, *, home: Path) -> bool:
    """Say whether a table lies beside its home: they move together."""
    return table.file is not None and table.file.parent == home.parent


def _way(place: Path, table: Table, *, home: Path) -> str:
    """Write a place as the way from the folder of a table and its home, if it is above or below it."""
    folder = home.parent
    near = place.is_relative_to(folder) or folder.is_relative_to(place)
    return os.path.relpath(place, folder) if near and _beside(table, home=home) else str(place)


def _place(way: str, *, home: Path) -> Path:
    return Path(os.path.normpath(home.parent / way))
