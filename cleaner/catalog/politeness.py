"""Says which job is next so that no host is asked too much at once. It does none of the jobs itself."""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from cleaner.progress import Stop

TICK = 0.2  # seconds after which a wait looks whether it should stop

T = TypeVar("T")


@dataclass(slots=True)
class Job(Generic[T]):
    """Something to ask of a host: how often it was asked, and when it may be asked again."""

    what: T
    host: str
    tries: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class _Host(Generic[T]):
    jobs: deque[Job[T]] = field(default_factory=deque)
    free_at: float = 0.0
    busy: int = 0
    queued: bool = False


class Turns(Generic[T]):
    """Deals jobs to threads: of one host at most `per_host` at a time, `gap` seconds between their starts.

    `left` counts what is not done yet.
    """

    def __init__(self, jobs: Iterable[Job[T]], *, per_host: int, gap: float, stopped: Stop) -> None:
        self._per_host, self._gap, self._stopped = per_host, gap, stopped
        self._changed = threading.Condition()
        self._hosts: dict[str, _Host[T]] = {}
        self._line: list[tuple[float, str]] = []  # a heap of hosts by when they may be asked
        self.left, self._ended = 0, False
        for job in jobs:
            self._hosts.setdefault(job.host, _Host()).jobs.append(job)
            self.left += 1
        for name in self._hosts:
            self._queue(name)

    def take(self) -> Job[T] | None:
        """Return the next job, waiting until one may be done; None when all are done, or on a stop."""
        with self._changed:
            while self.left and not self._ended and not self._stopped():
                now = time.monotonic()
                if self._line and self._line[0][0] <= now:
                    return self._next(now)
                wait = self._line[0][0] - now if self._line else TICK
                self._changed.wait(min(wait, TICK))
            return None

    def done(self, job: Job[T], *, again_in: float | None = None, pause: float = 0.0) -> None:
        """Give a job back: it is over, or to be done again in some seconds; `pause` spares its whole host."""
        with self._changed:
            host = self._hosts[job.host]
            host.busy -= 1
            now = time.monotonic()
            host.free_at = max(host.free_at, now + pause)
            if again_in is None:
                self.left -= 1
            else:
                job.not_before = now + again_in
                host.jobs.append(job)
            self._queue(job.host)
            self._changed.notify_all()

    def end(self) -> None:
        """Deal nothing more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _next(self, now: float) -> Job[T] | None:
        _, name = heapq.heappop(self._line)
        host = self._hosts[name]
        host.queued = False
        job = host.jobs.popleft()
        host.busy += 1
        host.free_at = now + self._gap
        self._queue(name)
        return job

    def _queue(self, name: str) -> None:
        """Put a host in line for its first job: those to be done again are behind the fresh ones."""
        host = self._hosts[name]
        if host.jobs and not host.queued and host.busy < self._per_host:
            host.queued = True
            heapq.heappush(self._line, (max(host.free_at, host.jobs[0].not_before), name))
