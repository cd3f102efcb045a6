"""What the service needs of a model: a Protocol, so that it imports no stage and no framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cleaner.types import Floats

Prediction: TypeAlias = tuple[tuple[str, float], ...]  # every class with its probability, best first
Keep: TypeAlias = Callable[[bytes, Prediction], object]  # is shown every picture with its prediction


class Classifier(Protocol):
    """A finished model. Both methods may be called from any thread."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The K classes, in the order of the probabilities."""

    @property
    def size(self) -> int:
        """The side S in pixels that the network sees."""

    def prepare(self, data: bytes, /) -> NDArray[np.uint8]:
        """Decode the bytes of one image file to what the network sees, [S, S, 3].

        Raises UnreadableImage with the reason.
        """

    def probabilities(self, batch: NDArray[np.uint8], /) -> Floats:
        """Return the probabilities [B, K] of B prepared images [B, S, S, 3]."""
