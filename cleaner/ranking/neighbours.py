"""Which images look alike to the encoder: for each the k nearest others, by the cosine of their embeddings.

It knows nothing of labels. Files of a million rows are read block by block, never as a whole.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cleaner.errors import InputError, Stopped
from cleaner.progress import Progress, Report, Stop, never, quiet
from cleaner.ranking.rows import Rows, blocks
from cleaner.types import Floats, Ints, Pixels

Keys: TypeAlias = NDArray[np.int64]  # a similarity in steps, and below it the row: the higher, the nearer
Groups: TypeAlias = NDArray[np.integer[Any]]

LIMIT = 100_000  # images up to which every pair is compared
STEP = 2.0**-20  # what is finer in a similarity is rounding, and no reason to come first
LAST = 2**32 - 1
NOTHING = -(2**62)

SAMPLED = 50  # images for each cell from which the cells are found
PROBED = 64  # cells searched for each image
MOST = 4096  # found at most for one image before its own group is left out


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The nearest others of N images: `rows` [N, k], best first, and their cosines `similarities` [N, k].

    Where an image has fewer than k the rows end in -1 and the similarities in -inf.
    """

    rows: Ints
    similarities: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def without(self, groups: ArrayLike) -> Neighbours:
        """Leave out the others of each image's own group [N]; further ones move up, none are added."""
        of = check_groups(groups, count=len(self))
        rows, similarities = self.rows.copy(), self.similarities.copy()
        for block in blocks(len(self)):
            own = (rows[block] >= 0) & (of[rows[block]] == of[block][:, None])
            order = np.argsort(own, axis=1, kind="stable")
            rows[block] = np.take_along_axis(np.where(own, -1, rows[block]), order, axis=1)
            left = np.where(own, -np.inf, similarities[block])
            similarities[block] = np.take_along_axis(left, order, axis=1)
        return Neighbours(rows, similarities)


def nearest(
    embeddings: Pixels,
    *,
    k: int = 50,
    groups: ArrayLike | None = None,
    report: Report = quiet,
    stopped: Stop = never,
) -> Neighbours:
    """Find the k nearest others of each embedding [N, D] by cosine, leaving out those of its own group [N].

    Similarities are rounded to STEP, and ties go to the lower row. An embedding that is not all finite
    numbers, or all zeros, has no neighbours and is nobody's. Up to LIMIT rows, or where faiss is not
    installed (`pip install cleaner[large]`), every pair is compared: exact, in time that grows with N².
    Above it faiss looks through part of the rows, which finds nearly all of the nearest; members of groups of
    thousands then may get fewer. Keeps 16 · N · k bytes, and with faiss 2 · N · D. Raises Stopped.
    """
    if len(embeddings.shape) != 2:
        raise InputError(f"Embeddings must have two axes, [N, D], but these are {list(embeddings.shape)}.")
    if k < 1:
        raise InputError(f"{k} neighbours can't be found; ask for at least 1.")
    count = len(embeddings)
    of = np.arange(count) if groups is None else check_groups(groups, count=count)
    asked = _Asked(embeddings, of, k, report, stopped, time.monotonic())
    library = _faiss() if count > LIMIT else None
    return _exact(asked) if library is None else _approximate(asked, library)


def check_groups(groups: ArrayLike, *, count: int) -> Groups:
    """Return groups [N] as an array; InputError unless they are `count` whole numbers."""
    of = np.asarray(groups)
    if of.shape != (count,) or of.dtype.kind not in "iu":
        seen = f"{of.dtype} {list(of.shape)}"
        raise InputError(f"For {count} images, groups must be {count} whole numbers, but these are {seen}.")
    return of


def directions(embeddings: Pixels, rows: slice | NDArray[np.integer[Any]]) -> Floats:
    """Read rows of embeddings at length 1, float32 [M, D]; zeros for those that point nowhere."""
    read = np.array(embeddings[rows], dtype=np.result_type(embeddings.dtype, np.float32))
    largest = np.abs(read).max(axis=1, initial=0)  # NaN if any is
    usable = np.isfinite(largest) & (largest > 0)
    read[~usable] = 0
    read /= np.where(usable, largest, 1)[:, None]  # or squares of large numbers would overflow
    read /= np.sqrt(np.einsum("ij,ij->i", read, read), where=usable, out=np.ones_like(largest))[:, None]
    return read.astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """One question with its checked arguments; `begun` is when it was asked."""

    embeddings: Pixels
    groups: Groups
    k: int
    report: Report
    stopped: Stop
    begun: float

    def tell(self, done: int, total: int) -> None:
        """Report, or raise Stopped if the person doesn't want the rest."""
        count = f"{len(self.groups):,} images"
        if done < total and self.stopped():
            raise Stopped(f"Stopped while {count} were being compared; nothing of it was kept.")
        elapsed = time.monotonic() - self.begun
        self.report(Progress("comparing", done, total, elapsed, f"comparing {count} with each other"))


def _exact(asked: _Asked) -> Neighbours:
    """Compare every pair once: a tile of similarities serves the images on both its sides.

    Each block meets itself first: after that, little in a tile is better than what an image has already.
    """
    cuts = list(blocks(len(asked.groups)))
    pairs = [*zip(cuts, cuts, strict=True), *combinations(cuts, 2)]
    keys = np.full((len(asked.groups), asked.k), NOTHING)
    held, left = slice(0), np.zeros((0, 0), dtype=np.float32)
    for done, (ours, theirs) in enumerate(pairs):
        asked.tell(done, len(pairs))
        if ours is not held:
            held, left = ours, directions(asked.embeddings, ours)
        right = left if theirs is ours else directions(asked.embeddings, theirs)
        tile = _tile(left, right, asked.groups[ours], asked.groups[theirs])
        _improve(keys[ours], tile, first=theirs.start)
        if theirs is not ours:
            _improve(keys[theirs], tile.T, first=ours.start)
    asked.tell(len(pairs), len(pairs))
    return _sorted(keys)


def _tile(left: Floats, right: Floats, ours: Groups, theirs: Groups) -> Floats:
    """Return the similarities [L, R], -inf for pairs that must not be neighbours."""
    tile: Floats = left @ right.T
    tile[~left.any(axis=1)] = -np.inf
    tile[:, ~right.any(axis=1)] = -np.inf
    if np.isin(ours, theirs).any():
        tile[ours[:, None] == theirs] = -np.inf
    return tile


def _improve(keys: Keys, tile: Floats, *, first: int) -> None:
    """Put into keys [M, k] what is better in a tile [M, C] of others from row `first` on."""
    count = len(keys)
    who, which = _above(tile, _floors(keys, tile, first=first))
    counts = np.bincount(who, minlength=count)
    most = int(counts.max())
    place = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)
    longer = np.full((count, most + keys.shape[1]), NOTHING)
    longer[:, most:] = keys
    longer[who, place] = _keys(tile[who, which], first + which)
    keys[:] = np.partition(longer, most, axis=1)[:, most:]


def _floors(keys: Keys, tile: Floats, *, first: int) -> Floats:
    """Return the similarities [M] above which others, from row `first` on, may be better than the worst."""
    worst = keys.min(axis=1)
    ties = LAST - (worst & LAST) > first
    floors = _similarities(worst) + np.where(ties, -STEP / 2, STEP / 2).astype(np.float32)
    spare = tile.shape[1] - keys.shape[1]
    if spare > 0 and (worst == NOTHING).any():
        floors = np.maximum(floors, np.partition(tile, spare, axis=1)[:, spare] - np.float32(STEP))
    return floors


def _above(tile: Floats, floors: Floats) -> tuple[Rows, Rows]:
    """Return where a tile [M, C], turned or not, is above the floors [M]: rows in order, and columns."""
    count, width = tile.shape
    if tile.flags.c_contiguous:
        who, which = np.divmod(np.flatnonzero(tile > floors[:, None]), width)
        return who, which
    turned = tile.T
    which, who = np.divmod(np.flatnonzero(turned > floors), count)
    order = np.argsort(who.astype(np.uint16), kind="stable")  # of short integers: by counting
    return who[order], which[order]


def _keys(similarities: Floats, rows: NDArray[np.integer[Any]]) -> Keys:
    steps = np.rint(np.clip(similarities, -1, 1) / np.float32(STEP)).astype(np.int64)
    return np.asarray((steps << 32) + (LAST - rows))


def _similarities(keys: Keys) -> Floats:
    return np.asarray((keys >> 32).astype(np.float32) * np.float32(STEP))


def _sorted(keys: Keys) -> Neighbours:
    keys.sort(axis=1)
    rows, similarities = np.empty(keys.shape, dtype=np.int32), np.empty(keys.shape, dtype=np.float32)
    for block in blocks(len(keys)):
        best = keys[block, ::-1]
        rows[block] = np.where(best == NOTHING, -1, LAST - (best & LAST))
        similarities[block] = np.where(best == NOTHING, -np.inf, _similarities(best))
    return Neighbours(rows, similarities)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        return None
    return faiss


def _approximate(asked: _Asked, faiss: Any) -> Neighbours:
    """Search the cells around each image; those of large groups ask for more, and come last together."""
    keys = np.full((len(asked.groups), asked.k), NOTHING)
    index = _index(asked, faiss)
    _, numbers, sizes = np.unique(asked.groups, return_inverse=True, return_counts=True)
    order = np.argsort(sizes[numbers], kind="stable")
    for block in blocks(len(order) if index.ntotal else 0):
        asked.tell(block.start, len(order))
        rows = order[block]
        units = directions(asked.embeddings, rows)
        many = min(asked.k + int(sizes[numbers[rows[-1]]]), MOST, index.ntotal)
        similarities, found = index.search(units, many)
        best = _keys(similarities, found)
        best[(found < 0) | (asked.groups[found] == asked.groups[rows][:, None])] = NOTHING
        best[~units.any(axis=1)] = NOTHING
        best = np.sort(best, axis=1)[:, -asked.k :]
        keys[rows, asked.k - best.shape[1] :] = best
    asked.tell(len(order), len(order))
    return _sorted(keys)


def _index(asked: _Asked, faiss: Any) -> Any:
    """Put the embeddings, at half precision, into about 2 √N cells around centres found in a sample."""
    count, width = asked.embeddings.shape
    cells = max(1, round(2 * math.sqrt(count)))
    some = np.unique(np.linspace(0, count - 1, min(count, SAMPLED * cells)).astype(np.intp))
    sample = directions(asked.embeddings, some)
    sample = sample[sample.any(axis=1)]
    cells = max(1, min(cells, len(sample)))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(width), width, cells, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.nprobe, index.cp.min_points_per_centroid = PROBED, 1
    if not len(sample):
        return index
    index.train(sample)
    for block in blocks(count):
        asked.tell(0, count)
        units = directions(asked.embeddings, block)
        usable = units.any(axis=1)
        index.add_with_ids(units[usable], block.start + np.flatnonzero(usable))
    return index
