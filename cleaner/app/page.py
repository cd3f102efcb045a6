"""The page that shows the dashboard: it says when it is there, and keeps over a reload where the person was.

What it sends was kept by a browser: it is checked by whoever takes it up. It shows nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import anywidget
import traitlets

SCRIPT = Path(__file__).with_name("static") / "page.mjs"
LONGEST = 4096  # characters of what a browser may have kept


class Place(NamedTuple):
    """Where a person is: the folder that is open, the step that is shown, the name that they gave."""

    folder: str = ""
    step: str = ""
    name: str = ""


class Page(anywidget.AnyWidget):
    """Call `shown` with the place that the browser kept, each time a view of the dashboard appears.

    `place` is for the browser to keep. While `busy`, Voila does not end the kernel of a page that is left or
    loaded again: what runs there comes to its end, and the next page can watch it.
    """

    _esm = SCRIPT.read_text(encoding="utf-8")

    place = traitlets.Dict(read_only=True).tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)

    def __init__(self, shown: Callable[[Place], None]) -> None:
        super().__init__()
        self._shown = shown
        self.on_msg(self._on_message)

    def keep(self, place: Place) -> None:
        """Have the browser keep a place."""
        self.set_trait("place", place._asdict())

    def _on_message(self, _: object, content: object, __: object) -> None:
        if isinstance(content, dict) and content.get("kind") == "shown":
            self._shown(place_in(content.get("place")))


def place_in(kept: object) -> Place:
    """Read what a browser kept; whatever is no short text is as if it were not there."""
    if not isinstance(kept, dict):
        return Place()
    texts = {name: kept.get(name) for name in Place._fields}
    return Place(**{n: t for n, t in texts.items() if isinstance(t, str) and len(t) <= LONGEST})
