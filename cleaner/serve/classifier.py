"""What the service needs of a model, a Protocol without any framework, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cleaner.types import Floats

Prediction: TypeAlias = tuple[tuple[str, float], ...]  # every class with its probability, best first


class Keep(Protocol):
    """Is shown every picture with its prediction, and keeps those that should teach the next model."""

    def __call__(
        self, picture: bytes, prediction: Prediction, /, *, disputed: str | None = None
    ) -> Path | None:
        """Keep a picture, or not. One that is `disputed`, which is a class, is kept as that class.

        Returns where it lies, in the folder of its class; None where it is not kept now, for a disputed one
        only because there is no room. Raises OSError where the disk fails.
        """


def best_first(classes: Sequence[str], row: Floats) -> Prediction:
    """Pair K classes with their probabilities [K], the highest first, equals in the order of the classes."""
    order = np.argsort(-row, kind="stable")
    return tuple((classes[at], float(row[at])) for at in order)


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
