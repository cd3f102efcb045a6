"""Keeps copies on one side of a split that follows from content, and respects where a person wants them.

Pure: no file is moved, and a split that was given is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cleaner.catalog.digest import split_of
from cleaner.types import Catalog, Ints, Split, Strings, strings


def follows_content(catalog: Catalog) -> bool:
    """Say whether the split of a catalog, as it was scanned, is made from digests alone."""
    return all(
        split == split_of(digest) for split, digest in zip(catalog.splits, catalog.digests, strict=True)
    )


def with_sides(catalog: Catalog, groups: Ints, *, chosen: Mapping[str, Split]) -> Catalog:
    """Put each group of copies [N] on the side of its lowest digest, or where a person wants it.

    `chosen` maps digests to sides; of several in one group that of the lowest digest holds. A function of
    what is there and was chosen: the same on every machine.
    """
    if not follows_content(catalog):
        return catalog
    return replace(catalog, splits=sides(catalog.digests, groups, chosen=chosen))


def sides(digests: Strings, groups: Ints, *, chosen: Mapping[str, Split]) -> Strings:
    """Return the side of each image [N] by its digest and group."""
    order = np.argsort(digests.astype(str), kind="stable")
    decided: dict[int, Split] = {}
    for row in order:
        if digests[row] in chosen:
            decided.setdefault(int(groups[row]), chosen[digests[row]])
    for row in order:
        decided.setdefault(int(groups[row]), split_of(digests[row]))
    return strings([decided[int(group)] for group in groups])
