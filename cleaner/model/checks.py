"""What can be said against a training before anything heavy is loaded. Imports no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cleaner.errors import InputError
from cleaner.types import Catalog, TrainConfig

Rows = NDArray[np.intp]

SIDES = (16, 1024)


def split_rows(catalog: Catalog) -> tuple[Rows, Rows]:
    """Return the rows to learn from and those to validate on; InputError, one sentence, if there are none."""
    train, valid, test = (np.flatnonzero(catalog.splits == split) for split in ("train", "valid", "test"))
    if not len(catalog):
        raise InputError(f"There are no images in {catalog.root}; choose a folder with one folder per class.")
    if not len(train):
        raise InputError("There are no training images; put some outside the folders valid and test.")
    classes = np.unique(catalog.labels[train])
    if len(classes) < 2:
        only = catalog.vocab[classes[0]]
        raise InputError(f"All training images are labelled {only!r}; a training needs at least two classes.")
    if not len(valid) and not len(test):
        raise InputError(
            "There are no held-out images; add images, or a folder valid with some of each class."
        )
    return train, valid if len(valid) else test


def check_settings(config: TrainConfig) -> None:
    """Raise InputError, one sentence, for a setting that nobody can train with."""
    low, high = SIDES
    if config.size is not None and not low <= config.size <= high:
        raise InputError(
            f"size is {config.size}, but must be {low} to {high} pixels; leave it out to have it chosen."
        )
    if config.epochs is not None and config.epochs < 1:
        raise InputError(f"epochs is {config.epochs}, but must be at least 1.")
    if config.lr is not None and not 0 < config.lr < float("inf"):
        raise InputError(f"lr is {config.lr}, but must be above 0; leave it out to have it chosen.")
    if config.batch_size < 1:
        raise InputError(f"batch_size is {config.batch_size}, but must be at least 1.")
