"""A widget that answers the browser: always, in a sentence where something fails. It knows no message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anywidget

from cleaner.errors import CleanerError
from cleaner.review.protocol import REFUSED


class Talking(anywidget.AnyWidget):
    """What the grid and the map have in common."""

    _threads: tuple[ThreadPoolExecutor, ...] = ()  # also of one that was refused: Python closes it too

    def threads(self, number: int, *, name: str) -> ThreadPoolExecutor:
        """Return threads that end with the widget."""
        made = ThreadPoolExecutor(number, thread_name_prefix=name)
        self._threads = (*self._threads, made)
        return made

    def close(self) -> None:
        """Take the widget off the page and end its threads."""
        super().close()
        for threads in self._threads:
            threads.shutdown(wait=False, cancel_futures=True)

    def _answering(self, request: int | None, act: Callable[[], None]) -> None:
        """Act, and answer with a sentence if that fails: a silent handler would leave the browser waiting."""
        try:
            act()
        except CleanerError as error:
            self._tell(REFUSED, request, {"sentence": str(error)})
        except Exception as error:  # noqa: BLE001 - ipywidgets would swallow it
            sentence = f"Cleaner failed: {type(error).__name__}: {error}"
            self._tell(REFUSED, request, {"sentence": sentence})

    def _tell(self, kind: str, request: int | None, fields: Mapping[str, Any], *pixels: bytes) -> None:
        self.send({"kind": kind, "request": request, **fields}, list(pixels))
