"""Finds the annotation files beside images that a plan moves, so that they go along. Reads the disk only."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from cleaner.types import SIDECARS, Catalog, Operation, Plan


def with_sidecars(plan: Plan, *, catalog: Catalog, digest_of: Callable[[Path], str]) -> Plan:
    """Add to each image of a plan its sidecars: files of the same stem that end in .txt, .xml or .json.

    One that several images share, `1.txt` of `1.jpg` and `1.png`, stays where it is, with a warning.
    """
    owners = Counter(_stem(path) for path in catalog.paths)
    beside = _Beside(catalog.root)
    operations: list[Operation] = []
    shared: list[str] = []
    for operation in plan.operations:
        operations.append(operation)
        for path in beside.of(operation.source):
            if owners[_stem(path)] > 1:
                shared.append(path)
            else:
                operations += _along(operation, path, root=catalog.root, digest_of=digest_of)
    names = sorted(set(shared))
    warnings = [f"{name} belongs to several images, so it stays where it is." for name in names]
    return replace(plan, operations=tuple(operations), warnings=(*plan.warnings, *warnings))


class _Beside:
    """The sidecars of each folder by stem; every folder is listed once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, dict[str, list[str]]] = {}

    def of(self, image: str) -> list[str]:
        folder = str(PurePosixPath(image).parent)
        if folder not in self._known:
            self._known[folder] = {}
            for path in self._list(folder):
                self._known[folder].setdefault(_stem(path), []).append(path)
        return self._known[folder].get(_stem(image), [])

    def _list(self, folder: str) -> Iterator[str]:
        with suppress(OSError), os.scandir(self._root / folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if PurePosixPath(entry.name).suffix.lower() in SIDECARS and entry.is_file(
                    follow_symlinks=False
                ):
                    yield str(PurePosixPath(folder, entry.name))


def _along(
    operation: Operation, path: str, *, root: Path, digest_of: Callable[[Path], str]
) -> Iterator[Operation]:
    """Yield the operation that takes a sidecar where its image goes; one that can't be read has none."""
    suffix = PurePosixPath(path).suffix
    with suppress(OSError):
        place = root / path
        target = str(PurePosixPath(operation.target).with_suffix(suffix)) if operation.target else ""
        size, digest = place.stat().st_size, digest_of(place)
        yield replace(operation, kind="sidecar", source=path, target=target, digest=digest, bytes=size)


def _stem(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))
