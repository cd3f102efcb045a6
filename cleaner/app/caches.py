"""What a project computes once and keeps by content: decoded images, and features of frozen bodies.

Both are safe to delete, and neither depends on a label.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cleaner.catalog.pixels import LIMIT, pixels
from cleaner.catalog.rowcache import RowCache, alone
from cleaner.errors import InputError
from cleaner.progress import Report, Stop
from cleaner.types import Catalog, Pixels, TrainConfig

if TYPE_CHECKING:
    from cleaner.model.choice import Backbone

CACHE_GB = "CLEANER_CACHE_GB"


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A training as it is asked for: of what, how, where the project keeps its things, and whom to tell.

    `trusted` [N] marks the labels that a person has confirmed.
    """

    catalog: Catalog
    home: Path
    config: TrainConfig
    trusted: NDArray[np.bool_]
    report: Report
    stopped: Stop

    @property
    def workplace(self) -> Path:
        """The folder in which a training keeps its state until its round is kept."""
        return self.home / "training"

    def squares(self, side: int) -> Pixels:
        """Return all images decoded, uint8 [N, side, side, 3]; the cache keeps within CLEANER_CACHE_GB."""
        return pixels(
            self.catalog,
            side=side,
            cache=self.home / "pixels",
            limit=_limit(),
            report=self.report,
            stopped=self.stopped,
        )

    def embeddings(self, backbone: Backbone) -> Pixels:
        """Return the features of all images, float16 [N, D]; computes those that are new, and keeps each."""
        from cleaner.model.embed import embed
        from cleaner.model.images import cached_side

        digests, body = self.catalog.digests, backbone.body
        folder = self.home / "embeddings" / backbone.key
        cache = RowCache(folder, shape=(body.dims,), dtype="float16")
        with alone(folder, report=self.report, stopped=self.stopped):
            cache.compact(digests)
            if missing := cache.missing(digests):
                images, rows = self.squares(cached_side(body.size)), np.array(missing, dtype=np.intp)
                for some, block in embed(body, images, rows=rows, report=self.report, stopped=self.stopped):
                    cache.add(digests[some], block)
            return cache.take(digests)


def _limit() -> int:
    text = os.environ.get(CACHE_GB)
    if text is None:
        return LIMIT
    try:
        return round(float(text) * 1e9)
    except (ValueError, OverflowError):
        raise InputError(f"{CACHE_GB} is {text!r}, but must be a number of gigabytes, like 50.") from None
