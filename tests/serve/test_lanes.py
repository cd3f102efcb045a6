"""Several batches at once, one for each core, and one that is alone on all of them."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cleaner.serve.batching import Batches
from cleaner.serve.lanes import Lanes
from cleaner.serve.settings import Limits, Settings
from tests.serve.conftest import Colours, picture, serving, until

PICTURE = np.zeros((8, 8, 3), np.uint8)


class Counted(Colours):
    """Colours that say how many batches came, whether or not they are computed yet."""

    come: int = 0

    def probabilities(self, batch: np.ndarray) -> np.ndarray:
        self.come += 1
        return super().probabilities(batch)


def test_a_batch_alone_gets_all_cores_and_those_beside_it_one_each() -> None:
    whole, narrow = Counted(), Counted()
    lanes = Lanes(whole, narrow)
    whole.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lanes.probabilities, PICTURE[None])
        until(lambda: whole.come == 1)
        np.testing.assert_allclose(lanes.probabilities(PICTURE[None]), 1 / 3)
        assert (whole.come, narrow.come) == (1, 1)
        whole.gate.set()
        np.testing.assert_allclose(first.result(), 1 / 3)
    lanes.probabilities(PICTURE[None])
    assert (whole.come, narrow.come) == (2, 1)
    assert (lanes.classes, lanes.size) == (whole.classes, whole.size)


def test_a_batch_that_fails_takes_no_core_with_it() -> None:
    class Fails(Counted):
        def probabilities(self, batch: np.ndarray) -> np.ndarray:
            super().probabilities(batch)
            raise RuntimeError

    whole, narrow = Fails(), Counted()
    lanes = Lanes(whole, narrow)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            lanes.probabilities(PICTURE[None])
    assert (whole.come, narrow.come) == (2, 0)


def test_as_many_batches_are_computed_at_once_as_there_are_lanes() -> None:
    model = Counted()
    with serving(Settings(limits=Limits(cores=2, batch=1)), model=model) as running:
        model.gate.clear()
        before, colours = model.come, ["red", "green", "blue"]
        with ThreadPoolExecutor(3) as pool, running.client() as client:
            asked = [pool.submit(client.post, "/classify", content=picture(colour)) for colour in colours]
            until(lambda: model.come - before == 2)
            until(lambda: "cleaner_waiting_pictures 3.0" in client.get("/metrics").text)
            assert model.come - before == 2  # the third waits for one of them
            model.gate.set()
            assert [got.result().json()["predictions"][0][0] for got in asked] == colours


def test_a_failure_on_one_lane_leaves_the_other_and_itself_working() -> None:
    beside = threading.Barrier(2)

    def compute(batch: np.ndarray) -> np.ndarray:
        beside.wait(timeout=60)  # both lanes compute
        if batch[0, 0]:
            raise RuntimeError("this batch only")
        return batch

    async def story() -> None:
        batches = Batches(compute, size=1, seen=lambda n: None, lanes=2)
        batches.start()
        for _ in range(3):
            asked = (batches.ask(np.full(1, value, np.uint8)) for value in (0, 1))
            good, bad = await asyncio.gather(*asked, return_exceptions=True)
            assert isinstance(bad, RuntimeError)
            np.testing.assert_array_equal(good, [0])
        assert batches.alive
        await batches.stop()
        assert not batches.alive

    asyncio.run(story())


def test_stopped_all_lanes_end_and_whoever_waits_is_told() -> None:
    gate, computing = threading.Event(), threading.Semaphore(0)

    def compute(batch: np.ndarray) -> np.ndarray:
        computing.release()
        assert gate.wait(timeout=60)
        return batch

    async def story() -> None:
        batches = Batches(compute, size=1, seen=lambda n: None, lanes=2)
        batches.start()
        asked = [asyncio.ensure_future(batches.ask(np.zeros(1, np.uint8))) for _ in range(5)]
        for _ in range(2):
            assert await asyncio.to_thread(computing.acquire, timeout=60)
        asyncio.get_running_loop().call_soon(gate.set)
        await batches.stop()
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(got, asyncio.CancelledError) for got in told)
        assert not batches.alive

    asyncio.run(story())
