"""The grid over a round, or over what a check has found: joins what is shown and what is known of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cleaner.app.agenda import class_problem
from cleaner.app.looking import Looking
from cleaner.app.pictures import Pictures
from cleaner.errors import CleanerError, InputError
from cleaner.review.grid import QueueGrid
from cleaner.review.journal import Journal
from cleaner.types import Catalog, Finding, Queue, strings

LULL, LONGEST = 0.3, 2.0  # seconds


@dataclass(frozen=True, slots=True, eq=False)
class Showing:
    """What every grid of a project needs; see QueueGrid."""

    journal: Journal
    pictures: Pictures
    catalog: Callable[[], Catalog]
    findings: Callable[[], Sequence[Finding]]
    page_size: int

    def picture(self, identity: str) -> bytes:
        """Return a small picture; see QueueGrid."""
        return self.pictures.of(identity, catalog=self.catalog())

    def full(self, identity: str) -> bytes:
        """Return a whole picture; see QueueGrid."""
        return self.pictures.full(identity, catalog=self.catalog())

    def class_problem(self, name: str) -> str | None:
        """Say why a name can't become a class; see QueueGrid."""
        return class_problem(self.catalog(), name)


def grid_over(looking: Callable[[], Looking], *, showing: Showing) -> QueueGrid:
    """Return a grid over what `looking` returns, asked anew for each thing: it follows new rounds."""
    now = looking()
    grid = QueueGrid(
        now.dealer.queue(),
        journal=showing.journal,
        picture=showing.picture,
        full=showing.full,
        evidence=lambda identity: looking().evidence(identity),
        copies=lambda identity: looking().copies(identity),
        suggestions=lambda identity: looking().suggestions(identity),
        neighbours=lambda identity: looking().neighbours(identity),
        findings=showing.findings,
        class_problem=showing.class_problem,
        round=now.number,
        page_size=showing.page_size,
        deal=now.dealer.deal,
    )
    tell_outlook(grid, looking, upcoming=showing.page_size)
    return grid


def grid_of_findings(kind: str, catalog: Catalog, *, round: int, showing: Showing) -> QueueGrid:
    """Return a grid over the images with one kind of finding, or with any ("all"); needs no round.

    What belongs together lies side by side. Raises InputError for a kind that nothing was found of.
    """
    findings = showing.findings()
    return QueueGrid(
        queue_of_findings(kind, catalog, findings),
        journal=showing.journal,
        picture=showing.picture,
        full=showing.full,
        findings=showing.findings,
        class_problem=showing.class_problem,
        round=round,
        page_size=showing.page_size,
    )


def queue_of_findings(kind: str, catalog: Catalog, findings: Sequence[Finding]) -> Queue:
    """Return the images with findings of one kind, or of any ("all"), worst first, groups side by side."""
    rows = catalog.positions()
    shown = [f for f in findings if f.item in rows and kind in (f.kind, "all")]
    if not shown:
        kinds = sorted({finding.kind for finding in findings if finding.item in rows})
        there = (
            f"choose one of: {', '.join(kinds)}, all" if kinds else "there are no findings of images to show"
        )
        raise InputError(f"Nothing of the kind {kind!r} was found; {there}.")
    severity = {f.item: f.severity for f in reversed(shown)}
    taken = np.array([rows[item] for item in dict.fromkeys(f.item for f in shown)], dtype=np.intp)
    unknown = np.full(len(taken), np.nan, dtype=np.float32)
    return Queue(
        vocab=catalog.vocab,
        ids=catalog.ids[taken],
        scores=np.array([severity[identity] for identity in catalog.ids[taken]], dtype=np.float32),
        labels=catalog.labels[taken],
        suggested=catalog.labels[taken],
        confidence=unknown,
        given_probs=unknown,
        origins=strings([""] * len(taken)),
        late=np.zeros(len(taken), dtype=bool),
    )


def tell_outlook(grid: QueueGrid, looking: Callable[[], Looking], *, upcoming: int) -> None:
    """Keep the grid's outlook true after every verdict, in the background: a verdict must not wait for it.

    Nor must the next one: what remains is told once nobody has decided for LULL, or after LONGEST.
    """
    worker = grid.threads(1, name="cleaner-outlook")
    waiting, again = threading.Event(), threading.Event()

    def tell() -> None:
        until = time.monotonic() + LONGEST
        while again.is_set() and time.monotonic() < until:
            again.clear()
            again.wait(LULL)
        waiting.clear()
        try:
            grid.outlook = looking().outlook(upcoming=upcoming).sentence()
        except CleanerError as error:
            grid.outlook = f"What is left can't be told: {error}"

    def told(_: object) -> None:
        again.set()
        soon()

    def soon() -> None:
        with contextlib.suppress(RuntimeError):  # the grid was closed
            if not waiting.is_set():
                waiting.set()  # before it is told: it may be done when this goes on
                worker.submit(tell)

    grid.observe(told, names=["revision", "state"])
    soon()
