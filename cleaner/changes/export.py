"""Writes the cleaned dataset as a table: one file, complete or not there at all. It moves no image."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cleaner.errors import InputError
from cleaner.types import Catalog, Standing

COLUMNS = ("path", "label", "given_label", "split", "decision", "id")


def write_csv(catalog: Catalog, standing: Standing, path: Path) -> Path:
    """Write the dataset as the standing decisions make it, applied or not; deleted images are left out.

    `path` is relative to the dataset and where the image lies now; `given_label` the one it came with.
    UTF-8, in the order of the ids. Errors: InputError if the file can't be written.
    """
    if not path.name or path.is_dir():
        raise InputError(f"{str(path)!r} is not a file name; give one, such as cleaned.csv.")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # Names that are not valid text are written as the very bytes that the disk has.
        with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(_rows(catalog, standing))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}; choose another place.") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return path


def _rows(catalog: Catalog, standing: Standing) -> Iterator[tuple[str, ...]]:
    columns = (catalog.ids, catalog.paths, catalog.labels.tolist(), catalog.splits)
    for identity, path, number, split in zip(*columns, strict=True):
        decision = standing.get(identity)
        action = decision.action if decision else ""
        if action == "delete":
            continue
        label = catalog.vocab[number]
        relabelled = decision.label if decision and action == "relabel" else None
        given = _first_label(catalog, identity=identity) or label
        yield (path, relabelled or label, given, split, action, identity)


def _first_label(catalog: Catalog, *, identity: str) -> str | None:
    """Return the class folder in which an image first lay: its id is its first path."""
    parts = identity.split("/")
    in_folder = catalog.labels_in == "folder" and len(parts) > catalog.class_level + 1
    return parts[catalog.class_level] if in_folder else None
