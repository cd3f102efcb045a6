"""Names of folders and files: which ones can be used, and which one comes next when a name is taken.

Pure functions of text; the disk is not asked here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from itertools import count
from pathlib import PurePosixPath

from cleaner.types import SIDECARS

LONGEST = 255  # bytes of one name, on nearly every filesystem
WOULD_SPLIT = "a folder {!r} would turn the class folders into those of a split; choose another name"
FORBIDDEN = frozenset('<>:"|?*')
RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"]
)


def folder_name_problem(label: str, *, exists: bool = False) -> str | None:
    """Say why a label can't be the name of a class folder; None if it can.

    With `exists`, the folder is there already, so what only other systems can't store is no problem.
    """
    problem = _unsafe(label)
    return problem if problem or exists else _not_portable(label)


def _unsafe(label: str) -> str | None:
    if not label.strip():
        return "an empty label can't be a folder name"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in label):
        return f"the label {label!r} contains characters that can't be shown"
    if "/" in label or "\\" in label:
        return f"the label {label!r} contains a slash, which would make it a path"
    if label.startswith("."):
        return f"the label {label!r} starts with a dot, which would hide its folder"
    if len(label.encode()) > LONGEST:
        return f"the label {label[:20] + '…'!r} is longer than {LONGEST} bytes"
    return None


def _not_portable(label: str) -> str | None:
    if label != label.strip() or label.endswith("."):
        return f"the label {label!r} starts or ends with a space or ends with a dot"
    found = sorted(FORBIDDEN.intersection(label))
    if found:
        return f"the label {label!r} contains {' '.join(found)}, which Windows can't store"
    if label.split(".")[0].rstrip().upper() in RESERVED:
        return f"the label {label!r} is a name that Windows keeps for itself"
    return None


def path_problem(path: str) -> str | None:
    """Say why a path can't be one of a file below the dataset; None if it can."""
    parts = PurePosixPath(path).parts
    if not parts or PurePosixPath(path).is_absolute() or ".." in parts or "\0" in path:
        return f"the path {path!r} would leave the dataset"
    if any("\ud800" <= character <= "\udfff" for character in path):
        return f"the path {path!r} is not valid text; rename the file"
    return None


def folded(path: str) -> str:
    """Return what two names have in common that some disks can't tell apart (case, composed accents)."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def numbered(path: str, *, along: Collection[str] = SIDECARS) -> Iterator[str]:
    """Yield a path and then its numbered neighbours: `a/x.jpg`, `a/x-2.jpg`, `a/x-3.jpg`, …

    A stem that leaves no room for the number is cut, alike for files of one stem that end in one of `along`.
    """
    yield path
    place = PurePosixPath(path)
    ends = [end for end in (place.suffix, *along) if len(end.encode()) <= LONGEST // 2]
    suffix = place.suffix if place.suffix in ends else ""  # else a dot in a long name
    stem = place.name.removesuffix(suffix)
    room = LONGEST - max((len(end.encode()) for end in ends), default=0)
    for number in count(2):
        yield str(place.with_name(f"{_cut(stem, room - len(f'-{number}'))}-{number}{suffix}"))


def _cut(text: str, length: int) -> str:
    """Return as many whole characters of a text as fit into some bytes of UTF-8."""
    return text.encode()[:length].decode(errors="ignore")
