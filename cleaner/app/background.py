"""Runs long work in a thread, so that the kernel stays free to answer the browser."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from cleaner.app.priority import standing_back
from cleaner.errors import CleanerError
from cleaner.progress import Report, Stop

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class Task(Generic[Result]):
    """Work under way: a way to stop it, and in the end its result or the sentence it failed with."""

    def __init__(
        self,
        work: Callable[[Report, Stop], Result],
        *,
        on_progress: Report,
        on_end: Callable[[Task[Result]], None],
    ) -> None:
        self.result: Result | None = None
        self.failure: CleanerError | None = None
        self._work, self._on_progress, self._on_end = work, on_progress, on_end
        self._stop = threading.Event()
        self._ended, self._told = threading.Event(), threading.Event()
        threading.Thread(target=self._run, name="cleaner-task", daemon=True).start()

    @property
    def running(self) -> bool:
        """Say whether the work goes on."""
        return not self._ended.is_set()

    def stop(self) -> None:
        """Ask the work to end at its next step."""
        self._stop.set()

    def wait(self, *, seconds: float | None = None) -> bool:
        """Block until the work has ended and that was told, or the time is up; say whether it has."""
        return self._told.wait(seconds)

    def _run(self) -> None:
        with standing_back():  # to the end of what follows: that may be another task
            self._carry_out()
            try:
                self._on_end(self)
            finally:
                self._told.set()

    def _carry_out(self) -> None:
        try:
            self.result = self._work(self._on_progress, self._stop.is_set)
        except CleanerError as error:
            self.failure = error
        except Exception as error:
            log.exception("a background task failed")
            self.failure = CleanerError(f"Something unexpected went wrong: {type(error).__name__}: {error}")
        finally:
            self._ended.set()
