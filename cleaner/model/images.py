"""From stored pixels to what a network sees, unchanged: read ahead, brought to the device, fitted, 0..1.

It augments nothing, and imports no fastai.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from cleaner.model.checks import Rows
from cleaner.types import Pixels

AHEAD = 2  # batches

T = TypeVar("T")
U = TypeVar("U")


def cached_side(size: int) -> int:
    """Return the side at which to keep images for a network of `size` pixels: an eighth more, for crops."""
    return size + -(-size // 8)


def ahead(load: Callable[[T], U], pieces: Iterable[T]) -> Iterator[U]:
    """Yield what `load` makes of each piece, in order, the next AHEAD of them in a background thread.

    The thread ends with the iteration, however that ends.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as background:
        loading: deque[Future[U]] = deque()
        for piece in pieces:
            loading.append(background.submit(load, piece))
            if len(loading) > AHEAD:
                yield loading.popleft().result()
        while loading:
            yield loading.popleft().result()


def bytes_of(pixels: Pixels, rows: Rows, *, device: torch.device) -> Tensor:
    """Read some rows as uint8 [B, 3, S, S] in channels-last order, ready for a copy to the device."""
    images = torch.from_numpy(np.array(pixels[rows])).permute(0, 3, 1, 2)
    return images.pin_memory() if device.type == "cuda" else images


def seen(images: Tensor, *, size: int, device: torch.device) -> Tensor:
    """Turn bytes [B, 3, S', S'] into what a network of this size sees, 0..1 [B, 3, S, S], on its device."""
    there = images.to(device, non_blocking=device.type == "cuda")
    return fitted(there, size).div(255).contiguous(memory_format=torch.channels_last)


def views(images: Tensor, *, size: int, mirrored: bool) -> Iterator[Tensor]:
    """Yield squares of bytes [B, 3, S', S'] as they are, then their corners of `size` if they are larger.

    With `mirrored`, two opposite corners are mirror images, left for right.
    """
    yield images
    margin = images.shape[-1] - size
    starts = (0, margin) if margin else ()
    for y in starts:
        for x in starts:
            corner = images[..., y : y + size, x : x + size]
            yield corner.flip(-1) if mirrored and x != y else corner


def fitted(images: Tensor, size: int) -> Tensor:
    """Resize whole squares, bytes [B, 3, S', S'], to the side that a network sees, as float32 0..255.

    Bilinear with antialiasing and without rounding, which the graph of an exported network can do alike.
    """
    plain = images.contiguous().float()  # a third faster than with the channels last
    if images.shape[-1] == size:
        return plain
    return interpolate(plain, size=(size, size), mode="bilinear", antialias=True)
