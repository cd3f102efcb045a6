"""What to lay beside an image so that a person can judge it: the most alike of two classes, and why in words.

Labels are only ever text here. It orders nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cleaner.errors import InputError
from cleaner.ranking.neighbours import Groups, Neighbours, directions
from cleaner.ranking.rows import Rows, blocks, checked
from cleaner.types import Floats, Ints, Pixels

COUNTED = 10  # nearest images whose labels are said in words
FENCE = 3.0  # interquartile ranges: farther out is unlike anything else
FEWEST = 20  # images of which one can say what is usual


@dataclass(frozen=True, slots=True, eq=False)
class Grounds:
    """What speaks for and against the label of one image; rows as in the embeddings, nearest first.

    `given` are images of the class it carries, `suggested` of the class that is suggested instead, none where
    there is no other; `copies` are the images of its own group. `reasons` come with the weightiest first.
    """

    given: Ints
    suggested: Ints
    copies: Ints
    reasons: tuple[str, ...]


def evidence(
    rows: ArrayLike,
    embeddings: Pixels,
    labels: ArrayLike,
    *,
    vocab: Sequence[str],
    suggested: ArrayLike,
    groups: ArrayLike | None = None,
    pictures: ArrayLike | None = None,
    sound: ArrayLike | None = None,
    gone: ArrayLike | None = None,
    unlike: float = -1.0,
    shown: int = 3,
) -> list[Grounds]:
    """Collect, for some rows [M], what a person needs: is the label wrong, or does the image not belong?

    `labels` [N] are the present ones and `suggested` [M] the classes suggested for the rows, positions in
    `vocab`. Images of equal `groups` [N] are near-copies, of equal `pictures` [N] the same file: they say
    nothing of each other, and of each group only the nearest is shown and counted. `sound` [N] marks labels
    that a person has confirmed or the model believes: others are shown only where these are too few, for
    what lies nearest to a wrong label are wrong labels of the same kind. `gone` [N] marks images that take no
    part. Below the similarity `unlike` (see `usual`) an image is like no other.

    Compares the rows with all embeddings [N, D] in one pass: exact, ties to the lower row, 4 · M · N bytes.
    """
    asked, count = np.asarray(rows, dtype=np.intp), len(embeddings)
    given, _, of = checked(embeddings, labels, classes=len(vocab), weights=None, groups=groups)
    same = checked(embeddings, labels, classes=len(vocab), weights=None, groups=pictures)[2]
    there = ~_marks(gone, "gone", count=count)
    known = _Known(tuple(vocab), given, of, same, _marks(sound, "sound", count=count), there, unlike, shown)
    instead = np.asarray(suggested, dtype=np.intp)
    if instead.shape != asked.shape:
        raise InputError(f"{len(asked)} rows need as many suggested classes, not {instead.size}.")
    lines = _similarities(asked, embeddings, there)
    return [_of_row(*one, known) for one in zip(asked, instead, lines, strict=True)]


def usual(neighbours: Neighbours) -> float:
    """Return the similarity to the nearest other below which an image is like no other here.

    Tukey's outer fence for the distances to the nearest: the upper quartile and three interquartile ranges
    (Exploratory Data Analysis, 1977). -1, which none is below, where there are too few to say, or no range.
    """
    closest = 1 - neighbours.similarities[neighbours.rows[:, 0] >= 0, 0]
    if len(closest) < FEWEST:
        return -1.0
    lower, upper = np.percentile(closest, (25, 75))
    return float(1 - upper - FENCE * (upper - lower)) if upper > lower else -1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What is known of all images, columns [N], and how much of it is wanted."""

    vocab: tuple[str, ...]
    labels: Rows
    groups: Groups
    pictures: Groups
    sound: NDArray[np.bool_]
    there: NDArray[np.bool_]
    unlike: float
    shown: int


def _marks(values: ArrayLike | None, name: str, *, count: int) -> NDArray[np.bool_]:
    marks = np.zeros(count, dtype=bool) if values is None else np.asarray(values)
    if marks.shape != (count,) or marks.dtype != bool:
        raise InputError(f"For {count} embeddings, {name} must be {count} times True or False.")
    return marks


def _similarities(rows: Rows, embeddings: Pixels, there: NDArray[np.bool_]) -> Floats:
    """Return cosines [M, N], -inf where there is nothing to compare."""
    page = directions(embeddings, rows)
    lines = np.empty((len(rows), len(there)), dtype=np.float32)
    for some in blocks(len(there)):
        others = directions(embeddings, some)
        lines[:, some] = page @ others.T
        lines[:, some][:, ~(others.any(axis=1) & there[some])] = -np.inf
    lines[~page.any(axis=1)] = -np.inf
    return lines


def _of_row(row: np.intp, suggested: np.intp, line: Floats, known: _Known) -> Grounds:
    own = known.groups == known.groups[row]
    line[own] = -np.inf
    own[row] = False
    copies, label = np.flatnonzero(own & known.there), known.labels[row]
    nearest = _nearest(line, np.flatnonzero(line > -np.inf), known, many=COUNTED)
    reasons = [
        *_copies_in_words(row, copies, known),
        *(["nothing like it in this dataset"] if len(nearest) and line[nearest[0]] < known.unlike else []),
        *_nearest_in_words(known.labels[nearest], label, known.vocab),
    ]
    return Grounds(
        given=_examples(line, label, known),
        suggested=_examples(line, suggested, known) if suggested != label else np.zeros(0, dtype=np.int32),
        copies=copies.astype(np.int32),
        reasons=tuple(reasons),
    )


def _examples(line: Floats, label: np.intp, known: _Known) -> Ints:
    """Return the most alike of one class, those with sound labels as long as there are any."""
    members = np.flatnonzero((known.labels == label) & (line > -np.inf))
    sound = known.sound[members]
    first = _nearest(line, members[sound], known, many=known.shown)
    left = members[~sound & ~np.isin(known.groups[members], known.groups[first])]
    second = _nearest(line, left, known, many=known.shown - len(first))
    return np.append(first, second).astype(np.int32)


def _nearest(line: Floats, among: Rows, known: _Known, *, many: int) -> Rows:
    """Return the nearest of some rows, one of each group, best first; ties go to the lower row."""
    values, groups = line[among], known.groups[among]
    picked: list[np.intp] = []
    while len(picked) < many and len(values):
        best = values.argmax()
        if values[best] == -np.inf:
            break
        picked.append(among[best])
        values[groups == groups[best]] = -np.inf
    return np.array(picked, dtype=np.intp)


def _copies_in_words(row: np.intp, copies: Rows, known: _Known) -> list[str]:
    """Say which other labels its copies carry; where all agree, how many there are."""
    same = known.pictures[copies] == known.pictures[row]
    others = known.labels[copies] != known.labels[row]
    said = []
    if (same & others).any():
        said.append(f"the same picture is also labelled {_listed(copies[same & others], known)}")
    if (~same & others).any():
        several = "near-copies are" if (~same & others).sum() > 1 else "a near-copy is"
        said.append(f"{several} labelled {_listed(copies[~same & others], known)}")
    if len(copies) and not others.any():
        number = "another image" if len(copies) == 1 else f"{len(copies):,} other images"
        said.append(f"{'the same picture as' if same.all() else 'a near-copy of'} {number}")
    return said


def _listed(rows: Rows, known: _Known) -> str:
    *others, last = (known.vocab[label] for label in np.unique(known.labels[rows]))
    return f"{', '.join(others)} and {last}" if others else last


def _nearest_in_words(labels: Rows, label: np.intp, vocab: Sequence[str]) -> list[str]:
    """Say what the nearest images are: all of one class, most of one, or how few of the given one."""
    total = len(labels)
    if total < 2:
        return [f"the nearest image is {vocab[labels[0]]}"] if total else []
    counts = np.bincount(labels, minlength=len(vocab))
    first = int(counts.argmax())
    if counts[first] == total:
        return [f"the {total} nearest images are all {vocab[first]}"]
    few, of = 2 * counts[first] <= total, f"of the {total} nearest images"
    if few and not counts[label]:
        return [f"none {of} is {vocab[int(label)]}"]
    one = int(label) if few else first
    others = np.where(np.arange(len(vocab)) == one, -1, counts)
    other = int(others.argmax() if one == label else label)
    verb = "is" if counts[one] == 1 else "are"
    how_many = f"{'only ' if few else ''}{counts[one]}"
    return [f"{how_many} {of} {verb} {vocab[one]}, {counts[other] or 'none'} {vocab[other]}"]
