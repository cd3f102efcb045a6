"""A table of images and labels: CSV, TSV, Parquet or a DataFrame. It is only ever read."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleaner.catalog.columns import Columns, Roles, require_one_label, roles, text
from cleaner.catalog.listing import GIVEN_SPLITS, Listing, is_text, shown
from cleaner.errors import InputError
from cleaner.types import Finding, Split

FILES = (".csv", ".tsv", ".parquet")
SPLIT_WORDS: dict[str, Split] = GIVEN_SPLITS | {"dev": "valid", "true": "valid", "false": "train"}
FLAGS: dict[str, Split] = {"1": "valid", "0": "train"}  # of a column is_valid
WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table of images and labels: the path of a CSV, TSV or Parquet file, a DataFrame, or columns by name.

    Columns that are not named are found by what is in them. Relative paths count from `root`: by default the
    folder that holds the file, or where Python runs for a DataFrame. A column of splits may say train, valid
    and test, or, as fastai's `is_valid`, True and False.
    """

    source: Any
    path_col: str | None = None
    label_col: str | None = None
    split_col: str | None = None
    root: str | Path | None = None

    @property
    def file(self) -> Path | None:
        """The file that holds the table; None for a DataFrame."""
        if isinstance(self.source, str | Path):
            return Path(self.source).expanduser().resolve()
        return None

    @property
    def name(self) -> str:
        """What the table is called in sentences."""
        return self.file.name if self.file else "the table"

    @property
    def base(self) -> Path:
        """The folder from which relative paths count."""
        if self.root is not None:
            return Path(self.root).expanduser().resolve()
        return self.file.parent if self.file else Path.cwd()


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A table as it is written: its columns, what they are taken for, the row of each image by its path."""

    name: str
    columns: Columns
    roles: Roles
    rows: Mapping[str, int]


def is_table(source: Any) -> bool:
    """Say whether something can be read as a table: a file of that kind, or a DataFrame of any library."""
    if isinstance(source, str | Path):
        return Path(source).suffix.lower() in FILES and not Path(source).expanduser().is_dir()
    return isinstance(source, Mapping) or (hasattr(source, "columns") and hasattr(source, "__getitem__"))


def root_of(table: Table, *, before: Path | None = None) -> Path:
    """Name the folder that holds all images of a table: the one relative paths count from, if it does.

    Or the one of `before`, as long as any of them lies in that.
    """
    columns, found = _read(table)
    places = {os.path.dirname(_place(text(cell), table)) for cell in columns[found.path] if text(cell)}  # noqa: PTH120  half as fast with Path
    if before is not None and any(Path(place).is_relative_to(before) for place in places):
        return before
    inside = all(Path(place).is_relative_to(table.base) for place in places)
    return table.base if inside else Path(os.path.commonpath([*places, table.base]))


def list_table(table: Table, *, root: Path) -> Listing:
    """List what a table says; what is missing, twice there or has no label becomes a finding.

    Raises InputError for a table that can't be read, gives several labels to one image, or none of whose
    files is there and in the root.
    """
    columns, found = _read(table)
    require_one_label(columns[found.label], name=table.name, column=found.label)
    labels = [text(cell).strip() for cell in columns[found.label]]
    if odd := next((label for label in set(labels) if not is_text(label)), None):
        raise InputError(
            f"The label {shown(odd)} in {table.name} is not valid text; save the table in UTF-8."
        )
    splits = _splits(columns, found, name=table.name)
    said = Finding("", "columns", 0.0, found.sentence(table.name))
    rows, findings = _usable(columns, found, labels=labels, table=table, root=root)
    return Listing(
        paths=list(rows),
        labels=[labels[row] for row in rows.values()],
        splits=None if splits is None else [splits[row] for row in rows.values()],
        findings=(*findings, said),
        labels_in="table",
    )


def written(table: Table, *, root: Path) -> Written:
    """Read a table as it is written. Of an image that is listed twice the first row with a label counts."""
    columns, found = _read(table)
    rows: dict[str, int] = {}
    for row, (cell, label) in enumerate(zip(columns[found.path], columns[found.label], strict=True)):
        if text(cell) and text(label).strip():
            rows.setdefault(_path(text(cell), table, root=root), row)
    return Written(table.name, columns, found, rows)


def _usable(
    columns: Columns, found: Roles, *, labels: list[str], table: Table, root: Path
) -> tuple[dict[str, int], list[Finding]]:
    """Map the path of each image that is there to its row; say what is wrong with the other rows."""
    rows: dict[str, int] = {}
    findings: list[Finding] = []
    problems: Counter[str] = Counter()
    for row, cell in enumerate(columns[found.path]):
        place, path = _place(text(cell), table), _path(text(cell), table, root=root)
        if path in rows:
            findings += _twice(path, labels[rows[path]], labels[row], name=table.name)
        elif problem := _problem(path, place, text(cell), labels[row], table=table, row=row):
            problems[problem.kind] += 1
            findings.append(problem)
        else:
            rows[path] = row
    if not rows:
        _require_some(problems, table=table, column=found.path, root=root)
    return rows, findings


def _require_some(problems: Counter[str], *, table: Table, column: str, root: Path) -> None:
    """Raise InputError for a table of which no image can be taken, as the files are not where it says."""
    if missing := problems["missing"]:
        raise InputError(
            f"None of the {missing:,} files in the column {column!r} of {table.name} is there; paths "
            f"count from {table.base}. Move the table to where they do, or name that folder once: "
            "with Table(…, root=…) in Python, or cleaner verify --root …"
        )
    if outside := problems["outside"]:
        raise InputError(
            f"None of the {outside:,} files in the column {column!r} of {table.name} lies in {root}, the "
            "folder of this project. Pass another home=… to begin a new one."
        )


def _problem(path: str, place: str, cell: str, label: str, *, table: Table, row: int) -> Finding | None:
    if not cell:
        return Finding(f"row {row + 1}", "no path", 0.6, f"Row {row + 1} of {table.name} names no file.")
    if path.startswith("../"):
        return Finding(path, "outside", 0.9, f"{path} lies outside of the folder of this project.")
    if not os.path.isfile(place):  # noqa: PTH113  half as fast with Path
        return Finding(path, "missing", 0.9, f"{path} is in {table.name}, but there is no such file.")
    if not label:
        return Finding(path, "no label", 0.5, f"{path} has no label in {table.name}.")
    return None


def _twice(path: str, first: str, label: str, *, name: str) -> list[Finding]:
    if first == label:
        return [Finding(path, "listed twice", 0.3, f"{path} is in {name} twice, each time as {label}.")]
    said = f"{path} is in {name} both as {first} and as {label}; the first counts."
    return [Finding(path, "listed twice", 1.0, said)]


def _place(cell: str, table: Table) -> str:
    return os.path.normpath(os.path.join(table.base, cell))  # noqa: PTH118


def _path(cell: str, table: Table, *, root: Path) -> str:
    return shown(os.path.relpath(_place(cell, table), root).replace(os.sep, "/"))


def _is_file(cell: str, table: Table) -> bool:
    return os.path.isfile(_place(cell, table))  # noqa: PTH113  half as fast with Path


def _splits(columns: Columns, found: Roles, *, name: str) -> list[Split | None] | None:
    if found.split is None:
        return None
    known = split_words(found.split)
    words = [text(cell).strip().lower() for cell in columns[found.split]]
    unknown = Counter(word for word in words if word and word not in known)
    if unknown:
        word = unknown.most_common(1)[0][0]
        raise InputError(
            f"The column {found.split!r} of {name} says {word!r}; a split is train, valid or test. Change "
            "it, or name another column once: with split_col=… in Python, or cleaner verify --split-col …"
        )
    return [known.get(word) for word in words]


def split_words(column: str) -> dict[str, Split]:
    """Map what a column of splits may say, in small letters, to the split."""
    return SPLIT_WORDS | FLAGS if column.lower() == "is_valid" else SPLIT_WORDS


def _read(table: Table) -> tuple[Columns, Roles]:
    columns = _columns(table)
    first = next(iter(columns.values()), ())
    if not len(first):
        raise InputError(f"{table.name} has no rows.")
    if any(text(cell).startswith(WEB) for cells in columns.values() for cell in cells[:1]):
        raise InputError(
            f"{table.name} holds URLs: download them first, with cleaner.download or cleaner download."
        )
    if image := next((name for name in columns if "." in name and _is_file(name, table)), None):
        raise InputError(
            f"{table.name} begins with the image {image!r} where the names of its columns should be; write a "
            "line such as path,label above it."
        )
    found = roles(
        columns,
        name=table.name,
        path=table.path_col,
        label=table.label_col,
        split=table.split_col,
        is_file=lambda cell: _is_file(cell, table),
    )
    if any(isinstance(cell, bytes | Mapping) for cell in columns[found.path][:1]):
        raise InputError(
            f"The column {found.path!r} of {table.name} holds no paths of files. Pictures as bytes are taken "
            "from Parquet files only: save the table as one, or name another column: with path_col=… in "
            "Python, or cleaner verify --path-col …"
        )
    return columns, found


def _columns(table: Table) -> Columns:
    file = table.file
    try:
        if file is None:
            names = table.source if isinstance(table.source, Mapping) else table.source.columns
            return {str(name): list(table.source[name]) for name in names}
        if file.suffix.lower() == ".parquet":
            return _parquet(file)
        return _delimited(file)
    except OSError as error:
        raise InputError(f"{file} can't be read ({error.strerror or error}).") from error


def _parquet(file: Path) -> Columns:
    from pyarrow import ArrowException
    from pyarrow.parquet import read_table

    try:
        found: Mapping[str, list[Any]] = read_table(file).to_pydict()
    except ArrowException as error:
        raise InputError(f"{file.name} is not a Parquet file that can be read ({error}).") from error
    return found


def _delimited(file: Path) -> Columns:
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        first = next((line for line in lines if line.strip()), "")
        if "\0" in first:
            raise InputError(f"{file.name} is not a table in UTF-8; save it in that encoding.")
        lines.seek(0)
        delimiter = max("\t" if file.suffix.lower() == ".tsv" else ",;\t", key=first.count)
        rows = (row for row in csv.reader(lines, delimiter=delimiter) if row)
        try:
            header = [name.strip() for name in next(rows, [])]
            cells = [*rows]
        except csv.Error as error:
            raise InputError(f"{file.name} can't be read as a table ({error}).") from error
    if len(set(header)) < len(header):
        raise InputError(f"{file.name} has two columns of one name: {', '.join(header)}. Rename one.")
    return {name: [row[i] if i < len(row) else "" for row in cells] for i, name in enumerate(header)}
