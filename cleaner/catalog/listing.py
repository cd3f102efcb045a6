"""What a source says is there, before any file is opened: the same for class folders and for tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from cleaner.types import Finding, Split

GIVEN_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
}


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """N labelled files, in columns of one length, and what is to be said of those that can't be taken.

    `paths` are relative to the root, with forward slashes, each there once; `splits` holds None where the
    content of the file shall decide, and is None where that is so for all. `classes` are further classes.
    """

    paths: Sequence[str]
    labels: Sequence[str]
    splits: Sequence[Split | None] | None = None
    findings: tuple[Finding, ...] = ()
    classes: frozenset[str] = frozenset()
    class_level: int = 0
    labels_in: Literal["folder", "table"] = "folder"


def are_splits(folders: Iterable[str]) -> bool:
    """Say whether folders of these names hold a split each, and not a class: train and another one do."""
    names = {folder.lower() for folder in folders}
    return "train" in names and any(GIVEN_SPLITS.get(name, "train") != "train" for name in names)


def shown(path: str) -> str:
    """Return a path as text that can be shown and kept, whatever its bytes are."""
    return path.encode("utf-8", "backslashreplace").decode()


def is_text(name: str) -> bool:
    """Say whether a name is valid text: bytes that are none could be neither shown nor kept."""
    return name.isascii() or shown(name) == name
