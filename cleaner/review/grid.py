"""The grid in the notebook: pages of a queue, shown to a person who decides with single keys.

A view only: decisions live in the journal, pictures come from a function. No path from the browser
reaches the disk, and no pixel ever lies in a trait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import traitlets

from cleaner.errors import InputError
from cleaner.review import protocol
from cleaner.review.filters import Found, by_item, confused, rows_found
from cleaner.review.journal import Journal
from cleaner.review.packing import Evidence, packed, packed_evidence
from cleaner.review.pages import Pages
from cleaner.review.protocol import Ask, Terms, parse, request_of, stands
from cleaner.review.script import SCRIPT, STYLE
from cleaner.review.talking import Talking
from cleaner.review.verdicts import repeats
from cleaner.types import Decision, Finding, How, Queue, Standing

PICTURE_THREADS = 4
LIKE = "most like one picture"  # no id: it lies in a trait, which notebooks keep
MOST_FOUND = 16  # filters whose results are kept, over all views of one grid

Deal: TypeAlias = Callable[[range], Queue]  # fixes some places of the queue, and returns it as it then is


class QueueGrid(Talking):
    """Show a queue page by page, and write every verdict to the journal.

    `picture` returns the encoded bytes (JPEG or PNG) of a small image by its id, `full` those of the whole
    image (a grey PNG of 16 bits keeps its depth), `evidence` what helps to judge it; where one raises, that
    image shows the sentence. `copies` returns the images that are nearly identical to one: after a verdict it
    is offered to give them the same; `neighbours` returns those most like one. `class_problem` says why a
    name can't become a new class, None where it can; without it there are no new ones. `deal` fixes what lies
    on a page when that is first asked for; without it the queue says so from the beginning. `suggestions`
    returns further classes of an image with their probabilities, likeliest first, `findings` what a check has
    found; it is asked for whenever a queue is shown. `counts` follows the decisions and `revision` grows with
    each, for others to observe. Only `outlook` is the caller's to write: what may be said of what remains.
    """

    _esm = SCRIPT
    _css = STYLE

    state = traitlets.Dict(read_only=True).tag(sync=True)
    counts = traitlets.Dict(read_only=True).tag(sync=True)
    offers = traitlets.Dict(read_only=True).tag(sync=True)
    added = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    chosen = traitlets.Dict(read_only=True).tag(sync=True)
    outlook = traitlets.Unicode().tag(sync=True)
    revision = traitlets.Int(0, read_only=True)

    def __init__(
        self,
        queue: Queue,
        *,
        journal: Journal,
        picture: Callable[[str], bytes],
        full: Callable[[str], bytes] | None = None,
        evidence: Callable[[str], Evidence | None] | None = None,
        copies: Callable[[str], Sequence[str]] = lambda _: (),
        suggestions: Callable[[str], Sequence[tuple[str, float]]] = lambda _: (),
        findings: Callable[[], Iterable[Finding]] = tuple,
        neighbours: Callable[[str], Sequence[str]] | None = None,
        class_problem: Callable[[str], str | None] | None = None,
        round: int = 1,
        page_size: int = 24,
        deal: Deal | None = None,
    ) -> None:
        if page_size < 1:
            raise InputError(f"page_size={page_size} leaves no room for a picture; pass 1 or more.")
        super().__init__()
        self._journal = journal
        self._picture, self._full, self._evidence = picture, full or picture, evidence
        self._class_problem, self._copies, self._suggestions = class_problem, copies, suggestions
        self._findings = findings
        self._neighbours = neighbours
        self._pages = Pages(queue, page_size=page_size, round=round, epoch=0)
        self._changing = threading.Lock()  # the pages: shown by one thread, dealt by another
        self._found: dict[int, Found] = {}
        self._chosen: frozenset[str] = frozenset()
        self._sender = self.threads(1, name="cleaner-page")
        self._pictures = self.threads(PICTURE_THREADS, name="cleaner-picture")
        offers = {"evidence": evidence, "classes": class_problem, "near": neighbours}
        self.set_trait("offers", {name: offered is not None for name, offered in offers.items()})
        self.show(queue, round=round, deal=deal)
        self.on_msg(self._on_message)

    def __repr__(self) -> str:
        """Say what is missing where this text is all that a page shows of the grid."""
        return (
            f"{type(self).__name__} of {len(self._pages.queue):,} images. If you read this instead of seeing "
            "them, the page shows no widgets: reload it, or open the notebook in JupyterLab, Notebook 7 or "
            "Voila."
        )

    def show(self, queue: Queue, *, round: int, deal: Deal | None = None) -> None:
        """Replace the queue, for a new round; the view opens at the first page with an undecided image."""
        before, issues = self._pages, by_item(self._findings())
        with self._changing:
            self._deal = deal
            self._pages = Pages(
                queue, page_size=before.page_size, round=round, epoch=before.epoch + 1, issues=issues
            )
        self._found.clear()
        self.narrow((), name="")
        standing = self._journal.standing()
        self._count(standing)
        self._name_new_classes(standing)
        self.set_trait("state", self._pages.state())

    def narrow(self, items: Sequence[str], *, name: str) -> int:
        """Show only these of the queue's images, in its order, and call them `name`; none: all again.

        Every view offers to leave them, and its filters apply among them. Returns how many of them there are
        in the queue. Raises InputError where the queue has none of them.
        """
        there = frozenset(items).intersection(self._pages.rows)
        if items and not there:
            raise InputError("None of these pictures is among those that the grid shows now.")
        self._chosen = there
        number = self.chosen.get("number", 0) + 1
        self.set_trait("chosen", {"name": name, "number": number} if there else {})
        return len(there)

    @property
    def chosen_items(self) -> frozenset[str]:
        """Return the images that the grid is narrowed to; none where it shows all."""
        return self._chosen

    def _on_message(self, _: object, message: object, __: object) -> None:
        self._answering(request_of(message), lambda: self._act(message))

    def _act(self, message: object) -> None:
        pages = self._pages
        request = request_of(message)
        ask = parse(message, terms=self._terms(pages))
        # Pictures may be slow to make: a verdict must not wait behind them.
        if isinstance(ask, protocol.AskPage):
            shown = pages if ask.found is None else self._found[ask.found]
            self._sender.submit(
                self._answering, request, lambda: self._send_page(pages, shown, request, ask.page)
            )
        elif isinstance(ask, protocol.AskEvidence):
            self._sender.submit(self._answering, request, lambda: self._send_evidence(request, ask.item))
        elif isinstance(ask, protocol.AskFull):
            self._pictures.submit(self._answering, request, lambda: self._send_full(request, ask.item))
        elif isinstance(ask, protocol.AskFind):
            self._send_found(pages, request, ask)
        elif isinstance(ask, protocol.AskNear):
            near = self._neighbours(ask.item) if self._neighbours is not None else ()
            total = self.narrow((ask.item, *near), name=LIKE)
            self._tell(protocol.FOUND, request, {"total": total})
        else:
            self._send_saved(pages, request, ask)

    def _terms(self, pages: Pages) -> Terms:
        found = {number: found.count for number, found in self._found.items()}
        vocab = (*pages.queue.vocab, *self.added)
        chosen = self.chosen.get("name")
        return replace(
            pages.terms, vocab=vocab, found=found, class_problem=self._class_problem, chosen=chosen
        )

    def _decided(self, ask: Ask, *, round: int) -> list[str]:
        """Keep what is new in what was asked, and return the images that it spoke of."""
        if isinstance(ask, protocol.AskRedo):
            return [event.item for event in self._journal.redo(round=round)]
        if not isinstance(ask, protocol.AskDecide):
            return [event.item for event in self._journal.undo(round=round)]
        standing = self._journal.standing()
        new = [verdict for verdict in ask.verdicts if not repeats(standing.get(verdict[0]), verdict)]
        if new or not ask.verdicts:
            how: How = "bulk" if ask.rest or len(ask.verdicts) > 1 else "person"
            self._journal.decide(new, round=round, how=how, rest=ask.rest)
        return [item for item, _, _ in ask.verdicts]

    def _send_saved(self, pages: Pages, request: int | None, ask: Ask) -> None:
        items = self._decided(ask, round=pages.round)
        standing = self._journal.standing()
        undone = isinstance(ask, protocol.AskUndo | protocol.AskRedo)
        found = ask.found if isinstance(ask, protocol.AskUndo | protocol.AskRedo) else None
        page = pages.of(items[0]) if found is None else self._found[found].of(items[0])
        alike = self._alike(pages, items[0], standing) if len(items) == 1 and not undone else []
        fields = {"verdicts": stands(items, standing), "page": page, "alike": alike}
        self._tell(protocol.SAVED, request, fields)
        self._count(standing)
        if not isinstance(ask, protocol.AskDecide) or any(label for _, _, label in ask.verdicts):
            self._name_new_classes(standing)
        self.set_trait("revision", self.revision + 1)

    def _alike(self, pages: Pages, item: str, standing: Standing) -> list[dict[str, str | None]]:
        """Return the undecided images of the queue that are nearly identical to one, with their labels."""
        try:
            copies = self._copies(item) if item in standing else ()
        except Exception:  # noqa: BLE001 - the verdict is kept, and that must be said
            copies = ()
        waiting = [copy for copy in copies if copy in pages.rows and copy not in standing]
        return [{"id": copy, "given": pages.label_of(copy)} for copy in waiting]

    def _send_page(self, pages: Pages, shown: Pages | Found, request: int | None, page: int | None) -> None:
        standing = self._journal.standing()
        number = shown.first_undecided(standing) if page is None else page
        if isinstance(shown, Pages):
            pages = shown = self._dealt(pages, number)
        rows = _rows(pages, shown, page=number)
        tiles = [pages.tile(row, others=self._suggestions(pages.queue.ids[row])) for row in rows]
        pixels = packed(tiles, picture=self._picture, threads=self._pictures)
        verdicts = stands([tile["id"] for tile in tiles if tile["id"] in standing], standing)
        fields = {"epoch": pages.epoch, "page": number, "tiles": tiles, "verdicts": verdicts}
        self._tell(protocol.PAGE, request, fields, pixels)

    def _dealt(self, pages: Pages, number: int) -> Pages:
        """Fix what lies on a page before it is shown; the rest of the queue may come in another order."""
        with self._changing:
            if self._deal is None or pages.epoch != self._pages.epoch:
                return pages
            self._pages = replace(pages, queue=self._deal(pages.rows_of(number)))
            return self._pages

    def _send_found(self, pages: Pages, request: int | None, ask: protocol.AskFind) -> None:
        """Look for images, keep what was found under a number, and send how much it is."""
        standing = self._journal.standing()
        if self._chosen and ask.filter.chosen is None:
            self.narrow((), name="")
        rows = rows_found(
            pages.queue, ask.filter, standing=standing, issues=pages.issues, chosen=self._chosen
        )
        found = Found([pages.queue.ids[row] for row in rows], page_size=pages.page_size)
        number = max(self._found, default=0) + 1
        self._found[number] = found
        self._found.pop(number - MOST_FOUND, None)
        pairs = confused(pages.queue, standing=standing)
        size = {"total": len(found.ids), "pages": found.count}
        self._tell(protocol.FOUND, request, {"found": number, **size, "pairs": pairs})

    def _send_full(self, request: int | None, item: str) -> None:
        self._tell(protocol.FULL, request, {"id": item}, bytes(self._full(item)))

    def _send_evidence(self, request: int | None, item: str) -> None:
        seen = (self._evidence(item) if self._evidence is not None else None) or Evidence()
        shown, pixels = packed_evidence(seen, picture=self._picture, threads=self._pictures)
        self._tell(protocol.EVIDENCE, request, {"id": item, **shown}, pixels)

    def _count(self, standing: Mapping[str, Decision]) -> None:
        self.set_trait("counts", self._pages.counts(standing))

    def _name_new_classes(self, standing: Mapping[str, Decision]) -> None:
        named = {decision.label for decision in standing.values() if decision.label is not None}
        self.set_trait("added", sorted(named.difference(self._pages.queue.vocab)))


def _rows(pages: Pages, shown: Pages | Found, *, page: int) -> Sequence[int]:
    """Return the places in the queue that one page shows, of the whole queue or of what a filter found.

    What has left the queue since a filter found it is left out.
    """
    if isinstance(shown, Pages):
        return shown.rows_of(page)
    return [pages.rows[item] for item in shown.ids_of(page) if item in pages.rows]
