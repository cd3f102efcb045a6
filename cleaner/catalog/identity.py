"""Which image is which from scan to scan: an id belongs to one picture for the life of the project. Pure.

A decision is kept under the id, so a mistake here would carry it to another picture.
"""

from __future__ import annotations

from collections.abc import Mapping

from cleaner.types import Catalog


def identities(
    present: Mapping[str, str], *, known: Catalog | None, moved: Mapping[str, str]
) -> dict[str, str]:
    """Give each file present (path to digest) the id that its picture has had, or a new one; by path.

    `moved` says where this program has put images by its own record, its trash included. A picture is
    recognised first where it was last, then by its content wherever it is now. Another picture under an old
    path gets a new id, the path with a number, even if the image that had the path is gone.
    """
    digests = _digests(known)
    places = _places(present, known=known, moved=moved, digests=digests)
    at = {path: identity for identity, path in places.items()}
    ids: dict[str, str] = {}
    for path, digest in present.items():
        identity = at.get(path)
        if identity is not None and digests.get(identity, digest) == digest:
            ids[path] = identity
    adrift = _adrift(digests, settled=set(ids.values()), places=places)
    taken = {*digests, *moved}
    for path in sorted(present.keys() - ids.keys()):
        homeless = adrift.get(present[path])
        ids[path] = homeless.pop(0) if homeless else _new_id(path, taken=taken)
        taken.add(ids[path])
    return ids


def departed(known: Catalog | None, *, staying: set[str]) -> dict[str, str]:
    """Remember the digest of every image that was once here and is no more, by id."""
    return {identity: digest for identity, digest in _digests(known).items() if identity not in staying}


def _digests(known: Catalog | None) -> dict[str, str]:
    if known is None:
        return {}
    return dict(known.departed) | dict(zip(known.ids, known.digests, strict=True))


def _places(
    present: Mapping[str, str],
    *,
    known: Catalog | None,
    moved: Mapping[str, str],
    digests: Mapping[str, str],
) -> dict[str, str]:
    """Say where each image was last: where the program put it, or where the last scan saw it if it is there.

    For the person may have moved it again since.
    """
    places = {} if known is None else dict(zip(known.ids, known.paths, strict=True))
    stayed = {identity for identity, path in places.items() if present.get(path) == digests[identity]}
    return places | {identity: path for identity, path in moved.items() if identity not in stayed}


def _adrift(
    digests: Mapping[str, str], *, settled: set[str], places: Mapping[str, str]
) -> dict[str, list[str]]:
    """List the images that are not where they were, by digest; in the trash they are where they should be."""
    found: dict[str, list[str]] = {}
    for identity in sorted(digests):
        if identity not in settled and not places.get(identity, "").startswith("."):
            found.setdefault(digests[identity], []).append(identity)
    return found


def _new_id(path: str, *, taken: set[str]) -> str:
    if path not in taken:
        return path
    number = 2
    while f"{path}#{number}" in taken:
        number += 1
    return f"{path}#{number}"
