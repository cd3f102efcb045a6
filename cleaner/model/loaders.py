"""Image files and finished networks in fastai's own way, for what is done outside of the program.

It decides no label, and loads nothing that it has written.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from fastai.data.block import CategoryBlock
from fastai.data.transforms import Normalize
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.vision.augment import Resize, ResizeMethod, aug_transforms
from fastai.vision.core import PILImage
from fastai.vision.data import ImageDataLoaders
from numpy.typing import NDArray
from torch import nn

from cleaner.model.network import Network


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


def save_learner(path: Path, network: Network, squares: NDArray[np.uint8]) -> None:
    """Write fastai's `export.pkl` of a network, for its `load_learner`; `squares` [M, S, S, 3] are examples.

    fastai opens pictures its own way, without EXIF rotation and white behind transparency, and squeezes them
    to the network's size at once, so that its answers differ a little from those of the rest of an export.
    An architecture of timm is found again only where this program is installed.
    """
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place, f"{row}.png") for row in range(2)]  # one to learn from and one to validate on
        for file in files:
            PILImage.create(squares[0]).save(file)
        dls = ImageDataLoaders.from_lists(
            place,
            files,
            [network.vocab[0]] * len(files),
            valid_pct=0.5,
            y_block=CategoryBlock(vocab=list(network.vocab), sort=False),
            item_tfms=Resize(network.size, method=ResizeMethod.Squish),
            batch_tfms=Normalize.from_stats(*network.stats, cuda=False),
            bs=1,
            num_workers=0,
            device="cpu",
        )
        model = nn.Sequential(network.body.layers, network.head)
        Learner(dls, model, loss_func=CrossEntropyLossFlat(), path=place).export(path)
