"""Images from the person's own machine, in parts that every server lets through; kept in memory alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import anywidget
import traitlets

from cleaner.app.words import count

SCRIPT = Path(__file__).with_name("static") / "uploads.mjs"
LARGEST = 500_000_000  # bytes of one choice: the kernel holds all of them

Upload: TypeAlias = tuple[str, bytes]  # the name that a browser gives, and the content of a file


class Uploads(anywidget.AnyWidget):
    """A button that lets the person choose images; `taken` gets them when all are here.

    `say` is told in a sentence how many have come, and of a choice that is too large.
    """

    _esm = SCRIPT.read_text(encoding="utf-8")

    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, taken: Callable[[tuple[Upload, ...]], None], *, say: Callable[[str], None]) -> None:
        super().__init__()
        self._taken, self._say = taken, say
        self._expected = self._room = 0
        self._here: list[Upload] = []
        self._parts: list[bytes] = []
        self.on_msg(self._on_message)

    def _on_message(self, _: object, content: dict[str, object], buffers: Sequence[memoryview]) -> None:
        if content.get("kind") == "chosen":
            self._on_chosen(int(str(content["files"])), int(str(content["bytes"])))
        elif content.get("kind") == "part" and self._expected:
            self._on_part(content, bytes(buffers[0]))

    def _on_chosen(self, files: int, size: int) -> None:
        self._here, self._parts = [], []
        self._expected, self._room = 0, LARGEST
        if size > LARGEST:
            self._say(
                f"{size / 1e6:,.0f} MB are too much to send at once; choose fewer images, up to "
                f"{LARGEST / 1e6:,.0f} MB, or give the path of their folder."
            )
            return
        self._expected = files
        self._ask_on()

    def _on_part(self, content: dict[str, object], part: bytes) -> None:
        self._room -= len(part)
        if self._room < 0:  # a browser that sends more than it said
            self._expected = 0
            return
        self._parts.append(part)
        if content.get("last"):
            self._here.append((str(content.get("name")), b"".join(self._parts)))
            self._parts = []
        if not content.get("end"):
            self._ask_on()
            return
        here, self._here, self._expected = tuple(self._here), [], 0
        self._taken(here)

    def _ask_on(self) -> None:
        self._say(f"Taking in {count(self._expected, 'image')}: {len(self._here):,} here …")
        self.send({"kind": "next"})
