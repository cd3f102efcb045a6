"""Which image is which from scan to scan: an id belongs to one picture for the life of the project. Pure.

A decision is kept under the id, so a mistake here would carry it to another picture.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from posixpath import split
from typing import TypeAlias

from cleaner.types import Catalog

Gone: TypeAlias = Mapping[str, tuple[str, str]]  # id -> digest, path where it was seen last

COMMON = (slice(0, 2), slice(1, 2), slice(0, 1), slice(0, 0))  # folder and name, name, folder, nothing


def identities(
    present: Mapping[str, str], *, known: Catalog | None, moved: Mapping[str, str]
) -> dict[str, str]:
    """Give each file present (path to digest) the id that its picture has had, or a new one; by path.

    `moved` says where this program has put images by its own record, its trash included. A picture is
    recognised first where it was last, then by its content wherever it is now. Of several with the same
    content it is rather one that the last scan saw than one gone before, and rather one from a folder whose
    other images went the same way, or of the same file name. Another picture under an old path gets a new
    id, the path with a number, even if the image that had the path is gone.
    """
    ids = _stayed(present, known=known)
    if len(ids) == len(present):
        return ids
    gone = departed(known, staying=ids.values())
    stayed = set(ids.values())
    at = {path: identity for identity, path in moved.items() if identity not in stayed}
    left = sorted(present.keys() - ids.keys())
    for path in left:
        identity = at.get(path)
        if identity is not None and (identity not in gone or gone[identity][0] == present[path]):
            ids[path] = identity
    adrift = _adrift(gone, settled=set(ids.values()), moved=moved)
    seen = set() if known is None else set(known.ids)
    for pool in (adrift.keys() & seen, adrift.keys() - seen):
        nameless = {path: present[path] for path in left if path not in ids}
        ids |= _recognised(nameless, {identity: adrift[identity] for identity in sorted(pool)})
    taken = {*ids.values(), *gone, *moved}
    for path in left:
        if path not in ids:
            ids[path] = _new_id(path, taken=taken)
            taken.add(ids[path])
    return ids


def departed(known: Catalog | None, *, staying: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return digest and last path of every image that was once here and is not among those staying, by id."""
    if known is None:
        return {}
    stay = set(staying)
    gone = {identity: last for identity, last in known.departed.items() if identity not in stay}
    rows = zip(known.ids, known.digests, known.paths, strict=True)
    return gone | {identity: (digest, path) for identity, digest, path in rows if identity not in stay}


def _stayed(present: Mapping[str, str], *, known: Catalog | None) -> dict[str, str]:
    """Map the path of each picture that is where the last scan saw it to its id."""
    if known is None:
        return {}
    rows = zip(known.paths, known.digests, known.ids, strict=True)
    return {path: identity for path, digest, identity in rows if present.get(path) == digest}


def _adrift(gone: Gone, *, settled: set[str], moved: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the images that are not where they were; in the trash they are where they should be."""
    return {
        identity: last
        for identity, last in gone.items()
        if identity not in settled and not moved.get(identity, "").startswith(".")
    }


def _recognised(present: Mapping[str, str], adrift: Gone) -> dict[str, str]:
    """Give files (path to digest) the ids of images that are adrift and have the same content; by path."""
    went = _whither(present, adrift)
    ids: dict[str, str] = {}
    homeless = dict(adrift)
    for common in COMMON:
        waiting: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for identity, (digest, last) in homeless.items():
            folder, name = split(last)
            key = (digest, *(went.get(folder, folder), name)[common])
            waiting[key].append(identity)
        for path, digest in present.items():
            if path not in ids and (same := waiting.get((digest, *split(path)[common]))):
                ids[path] = same.pop(0)
                del homeless[ids[path]]
    return ids


def _whither(present: Mapping[str, str], adrift: Gone) -> dict[str, str]:
    """Say to which folder most images of each folder went, by those that can't be mistaken for others."""
    there, lost = Counter(present.values()), Counter(digest for digest, _ in adrift.values())
    now = {digest: split(path)[0] for path, digest in present.items() if there[digest] == 1}
    ways: dict[str, Counter[str]] = defaultdict(Counter)
    for digest, last in adrift.values():
        if digest in now and lost[digest] == 1:
            ways[split(last)[0]][now[digest]] += 1
    return {folder: to.most_common(1)[0][0] for folder, to in ways.items()}


def _new_id(path: str, *, taken: set[str]) -> str:
    if path not in taken:
        return path
    number = 2
    while f"{path}#{number}" in taken:
        number += 1
    return f"{path}#{number}"
