"""Which image is which from scan to scan: an id belongs to one picture for the life of the project. Pure.

A decision is kept under the id, so a mistake here would carry it to another picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cleaner.types import Catalog


def identities(
    present: Mapping[str, str], *, known: Catalog | None, moved: Mapping[str, str]
) -> dict[str, str]:
    """Give each file present (path to digest) the id that its picture has had, or a new one; by path.

    `moved` says where this program has put images by its own record, its trash included. A picture is
    recognised first where it was last, then by its content wherever it is now. Another picture under an old
    path gets a new id, the path with a number, even if the image that had the path is gone.
    """
    ids = _stayed(present, known=known)
    if len(ids) == len(present):
        return ids
    digests = departed(known, staying=ids.values())
    places = _places(known, gone=digests, moved=moved, stayed={key for key in ids.values() if key in moved})
    at = {path: identity for identity, path in places.items()}
    left = sorted(present.keys() - ids.keys())
    for path in left:
        identity = at.get(path)
        if identity is not None and digests.get(identity, present[path]) == present[path]:
            ids[path] = identity
    settled = {ids[path] for path in left if path in ids}
    adrift = _adrift(digests, settled=settled, places=places)
    taken = {*ids.values(), *digests, *moved}
    for path in left:
        if path not in ids:
            homeless = adrift.get(present[path])
            ids[path] = homeless.pop(0) if homeless else _new_id(path, taken=taken)
            taken.add(ids[path])
    return ids


def departed(known: Catalog | None, *, staying: Iterable[str]) -> dict[str, str]:
    """Return the digest of every image that was once here and is not among those staying, by id."""
    if known is None:
        return {}
    stay = set(staying)
    gone = {identity: digest for identity, digest in known.departed.items() if identity not in stay}
    rows = zip(known.ids, known.digests, strict=True)
    return gone | {identity: digest for identity, digest in rows if identity not in stay}


def _stayed(present: Mapping[str, str], *, known: Catalog | None) -> dict[str, str]:
    """Map the path of each picture that is where the last scan saw it to its id."""
    if known is None:
        return {}
    rows = zip(known.paths, known.digests, known.ids, strict=True)
    return {path: identity for path, digest, identity in rows if present.get(path) == digest}


def _places(
    known: Catalog | None, *, gone: Mapping[str, str], moved: Mapping[str, str], stayed: set[str]
) -> dict[str, str]:
    """Say where each image that has not stayed was last: where the program put it, else where it was seen."""
    rows = () if known is None else zip(known.ids, known.paths, strict=True)
    seen = {identity: path for identity, path in rows if identity in gone}
    return seen | {identity: path for identity, path in moved.items() if identity not in stayed}


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
