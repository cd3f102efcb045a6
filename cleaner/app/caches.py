"""What a project computes once and keeps by content: decoded images, and features of frozen bodies.

Both are safe to delete and keep within a limit, and neither depends on a label.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cleaner.app.settings import setting
from cleaner.catalog.pixels import LIMIT, pixels
from cleaner.catalog.rowcache import RowCache, alone, make_room
from cleaner.errors import InputError
from cleaner.progress import Report, Stop
from cleaner.ranking.scaling import Standardised
from cleaner.types import Catalog, Pixels, TrainConfig

if TYPE_CHECKING:
    from cleaner.model.choice import Backbone
    from cleaner.model.embed import Views


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

    def embeddings_in(self, backbone: Backbone) -> str:
        """Name the cache of the features: those of a full training are of several views of each image."""
        flipped = "mirrored" if self.config.flip else "views"
        return f"{backbone.key}-{flipped}" if self.config.mode == "full" else backbone.key

    def embeddings(self, backbone: Backbone) -> Standardised:
        """Return the features of all images [N, D], standardised; computes and keeps those that are new.

        Those of other bodies, sizes and views make room where all together would pass CLEANER_CACHE_GB.
        A full training takes its time anyway: there they are means over five views, whole images and their
        corners, two of them mirrored if the training mirrors at all. On 6,000 pictures of 32 px, 583 of them
        labelled wrong, that raised the average precision of the quick head's order from .551 to .592; mirror
        images of all five views did no better.
        """
        from cleaner.model.embed import as_they_are, embed
        from cleaner.model.images import cached_side, views

        digests, body = self.catalog.digests, backbone.body
        looks: Views = as_they_are
        if self.config.mode == "full":
            looks = partial(views, size=body.size, mirrored=self.config.flip)
        folder = self.home / "embeddings" / self.embeddings_in(backbone)
        cache = RowCache(folder, shape=(body.dims,), dtype="float16")
        with alone(folder, report=self.report, stopped=self.stopped):
            cache.compact(digests)
            if missing := cache.missing(digests):
                images, rows = self.squares(cached_side(body.size)), np.array(missing, dtype=np.intp)
                for some, block in embed(
                    body, images, rows=rows, views=looks, report=self.report, stopped=self.stopped
                ):
                    cache.add(digests[some], block)
            make_room(folder.parent, but=folder, room=_limit() - len(cache) * cache.row_bytes)
            os.utime(folder)
            return Standardised(cache.take(digests))


def workplace_of(home: Path) -> Path:
    """Return the folder in which a training of a project keeps its state until its round is kept."""
    return home / "training"


def _limit() -> int:
    text = setting("cache_gb")
    if text is None:
        return LIMIT
    try:
        return round(float(text) * 1e9)
    except (ValueError, OverflowError):
        raise InputError(
            f"CLEANER_CACHE_GB is {text!r}, but must be a number of gigabytes, like 50."
        ) from None
