"""Shows whoever waits for a verb how far it is: one line in a notebook's cell or on a terminal, else nothing.

A verb that is `watched` shows it unless it is told whom to report to. Nobody waits for what runs in a thread
of its own, nor for what a widget has begun: whoever starts that shows it, or passes `quiet`.
"""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from html import escape
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar

from cleaner.app.words import duration, progress_line
from cleaner.progress import Progress, Report, quiet

P = ParamSpec("P")
R = TypeVar("R")

UNSEEN = 0.5  # seconds that work may take without a line: one that is gone at once only flickers
REDRAWN = 0.2  # seconds between two looks at what was reported last


class Place(Protocol):
    """Where a line is shown: made when there is something to show, and ended with the work."""

    def draw(self, progress: Progress) -> None:
        """Show how far the work is, over what was shown before."""

    def end(self, seconds: float) -> None:
        """Take the line away, or say how long the work took."""


Places: TypeAlias = Callable[[], Place]
_up: ContextVar[Report | None] = ContextVar("line", default=None)


def shown(_: Progress) -> None:
    """Report to whoever waits: the default of a verb that is `watched`, which puts a line in its place."""


def watched(verb: Callable[P, R]) -> Callable[P, R]:
    """Let a verb show a line while it works, unless it is passed a `report`; one within another shares it."""

    @wraps(verb)
    def seen(*args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs.get("report", shown) is not shown:
            return verb(*args, **kwargs)
        with _line_for_all() as report:
            kwargs["report"] = report
            return verb(*args, **kwargs)

    return seen


@contextmanager
def _line_for_all() -> Iterator[Report]:
    """Yield what reports to the line that is up, else to a new one where somebody sees it, else to nobody."""
    if up := _up.get():
        yield up
    elif (place := _place()) is None:
        yield quiet
    else:
        with line(place) as report:
            yield report


@contextmanager
def line(place: Places) -> Iterator[Report]:
    """Show what is reported within the block as one line, by a thread: work that is stuck shows it too."""
    latest: list[Progress] = []
    over = threading.Event()
    drawing = threading.Thread(target=_draw, args=(place, latest, over), name="cleaner-line")

    def report(progress: Progress) -> None:
        latest[:] = [progress]

    token = _up.set(report)
    drawing.start()
    try:
        yield report
    finally:
        _up.reset(token)
        over.set()
        drawing.join()


def _draw(place: Places, latest: list[Progress], over: threading.Event) -> None:
    begun, up = time.monotonic(), None
    drawn: list[Progress] = []
    wait = UNSEEN
    while not over.wait(wait):
        wait = REDRAWN
        if latest and latest != drawn:
            drawn = latest[:]
            up = up or place()
            up.draw(drawn[0])
    if up is not None:
        up.end(time.monotonic() - begun)


def _place() -> Places | None:
    """Say where whoever waits would see a line; None where nobody does."""
    if threading.current_thread() is not threading.main_thread():
        return None
    ipython = sys.modules.get("IPython")  # what isn't loaded runs no cell
    shell = ipython.get_ipython() if ipython is not None else None
    if hasattr(shell, "kernel"):
        return partial(_Cell, shell) if _runs_a_cell(shell) else None
    return _Terminal if sys.stderr is not None and sys.stderr.isatty() else None


def _runs_a_cell(shell: Any) -> bool:
    """Say whether the kernel works for a cell, and not for a click on a widget."""
    request = shell.get_parent() or {}
    return bool(request.get("header", {}).get("msg_type") == "execute_request")


class _Cell:
    """An output of the cell that runs, which is replaced as work goes on."""

    def __init__(self, shell: Any) -> None:
        self._publish, self._id = shell.display_pub.publish, uuid.uuid4().hex
        self._there = False

    def draw(self, progress: Progress) -> None:
        how_far = f" max='{progress.total}' value='{progress.done}'" if progress.total else ""
        said = progress_line(progress)
        self._show(said, f"<progress{how_far}></progress> {escape(said)}")

    def end(self, seconds: float) -> None:
        said = f"Took {duration(seconds)}."
        self._show(said, said)

    def _show(self, text: str, html: str) -> None:
        data = {"text/plain": text, "text/html": html}
        self._publish(data=data, transient={"display_id": self._id}, update=self._there)
        self._there = True


class _Terminal:
    """A line on stderr, by the same words and bar as those of the commands; it is gone at the end."""

    def __init__(self) -> None:
        from cleaner.app.terminal import bars, fields  # loads rich

        self._bars, self._fields = bars(passing=True), fields
        self._task = self._bars.add_task("", total=None, left="")
        self._bars.start()

    def draw(self, progress: Progress) -> None:
        self._bars.update(self._task, **self._fields(progress))

    def end(self, _: float) -> None:
        self._bars.stop()
