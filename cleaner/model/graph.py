"""Write a network as one ONNX graph, from the bytes of squares to probabilities, and prove that it agrees.

The graph holds everything after decoding: scaling, normalisation and softmax. It reads no picture.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cleaner.errors import TrainingError
from cleaner.model.device import exact
from cleaner.model.images import cached_side
from cleaner.model.network import Network
from cleaner.model.predict import predict
from cleaner.model.session import CLASSES, INPUT, OUTPUT, Session

AGREEMENT = 1e-4  # between probabilities; good exports stay below 1e-6
EXAMPLES = 2  # images with which the graph is traced: of one, the number of images would be taken for fixed


class Whole(nn.Module):
    """A network with what comes before and after: bytes [B, S', S', 3] to probabilities [B, K]."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        self.register_buffer("weights", reduction(cached_side(network.size), network.size))

    def forward(self, squares: Tensor) -> Tensor:
        """Scale, bring to 0..1, ask the network, and turn its logits into probabilities."""
        images, weights = squares.permute(0, 3, 1, 2).float(), self.get_buffer("weights")
        logits: Tensor = self.network(weights @ (images @ weights.T) / 255)
        return logits.softmax(dim=1)


def reduction(side: int, size: int) -> Tensor:
    """Return how much each of `side` pixels counts in each of `size` new ones, float32 [size, side].

    A triangle over the new pixel's place, as wide as two new pixels, or two old ones if those are wider:
    along both axes that is bilinear scaling with antialiasing.
    """
    scale = side / size
    places = (np.arange(size) + 0.5) * scale
    distances = np.abs(np.arange(side) + 0.5 - places[:, None]) / max(scale, 1.0)
    weights = np.maximum(1 - distances, 0)
    return torch.from_numpy((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def write_graph(path: Path, network: Network, *, squares: NDArray[np.uint8]) -> float:
    """Write a network as ONNX, and return by how much its probabilities differ at most from the network's.

    `squares` are images to compare on, uint8 [M, S', S', 3] at the side at which they are cached; they are
    asked about all at once and one by one. The network is moved to the CPU. Raises TrainingError for one that
    can't be written so, or disagrees by more than AGREEMENT.
    """
    side = cached_side(network.size)
    example = torch.zeros(EXAMPLES, side, side, 3, dtype=torch.uint8)
    whole = Whole(network.cpu().eval())
    try:
        with exact(), _silent(), torch.no_grad():
            program = torch.onnx.export(
                whole,
                (example,),
                dynamo=True,
                verbose=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
        assert program is not None
        program.model.metadata_props[CLASSES] = json.dumps(network.vocab)
        program.save(path, external_data=False)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise TrainingError(
            f"{network.arch} can't be written as ONNX ({_first_line(error)}); train another architecture."
        ) from error
    return _checked(path, network, squares=squares)


def _checked(path: Path, network: Network, *, squares: NDArray[np.uint8]) -> float:
    session = Session(path)
    said = predict(network, squares)
    answers = (
        session(squares),
        np.concatenate([session(squares[row : row + 1]) for row in range(len(squares))]),
    )
    worst = float(max(np.abs(answer - said).max(initial=0) for answer in answers))
    if not worst <= AGREEMENT:  # nor NaN
        raise TrainingError(
            f"The exported graph of {network.arch} disagrees with the network by {worst:.2g}; nothing was "
            "exported. Train another architecture."
        )
    return worst


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what the exporter says of its own insides from a person who can't help it."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:120] or type(error).__name__
