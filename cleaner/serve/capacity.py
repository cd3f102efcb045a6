"""Counts what is in the house and refuses what would be too much: nothing ever waits to be let in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cleaner.serve.problems import busy


class Capacity:
    """At most `limit` of something at once. Used from one event loop only."""

    def __init__(self, limit: int, *, sentence: str) -> None:
        self.limit = limit
        self.taken = 0
        self._sentence = sentence

    def check(self, amount: int = 1) -> None:
        """Raise a Problem of status 503 where `amount` more would be too much."""
        if self.taken + amount > self.limit:
            raise busy(self._sentence)

    @contextlib.contextmanager
    def taking(self, amount: int = 1) -> Iterator[None]:
        """Take some for the length of the block; raise a Problem of status 503 if there is not enough."""
        self.check(amount)
        self.taken += amount
        try:
            yield
        finally:
            self.taken -= amount
