"""What the tests of the model share: catalogs in memory, and handwritten digits with labels planted wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cleaner.types import Catalog, TrainConfig, strings

MakeCatalog = Callable[..., Catalog]


@dataclass(frozen=True, eq=False)
class Digits:
    """Digits of 32 px, some with wrong labels; every fifth is held out."""

    catalog: Catalog
    images: NDArray[np.uint8]
    true: NDArray[np.int32]
    wrong: NDArray[np.bool_]

    def pixels(self, side: int) -> NDArray[np.uint8]:
        return scaled(self.images, side)


def scaled(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if images.shape[1] == side:
        return images
    return np.stack([np.asarray(Image.fromarray(image).resize((side, side))) for image in images])


def catalog_of(
    labels: list[int] | NDArray[np.int32],
    splits: list[str],
    *,
    vocab: tuple[str, ...] = ("cat", "dog"),
    side: int = 32,
) -> Catalog:
    names = strings([f"{row:05d}.png" for row in range(len(labels))])
    sides = np.full(len(labels), side, dtype=np.int32)
    return Catalog(
        root=Path("photos"),
        vocab=vocab,
        ids=names,
        paths=names,
        labels=np.asarray(labels, dtype=np.int32),
        splits=strings(splits),
        digests=names,
        widths=sides,
        heights=sides,
        bytes=np.ones(len(labels), dtype=np.int64),
        mtimes=np.ones(len(labels), dtype=np.int64),
    )


@pytest.fixture(scope="session")
def make_catalog() -> MakeCatalog:
    return catalog_of


@pytest.fixture(scope="session")
def digits() -> Digits:
    from sklearn.datasets import load_digits

    some = load_digits()
    count, chance = 600, np.random.default_rng(1)
    small = np.stack([some.images[:count] * 15.9] * 3, axis=-1).astype(np.uint8)
    true = some.target[:count].astype(np.int32)
    wrong = np.zeros(count, dtype=bool)
    wrong[chance.choice(count, count // 20, replace=False)] = True
    labels = np.where(wrong, (true + chance.integers(1, 10, count)) % 10, true).astype(np.int32)
    splits = ["valid" if row % 5 == 0 else "train" for row in range(count)]
    catalog = catalog_of(labels, splits, vocab=tuple("0123456789"))
    return Digits(catalog, scaled(small, 32), true, wrong)


@pytest.fixture(scope="session")
def few() -> Digits:
    """Light against dark: 60 images that a training of one epoch gets through at once."""
    labels = np.arange(60, dtype=np.int32) % 2
    noise = np.random.default_rng(0).integers(0, 120, (60, 32, 32, 3))
    images = (noise + labels[:, None, None, None] * 120).astype(np.uint8)
    splits = ["valid" if row % 4 == 0 or row % 4 == 1 else "train" for row in range(60)]
    return Digits(catalog_of(labels, splits), images, labels, np.zeros(60, dtype=bool))


@pytest.fixture(scope="session")
def quick() -> TrainConfig:
    """One epoch from scratch, and no folds."""
    return TrainConfig(weights="scratch", epochs=1, folds=0)
