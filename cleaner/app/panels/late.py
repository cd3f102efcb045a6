"""A block that a thread fills in: pictures that take time to decode don't hold up the page."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from cleaner.app.panels.parts import block, sentence
from cleaner.errors import CleanerError

log = logging.getLogger(__name__)


class Late:
    """Show what `draw` returns once it is there; what was asked for in between is not shown any more."""

    def __init__(self) -> None:
        self.view = block()
        self._key: object = None
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Show nothing."""
        with self._lock:
            self._key, self.view.value = None, ""

    def show(self, key: object, draw: Callable[[], str]) -> None:
        """Draw in the background, unless that very `key` is shown or being drawn."""
        with self._lock:
            if self._key is not None and self._key == key:
                return
            self._key = key
        threading.Thread(target=self._draw, args=(key, draw), name="cleaner-late", daemon=True).start()

    def _draw(self, key: object, draw: Callable[[], str]) -> None:
        try:
            drawn = draw()
        except (CleanerError, OSError) as error:
            drawn = sentence(str(error), tone="warn")
        except Exception:  # or the block would stay empty without a word
            log.exception("a block could not be drawn")
            drawn = sentence("This could not be drawn; the server's log says why.", tone="warn")
        with self._lock:
            if self._key == key:
                self.view.value = drawn
