"""Queues cut and counted; what puts images into an order is elsewhere."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from cleaner.types import Queue


def without(queue: Queue, ids: Collection[str]) -> Queue:
    """Leave some images out, those already decided for instance; the order of the rest is kept."""
    return queue.take(np.array([identity not in ids for identity in queue.ids], dtype=bool))


def found_within(queue: Queue, wrong: Collection[str], looks: int) -> int:
    """Count the images known to be wrong among the first `looks` of the queue."""
    return sum(identity in wrong for identity in queue.ids[:looks])
