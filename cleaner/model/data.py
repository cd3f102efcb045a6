"""Feed pixels that lie in memory to fastai: a batch is one fancy index into the array.

Training batches are augmented on the device of the network; no other batch ever is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.data.transforms import IntToFloatTensor
from fastai.torch_core import TensorImage
from fastai.vision.augment import aug_transforms
from fasttransform import Pipeline
from numpy.typing import NDArray

from cleaner.model.checks import Rows
from cleaner.types import Ints


class PixelLoader(DataLoader):  # type: ignore[misc]  # fastai is untyped
    """Batches (images 0..1 [B, 3, S, S], labels [B]) of some rows of `pixels` [N, S, S, 3].

    Batches differ by at most one image, so that none of a single image, on which batch normalisation
    fails, is left over and no image has to be dropped; they may be one larger than asked for that.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        *,
        labels: Ints,
        rows: Rows,
        batch_size: int,
        device: torch.device,
        augmented: Pipeline | None = None,
    ):
        self.pixels, self.labels, self.rows = pixels, labels, rows
        self.batches = max(1, min(-(-len(rows) // batch_size), len(rows) // 2))
        super().__init__(
            rows,
            bs=batch_size,
            shuffle=augmented is not None,
            device=device,
            after_batch=augmented or Pipeline([IntToFloatTensor()]),
        )

    def __len__(self) -> int:
        return self.batches

    def create_batches(self, samples: Iterable[int]) -> Iterator[tuple[TensorImage, torch.Tensor]]:
        """Yield the batches of one pass, as bytes; they become numbers on the device."""
        for some in np.array_split(self.rows[list(samples)], len(self)):
            images = torch.from_numpy(np.asarray(self.pixels[some])).permute(0, 3, 1, 2)
            yield TensorImage(images), torch.from_numpy(self.labels[some].astype(np.int64))


def loaders(
    pixels: NDArray[np.uint8],
    *,
    labels: Ints,
    train: Rows,
    valid: Rows,
    batch_size: int,
    flip: bool,
    device: torch.device,
) -> DataLoaders:
    """Return fastai's DataLoaders: shuffled and augmented training rows, plain validation rows."""
    changes = aug_transforms(do_flip=flip, max_rotate=10.0, max_zoom=1.1, max_lighting=0.2, max_warp=0.0)
    augmented = Pipeline([IntToFloatTensor(), *changes], split_idx=0)
    both = (
        PixelLoader(
            pixels, labels=labels, rows=rows, batch_size=batch_size, device=device, augmented=pipeline
        )
        for rows, pipeline in ((train, augmented), (valid, None))
    )
    return DataLoaders(*both, device=device)
