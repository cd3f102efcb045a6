"""Embed once: what a frozen body makes of images, block by block, so that each can be kept as it comes.

It keeps nothing itself, learns nothing, and imports no fastai.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cleaner.errors import Stopped, TrainingError
from cleaner.model.bodies import Body
from cleaner.model.checks import Rows, check_squares
from cleaner.model.device import device
from cleaner.model.images import ahead, bytes_of, seen
from cleaner.model.memory import MEMORY_ERRORS, give_memory_back, short_of_memory
from cleaner.model.products import with_products
from cleaner.progress import INTERVAL, Progress, Report, Stop, never, quiet
from cleaner.types import Pixels

Block = tuple[Rows, NDArray[np.float16]]
Views = Callable[[Tensor], Iterable[Tensor]]


class Embedding:
    """A pass over some rows, to be iterated once: blocks of rows [B] and their embeddings, float16 [B, D].

    The blocks come in the order of the rows. `batch_size` is halved whenever the memory is not enough, which
    `notes` then say, here and in every report. Stopped, or TrainingError if not even one image fits into the
    memory: the blocks that came before are good.
    """

    def __init__(
        self,
        body: Body,
        pixels: Pixels,
        *,
        rows: Rows,
        views: Views,
        report: Report,
        stopped: Stop,
        batch_size: int,
    ):
        self.batch_size = batch_size
        self.notes: tuple[str, ...] = ()
        self._body, self._pixels, self._rows, self._views = body, pixels, rows, views
        self._report, self._stopped = report, stopped
        self._done, self._begun, self._said = 0, time.monotonic(), -math.inf

    def __iter__(self) -> Iterator[Block]:
        while self._done < len(self._rows):
            try:
                yield from self._blocks()
            except MEMORY_ERRORS as error:
                if not short_of_memory(error):
                    raise
                self._halve(error)
            give_memory_back()  # only here has the error let go of what it held

    def _blocks(self) -> Iterator[Block]:
        """Yield what is left, in batches of the present size."""
        left, to = self._rows[self._done :], device()
        body = with_products(self._body.to(to).eval(), self._body.sizes)
        pieces = [left[start : start + self.batch_size] for start in range(0, len(left), self.batch_size)]
        read = ahead(lambda rows: bytes_of(self._pixels, rows, device=to), pieces)
        for rows, images in zip(pieces, read, strict=True):
            if self._stopped():
                raise Stopped(f"Stopped after embedding {self._done:,} of {len(self._rows):,} images.")
            block = self._embedded(body, images.to(to, non_blocking=to.type == "cuda"))
            if not np.isfinite(block).all():
                raise TrainingError(f"The weights of {self._body.arch} yield no numbers; give other weights.")
            self._done += len(rows)
            self._tell()
            yield rows, block

    @torch.inference_mode()
    def _embedded(self, body: Body, images: Tensor) -> NDArray[np.float16]:
        """Return the mean over all views of the images."""
        parts = [body.embed(seen(view, size=body.size, device=images.device)) for view in self._views(images)]
        block: NDArray[np.float16] = torch.stack(parts).mean(dim=0).half().cpu().numpy()
        return block

    def _halve(self, error: BaseException) -> None:
        if self.batch_size == 1:
            raise TrainingError(
                f"The memory was not enough for one image of {self._body.size} px; give a smaller size."
            ) from error
        self.batch_size //= 2
        self.notes = (f"The memory was not enough, so {self.batch_size} images are embedded at a time.",)

    def _tell(self) -> None:
        if time.monotonic() - self._said >= INTERVAL or self._done == len(self._rows):
            self._said = time.monotonic()
            elapsed, total, note = self._said - self._begun, len(self._rows), f"images with {self._body.arch}"
            self._report(Progress("embedding", self._done, total, elapsed, note, notes=self.notes))


def as_they_are(images: Tensor) -> tuple[Tensor]:
    """Return one view of squares of bytes [B, 3, S', S']: all of them."""
    return (images,)


def embed(
    body: Body,
    pixels: Pixels,
    *,
    rows: Rows,
    views: Views = as_they_are,
    report: Report = quiet,
    stopped: Stop = never,
    batch_size: int = 128,
) -> Embedding:
    """Embed some rows of pixels [N, S', S', 3], whole squares of any side from the body's size on.

    An embedding is the mean over the `views` of an image, squares of bytes too; each costs a pass.
    Moves the body to the device and leaves it there. An image's embedding does not depend on the others of
    its batch: on CPUs it was the same to 1e-6 in float32, in bfloat16 to the last bit in batches of 2 to 128
    and within .016 alone. Between the two precisions its elements differ by some parts in a thousand.
    """
    check_squares(pixels, side=body.size)
    return Embedding(
        body,
        pixels,
        rows=rows,
        views=views,
        report=report,
        stopped=stopped,
        batch_size=min(batch_size, max(1, len(rows))),
    )
