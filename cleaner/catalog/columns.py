"""Says which column of a table names the files, which the labels and which the split. Pure: the disk is asked
by a function that is passed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cleaner.errors import InputError

PATHS = (
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "img",
    "name",
)
LABELS = ("label", "labels", "class", "category", "target", "tag", "tags", "y")
ADDED = ("given_label", "decision", "id")  # what an export of the cleaned table has at its end
NUMBERED = ("subset", "set", "fold")  # where they hold numbers, these are parts to be left out in turn
SPLITS = ("split", *NUMBERED, "is_valid")
LOOKED_AT = 200  # rows from which the columns are guessed
DELIMITERS = "|;,"

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Roles:
    """The names of the columns that matter; there may be no split."""

    path: str
    label: str
    split: str | None

    def sentence(self, name: str) -> str:
        """Say which columns of a table are taken for what."""
        split = f", the split in {self.split!r}" if self.split else ""
        return f"{name}: files in the column {self.path!r}, labels in {self.label!r}{split}."


def roles(
    columns: Columns,
    *,
    name: str,
    path: str | None,
    label: str | None,
    split: str | None,
    is_file: Callable[[str], bool],
) -> Roles:
    """Find the columns that are not given: files by what is there, labels and split by their usual names.

    Raises InputError, with the columns that there are, where that can't be told.
    """
    for given in (path, label, split):
        if given is not None and given not in columns:
            raise InputError(f"{name} has no column {given!r}; {_has(columns)}. Name one of them.")
    path = path or _path_column(columns, is_file=is_file)
    if path is None:
        raise InputError(
            f"{name} has no column of image files that is recognised; {_has(columns)}. Rename the right one "
            "to 'path', or name it once: with path_col=… in Python, or cleaner verify --path-col …"
        )
    split = split or next((c for c in _split_columns(columns) if c not in (path, label)), None)
    label = label or _label_column(columns, without={path, split})
    if label is None:
        raise InputError(
            f"{name} has no column 'label'; {_has(columns)}. Rename the right one to 'label', or name it "
            "once: with label_col=… in Python, or cleaner verify --label-col …"
        )
    return Roles(path, label, split)


def own(columns: Columns) -> list[str]:
    """Name the columns of a table but those that an earlier export of it has added; they tell no roles."""
    names = list(columns)
    last = tuple(name.removeprefix("cleaner_") for name in names[-len(ADDED) :])
    return names[: -len(ADDED)] if last == ADDED else names


def _has(columns: Columns) -> str:
    return f"it has: {', '.join(columns)}"


def _path_column(columns: Columns, *, is_file: Callable[[str], bool]) -> str | None:
    def share(column: str) -> float:
        sample = [text(cell) for cell in columns[column][:LOOKED_AT]]
        return sum(bool(cell) and is_file(cell) for cell in sample) / max(len(sample), 1)

    order = sorted(columns, key=lambda c: PATHS.index(c.lower()) if c.lower() in PATHS else len(PATHS))
    best = max(order, key=share, default=None)
    if best is not None and share(best) > 0:
        return best
    return next((column for column in order if column.lower() in PATHS), None)


def _split_columns(columns: Columns) -> list[str]:
    return [c for c in columns if c.lower() in SPLITS and not (c.lower() in NUMBERED and _counts(columns[c]))]


def _counts(cells: Sequence[Any]) -> bool:
    return all(text(cell).isdigit() for cell in cells if text(cell))


def _label_column(columns: Columns, *, without: set[str | None]) -> str | None:
    left = [
        c
        for c in own(columns)
        if c and c not in without and c.lower() not in NUMBERED and not c.startswith("Unnamed:")
    ]  # pandas' index
    named = sorted((c for c in left if c.lower() in LABELS), key=lambda c: LABELS.index(c.lower()))
    if not named and len(left) > 1:
        left = [column for column in left if _repeats(columns[column])]
    return named[0] if named else left[0] if len(left) == 1 else None


def _repeats(cells: Sequence[Any]) -> bool:
    """Say whether a value comes more than once: numbers and notes of each image do not name classes."""
    sample = [text(cell) for cell in cells[:LOOKED_AT]]
    return len(set(sample)) < len(sample)


def text(cell: Any) -> str:
    """Return a cell as text, what is missing as an empty one, and 3.0 as «3»."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(cell, float):
        return "" if cell != cell else str(int(cell)) if cell.is_integer() else str(cell)
    return str(cell)


def require_one_label(cells: Sequence[Any], *, name: str, column: str) -> None:
    """Raise InputError where a cell holds several labels: a list, or joined by |, ; or a comma.

    A delimiter counts as one only if what it joins is also found alone, or again in other combinations: a
    class may have a comma in its name.
    """
    several = next((cell for cell in cells if isinstance(cell, list | tuple | set) or _is_array(cell)), None)
    if several is None:
        several = _joined({text(cell) for cell in cells})
    if several is not None:
        raise InputError(
            f"{name} gives several labels to one image ({several!r} in the column {column!r}), but here an "
            "image has one. Keep one of them, or clean each label by itself in a table with two classes."
        )


def _is_array(cell: Any) -> bool:
    return getattr(cell, "ndim", 0) > 0


def _joined(labels: set[str]) -> str | None:
    for label in sorted(labels):
        if label.startswith("[") and label.endswith("]") and _is_list(label):
            return label
    for delimiter in DELIMITERS:
        composed = sorted(label for label in labels if delimiter in label)
        parts = {part.strip() for label in composed for part in label.split(delimiter)} - {""}
        if composed and (parts & labels or len(parts) < len(composed)):
            return composed[0]
    return None


def _is_list(label: str) -> bool:
    try:
        return isinstance(json.loads(label.replace("'", '"')), list)
    except ValueError:
        return False
