"""Feed pixels that lie in memory or in a file to fastai: whole batches, the next ones ahead of time.

A training batch is augmented on the device and names its rows; no other batch ever is or does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from torch import Tensor

from cleaner.model.augment import augmented
from cleaner.model.checks import Rows
from cleaner.model.images import ahead, bytes_of, seen
from cleaner.types import Ints, Pixels


class PixelLoader(DataLoader):  # type: ignore[misc]  # fastai is untyped
    """Batches (images 0..1 [B, 3, size, size], labels [B]) of some rows of pixels, in their order.

    For training, the images are augmented, shuffled anew in every pass, and come with their rows [B], so
    that what happens to a batch can be told of its images. Batches differ by at most one image, so that none
    of a single image, on which batch normalisation fails, is left over; for that they may be one larger than
    asked.
    """

    n_inp = 1

    def __init__(
        self,
        pixels: Pixels,
        *,
        labels: Ints,
        rows: Rows,
        batch_size: int,
        size: int,
        device: torch.device,
        training: bool = False,
        flip: bool = False,
        order: Callable[[], list[int]] | None = None,
    ):
        self.pixels, self.labels, self.rows = pixels, labels, rows
        self.size, self.training, self.flip, self.order = size, training, flip, order
        self.batches = max(1, min(-(-len(rows) // batch_size), len(rows) // 2))
        self.look = augmented(size, flip=flip)
        super().__init__(rows, bs=batch_size, shuffle=training, device=device)

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        chosen = self.rows[self.get_idxs()]
        for images, labels, rows in ahead(self._read, np.array_split(chosen, len(self))):
            if self.training:
                yield self.look(self._moved(images)), self._moved(labels), self._moved(rows)
            else:
                yield seen(images, size=self.size, device=self.device), self._moved(labels)

    def get_idxs(self) -> list[int]:
        """Return the order of one pass, drawn from torch's own random numbers if it is for training."""
        if self.order:
            return self.order()
        count = len(self.rows)
        return (torch.randperm(count) if self.training else torch.arange(count)).tolist()

    def new(
        self,
        dataset: Rows | None = None,
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        get_idxs: Callable[[], list[int]] | None = None,
    ) -> PixelLoader:
        """Return another loader of these pixels, or of other rows, as fastai asks for one to predict with.

        Never augmented, unless it is to be shuffled; no image is ever dropped.
        """
        del drop_last  # part of what fastai passes
        return PixelLoader(
            self.pixels,
            labels=self.labels,
            rows=self.rows if dataset is None else np.asarray(dataset),
            batch_size=self.bs,
            size=self.size,
            device=self.device,
            training=shuffle,
            flip=self.flip,
            order=get_idxs,
        )

    def _read(self, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
        labels = torch.from_numpy(self.labels[rows].astype(np.int64))
        return bytes_of(self.pixels, rows, device=self.device), labels, torch.from_numpy(rows)

    def _moved(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=self.device.type == "cuda")


def loaders(
    pixels: Pixels,
    *,
    labels: Ints,
    train: Rows,
    valid: Rows,
    batch_size: int,
    size: int,
    flip: bool,
    device: torch.device,
) -> DataLoaders:
    """Return fastai's DataLoaders: shuffled and augmented training rows, plain validation rows."""
    both = (
        PixelLoader(
            pixels,
            labels=labels,
            rows=rows,
            batch_size=batch_size,
            size=size,
            device=device,
            training=training,
            flip=flip,
        )
        for rows, training in ((train, True), (valid, False))
    )
    return DataLoaders(*both, device=device)
