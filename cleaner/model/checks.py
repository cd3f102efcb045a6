"""What can be said against a training before anything heavy is loaded. Imports no torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cleaner.errors import InputError, NoWeights
from cleaner.types import MODES, Catalog, Pixels, TrainConfig

Rows = NDArray[np.intp]

SIDES = (16, 1024)
MOST_FOLDS = 10
HIGHEST_RATE = 1e36  # what a network computes with holds little more


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


def plain(config: TrainConfig) -> TrainConfig:
    """Return settings with NumPy's numbers as plain ones: a round is kept as JSON."""
    values = {name: getattr(config, name) for name in config.__slots__}
    return replace(config, **{name: v.item() for name, v in values.items() if isinstance(v, np.generic)})


def check_settings(config: TrainConfig) -> None:
    """Raise InputError for a setting that nobody can train with, NoWeights where it needs some."""
    if config.mode not in MODES:
        raise InputError(f"mode is {config.mode!r}, but must be {' or '.join(map(repr, MODES))}.")
    if not isinstance(config.weights, str):
        raise InputError(
            f"weights is {config.weights!r}, but must be the text 'pretrained', 'scratch', or a file's path."
        )
    for name in ("epochs", "size", "batch_size", "folds", "seed"):
        value = getattr(config, name)
        if not isinstance(value, int) and (value is not None or name in ("batch_size", "seed")):
            raise InputError(f"{name} is {value!r}, but must be a whole number.")
    if config.lr is not None and not isinstance(config.lr, (int, float)):
        raise InputError(f"lr is {config.lr!r}, but must be a number; leave it out to have it chosen.")
    if config.mode == "quick" and config.weights == "scratch":
        raise NoWeights(
            'Quick mode needs pretrained weights, but weights is "scratch"; use mode "full" or other weights.'
        )
    low, high = SIDES
    if config.size is not None and not low <= config.size <= high:
        raise InputError(
            f"size is {config.size}, but must be {low} to {high} pixels; leave it out to have it chosen."
        )
    if config.epochs is not None and config.epochs < 1:
        raise InputError(f"epochs is {config.epochs}, but must be at least 1.")
    if config.lr is not None and not 0 < config.lr < HIGHEST_RATE:
        raise InputError(
            f"lr is {config.lr}, but must be above 0 and below {HIGHEST_RATE:g}; "
            "leave it out to have it chosen."
        )
    if config.batch_size < 1:
        raise InputError(f"batch_size is {config.batch_size}, but must be at least 1.")
    if config.folds not in (None, 0, *range(2, MOST_FOLDS + 1)):
        raise InputError(f"folds is {config.folds}, but must be 0, or 2 to {MOST_FOLDS}.")


def check_pixels(images: Pixels, *, catalog: Catalog, side: int) -> None:
    """Raise InputError unless these are the pixels of this catalog, [N, side, side, 3]."""
    wanted = (len(catalog), side, side, 3)
    if tuple(images.shape) != wanted or images.dtype != np.uint8:
        raise InputError(f"The pixels must be uint8 {wanted}, but are {images.dtype} {tuple(images.shape)}.")


def check_squares(pixels: Pixels, *, side: int) -> None:
    """Raise InputError unless these are squares that can be scaled down to a side, uint8 [M, S, S, 3]."""
    shape = tuple(pixels.shape)
    square = len(shape) == 4 and shape[1] == shape[2] and shape[3] == 3
    if not square or shape[1] < side or pixels.dtype != np.uint8:
        raise InputError(
            f"The network sees uint8 pixels [M, S, S, 3] with S at least {side}, not {pixels.dtype} {shape}."
        )


def check_trusted(trusted: NDArray[np.bool_] | None, *, catalog: Catalog) -> None:
    """Raise InputError unless there is one truth value for each image, or nothing."""
    if trusted is not None and (trusted.shape != (len(catalog),) or trusted.dtype != np.bool_):
        raise InputError(
            f"trusted must be bool ({len(catalog)},), one for each image, "
            f"but is {trusted.dtype} {trusted.shape}."
        )
