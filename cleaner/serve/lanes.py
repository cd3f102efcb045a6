"""Two copies of one model, so that the cores have work however many ask: it computes and counts, no more.

Cores that share one batch wait for each other after every layer; cores that have a batch each do not. So a
batch that is computed alone gets all cores, for a quick answer, and one that comes beside others gets one.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cleaner.serve.classifier import Classifier
from cleaner.types import Floats


class Lanes:
    """A Classifier made of two of the same model: `whole` computes on all cores, `narrow` on one."""

    def __init__(self, whole: Classifier, narrow: Classifier) -> None:
        self._whole, self._narrow = whole, narrow
        self._asked, self._turn = 0, threading.Lock()

    @property
    def classes(self) -> tuple[str, ...]:
        """The K classes, in the order of the probabilities."""
        return self._whole.classes

    @property
    def size(self) -> int:
        """The side S in pixels that the network sees."""
        return self._whole.size

    def prepare(self, data: bytes, /) -> NDArray[np.uint8]:
        """Decode the bytes of one image file to what the network sees, [S, S, 3]; raises UnreadableImage."""
        return self._whole.prepare(data)

    def probabilities(self, batch: NDArray[np.uint8], /) -> Floats:
        """Return the probabilities [B, K] of B prepared images [B, S, S, 3], on all cores or on one."""
        with self._lane() as model:
            return model.probabilities(batch)

    @contextlib.contextmanager
    def _lane(self) -> Iterator[Classifier]:
        with self._turn:
            model = self._narrow if self._asked else self._whole
            self._asked += 1
        try:
            yield model
        finally:
            with self._turn:
                self._asked -= 1
