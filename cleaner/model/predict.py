"""What a network says of images, never augmented. It learns nothing from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from cleaner.model.checks import Rows, check_squares
from cleaner.model.device import device, exact
from cleaner.model.images import ahead, bytes_of, seen
from cleaner.model.memory import MEMORY_ERRORS, short_of_memory
from cleaner.model.network import Network
from cleaner.types import Floats, Pixels

BATCH = 128


def predict(network: Network, pixels: Pixels) -> Floats:
    """Return the probability of each class, [M, K], for squares [M, S, S, 3] of any side the network can see.

    Squares larger than the network's size are scaled down to it.
    """
    return np.exp(log_probs(network, pixels))


def log_probs(
    network: Network, pixels: Pixels, *, rows: Rows | None = None, each: Callable[[int], None] | None = None
) -> Floats:
    """Return the logarithms of the probabilities, [M, K], in nats, of all pixels or of M rows of them.

    Always in full float32, so that every machine and an exported network say the same.
    Moves the network to the device and leaves it there. `each` is told the number of images after every
    batch; batches are halved where the memory is not enough.
    """
    check_squares(pixels, side=network.size)
    rows = np.arange(len(pixels)) if rows is None else rows
    said = np.empty((len(rows), len(network.vocab)), dtype=np.float32)
    network.to(device()).eval()
    done, batch = 0, BATCH
    while done < len(rows):
        try:
            for some in _each_batch(network, pixels, rows[done:], batch=batch):
                said[done : done + len(some)] = some
                done += len(some)
                if each:
                    each(len(some))
        except MEMORY_ERRORS as error:
            if batch == 1 or not short_of_memory(error):
                raise
            batch = max(1, min(batch, len(rows) - done) // 2)
    return said


def _each_batch(network: Network, pixels: Pixels, rows: Rows, *, batch: int) -> Iterator[Floats]:
    to = device()
    pieces = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    for images in ahead(lambda some: bytes_of(pixels, some, device=to), pieces):
        yield _log_probs_of(network, seen(images, size=network.size, device=to))


@torch.inference_mode()
def _log_probs_of(network: Network, images: Tensor) -> Floats:
    with exact():
        said: Floats = network(images).float().log_softmax(dim=1).cpu().numpy()
    return said
