"""The map in the notebook: every image of a queue as a point, like ones close together, to choose some of.

A view only: places come from somebody else, and what is chosen goes to a function. One binary message
carries all points; no pixel ever lies in a trait.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import traitlets
from numpy.typing import NDArray

from cleaner.errors import InputError, Refused
from cleaner.review.packing import picture_or_sentence
from cleaner.review.protocol import request_of
from cleaner.review.script import MAP_SCRIPT, MAP_STYLE
from cleaner.review.talking import Talking
from cleaner.types import ACTIONS, Floats, Queue, Standing

DOUBTED = 0.1  # of all images, at most, stand out as doubted most
LAYOUTS = ("overview", "neighbourhoods")
CHOSEN = "from the map"
ASKS = ("points", "choose", "look", "arrange", "stop")  # browser to Python
ANSWERS = (
    "points",
    "chosen",
    "look",
    "refused",
    "marks",
    "picked",
)  # Python to browser; the last two unasked


class ReviewMap(Talking):
    """Show the images of a queue as points; hand what a person chooses of them to `choose`.

    `places` [N, 2] belong to the rows of the queue, NaN for an image that has none. `picture` returns the
    encoded bytes of a small image by its id. `choose` takes the ids of what was chosen, none for «all again»,
    and returns how many of them are to be seen. `arrange` and `stop` begin and end the search for better
    places: they are given by `arranged`, and `work` says meanwhile how far it is.
    """

    _esm = MAP_SCRIPT
    _css = MAP_STYLE

    state = traitlets.Dict(read_only=True).tag(sync=True)
    work = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        queue: Queue,
        places: Floats,
        *,
        standing: Standing,
        picture: Callable[[str], bytes],
        choose: Callable[[Sequence[str]], int],
        arrange: Callable[[], None] = lambda: None,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._picture, self._choose, self._arrange, self._stop = picture, choose, arrange, stop
        self._pictures = self.threads(1, name="cleaner-map")
        self.show(queue, places, standing=standing)
        self.on_msg(self._on_message)

    def __repr__(self) -> str:
        return f"ReviewMap of {len(self._queue):,} images"

    @property
    def queue(self) -> Queue:
        """The images on the map."""
        return self._queue

    def show(self, queue: Queue, places: Floats, *, standing: Standing) -> None:
        """Replace what is on the map. Raises InputError where there is not one place for each image."""
        if places.shape != (len(queue), 2):
            raise InputError(
                f"For {len(queue):,} images, places must be [{len(queue)}, 2], not {list(places.shape)}."
            )
        self._queue, self._places = queue, {LAYOUTS[0]: places}
        self._rows = {identity: row for row, identity in enumerate(queue.ids)}
        self._vocab = list(queue.vocab)
        self._verdicts, self._labels = self._told(standing)
        self._picked = np.zeros(len(queue), dtype=np.uint8)
        self._tell_state(epoch=self.state.get("epoch", 0) + 1)

    def arranged(self, places: Floats) -> None:
        """Take better places [N, 2] of the same images: the browser changes to them."""
        self._places[LAYOUTS[1]] = places
        self._tell_state(epoch=self.state["epoch"])

    def mark(self, standing: Standing) -> None:
        """Show the verdicts as they stand now; only what has changed is sent."""
        verdicts, labels = self._told(standing)
        rows = np.flatnonzero((verdicts != self._verdicts) | (labels != self._labels)).astype(np.uint32)
        self._verdicts, self._labels = verdicts, labels
        if len(rows):
            columns = (rows, labels[rows], verdicts[rows])
            self._tell("marks", None, {"vocab": self._vocab}, *(column.tobytes() for column in columns))

    def pick(self, items: Collection[str]) -> None:
        """Show which images are chosen; none: all are alike again."""
        picked = np.zeros(len(self._queue), dtype=np.uint8)
        picked[[self._rows[item] for item in items if item in self._rows]] = 1
        if not np.array_equal(picked, self._picked):
            self._picked = picked
            self._tell("picked", None, {}, picked.tobytes())

    def _tell_state(self, *, epoch: int) -> None:
        lost = int((~np.isfinite(self._places[LAYOUTS[0]]).all(axis=1)).sum())
        state = {"epoch": epoch, "total": len(self._queue), "lost": lost, "layouts": list(self._places)}
        self.set_trait("state", state)

    def _told(self, standing: Standing) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Return for each image the number of its verdict, 0 for none, and of the label that it then has."""
        verdicts = np.zeros(len(self._queue), dtype=np.uint8)
        labels = self._queue.labels.astype(np.uint16)
        for item, decision in standing.items():
            if (row := self._rows.get(item)) is None:
                continue
            verdicts[row] = 1 + ACTIONS.index(decision.action)
            if decision.label is not None:
                if decision.label not in self._vocab:
                    self._vocab.append(decision.label)
                labels[row] = self._vocab.index(decision.label)
        return verdicts, labels

    def _on_message(self, _: object, message: object, __: object) -> None:
        self._answering(request_of(message), lambda: self._act(message))

    def _act(self, message: object) -> None:
        request = request_of(message)
        if not isinstance(message, dict) or request is None:
            raise Refused("The browser sent something that is no message; reload the page.")
        kind = message.get("kind")
        if kind == "points":
            self._send_points(request, message.get("layout"))
        elif kind == "choose":
            items = [self._queue.ids[row] for row in self._rows_in(message.get("rows"))]
            self._tell("chosen", request, {"shown": self._choose(items)})
        elif kind == "look":
            (row,) = self._rows_in([message.get("row")])
            self._pictures.submit(self._answering, request, lambda: self._send_look(request, row))
        elif kind in ("arrange", "stop"):
            (self._arrange if kind == "arrange" else self._stop)()
            self._tell("chosen", request, {})
        else:
            raise Refused("The map does not know this message; reload the page.")

    def _rows_in(self, rows: object) -> list[int]:
        count = len(self._queue)
        if not isinstance(rows, list) or not all(type(row) is int and 0 <= row < count for row in rows):
            raise Refused("What was chosen is not on this map; reload the page.")
        return rows

    def _send_points(self, request: int, layout: object) -> None:
        if not isinstance(layout, str) or layout not in self._places:
            raise Refused("The map is not arranged like that yet.")
        queue, places = self._queue, self._places[layout]
        columns = (places.astype("<f4"), self._labels, _doubted(queue), self._verdicts, self._picked)
        fields = {"epoch": self.state["epoch"], "layout": layout, "vocab": self._vocab}
        self._tell("points", request, fields, *(column.tobytes() for column in columns))

    def _send_look(self, request: int, row: int) -> None:
        candidate = self._queue.candidate(row)
        seen = picture_or_sentence(self._picture, candidate.id)
        sentence, pixels = (None, seen) if isinstance(seen, bytes) else (seen, b"")
        fields = {"id": candidate.id, "reasons": list(candidate.reasons), "sentence": sentence}
        self._tell("look", request, fields, pixels)


def _doubted(queue: Queue) -> NDArray[np.uint8]:
    """Mark the images [N] to look at first, where the model sees another class."""
    first = max(1, round(DOUBTED * len(queue)))
    least = np.partition(queue.scores, -first)[-first] if len(queue) else 0
    marked: NDArray[np.bool_] = (queue.suggested != queue.labels) & (queue.scores >= least)
    return marked.astype(np.uint8)
