"""Feeds image files to fastai in its own way, for trainings outside of the program. It decides no label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastai.vision.augment import Resize, aug_transforms
from fastai.vision.data import ImageDataLoaders


def file_loaders(frame: Any, *, root: Path, size: int, batch_size: int) -> ImageDataLoaders:
    """Return DataLoaders of a DataFrame with the columns `path` (below `root`), `label` and `split`.

    Rows of the split "valid" validate, those of "test" are left out.
    """
    used = frame[frame["split"] != "test"]
    return ImageDataLoaders.from_df(
        used.assign(held_out=used["split"] == "valid"),
        path=root,
        fn_col="path",
        label_col="label",
        valid_col="held_out",
        item_tfms=Resize(size),
        batch_tfms=aug_transforms(),
        bs=batch_size,
    )
