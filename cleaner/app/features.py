"""What a frozen body makes of a round's images, as the round keeps it for ranking.

The embeddings themselves stay in the cache that they were computed into, found again by digest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cleaner.catalog.rowcache import RowCache
from cleaner.errors import CleanerError
from cleaner.progress import Report, Stop
from cleaner.ranking.copies import near_duplicates
from cleaner.ranking.evidence import usual
from cleaner.ranking.neighbours import directions, nearest
from cleaner.ranking.scaling import Standardised
from cleaner.types import Ints, Pixels, Strings, strings

_TEXTS = "features.json"


@dataclass(frozen=True, eq=False)
class Features:
    """Which rows of which cache are the embeddings of a round's N images, and how alike these are.

    `cache` and `dims` name the cache and the length D of an embedding, `digests` [N] the rows; `neighbours`
    [N, k] are rows of the round, the most alike first; images of equal `groups` [N] are near-copies; below
    the similarity `unlike` to all others an image is like none.
    """

    cache: str
    dims: int
    digests: Strings
    neighbours: Ints
    groups: Ints
    unlike: float

    @cached_property
    def pictures(self) -> NDArray[np.intp]:
        """Number the pictures [N]: equal files have one number."""
        return numbered(self.digests)

    def embeddings(self, home: Path) -> Pixels | None:
        """Return the embeddings, float16 [N, D], standardised, NaN for lost ones; None if all are lost."""
        try:
            cache = RowCache(home / "embeddings" / self.cache, shape=(self.dims,), dtype="float16")
            found = np.full((len(self.digests), self.dims), np.nan, dtype=np.float16)
            lost = {self.digests[row] for row in cache.missing(self.digests)}
            there = np.array([digest not in lost for digest in self.digests], dtype=bool)
            found[there] = cache.take(self.digests[there])[:]
        except CleanerError:
            return None
        return Standardised(found)[:].astype(np.float16) if there.any() else None

    def lonely(self, home: Path) -> NDArray[np.bool_]:
        """Mark the images [N] that are like no other; none where the embeddings are lost."""
        embeddings = self.embeddings(home)
        if embeddings is None or not self.neighbours.shape[1]:
            return np.zeros(len(self.digests), dtype=bool)
        nearest = self.neighbours[:, 0]
        ours = directions(embeddings, np.arange(len(nearest)))
        alike = np.einsum("ij,ij->i", ours, ours[nearest])
        return np.asarray((nearest >= 0) & ours.any(axis=1) & (alike < self.unlike))

    def save(self, folder: Path) -> None:
        """Write it into the folder of a round."""
        texts = {"cache": self.cache, "dims": self.dims, "unlike": self.unlike, "digests": list(self.digests)}
        (folder / _TEXTS).write_text(json.dumps(texts), encoding="utf-8")
        np.save(folder / "neighbours.npy", self.neighbours, allow_pickle=False)
        np.save(folder / "groups.npy", self.groups, allow_pickle=False)


def load_features(folder: Path) -> Features | None:
    """Read the features of a round; None where it has none, or they can't be read."""
    try:
        texts = json.loads((folder / _TEXTS).read_text(encoding="utf-8"))
        near, groups = (
            np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("neighbours", "groups")
        )
        digests = strings(texts["digests"])
        return Features(texts["cache"], texts["dims"], digests, near, groups, texts["unlike"])
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None


def compared(
    embeddings: Pixels,
    *,
    cache: str,
    digests: Strings,
    copies: Ints,
    labels: NDArray[np.int32],
    report: Report,
    stopped: Stop,
) -> Features:
    """Compare the embeddings [N, D] of images with each other; known `copies` [N] are one group each."""
    near = nearest(embeddings, groups=copies, report=report, stopped=stopped)
    groups = near_duplicates(near, equal=copies, labels=labels)
    others = near.without(groups)
    return Features(cache, embeddings.shape[1], digests, others.rows, groups, unlike=usual(others))


def numbered(digests: Strings) -> NDArray[np.intp]:
    """Number the pictures [N]: equal digests have one number."""
    return np.unique(digests.astype(str), return_inverse=True)[1]
