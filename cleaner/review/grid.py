"""The grid in the notebook: pages of a queue, shown to a person who decides with single keys.

A view only: decisions live in the journal, pictures come from a function. No path from the browser
reaches the disk, and no pixel ever lies in a trait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import anywidget
import numpy as np
import traitlets

from cleaner.errors import CleanerError, InputError
from cleaner.review.journal import Journal, Verdict
from cleaner.review.protocol import (
    PAGE,
    REFUSED,
    SAVED,
    Ask,
    AskDecide,
    AskPage,
    Terms,
    parse,
    request_of,
    stands,
)
from cleaner.types import Decision, Queue, Standing

STATIC = Path(__file__).parent / "static"
PICTURE_THREADS = 4

Deal: TypeAlias = Callable[[range], Queue]  # fixes some places of the queue, and returns it as it then is


@dataclass(frozen=True, eq=False)
class Pages:
    """A queue cut into pages, in an order that never changes. Pages count from 0."""

    queue: Queue
    page_size: int
    round: int
    epoch: int

    @property
    def count(self) -> int:
        """Return the number of pages; an empty queue has one, empty."""
        return max(1, -(-len(self.queue) // self.page_size))

    @cached_property
    def rows(self) -> dict[str, int]:
        """Map each id to its place in the queue."""
        return {identity: row for row, identity in enumerate(self.queue.ids)}

    @property
    def terms(self) -> Terms:
        """Return what the browser may speak of."""
        return Terms(label_of=self.label_of, vocab=self.queue.vocab, pages=self.count)

    def label_of(self, item: str) -> str | None:
        """Return the label an image has now, None if it is not in the queue."""
        row = self.rows.get(item)
        return None if row is None else self.queue.vocab[self.queue.labels[row]]

    def of(self, item: str) -> int | None:
        """Return the page an image is on, None if it is not in the queue."""
        row = self.rows.get(item)
        return None if row is None else row // self.page_size

    def rows_of(self, page: int) -> range:
        """Return the places in the queue that one page shows."""
        return range(page * self.page_size, min((page + 1) * self.page_size, len(self.queue)))

    def first_undecided(self, standing: Standing) -> int:
        """Return the first page with an image that waits for its verdict; the last page if none does."""
        waits = (row for row, identity in enumerate(self.queue.ids) if identity not in standing)
        return next(waits, max(0, len(self.queue) - 1)) // self.page_size

    def state(self) -> dict[str, Any]:
        """Return what the browser must know of the whole queue."""
        return {
            "vocab": list(self.queue.vocab),
            "total": len(self.queue),
            "page_size": self.page_size,
            "pages": self.count,
            "round": self.round,
            "epoch": self.epoch,
        }

    def counts(self, standing: Standing) -> dict[str, int]:
        """Count the images of this queue by the verdict that stands."""
        of = Counter(decision.action for item, decision in standing.items() if item in self.rows)
        return {
            "total": len(self.queue),
            "reviewed": sum(of.values()),
            "kept": of["keep"],
            "relabelled": of["relabel"],
            "removed": of["delete"],
            "unsure": of["unsure"],
            "errors": of["relabel"] + of["delete"],
        }

    def tile(self, row: int) -> dict[str, Any]:
        """Describe one image for the browser, without its pixels."""
        candidate = self.queue.candidate(row)
        return {
            "id": candidate.id,
            "given": candidate.label,
            "suggested": candidate.suggested,
            "confidence": _finite(candidate.confidence),
            "origin": candidate.origin,
            "reasons": list(candidate.reasons),
        }


class ReviewGrid(anywidget.AnyWidget):
    """Show a queue page by page, and write every verdict to the journal.

    `picture` returns the encoded bytes (JPEG or PNG) of an image by its id; where it raises, that one tile
    shows the sentence. `deal` fixes what lies on a page when that is first asked for; without it the queue
    says so from the beginning. `counts` follows the decisions, for others to observe; only Python writes the
    traits.
    """

    _esm = STATIC / "grid.mjs"
    _css = STATIC / "grid.css"

    state = traitlets.Dict(read_only=True).tag(sync=True)
    counts = traitlets.Dict(read_only=True).tag(sync=True)

    def __init__(
        self,
        queue: Queue,
        *,
        journal: Journal,
        picture: Callable[[str], bytes],
        round: int = 1,
        page_size: int = 24,
        deal: Deal | None = None,
    ) -> None:
        if page_size < 1:
            raise InputError(f"page_size={page_size} leaves no room for a picture; pass 1 or more.")
        super().__init__()
        self._journal = journal
        self._picture = picture
        self._pages = Pages(queue, page_size=page_size, round=round, epoch=0)
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="cleaner-page")
        self._pictures = ThreadPoolExecutor(PICTURE_THREADS, thread_name_prefix="cleaner-picture")
        self.show(queue, round=round, deal=deal)
        self.on_msg(self._on_message)

    def show(self, queue: Queue, *, round: int, deal: Deal | None = None) -> None:
        """Replace the queue, for a new round; the view opens at the first page with an undecided image."""
        before, self._deal = self._pages, deal
        self._pages = Pages(queue, page_size=before.page_size, round=round, epoch=before.epoch + 1)
        self._count(self._journal.standing())
        self.set_trait("state", self._pages.state())

    def _on_message(self, _: object, message: object, __: object) -> None:
        self._answering(request_of(message), lambda: self._act(message))

    def _act(self, message: object) -> None:
        pages = self._pages
        request = request_of(message)
        ask = parse(message, terms=pages.terms)
        if isinstance(ask, AskPage):
            # Pictures may be slow to make: a verdict must not wait behind them.
            self._sender.submit(self._answering, request, lambda: self._send_page(pages, request, ask.page))
        else:
            self._send_saved(pages, request, self._decided(ask, round=pages.round))

    def _answering(self, request: int | None, act: Callable[[], None]) -> None:
        """Act, and answer with a sentence if that fails: a silent handler would leave the browser waiting."""
        try:
            act()
        except CleanerError as error:
            self.send({"kind": REFUSED, "request": request, "sentence": str(error)})
        except Exception as error:  # noqa: BLE001 - ipywidgets would swallow it
            sentence = f"Cleaner failed: {type(error).__name__}: {error}"
            self.send({"kind": REFUSED, "request": request, "sentence": sentence})

    def _decided(self, ask: Ask, *, round: int) -> list[str]:
        """Keep what is new in what was asked, and return the images that it spoke of."""
        if not isinstance(ask, AskDecide):
            return [event.item for event in self._journal.undo(round=round)]
        standing = self._journal.standing()
        spared = standing if ask.rest else {}
        new = [v for v in ask.verdicts if v[0] not in spared and not _repeats(standing.get(v[0]), v)]
        if new or not ask.verdicts:
            self._journal.decide(new, round=round)
        return [item for item, _, _ in ask.verdicts]

    def _send_saved(self, pages: Pages, request: int | None, items: Sequence[str]) -> None:
        standing = self._journal.standing()
        self._count(standing)
        verdicts = stands(items, standing)
        self.send({"kind": SAVED, "request": request, "verdicts": verdicts, "page": pages.of(items[0])})

    def _send_page(self, pages: Pages, request: int | None, page: int | None) -> None:
        standing = self._journal.standing()
        number = pages.first_undecided(standing) if page is None else page
        pages = self._dealt(pages, number)
        tiles = [pages.tile(row) for row in pages.rows_of(number)]
        pixels = self._with_pictures(tiles)
        decided = [tile["id"] for tile in tiles if tile["id"] in standing]
        message = {"kind": PAGE, "request": request, "epoch": pages.epoch, "page": number, "tiles": tiles}
        self.send({**message, "verdicts": stands(decided, standing)}, [pixels])

    def _dealt(self, pages: Pages, number: int) -> Pages:
        """Fix what lies on a page before it is shown; the rest of the queue may come in another order."""
        if self._deal is None or pages.epoch != self._pages.epoch:
            return pages
        self._pages = replace(pages, queue=self._deal(pages.rows_of(number)))
        return self._pages

    def _with_pictures(self, tiles: list[dict[str, Any]]) -> bytes:
        """Add to each tile where its picture lies in the bytes returned, or the sentence that replaces it."""
        results = list(self._pictures.map(self._picture_or_sentence, [tile["id"] for tile in tiles]))
        offset = 0
        for tile, result in zip(tiles, results, strict=True):
            found = isinstance(result, bytes)
            tile["sentence"] = None if found else result
            tile["bytes"] = [offset, len(result)] if found else None
            offset += len(result) if found else 0
        return b"".join(result for result in results if isinstance(result, bytes))

    def _picture_or_sentence(self, identity: str) -> bytes | str:
        try:
            return bytes(self._picture(identity))
        except CleanerError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - one bad picture must not hide the page
            return f"This picture can't be shown: {type(error).__name__}: {error}"

    def _count(self, standing: Mapping[str, Decision]) -> None:
        self.set_trait("counts", self._pages.counts(standing))


def _repeats(kept: Decision | None, verdict: Verdict) -> bool:
    """Say whether a verdict is the one that stands: to write it again would make the next undo do nothing."""
    return kept is not None and (kept.item, kept.action, kept.label) == verdict


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
