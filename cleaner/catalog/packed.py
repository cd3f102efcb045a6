"""Parquet files that hold the pictures themselves, as Hugging Face writes them: unpacked once, to be a table.

A few pictures at a time: what they take in memory is twice the file's largest page, of a thousand of them at
most as Arrow writes them. The file is only ever read.
"""

from __future__ import annotations

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

    That has all columns but further bytes, lies in a folder beside that of the pictures, under the name of
    the Parquet file, and is made anew only when that has changed. Raises InputError
    where the file can't be read, the folder can't be written to, or the columns can't be told.
    """
    from pyarrow import ArrowException

    file = table.file
    assert file is not None
    index, stamp = folder.with_name("table") / file.name, folder.with_name(STAMP)
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


def _holds_bytes(kind: pa.DataType) -> bool:
    return "binary" in str(kind)  # by itself, or in a list or a struct


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
    from pyarrow import array, string, table
    from pyarrow.parquet import write_table

    schema = parquet.schema_arrow
    shown = [field.name for field in schema if field.name != found.path and not _holds_bytes(field.type)]
    rest = parquet.read(columns=shown, use_threads=False)
    cells = rest[found.label].to_pylist()
    require_one_label(cells, name=name, column=found.label)
    names = _class_names(schema, found.label)
    paths = list(_unpacked(parquet, found.path, folder=folder))
    if not any(paths):
        raise InputError(
            f"The column {found.path!r} of {name} holds no picture, only names of files at most; write a "
            "table with their paths as text."
        )
    ours = {
        found.path: array(paths, string()),
        found.label: array([_label(cell, names) for cell in cells], string()),
    }
    kept = [column for column in schema.names if column in (found.path, *shown)]
    index.parent.mkdir(exist_ok=True)
    with whole(index) as part:
        write_table(table({name: ours[name] if name in ours else rest[name] for name in kept}), part)


def _unpacked(parquet: ParquetFile, column: str, *, folder: Path) -> Iterator[str]:
    """Write the pictures of a column to a folder; yield their paths in it, or an empty one."""
    folder.mkdir(parents=True, exist_ok=True)
    batches = parquet.iter_batches(ROWS, columns=[column], use_threads=False)
    for number, cell in enumerate(cell for batch in batches for cell in batch.column(0).to_pylist()):
        data = cell.get("bytes") if isinstance(cell, Mapping) else cell
        yield unpacked(data, folder=folder, number=number).relative_to(folder).as_posix() if data else ""


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
