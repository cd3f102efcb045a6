"""Keeps a catalog on disk between sessions, as plain arrays and JSON; it never unpickles."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from cleaner.catalog.quality import LOOK
from cleaner.types import SPLITS, Catalog, Finding, Strings, strings
from cleaner.writing import whole

_TEXTS = ("ids", "paths", "splits", "digests")
_NUMBERS = ("labels", "widths", "heights", "bytes", "mtimes")


def save_catalog(catalog: Catalog, findings: tuple[Finding, ...], path: Path) -> None:
    """Write catalog and findings to one .npz file, whole or not at all."""
    head = {
        "vocab": catalog.vocab,
        "class_level": catalog.class_level,
        "labels_in": catalog.labels_in,
        "departed": dict(catalog.departed),
        "findings": [[f.item, f.kind, f.severity, f.detail, f.group, f.advice] for f in findings],
    }
    columns: dict[str, Any] = {name: _pack("\0".join(getattr(catalog, name))) for name in _TEXTS}
    columns |= {name: getattr(catalog, name) for name in _NUMBERS}
    if catalog.looks is not None:
        columns["looks"] = catalog.looks
    with whole(path, durable=True) as part, part.open("wb") as file:
        np.savez(file, head=_pack(json.dumps(head)), allow_pickle=False, **columns)


def load_catalog(path: Path, *, root: Path) -> tuple[Catalog, tuple[Finding, ...]] | None:
    """Read what `save_catalog` wrote; None if there is none, or none that can be read."""
    broken = (OSError, EOFError, ValueError, KeyError, BadZipFile)
    with contextlib.suppress(*broken), path.open("rb") as file, np.load(file, allow_pickle=False) as data:
        head = json.loads(_unpack(data["head"]))
        count = len(data["labels"])
        texts = _shared({n: _unpack(data[n]).split("\0") if count else [] for n in _TEXTS})
        rows: dict[str, Any] = texts | {name: data[name] for name in _NUMBERS}
        catalog = Catalog(
            root=root,
            vocab=tuple(head["vocab"]),
            class_level=head["class_level"],
            labels_in=head["labels_in"],
            departed={identity: _last(identity, kept) for identity, kept in head["departed"].items()},
            looks=data["looks"] if "looks" in data and data["looks"].dtype == LOOK else None,
            **rows,
        )
        return catalog, tuple(Finding(*finding) for finding in head["findings"])
    return None


def _last(identity: str, kept: str | list[str]) -> tuple[str, str]:
    """Return digest and last path of a departed image; the first catalogs kept the digest alone."""
    digest, path = (kept, identity) if isinstance(kept, str) else kept
    return digest, path


def _shared(columns: dict[str, list[str]]) -> dict[str, Strings]:
    """Keep texts that are there often, or as id and as path, once in memory."""
    once: dict[str, str] = {name: name for name in SPLITS}
    paths = [i if i == path else path for i, path in zip(columns["ids"], columns["paths"], strict=True)]
    splits = [once[name] for name in columns["splits"]]
    shared = {**columns, "paths": paths, "splits": splits}
    return {name: strings(column) for name, column in shared.items()}


def _pack(text: str) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _unpack(column: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> str:
    return bytes(column).decode()
