"""What a network says of images, never augmented. It learns nothing from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from cleaner.errors import InputError
from cleaner.model.device import device
from cleaner.model.network import Network
from cleaner.types import Floats

BATCH = 128


def predict(network: Network, pixels: NDArray[np.uint8]) -> Floats:
    """Return the probability of each class, [M, K], for pixels [M, S, S, 3] of the network's size."""
    return np.exp(log_probs(network, pixels))


def log_probs(
    network: Network, pixels: NDArray[np.uint8], *, each: Callable[[], None] | None = None
) -> Floats:
    """Return the logarithms of the probabilities, [M, K], in nats.

    Moves the network to the device and leaves it there; `each` is called after every one of `batches`.
    """
    if pixels.shape[1:] != (network.size, network.size, 3) or pixels.dtype != np.uint8:
        side = network.size
        raise InputError(
            f"The network sees uint8 pixels [M, {side}, {side}, 3], not {pixels.dtype} {pixels.shape}."
        )
    network.to(device()).eval()
    said = np.empty((len(pixels), len(network.vocab)), dtype=np.float32)
    for start in range(0, len(pixels), BATCH):
        some = slice(start, start + BATCH)
        said[some] = _log_probs_of(network, np.array(pixels[some]))
        if each:
            each()
    return said


def batches(count: int) -> int:
    """Return how many batches it takes to score so many images."""
    return -(-count // BATCH)


@torch.inference_mode()
def _log_probs_of(network: Network, pixels: NDArray[np.uint8]) -> Floats:
    images = torch.from_numpy(pixels).to(device()).permute(0, 3, 1, 2).float().div_(255)
    said: Floats = network(images).float().log_softmax(dim=1).cpu().numpy()
    return said
