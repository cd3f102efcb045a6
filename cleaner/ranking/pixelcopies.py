"""Which pictures are copies of each other by their pixels: re-encoded, resized, cut, turned, mirrored.

Pure: small grey pictures in, pairs out. No network is needed; what it can't see is another photograph of the
same thing, which embeddings may.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cleaner.errors import Stopped
from cleaner.progress import Progress, Report, Stop, never, quiet
from cleaner.ranking.aligning import Fit, blurred, brought_together, likeness
from cleaner.ranking.rows import Rows
from cleaner.ranking.turning import WINDOWS, Waves, best_turn, fingerprints, stretch, waves
from cleaner.types import Floats, Pixels

SURROUND = 20  # candidates for each picture; the last one says how alike its surroundings are
ROUGHLY = 0.78  # a correlation of rings below which a pair is not looked at closely
LOOKED_AT = 5  # of the candidates of one picture, the best
AWAY = 0.05  # 1 - correlation, of copies at most
USUAL = 0.15  # of what the LOOKED_AT-th best pair of a picture usually has
CLOSE = 0.1  # of the distance to the surroundings
SOFT, SHARP = 1.8, 0.8  # blurs of pictures that are laid over each other
# A pair is brought together in stages: blur, points of a side, steps, and the correlation below which no more
# is done. After each, copies of all kinds had more than .82, .88 and .94 (tests/bench/twice.py).
STAGES = ((SOFT, 12, 2, 0.75), (SHARP, 16, 1, 0.85), (SHARP, 16, 2, 0.9))
SAME = 0.004  # below it a pair is one picture, however alike its surroundings are
PLAIN = 3.0  # grey levels of deviation: less is a blank page, which is like any other
COMPARISONS = 10**10  # windows are left out above it
BLOCK, PAIRS, LOOKED = 512, 512, 256  # pictures compared, pairs, and pictures looked at, at a time
CELLS = 3 * 10**7  # similarities at a time, of each worker
WORKERS = min(8, os.cpu_count() or 1)  # numpy computes outside the interpreter lock

Some = TypeVar("Some")


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """Pairs of pictures that are copies: rows `one` and `other` [L], and their `distances` [L].

    A distance is 1 - correlation in shares of that to the surroundings: 1 where they are no more alike than
    others are, 0 for one and the same picture.
    """

    one: Rows
    other: Rows
    distances: Floats

    def __len__(self) -> int:
        return len(self.one)


def links(
    sketches: Pixels, sizes: NDArray[np.integer[Any]], *, report: Report = quiet, stopped: Stop = never
) -> Links:
    """Find the pairs of copies among grey sketches uint8 [N, S, S] of pictures of sizes [N, 2].

    Three steps, each for what the one before leaves: fingerprints of the whole picture against those of the
    whole and of parts of the others, which no turn and no mirror changes; the rings, turned against each
    other; the two pictures laid over each other. Two are copies if they then correlate almost as one,
    and far better than others do: where all pictures are alike (digits, slides), less is a resemblance.
    Blank pictures have no copies. Time grows with N²; parts are left out above COMPARISONS. Raises Stopped.
    """
    asked = _Asked(sketches, stretch(sizes), report, stopped, time.monotonic())
    if len(sketches) < 2:
        return Links(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32))
    textured = asked.textured()
    found = asked.candidates(textured)
    around = _around(found, count=len(sketches))
    pairs = found.best()
    distances = asked.compared(pairs)
    usual = np.median(_nth_best(pairs, distances, count=len(sketches))[textured]) if len(textured) else 1
    apart = np.maximum(around[pairs.one], around[pairs.other])
    copies = distances < np.minimum(min(AWAY, USUAL * usual), np.maximum(SAME, CLOSE * apart))
    relative = np.where(distances < SAME, 0, distances / apart)
    return Links(pairs.one[copies], pairs.other[copies], relative[copies].astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """Pairs that may be copies: the whole of `one` is like the window of `other`, turned by `angle`."""

    one: Rows
    other: Rows
    window: Rows
    angle: Floats
    mirrored: NDArray[np.bool_]
    alike: Floats

    def take(self, rows: slice | Rows | NDArray[np.bool_]) -> _Candidates:
        names = ("one", "other", "window", "angle", "mirrored", "alike")
        return _Candidates(*(getattr(self, name)[rows] for name in names))

    def best(self) -> _Candidates:
        """Return the pairs to look at closely: each once, and of one picture the best few."""
        kept = self.take(np.flatnonzero(self.alike > ROUGHLY))
        low, high = np.minimum(kept.one, kept.other), np.maximum(kept.one, kept.other)
        order = np.lexsort((-kept.alike, high, low))
        first = np.r_[True, np.diff(low[order]) != 0] | np.r_[True, np.diff(high[order]) != 0]
        once = kept.take(order[first[: len(order)]])
        places = (_place(once.one, once.alike), _place(once.other, once.alike))
        return once.take(np.minimum(*places) < LOOKED_AT)


def _turned(
    rows: Rows, start: int, seen: Waves, similar: Floats, *, most: int
) -> tuple[Rows, Rows, Rows, Floats, NDArray[np.bool_], Floats]:
    """Turn the best of one block's similarities [B, windows, N] against each other, `seen` [windows, N]."""
    best = similar.max(axis=1)
    ours = np.arange(len(best))
    best[ours, start + ours] = -2
    theirs = np.argpartition(-best, most - 1, axis=1)[:, :most].ravel()
    ours = np.repeat(ours, most)
    windows = similar[ours, :, theirs].argmax(axis=1)
    angle, mirrored, alike = best_turn(seen[0, start + ours], seen[windows, theirs])
    return rows[start + ours], rows[theirs], windows, angle, mirrored, alike


def _place(rows: Rows, alike: Floats) -> Rows:
    """Return which place each pair has among those of its row, the most alike first."""
    order = np.lexsort((-alike, rows))
    starts = np.searchsorted(rows[order], rows[order])
    places = np.empty(len(rows), dtype=np.intp)
    places[order] = np.arange(len(rows)) - starts
    return places


def _around(found: _Candidates, *, count: int) -> Floats:
    """Return how far the SURROUND-th candidate of each is by its rings, [N]; 1 where there is none."""
    around = np.full(count, SAME, dtype=np.float32)
    np.maximum.at(around, found.one, 1 - found.alike)
    around[np.bincount(found.one, minlength=count) < SURROUND] = 1
    return around


def _nth_best(pairs: _Candidates, distances: Floats, *, count: int) -> Floats:
    """Return the LOOKED_AT-th smallest distance of each picture [N], 1 where fewer were looked at closely."""
    rows, both = np.r_[pairs.one, pairs.other], np.r_[distances, distances]
    nth = np.ones(count, dtype=np.float32)
    at = _place(rows, -both) == LOOKED_AT - 1
    nth[rows[at]] = both[at]
    return nth


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """One question; `stretched` [N, 2] are the sides of the pictures by the short one."""

    sketches: Pixels
    stretched: Floats
    report: Report
    stopped: Stop
    begun: float

    def tell(self, done: int, total: int) -> None:
        """Report, or raise Stopped if the person doesn't want the rest."""
        if done < total and self.stopped():
            raise Stopped("Stopped while copies were being looked for; nothing of it was kept.")
        note = f"looking for copies among {len(self.sketches):,} images"
        self.report(Progress("comparing", done, total, time.monotonic() - self.begun, note))

    def each(self, work: Callable[[int], Some], *, count: int, step: int) -> Iterator[Some]:
        """Do the work of each start of a block, on all cores, and yield what it finds, in order."""
        with ThreadPoolExecutor(WORKERS) as pool:
            ahead: deque[Future[Some]] = deque()
            for start in range(0, count, step):
                self.tell(start, count)
                ahead.append(pool.submit(work, start))
                if len(ahead) > WORKERS:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        self.tell(count, count)

    def grey(self, rows: Rows) -> Floats:
        """Read some sketches [M, S, S]."""
        return np.asarray(self.sketches[rows], dtype=np.float32)

    def textured(self) -> Rows:
        """Return the pictures with something to see in them."""
        count = len(self.sketches)
        parts = [np.arange(start, min(start + PAIRS, count)) for start in range(0, count, PAIRS)]
        return np.concatenate([rows[self.grey(rows).std(axis=(1, 2)) >= PLAIN] for rows in parts])

    def seen(self, rows: Rows, *, windows: Floats) -> Waves:
        """Look at pictures [P] through each of some windows [W, 3]; return waves [W, P, ...]."""

        def look(start: int) -> Waves:
            part = rows[start : start + LOOKED]
            soft = blurred(self.grey(part), 1)
            through = [
                waves(soft, self.stretched[part], np.tile(window, (len(part), 1))) for window in windows
            ]
            return np.stack(through)

        return np.concatenate(list(self.each(look, count=len(rows), step=LOOKED)), axis=1)

    def candidates(self, rows: Rows) -> _Candidates:
        """Find for each of some pictures the others of which a part is most like it."""
        count, width = len(rows), int(np.clip(COMPARISONS // max(1, len(rows)) ** 2, 1, len(WINDOWS)))
        most = min(SURROUND, count - 1)
        if most < 1:
            none = np.zeros(0, dtype=np.intp)
            return _Candidates(none, none, none, np.zeros(0, np.float32), none > 0, np.zeros(0, np.float32))
        seen = self.seen(rows, windows=WINDOWS[:width])
        prints = fingerprints(seen.reshape(width * count, *seen.shape[2:]))
        step = int(np.clip(CELLS // (count * width), 16, BLOCK))

        def turned(start: int) -> tuple[Any, ...]:
            similar = (prints[start : min(start + step, count)] @ prints.T).reshape(-1, width, count)
            return _turned(rows, start, seen, similar, most=most)

        columns = zip(*self.each(turned, count=count, step=step), strict=True)
        return _Candidates(*(np.concatenate(column) for column in columns))

    def compared(self, pairs: _Candidates) -> Floats:
        """Lay pairs over each other; return 1 - correlation, 1 of those that hardly overlap.

        Of a pair that is given up on the way it is what it was then: more than of any copy.
        """
        distances = np.empty(len(pairs.one), dtype=np.float32)

        def compare(start: int) -> None:
            rows = slice(start, start + PAIRS)
            distances[rows] = self._laid_over(pairs.take(rows))

        list(self.each(compare, count=len(pairs.one), step=PAIRS))
        return distances

    def _laid_over(self, pairs: _Candidates) -> Floats:
        used, places = np.unique(np.r_[pairs.one, pairs.other], return_inverse=True)
        ours, theirs = places[: len(pairs.one)], places[len(pairs.one) :]
        grey = self.grey(used)
        detail = blurred(grey, 0.7) - blurred(grey, 12)  # without shades that fill the whole picture
        blurs = {blur: blurred(grey, blur) for blur in (SOFT, SHARP)}
        fit, left, distances = self._guess(pairs), np.arange(len(ours)), np.ones(len(ours), dtype=np.float32)
        for blur, points, steps, least in STAGES:
            fit = brought_together(blurs[blur], ours[left], theirs[left], fit, points=points, steps=steps)
            alike = likeness(detail, ours[left], theirs[left], fit, points=points)[0]
            distances[left] = 1 - alike
            fit, left = fit.take(alike > least), left[alike > least]
        fit = brought_together(blurs[SHARP], ours[left], theirs[left], fit, points=20, steps=2)
        alike, of_ours, of_theirs = likeness(detail, ours[left], theirs[left], fit, points=32)
        overlap = (np.maximum(of_ours, of_theirs) > 0.7) & (np.minimum(of_ours, of_theirs) > 0.3)
        distances[left] = np.where(overlap, 1 - alike, 1)
        return distances

    def _guess(self, pairs: _Candidates) -> Fit:
        """Return how the whole of one lies in the window of the other, by the angle found."""
        cos, sin = np.cos(pairs.angle), np.sin(pairs.angle)
        turn = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)
        turn[pairs.mirrored, :, 1] *= -1
        window = WINDOWS[pairs.window]
        ours, theirs = self.stretched[pairs.one], self.stretched[pairs.other]
        turn = turn * window[:, 2, None, None] * ours[:, None, :] / theirs[:, :, None]
        return Fit(turn.astype(np.float32), window[:, :2] / theirs)
