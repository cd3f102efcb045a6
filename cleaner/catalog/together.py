"""Has files examined that come one by one from many threads: those that come meanwhile go together.

A worker process takes a tenth of a second to start, so that one for each file would cost more than the file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeAlias

from cleaner.catalog.examine import Seen
from cleaner.catalog.faults import Fault
from cleaner.catalog.guard import examine_all
from cleaner.progress import Stop

ExamineAll: TypeAlias = Callable[..., Sequence["Seen | Fault"]]


class Together:
    """The files of one folder, examined by worker processes. May be asked from several threads."""

    def __init__(self, root: Path, *, stopped: Stop, examine_all: ExamineAll = examine_all) -> None:
        self._root, self._stopped, self._examine_all = root, stopped, examine_all
        self._adding, self._examining = threading.Lock(), threading.Lock()
        self._waiting: dict[str, Future[Seen | Fault]] = {}

    def examine(self, path: str) -> Seen | Fault:
        """Return what was seen of a file; no two threads may ask of one at a time.

        Raises Stopped on request, and CleanerError if no worker can be started.
        """
        mine: Future[Seen | Fault] = Future()
        with self._adding:
            self._waiting[path] = mine
        with self._examining:  # whoever comes first does it for all who wait
            if not mine.done():
                self._settle()
        return mine.result()

    def _settle(self) -> None:
        with self._adding:
            asked, self._waiting = self._waiting, {}
        try:
            answers = self._examine_all(self._root, list(asked), stopped=self._stopped)
        except BaseException as error:
            for future in asked.values():
                future.set_exception(error)
            raise
        for future, answer in zip(asked.values(), answers, strict=True):
            future.set_result(answer)
