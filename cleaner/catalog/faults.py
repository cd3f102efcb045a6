"""Why a file can't be read, as a kind and a sentence, from the error and the file's first bytes alone."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

BEGINNINGS = {
    b"\xff\xd8\xff": "a JPEG",
    b"\x89PNG": "a PNG",
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"RIFF": "a WebP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
}
CUT = (
    "truncat",
    "not enough",
    "unexpected end",
    "end of",
    "eof",
    "no data",
    "too few",
    "buffer is not large",
)
NOT_OF_THE_DISK = (None, errno.EINVAL)  # decoders' own have no number; a bad offset makes a seek invalid


class RefusedFormat(Exception):
    """Pillow would read it, but only by starting another program or not at all."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one file can't be read: a kind of finding, and the sentence to show."""

    kind: str
    detail: str


def fault_of(error: Exception, *, source: Path | bytes, name: str) -> Fault:
    """Say what an error that came up while reading a file, or its bytes, means; the sentence says `name`."""
    if isinstance(error, UnidentifiedImageError):
        return _unidentified(source, name=name)
    if isinstance(error, RefusedFormat):
        return Fault("not an image", f"{name} is {error}, which is not taken as an image.")
    if isinstance(error, FileNotFoundError):
        return Fault("unreadable", f"{name} is gone; check the folder again.")
    if isinstance(error, PermissionError):
        return Fault("unreadable", f"{name} may not be read ({error.strerror}).")
    if isinstance(error, OSError) and error.errno not in NOT_OF_THE_DISK:
        return Fault("unreadable", f"{name} can't be read ({error.strerror or error}).")
    if isinstance(error, Image.DecompressionBombError):
        return Fault("too many pixels", f"{name} has too many pixels to open safely; make it smaller.")
    if isinstance(error, MemoryError):
        return Fault("too much memory", f"{name} takes more memory to open than one picture may.")
    said = _one_line(error)
    cut = any(word in said.lower() for word in CUT)
    return Fault("truncated" if cut else "damaged", f"{name} is damaged or cut short ({said}).")


def _unidentified(source: Path | bytes, *, name: str) -> Fault:
    start = source[:8] if isinstance(source, bytes) else _beginning(source)
    if not start:
        return Fault("empty", f"{name} is empty (0 bytes).")
    like = next((what for magic, what in BEGINNINGS.items() if start.startswith(magic)), None)
    if like:
        return Fault(
            "damaged", f"{name} is damaged or cut short: it begins like {like} and has no more sense."
        )
    return Fault("not an image", f"{name} is not an image of any kind known here.")


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
