"""From the bytes of pictures to predictions, off the event loop: checked and decoded in threads, in batches.

It knows nothing of HTTP but the Problems that it raises.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from cleaner.errors import CleanerError, UnreadableImage
from cleaner.serve.batching import Batches, Pixels
from cleaner.serve.capacity import Capacity
from cleaner.serve.classifier import Classifier, Keep, Prediction, best_first
from cleaner.serve.logs import Log
from cleaner.serve.measures import Measures
from cleaner.serve.pictures import check_picture
from cleaner.serve.problems import Problem, busy
from cleaner.serve.settings import Limits

T = TypeVar("T")


class Engine:
    """Classifies pictures with one model. `keep` is shown each of them; what it raises is logged, no more."""

    def __init__(
        self, model: Classifier, *, limits: Limits, measures: Measures, log: Log, keep: Keep | None = None
    ) -> None:
        self.model = model
        self.limits = limits
        self.places = Capacity(limits.waiting, sentence="Too many pictures are waiting; try again shortly.")
        self._batches = Batches(
            model.probabilities, size=limits.batch, lanes=limits.cores, seen=measures.batches.observe
        )
        self._threads = ThreadPoolExecutor(limits.cores, thread_name_prefix="decoder")
        self._measures, self._log, self._keep = measures, log, keep
        measures.waiting.set_function(lambda: self.places.taken)

    async def start(self) -> None:
        """Compute once, so that the first picture need not wait for it, and begin."""
        self._batches.start()
        side, classes = self.model.size, len(self.model.classes)
        row = await self._batches.ask(np.zeros((side, side, 3), dtype=np.uint8))
        if row.shape != (classes,):
            raise CleanerError(f"The model gives {row.shape} probabilities for its {classes} classes.")

    async def stop(self) -> None:
        """End all threads."""
        await self._batches.stop()
        self._threads.shutdown(cancel_futures=True)

    @property
    def alive(self) -> bool:
        """Say whether pictures are answered."""
        return self._batches.alive

    async def classify(self, pictures: Sequence[bytes | bytearray]) -> list[Prediction | Problem]:
        """Return for each picture its prediction, or the Problem with that one.

        Raises a Problem of status 503 where there is no room for all of them, or it takes too long.
        """
        return await self._bounded(
            lambda: asyncio.gather(*map(self._offered, pictures)), places=len(pictures)
        )

    def keeper_for(self, label: str) -> Keep:
        """Return what keeps disputed pictures; raises a Problem where nothing does, or for no class."""
        if self._keep is None:
            raise Problem(403, "Keeping pictures is switched off (--keep).")
        if label not in self.model.classes:
            raise Problem(422, "That is no class of this model; /classes lists them.")
        return self._keep

    async def dispute(self, picture: bytes | bytearray, *, label: str, keep: Keep) -> str:
        """Keep a picture as the class that somebody says it is; return the class that it is kept as.

        That is another one where somebody else has decided so before. Raises the Problem with the picture,
        503 as above, 507 where it can't be kept.
        """
        kept = await self._bounded(lambda: self._disputed(picture, label=label, keep=keep), places=1)
        if kept is None:
            raise Problem(507, "There is no room to keep another picture; tell whoever runs this service.")
        return kept.parent.name

    async def in_place(self, work: Callable[[], T]) -> T:
        """Do something short on the threads that decode, where it takes a place; raises Problems as above."""
        return await self._bounded(lambda: self._in_thread(work), places=1)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _bounded(self, answer: Callable[[], Awaitable[T]], *, places: int) -> T:
        """Await an answer for which there must be room, and not for ever."""
        with self.places.taking(places):
            try:
                return await asyncio.wait_for(answer(), self.limits.answer_seconds)
            except asyncio.TimeoutError:
                seconds = f"{self.limits.answer_seconds:g}"
                raise busy(f"There was no answer within {seconds} seconds; try again later.") from None

    async def _offered(self, data: bytes | bytearray) -> Prediction | Problem:
        try:
            prediction = await self._one(data)
        except Problem as problem:
            return problem
        if self._keep is not None:
            await self._in_thread(functools.partial(self._offer, self._keep, data, prediction))
        return prediction

    async def _disputed(self, data: bytes | bytearray, *, label: str, keep: Keep) -> Path | None:
        keeping = functools.partial(keep, bytes(data), await self._one(data), disputed=label)
        try:
            return await self._in_thread(keeping)
        except OSError as error:
            self._log.error("keep", error)
            raise Problem(507, "The picture could not be kept; the log of the service says why.") from error

    async def _one(self, data: bytes | bytearray) -> Prediction:
        pixels = await self._in_thread(functools.partial(self._decode, data))
        row = await self._batches.ask(pixels)
        self._measures.pictures.inc()
        return best_first(self.model.classes, row)

    def _decode(self, data: bytes | bytearray) -> Pixels:
        check_picture(data, limits=self.limits)
        try:
            return self.model.prepare(bytes(data))
        except UnreadableImage as error:
            raise Problem(422, str(error)) from error

    def _offer(self, keep: Keep, data: bytes | bytearray, prediction: Prediction) -> None:
        try:
            keep(bytes(data), prediction)
        except Exception as error:  # noqa: BLE001  a full disk must not cost the answer
            self._log.error("keep", error)
