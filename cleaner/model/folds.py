"""Divide the training images among further networks, each of which scores those that it does not learn from.

Membership follows from the content of an image alone, as the split does. Imports no torch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from cleaner.model.checks import Rows
from cleaner.types import Catalog, Ints, TrainConfig

FEW = 1_000  # training images below which every one of them is worth an honest score
FOLDS = 3  # the fewest that leave each network the larger part of the images


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One network of a training: rows that it learns from, and rows whose scores it gives.

    `name` is empty for the network that is kept.
    """

    name: str
    learned: Rows
    judged: Rows


def fold_of(digest: str, folds: int) -> int:
    """Return the fold of an image by its content alone; equal files fall together, whatever else there is."""
    return int.from_bytes(hashlib.blake2b(digest.encode(), digest_size=8).digest(), "big") % folds


def folds_for(catalog: Catalog, *, config: TrainConfig, learned: Rows) -> int:
    """Return how many folds there will be: as asked, else FOLDS for few images; 0 if that divides nothing."""
    folds = config.folds if config.folds is not None else FOLDS if len(learned) < FEW else 0
    members = _members(catalog, rows=learned, folds=folds)
    return folds if all(_teaches(catalog.labels[learned], members == fold) for fold in range(folds)) else 0


def parts_of(catalog: Catalog, *, learned: Rows, folds: int) -> tuple[Part, ...]:
    """Return the network that learns from every training image, and after it one for each fold.

    The judged rows of all parts together are all rows, each of them once. An image whose class has training
    images in its own fold only is left to the first network: the other one has never seen that class.
    """
    members, labels = _members(catalog, rows=learned, folds=folds), catalog.labels[learned]
    others = []
    for fold in range(folds):
        own = members == fold
        known = own & np.isin(labels, labels[~own])
        others.append(Part(f"fold {fold + 1} of {folds}", learned[~own], learned[known]))
    judged = np.concatenate([np.empty(0, dtype=np.intp), *(part.judged for part in others)])
    rest = np.setdiff1d(np.arange(len(catalog)), judged)
    return (Part("", learned, rest), *others)


def _members(catalog: Catalog, *, rows: Rows, folds: int) -> Ints:
    return np.asarray([fold_of(catalog.digests[row], folds) for row in rows] if folds else [], dtype=np.int32)


def _teaches(labels: Ints, own: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> bool:
    """Say whether a fold has images, and leaves its network at least two of different classes."""
    return bool(own.any()) and len(np.unique(labels[~own])) >= 2
