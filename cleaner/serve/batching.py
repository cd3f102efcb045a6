"""Lets a network see several waiting pictures at once: while it computes, the next batch gathers.

A picture that comes while a lane is free is computed at once; no timer ever makes it wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cleaner.types import Floats

Pixels: TypeAlias = NDArray[np.uint8]
Compute: TypeAlias = Callable[[Pixels], Floats]


class Batches:
    """Computes batches on `lanes` threads of its own, one after the other on each, for one event loop.

    `seen` is called with the length of every batch. How many wait is bounded by who asks.
    """

    def __init__(self, compute: Compute, *, size: int, seen: Callable[[int], object], lanes: int = 1) -> None:
        self._compute = compute
        self._size = size
        self._seen = seen
        self._waiting: asyncio.Queue[tuple[Pixels, asyncio.Future[Floats]]] = asyncio.Queue()
        self._lanes = lanes
        self._threads = ThreadPoolExecutor(lanes, thread_name_prefix="network")
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, pixels: Pixels) -> Floats:
        """Return the probabilities [K] of one picture [S, S, 3]; raises what the network raised."""
        answer: asyncio.Future[Floats] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((pixels, answer))
        return await answer

    def start(self) -> None:
        """Begin to compute, on the running loop."""
        self._tasks = [asyncio.get_running_loop().create_task(self._run()) for _ in range(self._lanes)]

    @property
    def alive(self) -> bool:
        """Say whether all lanes compute."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def stop(self) -> None:
        """End; who still waits is told by a cancellation."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while not self._waiting.empty():
            self._waiting.get_nowait()[1].cancel()
        self._threads.shutdown()

    async def _run(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < self._size and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            wanted = [(pixels, answer) for pixels, answer in batch if not answer.done()]  # not given up
            if wanted:
                await self._answer([pixels for pixels, _ in wanted], [answer for _, answer in wanted])

    async def _answer(self, pictures: list[Pixels], answers: list[asyncio.Future[Floats]]) -> None:
        loop = asyncio.get_running_loop()
        self._seen(len(pictures))
        try:
            rows: Any = await loop.run_in_executor(self._threads, lambda: self._compute(np.stack(pictures)))
            for answer, row in zip(answers, rows, strict=True):
                _settle(answer, row)
        except Exception as error:  # noqa: BLE001  it is the askers' to handle
            for answer in answers:
                _settle(answer, error)
        finally:
            for answer in answers:
                answer.cancel()  # nobody is left waiting, not even when this is stopped


def _settle(answer: asyncio.Future[Floats], outcome: Floats | Exception) -> None:
    if answer.done():  # whoever asked has given up, or been answered
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
