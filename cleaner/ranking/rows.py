"""Rows of embeddings and what belongs to them, as every fit reads them. It fits nothing.

A row that is not all finite numbers takes no part anywhere: it is read as zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cleaner.errors import InputError
from cleaner.types import Pixels

Doubles: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.intp]

BLOCK = 2048  # rows that are float64 at a time
LEAST_REMAINDER = 1e-3  # of 1 - leverage: below it an image decides its own prediction


def checked(
    embeddings: Pixels,
    labels: ArrayLike,
    *,
    classes: int,
    weights: ArrayLike | None,
    groups: ArrayLike | None,
) -> tuple[Rows, Doubles, NDArray[Any]]:
    """Return labels [N], weights [N] (1 by default) and groups [N] (each image its own by default).

    Raises InputError for shapes, labels or weights that can't be.
    """
    if len(embeddings.shape) != 2:
        raise InputError(f"Embeddings must have two axes, [N, D], but these are {list(embeddings.shape)}.")
    count = len(embeddings)
    given = _column(labels, "labels", count=count, kinds="iu")
    if classes < 1 or (count and not (given.min() >= 0 and given.max() < classes)):
        seen = f"{given.min()} to {given.max()}" if count else "none"
        raise InputError(f"Labels for {classes} classes must be 0 to {classes - 1}, but these are {seen}.")
    trust = _column(np.ones(count) if weights is None else weights, "weights", count=count, kinds="iuf")
    if not (np.isfinite(trust) & (trust >= 0)).all():
        raise InputError("Every weight must be a number of at least 0.")
    together = _column(np.arange(count) if groups is None else groups, "groups", count=count, kinds="iu")
    return given.astype(np.intp), trust.astype(np.float64), together


def _column(values: ArrayLike, name: str, *, count: int, kinds: str) -> NDArray[Any]:
    column = np.asarray(values)
    if column.shape != (count,) or column.dtype.kind not in kinds:
        wanted = "numbers" if "f" in kinds else "whole numbers"
        seen = f"{column.dtype} {list(column.shape)}"
        raise InputError(f"For {count} embeddings, {name} must be {count} {wanted}, but these are {seen}.")
    return column


def units(groups: NDArray[Any]) -> list[Rows]:
    """Return the rows that leave together, one array [M, size] for each size of group."""
    order = np.argsort(groups, kind="stable")
    _, starts, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    found = [order[starts[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes)]
    return [rows[rows[:, 0].argsort()] for rows in found]  # in the order in which a file is read


def blocks(count: int) -> Iterator[slice]:
    """Cut so many rows into slices of BLOCK."""
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))


def usable(embeddings: Pixels) -> NDArray[np.bool_]:
    """Mark the rows [N] that are all finite numbers."""
    finite = np.empty(len(embeddings), dtype=bool)
    for some in blocks(len(embeddings)):
        finite[some] = np.isfinite(embeddings[some]).all(axis=1)
    return finite


def read(embeddings: Pixels, rows: slice | Rows, *, roots: Doubles) -> Doubles:
    """Return rows [M, D + 1] with a constant 1, times the roots [M]; zeros where the root is 0."""
    wide = np.ones((len(roots), embeddings.shape[1] + 1))
    wide[:, :-1] = embeddings[rows]
    wide[roots == 0] = 0
    wide *= roots[:, None]
    return wide


def divided(fitted: Doubles, targets: Doubles, leverages: Doubles) -> Doubles:
    """Return the scores [..., K] without the row itself, from those with it and its leverage [...]."""
    own = leverages[..., None]
    return np.asarray((fitted - own * targets) / np.maximum(1 - own, LEAST_REMAINDER))
