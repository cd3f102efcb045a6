"""Datasets of other libraries as tables of files and labels: fastai's and Hugging Face's.

Neither is ever imported: what isn't loaded can't have made what was passed in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cleaner.catalog.columns import LABELS, require_one_label
from cleaner.catalog.table import Table
from cleaner.catalog.unpacking import unpacked
from cleaner.errors import InputError


def kind_of(source: Any) -> str:
    """Name the library and class that an object, or one it is derived from, belongs to; or nothing."""
    known = {
        ("fastai", "Learner"),
        ("fastai", "DataLoaders"),
        ("torchvision", "ImageFolder"),
        ("datasets", "Dataset"),
        ("datasets", "DatasetDict"),
        ("datasets", "IterableDataset"),
        ("datasets", "IterableDatasetDict"),
    }
    names = [(one.__module__.split(".")[0], one.__name__) for one in type(source).__mro__]
    return next((f"{library}.{name}" for library, name in names if (library, name) in known), "")


def from_fastai(loaders: Any) -> Table:
    """Return the images of DataLoaders with labels and split. Raises InputError for several labels each."""
    vocab = getattr(loaders, "vocab", None)
    if vocab is None or any(isinstance(name, list | tuple) or hasattr(name, "items") for name in vocab):
        raise InputError("These DataLoaders have no classes; pass some that classify images.")
    rows = [
        (path, str(vocab[label]), split)
        for data, split in ((loaders.train_ds, "train"), (loaders.valid_ds, "valid"))
        for path, label in _rows_of(data)
    ]
    paths, labels, splits = zip(*rows, strict=True) if rows else ((), (), ())
    return Table({"path": paths, "label": labels, "split": splits}, root=Path.cwd())


def _rows_of(data: Any) -> Iterator[tuple[str, int]]:
    files, categories = data.tls[0], data.tls[1]
    for position in range(len(data)):
        category = categories[position]
        require_one_label([category], name="This Learner", column="y")
        yield _file_of(files, position), int(category)


def _file_of(files: Any, position: int) -> str:
    """Follow an item through its transforms up to where it is a path: the next one would open the file."""
    item = files.items.iloc[position] if hasattr(files.items, "iloc") else files.items[position]
    for transform in files.tfms.fs:
        if isinstance(item, str | os.PathLike):
            break
        item = transform(item)
    if not isinstance(item, str | os.PathLike):
        raise InputError(
            "The items of these DataLoaders are no image files; pass a table of files and labels."
        )
    return os.fspath(item)


def from_hugging_face(dataset: Any, *, folder: Path) -> Table:
    """Return the images of a dataset with labels and split; those that are no files are written to `folder`.

    The column of images and the one of labels are found by their types. Raises InputError.
    """
    parts: Mapping[str, Any] = dataset if isinstance(dataset, Mapping) else {"": dataset}
    rows = [row for split, part in parts.items() for row in _rows(part, split=split, folder=folder)]
    columns: dict[str, list[str]] = {
        name: [row[i] for row in rows] for i, name in enumerate(("path", "label", "split"))
    }
    if "" in parts:
        del columns["split"]
    return Table(columns, root=folder)


def _rows(part: Any, *, split: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    image, label = _image_column(part), _label_column(part)
    names = getattr(part.features[label], "names", None)
    undecoded = part.select_columns([image, label]).cast_column(
        image, sys.modules["datasets"].Image(decode=False)
    )
    for number, row in enumerate(undecoded):
        code = row[label]
        require_one_label([code], name="This dataset", column=label)
        known = code is not None and not (names and code < 0)
        name = (names[code] if names else str(code)) if known else ""
        yield _file(row[image], folder=folder / split, number=number), name, split


def _image_column(part: Any) -> str:
    found = [name for name, feature in part.features.items() if type(feature).__name__ == "Image"]
    if not found:
        raise InputError(f"This dataset has no column of images; it has: {', '.join(part.features)}.")
    return str(found[0])


def _label_column(part: Any) -> str:
    classes = [name for name, feature in part.features.items() if type(feature).__name__ == "ClassLabel"]
    named = [name for name in part.features if name.lower() in LABELS]
    if not classes and not named:
        raise InputError(f"This dataset has no column of labels; it has: {', '.join(part.features)}.")
    return str((classes or named)[0])


def _file(image: Mapping[str, Any] | None, *, folder: Path, number: int) -> str:
    """Return the path of an image, written out where it has none; an empty one where there is no image."""
    if image is None or not (image.get("bytes") or image.get("path")):
        return ""
    data = image.get("bytes")
    if data is None:
        return str(image["path"])
    return str(unpacked(data, folder=folder, number=number))
