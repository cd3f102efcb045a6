"""Has long work stand back, so that whoever waits for an answer gets it while the work goes on."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BEHIND = 10  # of 0 to 19: how far the work stands back for whoever else wants the processor
SESSION = Path("/proc/self/autogroup")  # «/autogroup-25 nice 0»
AGAIN, TRIES = 0.15, 5  # seconds: Linux lets such a priority be set ten times a second, by all together


@contextmanager
def standing_back() -> Iterator[None]:
    """Let others go before this thread, and all that it starts, while the block runs.

    The thread keeps the lower priority. Only Linux has one for each thread; elsewhere all stay equal.
    Between sessions Linux shares the processor out by a priority of theirs, whatever those of their threads,
    and Jupyter gives each kernel a session: it stands back as well, for the browser and for Jupyter's server,
    until no such work is under way in it. Source: sched(7), «The autogroup feature».
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BEHIND)
    _session.enter()
    try:
        yield
    finally:
        _session.leave()


class _Session:
    """The session of this process, unless others live in it too: a terminal's is not ours to slow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works, self._before = 0, BEHIND

    def enter(self) -> None:
        """Count one work more; the first has the session stand back, if it does not already."""
        with self._lock:
            self._works += 1
            if self._works == 1:
                self._before = _priority()
                self._set(BEHIND)

    def leave(self) -> None:
        """Count one work less; after the last, the session is what it was before the first."""
        with self._lock:
            self._works -= 1
            if not self._works:
                self._set(self._before)

    def _set(self, priority: int) -> None:
        if self._before >= BEHIND:
            return
        for _ in range(TRIES):
            try:
                SESSION.write_text(str(priority))
                return
            except BlockingIOError:
                time.sleep(AGAIN)
            except OSError:  # not ours to set, here
                return


def _priority() -> int:
    """Return that of the session, 19 going last; as if it went last where it has none or is not ours."""
    if sys.platform != "linux" or os.getsid(0) != os.getpid():
        return BEHIND
    try:
        return int(SESSION.read_text().split()[-1])
    except (OSError, ValueError, IndexError):
        return BEHIND


_session = _Session()
