"""The grid over a round: joins what is shown, what is known of it, and what may be said of the rest."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cleaner.app.agenda import class_problem
from cleaner.app.looking import Looking
from cleaner.app.pictures import Pictures
from cleaner.errors import CleanerError
from cleaner.review.grid import ReviewGrid
from cleaner.review.journal import Journal
from cleaner.types import Catalog


def grid_over(
    looking: Callable[[], Looking],
    *,
    journal: Journal,
    pictures: Pictures,
    catalog: Callable[[], Catalog],
    page_size: int,
) -> ReviewGrid:
    """Return a grid over what `looking` returns, asked anew for each thing: it follows new rounds."""
    now = looking()
    grid = ReviewGrid(
        now.dealer.queue(),
        journal=journal,
        picture=lambda identity: pictures.of(identity, catalog=catalog()),
        full=lambda identity: pictures.full(identity, catalog=catalog()),
        evidence=lambda identity: looking().evidence(identity),
        copies=lambda identity: looking().copies(identity),
        suggestions=lambda identity: looking().suggestions(identity),
        neighbours=lambda identity: looking().neighbours(identity),
        class_problem=lambda name: class_problem(catalog(), name),
        round=now.round.number,
        page_size=page_size,
        deal=now.dealer.deal,
    )
    _tell_outlook(grid, looking, upcoming=page_size)
    return grid


def _tell_outlook(grid: ReviewGrid, looking: Callable[[], Looking], *, upcoming: int) -> None:
    """Keep the grid's outlook true after every verdict, in the background: a verdict must not wait for it."""
    worker = ThreadPoolExecutor(1, thread_name_prefix="cleaner-outlook")
    waiting: list[object] = []

    def tell() -> None:
        waiting.clear()
        try:
            grid.outlook = looking().outlook(upcoming=upcoming).sentence()
        except CleanerError as error:
            grid.outlook = f"What is left can't be told: {error}"

    def told(_: object) -> None:
        if not waiting:
            waiting.append(worker.submit(tell))

    grid.observe(told, names=["revision", "state"])
    told(None)
