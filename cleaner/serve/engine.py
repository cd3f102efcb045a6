"""From the bytes of pictures to predictions, off the event loop: checked and decoded in threads, in batches.

It knows nothing of HTTP but the Problems that it raises.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from cleaner.errors import CleanerError, UnreadableImage
from cleaner.serve.batching import Batches, Pixels
from cleaner.serve.capacity import Capacity
from cleaner.serve.classifier import Classifier, Keep, Prediction
from cleaner.serve.logs import Log
from cleaner.serve.measures import Measures
from cleaner.serve.pictures import check_picture
from cleaner.serve.problems import Problem, busy
from cleaner.serve.settings import Limits
from cleaner.types import Floats

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
        with self.places.taking(len(pictures)):
            try:
                return await asyncio.wait_for(
                    asyncio.gather(*(self._one(data) for data in pictures)), self.limits.answer_seconds
                )
            except asyncio.TimeoutError:
                seconds = f"{self.limits.answer_seconds:g}"
                raise busy(f"There was no answer within {seconds} seconds; try again later.") from None

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do something short on the threads that decode."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _one(self, data: bytes | bytearray) -> Prediction | Problem:
        try:
            pixels = await self.in_thread(functools.partial(self._decode, data))
        except Problem as problem:
            return problem
        row = await self._batches.ask(pixels)
        self._measures.pictures.inc()
        prediction = best_first(self.model.classes, row)
        if self._keep is not None:
            await self.in_thread(functools.partial(self._offer, self._keep, data, prediction))
        return prediction

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


def best_first(classes: Sequence[str], row: Floats) -> Prediction:
    """Pair K classes with their probabilities [K], the highest first, equals in the order of the classes."""
    order = np.argsort(-row, kind="stable")
    return tuple((classes[at], float(row[at])) for at in order)
