"""Writes tables of the cleaned dataset and of the decisions: each file complete, or not there at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import TextIO

from cleaner.changes.cleaned import Row
from cleaner.errors import InputError
from cleaner.types import Decision
from cleaner.writing import whole


def write_csv(rows: Iterable[Row], path: Path) -> Path:
    """Write the cleaned dataset as CSV in UTF-8, columns as in Row. Errors: InputError."""
    return write_table([field.name for field in fields(Row)], map(astuple, rows), path)


def write_fastai_csv(rows: Iterable[Row], path: Path) -> Path:
    """Write what fastai v1's ImageCleaner wrote as `cleaned.csv`: columns `name` and `label`.

    Names are relative to the dataset. fastai 1 reads it with `ImageList.from_csv(folder, 'cleaned.csv')`,
    fastai 2 with `ImageDataLoaders.from_csv(folder, 'cleaned.csv')`.
    """
    return write_table(["name", "label"], ((row.path, row.label) for row in rows), path)


def write_decisions(events: Iterable[Decision], path: Path) -> Path:
    """Write every decision ever made as JSON Lines, the oldest first, undone ones too."""
    return write_lines(map(asdict, events), path)


def write_lines(rows: Iterable[dict[str, object]], path: Path) -> Path:
    """Write JSON Lines in UTF-8: one object in each line. Errors: InputError."""
    with text_file(path) as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path


def write_table(names: Sequence[str], rows: Iterable[Sequence[object]], path: Path) -> Path:
    """Write rows as CSV in UTF-8 below their names. Errors: InputError."""
    with text_file(path) as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)
    return path


@contextmanager
def text_file(path: Path) -> Iterator[TextIO]:
    """Open a text file that takes its place only when it is complete and on the disk.

    What is no file, as a pipe or /dev/stdout, takes the text as it comes.
    """
    if not path.name or path.is_dir():
        raise InputError(f"{str(path)!r} is not a file name; give one, such as cleaned.csv.")
    if path.is_symlink() and path.is_file() and path.is_relative_to("/dev"):  # the output, sent to a file
        raise InputError(f"{path} leads to {path.resolve()} just now; give that name instead.")
    try:
        with (
            _place(path) as part,
            # names that are not valid text are written as the very bytes that the disk has
            part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
        ):
            yield file
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}; choose another place.") from error


def _place(path: Path) -> AbstractContextManager[Path]:
    """Return where to write: never in place of a device or of a link, which others go on using."""
    if path.exists() and not path.is_file():
        return nullcontext(path)
    return whole(path.resolve(), durable=True)
