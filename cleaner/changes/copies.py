"""Writes the cleaned dataset as a folder of its own, by hard links, links or copies. It moves nothing.

The dataset itself may be read-only. The folder is there complete, or not at all.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from cleaner.changes.cleaned import Row
from cleaner.changes.export import write_lines
from cleaner.changes.names import folded, folder_name_problem, numbered, path_problem
from cleaner.errors import DISK_FULL, InputError, Refused, Stopped
from cleaner.progress import Progress, Report, Stop, never, quiet

Link: TypeAlias = Literal["hard", "symbolic", "copy"]

METADATA = "metadata.jsonl"
SPLIT_FOLDERS = {"train": "train", "valid": "valid", "test": "test"}
HUGGING_FACE = {"train": "train", "valid": "validation", "test": "test"}


def write_folder(
    rows: Sequence[Row],
    target: Path,
    *,
    root: Path,
    link: Link = "hard",
    splits: bool = False,
    report: Report = quiet,
    stopped: Stop = never,
) -> Path:
    """Write a folder per class, as torchvision's ImageFolder reads it; below the splits' folders if asked.

    Hard links take no room, but share their content with the dataset: what edits a picture in place edits
    both. Errors: Refused for a name that can't be a folder or a file that is gone, InputError for a target
    that can't be written, Stopped; then nothing is left of it.
    """
    names = _names(rows, folders=SPLIT_FOLDERS if splits else None)
    return _write(rows, names, target, root=root, link=link, report=report, stopped=stopped)


def write_hugging_face(
    rows: Sequence[Row],
    target: Path,
    *,
    root: Path,
    link: Link = "hard",
    report: Report = quiet,
    stopped: Stop = never,
) -> Path:
    """Write what Hugging Face's `load_dataset("imagefolder", data_dir=…)` reads, as `write_folder` does.

    Each split is a folder with its images by class and a `metadata.jsonl`, whose `file_name` names the image
    and whose other columns are features: label, given_label, decision, id. Source:
    https://huggingface.co/docs/datasets/image_dataset
    """
    names = _names(rows, folders=HUGGING_FACE)

    def describe(folder: Path) -> None:
        lines: dict[str, list[dict[str, object]]] = {}
        for row, name in zip(rows, names, strict=True):
            split, _, inside = name.partition("/")
            what = {
                "label": row.label,
                "given_label": row.given_label,
                "decision": row.decision,
                "id": row.id,
            }
            lines.setdefault(split, []).append({"file_name": inside, **what})
        for split, described in lines.items():
            write_lines(described, folder / split / METADATA)

    return _write(rows, names, target, root=root, link=link, report=report, stopped=stopped, finish=describe)


def _names(rows: Sequence[Row], *, folders: dict[str, str] | None) -> list[str]:
    """Name every image in the new folder; what would collide, on whatever disk, gets a number.

    Images that keep their class keep their name; who joins them has to give way.
    """
    taken: set[str] = set()
    next_of: dict[str, Iterator[str]] = {}  # what was taken stays so: no name is tried twice
    names = [""] * len(rows)
    for place in sorted(range(len(rows)), key=lambda place: rows[place].label != _folder(rows[place])):
        row = rows[place]
        if problem := path_problem(row.path) or folder_name_problem(row.label, exists=True):
            raise Refused(f"{row.path} can't be exported: {problem}.")
        wanted = f"{row.label}/{PurePosixPath(row.path).name}"
        wanted = f"{folders[row.split]}/{wanted}" if folders else wanted
        neighbours = next_of.setdefault(wanted, numbered(wanted))
        names[place] = next(name for name in neighbours if folded(name) not in taken)
        taken.add(folded(names[place]))
    return names


def _folder(row: Row) -> str:
    return PurePosixPath(row.path).parent.name


def _write(
    rows: Sequence[Row],
    names: Sequence[str],
    target: Path,
    *,
    root: Path,
    link: Link,
    report: Report,
    stopped: Stop,
    finish: Callable[[Path], None] = lambda _: None,
) -> Path:
    _check(target, root=root, link=link)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    start = time.monotonic()
    try:
        part.mkdir()
        for number, (row, name) in enumerate(zip(rows, names, strict=True), start=1):
            if stopped():
                raise Stopped("The export was stopped; nothing was written.")
            place = part / name
            place.parent.mkdir(parents=True, exist_ok=True)
            _WAYS[link](_inside(root, row.path), place)
            report(Progress("export", number, len(rows), time.monotonic() - start))
        finish(part)
        if target.exists():  # an empty folder
            target.rmdir()
        part.replace(target)
    except OSError as error:
        raise _sentence(error, target=target, link=link) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _check(target: Path, *, root: Path, link: Link) -> None:
    if link not in _WAYS:
        raise InputError(f"link={link!r} is no way to write a folder; choose one of {', '.join(_WAYS)}.")
    if target.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{target} lies in the dataset itself; choose a place outside of it.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is there already; choose another name, or remove it first.")


def _inside(root: Path, path: str) -> Path:
    """Return where an image lies. Errors: Refused if that is no longer a plain file in the dataset."""
    place = Path(os.path.realpath(root / path))
    if not place.is_relative_to(os.path.realpath(root)) or not place.is_file():
        raise Refused(f"{path} is no longer there, or leads outside; check the folder again.")
    return place


def _hard(source: Path, place: Path) -> None:
    os.link(source, place)


def _symbolic(source: Path, place: Path) -> None:
    place.symlink_to(source)


def _copy(source: Path, place: Path) -> None:
    shutil.copy2(source, place)


_WAYS: dict[Link, Callable[[Path, Path], None]] = {"hard": _hard, "symbolic": _symbolic, "copy": _copy}


def _sentence(error: OSError, *, target: Path, link: Link) -> InputError:
    if error.errno in DISK_FULL:
        return InputError(f"The disk of {target} is full, so nothing was written; make room and try again.")
    if link == "hard" and error.errno in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
        return InputError(
            f"{target} can't hold hard links to the dataset ({error.strerror}); pass link='copy'."
        )
    return InputError(f"{target} can't be written ({error.strerror or error}); choose another place.")
