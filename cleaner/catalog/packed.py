"""Parquet files that hold the pictures themselves, as Hugging Face writes them: unpacked once, to be a table.

A few rows at a time: what it takes in memory is twice the file's largest page, of a thousand pictures at most
as Arrow writes them. The file is only ever read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from cleaner.catalog.columns import LOOKED_AT, PATHS, Roles, require_one_label, roles, text
from cleaner.catalog.table import Table
from cleaner.catalog.unpacking import unpacked
from cleaner.errors import InputError
from cleaner.writing import whole

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

ROWS = 16  # pictures in memory at a time
READ = 2**20  # bytes of the file in memory at a time, for each column
STAMP = "unpacked.json"


def is_packed(table: Table) -> bool:
    """Say whether a table is a Parquet file that holds pictures; one that can't be read is none."""
    file = table.file
    if file is None or file.suffix.lower() != ".parquet" or not file.is_file():
        return False
    from pyarrow import ArrowException

    try:
        with _opened(file) as parquet:
            return _pictures(parquet.schema_arrow, named=table.path_col) is not None
    except (ArrowException, OSError):
        return False


def unpack(table: Table, *, folder: Path) -> Table:
    """Write the pictures of a packed table to `folder`, and return the table of their files.

    That lies beside the folder, and is made anew only when the Parquet file has changed. Raises InputError
    where the file can't be read, the folder can't be written to, or the columns can't be told.
    """
    from pyarrow import ArrowException

    file = table.file
    assert file is not None
    index, stamp = folder.with_name(f"{file.name}.csv"), folder.with_name(STAMP)
    try:
        with FileLock(folder.with_name("unpacking.lock")), _opened(file) as parquet:
            found, now = _roles(parquet, table), _stamp(table, file)
            if not (index.exists() and folder.is_dir() and stamp.exists() and stamp.read_text() == now):
                stamp.unlink(missing_ok=True)
                _write(index, parquet, found, name=file.name, folder=folder)
                stamp.write_text(now)
    except ArrowException as error:
        raise InputError(f"{file.name} is not a Parquet file that can be read ({error}).") from error
    except OSError as error:
        raise InputError(
            f"The pictures of {file.name} can't be unpacked into {folder} ({error.strerror or error})."
        ) from error
    return Table(index, path_col=found.path, label_col=found.label, split_col=found.split, root=folder)


def _opened(file: Path) -> ParquetFile:
    from pyarrow.parquet import ParquetFile

    return ParquetFile(file, buffer_size=READ, pre_buffer=False)


def _stamp(table: Table, file: Path) -> str:
    stat = file.stat()
    columns = [table.path_col, table.label_col, table.split_col]
    return json.dumps([str(file), stat.st_size, stat.st_mtime_ns, *columns])


def _pictures(schema: pa.Schema, *, named: str | None) -> str | None:
    """Return the column that holds pictures as bytes: the one that is named, or one of that type."""
    from pyarrow import types

    def is_binary(kind: pa.DataType) -> bool:
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    def is_struct(kind: pa.DataType) -> bool:
        return types.is_struct(kind) and any(one.name == "bytes" and is_binary(one.type) for one in kind)

    asked = [field for field in schema if named in (None, field.name)]
    structs = [field.name for field in asked if is_struct(field.type)]
    plain = [f.name for f in asked if is_binary(f.type) and (named or f.name.lower() in PATHS)]
    return next(iter([*structs, *plain]), None)


def _roles(parquet: ParquetFile, table: Table) -> Roles:
    """Say which columns are taken for what; the others are only looked at."""
    schema = parquet.schema_arrow
    pictures = _pictures(schema, named=table.path_col)
    assert pictures is not None
    others = [name for name in schema.names if name != pictures]
    first = next(parquet.iter_batches(LOOKED_AT, columns=others, use_threads=False), None)
    if first is None:
        raise InputError(f"{table.name} has no rows.")
    columns = {pictures: [""] * len(first), **(first.to_pydict() if others else {})}
    return roles(
        columns,
        name=table.name,
        path=pictures,
        label=table.label_col,
        split=table.split_col,
        is_file=lambda _: False,
    )


def _write(index: Path, parquet: ParquetFile, found: Roles, *, name: str, folder: Path) -> None:
    """Unpack all pictures, and then write the table that names their files."""
    folder.mkdir(parents=True, exist_ok=True)
    some = False
    with (
        whole(index) as part,
        part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        lines = csv.writer(file)
        lines.writerow([found.path, found.label, *([found.split] if found.split else [])])
        for number, (cell, label, split) in enumerate(_rows(parquet, found, name=name)):
            data = cell.get("bytes") if isinstance(cell, Mapping) else cell
            path = unpacked(data, folder=folder, number=number).relative_to(folder).as_posix() if data else ""
            some = some or bool(data)
            lines.writerow([path, label, *([split] if found.split else [])])
        if not some:
            raise InputError(
                f"The column {found.path!r} of {name} holds no picture, only names of files at most; write a "
                "table with their paths as text."
            )


def _rows(parquet: ParquetFile, found: Roles, *, name: str) -> Iterator[tuple[Any, str, str]]:
    columns = [column for column in (found.path, found.label, found.split) if column]
    names = _class_names(parquet.schema_arrow, found.label)
    for batch in parquet.iter_batches(ROWS, columns=columns, use_threads=False):
        cells = batch.to_pydict()
        require_one_label(cells[found.label], name=name, column=found.label)
        labels = [_label(cell, names) for cell in cells[found.label]]
        splits = [text(cell) for cell in cells[found.split]] if found.split else [""] * len(labels)
        yield from zip(cells[found.path], labels, splits, strict=True)


def _label(cell: Any, names: list[str]) -> str:
    if not names or not isinstance(cell, int):
        return text(cell)
    return names[cell] if 0 <= cell < len(names) else ""


def _class_names(schema: pa.Schema, column: str) -> list[str]:
    """Return the names of the classes that a column counts through, as Hugging Face notes them; or none."""
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])
        return [str(name) for name in about["info"]["features"][column]["names"]]
    except (KeyError, ValueError, TypeError):
        return []
