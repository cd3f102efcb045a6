"""Embeddings brought to one scale, column by column, as they are read. It copies none and changes none.

Networks' features differ widely in how much they vary; without this the loudest would decide alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cleaner.ranking.rows import Doubles, blocks
from cleaner.types import Floats, Pixels


class Standardised:
    """Columns of numbers [N, D] less their mean, divided by their standard deviation, read as float32.

    Rows that are not all finite numbers have no part in either and are read as NaN; a column that is the
    same in all rows is read as zeros. Reads what it is given once, in blocks, and keeps 8 · D bytes.
    """

    def __init__(self, numbers: Pixels) -> None:
        self._numbers = numbers
        self._mean, self._spread = (part.astype(np.float32) for part in _moments(numbers))

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths [N, D]."""
        return self._numbers.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one number, float32."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, rows: Any, /) -> Floats:
        read: Floats = np.array(self._numbers[rows], dtype=np.float32)
        read[~np.isfinite(read).all(axis=-1)] = np.nan
        read -= self._mean
        read /= self._spread
        return read

    def unscaled(self, coefficients: Doubles) -> Doubles:
        """Return the coefficients [D + 1, K] that do to numbers as given what these do to standardised ones.

        The last row is that of a constant 1.
        """
        slopes = coefficients[:-1] / self._spread[:, None]
        return np.vstack([slopes, coefficients[-1] - self._mean @ slopes])


def _moments(numbers: Pixels) -> tuple[Doubles, Doubles]:
    """Return mean and standard deviation [D], the latter 1 where there is none.

    The blocks' moments are joined by the formula of Chan, Golub & LeVeque (1983), which loses no digits.
    """
    count, width = 0, numbers.shape[1]
    mean, squares = np.zeros(width), np.zeros(width)
    for some in blocks(len(numbers)):
        block = np.asarray(numbers[some], dtype=np.float64)
        block = block[np.isfinite(block).all(axis=1)]
        if not len(block):
            continue
        own = block.mean(axis=0)
        apart, total = own - mean, count + len(block)
        squares += ((block - own) ** 2).sum(axis=0) + apart**2 * (count * len(block) / total)
        mean += apart * (len(block) / total)
        count = total
    spread = np.sqrt(squares / max(count, 1))
    return mean, np.where(spread > 1e-6 * np.abs(mean), spread, 1.0)
