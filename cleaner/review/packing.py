"""Puts the pictures of several tiles into one piece of bytes: a page is one message. It decodes nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cleaner.errors import CleanerError


@dataclass(frozen=True, slots=True)
class Evidence:
    """What helps a person to judge one image.

    `given` and `suggested` are ids of images that are typical of the class it is labelled with and of the
    one that the model believes, nearest to it first; `reasons` say in words what speaks against its label.
    """

    given: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def packed(
    tiles: list[dict[str, Any]], *, picture: Callable[[str], bytes], threads: ThreadPoolExecutor
) -> bytes:
    """Add to each tile where its picture lies in the bytes returned, or the sentence that replaces it."""
    results = list(threads.map(lambda tile: picture_or_sentence(picture, tile["id"]), tiles))
    offset = 0
    for tile, result in zip(tiles, results, strict=True):
        found = isinstance(result, bytes)
        tile["sentence"] = None if found else result
        tile["bytes"] = [offset, len(result)] if found else None
        offset += len(result) if found else 0
    return b"".join(result for result in results if isinstance(result, bytes))


def packed_evidence(
    seen: Evidence, *, picture: Callable[[str], bytes], threads: ThreadPoolExecutor
) -> tuple[dict[str, Any], bytes]:
    """Return evidence as the browser reads it, and the bytes of all its pictures."""
    tiles: list[dict[str, Any]] = [{"id": identity} for identity in (*seen.given, *seen.suggested)]
    pixels = packed(tiles, picture=picture, threads=threads)
    at = len(seen.given)
    return {"given": tiles[:at], "suggested": tiles[at:], "reasons": list(seen.reasons)}, pixels


def picture_or_sentence(picture: Callable[[str], bytes], identity: str) -> bytes | str:
    """Return a picture, or the sentence that is shown in its place."""
    try:
        return bytes(picture(identity))
    except CleanerError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - one bad picture must not hide the page
        return f"This picture can't be shown: {type(error).__name__}: {error}"
