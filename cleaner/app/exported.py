"""The folder in which a finished model leaves the project: model.json, safetensors weights, an ONNX graph.

Written whole or not at all, and never over anything but another export. It imports no torch.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleaner.catalog.digest import digest_of
from cleaner.changes.files import sync_files, sync_folder
from cleaner.errors import DISK_FULL, InputError

ABOUT, WEIGHTS, GRAPH, LEARNER = "model.json", "model.safetensors", "model.onnx", "export.pkl"
FORMAT, VERSION = "cleaner model", 1
AGAIN = "export the model again."


@dataclass(frozen=True, slots=True)
class About:
    """What model.json says: the classes in their order, the side of the squares, and all as it stands."""

    classes: tuple[str, ...]
    size: int
    info: Mapping[str, Any]


def read_about(folder: Path) -> About:
    """Read and check the description of an exported model. Raises InputError, one sentence."""
    file = folder / ABOUT
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"There is no exported model in {folder}; give the folder that a model was exported to."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} can't be read; {AGAIN}") from error
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise InputError(f"{file} doesn't describe an exported model; {AGAIN}")
    if info.get("version") != VERSION:
        raise InputError(
            f"{file} is of version {info.get('version')!r}, and this program reads {VERSION}; use the "
            f"program that wrote it, or {AGAIN}"
        )
    return About(_classes(info, file), _size(info, file), info)


def _classes(info: Mapping[str, Any], file: Path) -> tuple[str, ...]:
    classes = info.get("classes")
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise InputError(f"{file} names no classes; {AGAIN}")
    if len(set(classes)) < len(classes):
        raise InputError(f"{file} names a class twice; {AGAIN}")
    return tuple(classes)


def _size(info: Mapping[str, Any], file: Path) -> int:
    size = info.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise InputError(f"{file} says size {size!r}, which is no number of pixels; {AGAIN}")
    return size


def check_file(file: Path, about: About) -> Path:
    """Return a file of an export if it is there and as it was written. Raises InputError, one sentence."""
    files = about.info.get("files")
    expected = files.get(file.name) if isinstance(files, dict) else None
    if not file.is_file():
        raise InputError(f"{file} is missing; {AGAIN}")
    try:
        whole = digest_of(file) == expected
    except OSError as error:
        raise InputError(f"{file} can't be read ({error.strerror}); {AGAIN}") from error
    if not whole:
        raise InputError(f"{file} is damaged, or belongs to another model; {AGAIN}")
    return file


def write_export(target: Path, *, root: Path, fill: Callable[[Path], Mapping[str, Any]]) -> Path:
    """Let `fill` write the files of a model into a folder and describe it; return the folder.

    An earlier export in its place is replaced at the end. Raises InputError for a place inside the dataset
    `root`, one that holds anything else, and one that can't be written; then nothing is left behind.
    """
    place = check_place(target, root=root)
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        described = fill(part)
        files = {file.name: digest_of(file) for file in sorted(part.iterdir())}
        about = {"format": FORMAT, "version": VERSION, **described, "files": files}
        text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
        (part / ABOUT).write_text(text + "\n", encoding="utf-8")
        sync_files(part)
        _take_place(part, place)
    except OSError as error:
        why = "its disk is full" if error.errno in DISK_FULL else error.strerror or error
        raise InputError(f"The model can't be written to {target} ({why}); choose another place.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def check_place(target: Path, *, root: Path) -> Path:
    """Return the absolute place for an export, if there is none or an earlier one. Raises InputError."""
    target = target.resolve()
    if target.is_relative_to(root.resolve()):
        raise InputError(f"{target} lies in the dataset itself; choose a place outside of it.")
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return target
    if not _is_export(target):
        raise InputError(f"{target} is there already and is no exported model; choose another name.")
    others = sorted({file.name for file in target.iterdir()} - {ABOUT, WEIGHTS, GRAPH, LEARNER})
    if others:
        raise InputError(
            f"{target} also holds {others[0]!r}, which is not of an export; choose another name."
        )
    return target


def _is_export(folder: Path) -> bool:
    try:
        info = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(info, dict) and info.get("format") == FORMAT


def _take_place(part: Path, target: Path) -> None:
    """Put a whole export where it belongs; the one before it is there until the new one can take its name."""
    old = target.with_name(f".{target.name}.{uuid.uuid4().hex}.old")
    if target.exists():
        target.rename(old)
    try:
        part.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
    sync_folder(target.parent)
