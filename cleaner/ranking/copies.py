"""Which images are near-copies of each other: crops, re-encodings, frames of one burst.

By their pixels, which needs no model, and by embeddings, which also see another shot of the same thing. It
deletes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cleaner.ranking.neighbours import Groups, Neighbours, check_groups
from cleaner.ranking.pixelcopies import CLOSE as FARTHEST
from cleaner.ranking.pixelcopies import Links
from cleaner.ranking.rows import Rows
from cleaner.types import Floats, Ints

MOST = 20  # pictures in one group: a burst, not a theme
SHARE = 0.1  # of all pictures in one group, where that is less
CLOSE = 0.25  # of the distance to an image's MOST-th nearest
CLOSER = 0.4  # of the median distance to the nearest
FAINT = 2**-6  # of CLOSE: below it a group that is still too large is none


def near_duplicates(
    neighbours: Neighbours, *, equal: ArrayLike | None = None, labels: ArrayLike | None = None
) -> Ints:
    """Group near-copies, [N]: each group is named by its first row, a single image by its own.

    Two images are linked where their distance, 1 - cosine, is less than CLOSE times that to the MOST-th
    nearest of one: where the encoder sees little difference (blank slides, aeroplanes in the sky, constant
    embeddings) that is small too, and none are. And where it is at most CLOSER times the median distance of
    an image to its nearest: two of a small class are closer than others, but not so close. Linked images form
    a group, and so do those of `equal` numbers [N] (equal files). Without MOST neighbours there are no links.

    Links also chain: A like B, B like C. So a group of more than MOST or SHARE pictures is cut again at half
    the distance, and again, until it is small enough or has no links; with `labels` [N], so is one that holds
    several and more than half of the images of any class, which would leave that class without a say. Equal
    files are one picture and never cut apart.

    Measured with a ResNet-18 of 64 px on 600 photographs and 3,300 pictures of 32 px, among them re-encoded,
    resized, brightened, cropped and mirrored copies: 73 % and 54 % of the copies were found (a sixth of them
    mirrored, of which next to none), and 10 further pairs, of which 9 are near-copies by sight. One share of
    the median distance for all images, 0.13, found 49 % and 26 %, and 6 further pairs.
    """
    count = len(neighbours)
    pictures = np.arange(count) if equal is None else _numbered(check_groups(equal, count=count))
    classes = None if labels is None else _numbered(check_groups(labels, count=count))
    one, other, closeness = _links(neighbours.without(pictures), pictures)
    most = min(MOST, max(2, int(SHARE * (int(pictures.max(initial=-1)) + 1))))
    return _grouped(one, other, closeness / CLOSE, pictures=pictures, classes=classes, most=most)


def copies(links: Links, *, equal: ArrayLike) -> Ints:
    """Group copies by their pixels, [N], and equal files, which have one number in `equal` [N].

    Each group is named by its first row. Pairs at no distance are one picture, as equal files are; the other
    links chain, and a group of more than MOST pictures is cut as in `near_duplicates`.
    """
    of = _numbered(check_groups(equal, count=len(np.asarray(equal))))
    same, count = links.distances == 0, int(of.max(initial=-1)) + 1
    pictures = _parts(of[links.one[same]], of[links.other[same]], count=count)[of]
    one, other = pictures[links.one], pictures[links.other]
    nearness = links.distances / FARTHEST
    return _grouped(one, other, nearness, pictures=pictures, classes=None, most=MOST)


def joined(*groups: ArrayLike) -> Ints:
    """Join several groupings of the same N rows: what one of them has together is together, [N]."""
    rows = np.arange(len(np.asarray(groups[0])))
    ends = [_named(_numbered(check_groups(each, count=len(rows)))) for each in groups]
    return _named(_parts(np.tile(rows, len(ends)), np.concatenate(ends), count=len(rows)))


def _grouped(
    one: Rows, other: Rows, closeness: Floats, *, pictures: Rows, classes: Rows | None, most: int
) -> Ints:
    """Join links between pictures [L], of closeness 0 to 1, and cut what becomes too large, see above."""
    kept, limit = np.ones(len(one), dtype=bool), 1.0
    while True:
        parts = _parts(one[kept], other[kept], count=int(pictures.max(initial=-1)) + 1)
        cut = kept & _too_large(parts, pictures, classes, most=most)[parts[one]]
        if not cut.any():
            return _named(parts[pictures])
        limit /= 2
        kept &= ~cut | ((closeness < limit) & (limit > FAINT))


def _numbered(values: Groups) -> Rows:
    return np.unique(values, return_inverse=True)[1]


def _links(neighbours: Neighbours, pictures: Rows) -> tuple[Rows, Rows, Floats]:
    """Return the two pictures of each link [L], and its distance in those to the MOST-th nearest."""
    distances = 1 - neighbours.similarities
    nearest = distances[:, 0][np.isfinite(distances[:, 0])]
    if distances.shape[1] < MOST or not len(nearest):
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32)
    rows, places = np.nonzero(distances <= CLOSER * np.median(nearest))
    apart, around = distances[rows, places], distances[rows, MOST - 1]
    linked = np.isfinite(around) & (apart < CLOSE * around)
    one, other = rows[linked], neighbours.rows[rows[linked], places[linked]]
    return pictures[one], pictures[other], apart[linked] / around[linked]


def _parts(one: Rows, other: Rows, *, count: int) -> Rows:
    """Return which connected part each picture belongs to."""
    from scipy import sparse  # takes a second, and only few need it
    from scipy.sparse.csgraph import connected_components

    graph = sparse.coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.intp)


def _too_large(parts: Rows, pictures: Rows, classes: Rows | None, *, most: int) -> NDArray[np.bool_]:
    """Mark the parts that are no group of copies any more."""
    large = np.bincount(parts) > most
    if classes is not None:
        every = np.bincount(classes)
        cells, counts = np.unique(parts[pictures] * np.intp(len(every)) + classes, return_counts=True)
        part, of = np.divmod(cells, max(1, len(every)))
        large[part[(counts > 1) & (2 * counts > every[of])]] = True
    return large


def _named(parts: Rows) -> Ints:
    _, first, numbers = np.unique(parts, return_index=True, return_inverse=True)
    return first[numbers].astype(np.int32)
