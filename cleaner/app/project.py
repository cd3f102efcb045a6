"""A dataset under cleaning: every verb of the loop, callable without a widget.

Importing it, opening a project and reviewing never import torch; only training and predicting do.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleaner.app.agenda import check_verdict, unkept
from cleaner.app.byhand import ByHand
from cleaner.app.checking import Check, by_severity
from cleaner.app.export import Export
from cleaner.app.history import Event, history
from cleaner.app.home import database_of, user
from cleaner.app.looking import RoundLooking
from cleaner.app.moves import Moves, moved_since, paths_by_id
from cleaner.app.pictures import Pictures
from cleaner.app.rounds import one_of
from cleaner.app.sides import Sides
from cleaner.app.sources import Source, source_of
from cleaner.app.trained import Trained
from cleaner.app.training import train_round, training_elsewhere
from cleaner.app.trash import Trash
from cleaner.app.waiting import shown, watched
from cleaner.catalog.digest import digest_of
from cleaner.catalog.listing import are_splits
from cleaner.catalog.scan import doubted
from cleaner.changes.ledger import Ledger
from cleaner.changes.plan import IN_TABLE, make_plan, overtaken
from cleaner.changes.recover import recover
from cleaner.changes.sidecars import with_sidecars
from cleaner.errors import CleanerError, Refused
from cleaner.progress import Report, Stop, never, quiet
from cleaner.review.journal import Journal
from cleaner.types import (
    Action,
    Catalog,
    Decision,
    Finding,
    How,
    Plan,
    Queue,
    Receipt,
    Round,
    TrainConfig,
)

if TYPE_CHECKING:
    from ipywidgets import HBox

    from cleaner.review.grid import QueueGrid


class Project(Trained):
    """A folder of labelled images with everything the program keeps about it, in `<folder>/.cleaner/`.

    >>> project = Project.open("photos")        # doctest: +SKIP
    >>> project.train()                         # doctest: +SKIP
    >>> project.review()                        # doctest: +SKIP
    >>> project.apply(project.plan())           # doctest: +SKIP
    """

    def __init__(self, source: Source, *, journal: Journal, ledger: Ledger) -> None:
        self.source, self.journal, self.ledger = source, journal, ledger
        self.root, self.home = root, home = source.root, source.home
        found = recover(root=root, home=home, ledger=ledger, digest_of=digest_of)
        self.notice = found or source.notice
        self.by_hand = ByHand(self._job)  # for those who know fastai
        self._looked: RoundLooking | None = None
        self._opening = threading.Lock()  # a grid asks for it on several threads
        self._pictures = Pictures(home / "thumbnails", location=ledger.location)
        self._moves = Moves(
            root,
            home=home,
            ledger=ledger,
            by=journal.by,
            then=self._look_again,
            seen=lambda: paths_by_id(self._catalog),
        )
        self.trash = Trash(self._moves, ledger=ledger, journal=journal)  # removed images: back, or for good
        self.export = Export(lambda: self.catalog, journal=journal, source=source)  # the cleaned dataset
        self.sides = Sides(journal, home=home, catalog=lambda: self.catalog, again=self.verify)
        self._check = Check(source, moved=ledger.locations, chosen=self.sides.chosen)
        kept = self._check.last()
        self._catalog: Catalog | None = kept[0] if kept else None
        self._findings: tuple[Finding, ...] = kept[1] if kept else ()
        if self._catalog is not None and moved_since(self._catalog, ledger=ledger):
            self.verify(report=quiet)

    def __repr__(self) -> str:
        return f"Project({str(self.root)!r})"

    @classmethod
    def open(
        cls,
        source: Any,
        *,
        home: str | Path | None = None,
        database: str | None = None,
        by: str | None = None,
    ) -> Project:
        """Open the project of a dataset, made on first use; settles what a crash has left half-way.

        `source` is a folder of class folders, a CSV, TSV or Parquet file, a Table, a DataFrame, a torchvision
        ImageFolder, a fastai Learner or DataLoaders, or a Hugging Face dataset; the last three need a `home`.
        With `home`, or where the dataset is read-only, the project is kept elsewhere and no file of the
        dataset is ever touched. `database` is any SQLAlchemy URL of a database for this project alone, by
        default the variable CLEANER_DATABASE or an SQLite file in the project; `by` is the name that
        decisions carry. `notice` then says what was found of an interrupted change, if anything, or what else
        is to be known. Raises InputError for a folder that isn't there.
        """
        found = source_of(source, home=home)
        engine = database_of(found.home, url=database)
        return cls(found, journal=Journal(engine, by=by or user()), ledger=Ledger(engine))

    # --- 1 what is there? ---

    @property
    def catalog(self) -> Catalog:
        """The images as they were last found; the first use lists and checks the folder."""
        if self._catalog is None:
            self.verify()
        assert self._catalog is not None
        return self._catalog

    @property
    def checked(self) -> bool:
        """Say whether the folder has been checked before, now or in an earlier session."""
        return self._catalog is not None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the last check found, and what the last round's features add to it, worst first."""
        return by_severity(self._findings, self._check.by_model(self._catalog, self.rounds))

    @watched
    def verify(self, *, report: Report = shown, stopped: Stop = never) -> tuple[Finding, ...]:
        """List the folder again and check every new or changed file; return what was found, worst first."""
        self._catalog, self._findings = self._check(self._catalog, report=report, stopped=stopped)
        return self._findings

    def picture(self, identity: str) -> bytes:
        """Return the thumbnail of an image as JPEG, also of one in the trash. Raises UnreadableImage."""
        return self._pictures.of(identity, catalog=self.catalog)

    # --- 2 what does a model make of it? ---

    @watched
    def train(
        self, config: TrainConfig | None = None, *, report: Report = shown, stopped: Stop = never
    ) -> Round:
        """Train on the images as they are now, score them all, and keep that as the next round.

        With `TrainConfig(mode="quick")` the first order is there in a fraction of the time. Until the end no
        round is on disk: a stopped or failed training leaves those before it intact, and one that was killed
        goes on where it was when the same is asked for again. What a person has confirmed counts as trusted.
        Raises Refused while a training of this project runs in another window.
        """
        if problem := training_elsewhere(self.home):
            raise Refused(problem)
        self.verify(report=report, stopped=stopped)
        return train_round(self._job(config, report=report, stopped=stopped))

    # --- 3 what should a person see first? ---

    def queue(self) -> Queue:
        """Return the images in the order in which to look at them, by the last round and every verdict since.

        What was decided in earlier rounds does not come back, nor an image whose label has changed since the
        round, by apply for instance: the order says nothing of it. Pages that were shown stay as they were.
        """
        return self.looking.dealer.queue()

    @property
    def looking(self) -> RoundLooking:
        """The last round as a person goes through it: its pages, what is contested, and when one may stop."""
        with self._opening:
            last = one_of(self.rounds)
            if self._looked is None or self._looked.round != last:
                self._looked = RoundLooking(
                    last,
                    home=self.home,
                    engine=self.journal.engine,
                    catalog=lambda: self.catalog,
                    standing=self.decisions,
                )
            return self._looked

    # --- 4 the person decides ---

    def review(self, *, findings: str | None = None, page_size: int = 24) -> QueueGrid:
        """Return the grid over the queue: show it as the last line of a notebook cell.

        With `findings`, a kind of them or "all", the grid over what was found: that needs no training.
        """
        from cleaner.app.reviewing import Showing, grid_of_findings, grid_over  # slow to load

        showing = Showing(
            journal=self.journal,
            pictures=self._pictures,
            catalog=lambda: self.catalog,
            findings=lambda: self.findings,
            page_size=page_size,
        )
        if findings is None:
            return grid_over(lambda: self.looking, showing=showing)
        last = self.rounds[-1].number if self.rounds else 0
        return grid_of_findings(findings, self.catalog, round=last, showing=showing)

    def map(self, *, grid: QueueGrid | None = None) -> HBox:
        """Return a map beside a grid that shows what one draws a line around, or that of a grid elsewhere."""
        from cleaner.app.mapping import beside

        return beside(self, grid=grid)

    def decide(
        self, items: Sequence[str], action: Action, *, label: str | None = None, how: How = "person"
    ) -> tuple[Decision, ...]:
        """Record one verdict on some images, durably, as the grid would.

        Raises Refused for an image that isn't there, and for a label that is no class or the one it has.
        """
        check_verdict(self.catalog, items, action, label=label)
        number = self.rounds[-1].number if self.rounds else 0
        return self.journal.decide([(item, action, label) for item in items], round=number, how=how)

    def history(self, identity: str) -> tuple[Event, ...]:
        """Return what was decided on one image and done to its files, by whom and why, oldest first."""
        return history(identity, journal=self.journal, ledger=self.ledger, rounds=self.home / "rounds")

    # --- 5 make it so, and undo it ---

    def plan(self, *, sidecars: bool = False) -> Plan:
        """Say what apply would do with the decisions as they stand; touches nothing.

        With `sidecars`, files of an image's stem that end in .txt, .xml or .json go where the image goes.
        """
        disputed, trashed = len(self.journal.conflicts()), len(self.trash.wanted())
        plan = make_plan(
            self.catalog, self.decisions(), disputed=disputed, trashed=trashed, are_splits=are_splits
        )
        return with_sidecars(plan, catalog=self.catalog, digest_of=digest_of) if sidecars else plan

    @watched
    def apply(self, plan: Plan | None = None, *, report: Report = shown, stopped: Stop = never) -> Receipt:
        """Move relabelled images to their class folder and removed ones to the project's trash.

        What was decided otherwise since the plan was made stays where it is, and is among what `failed`.
        Raises Refused where the labels come from a table: `export.csv` writes the cleaned one.
        """
        if self.source.table is not None:
            raise Refused(IN_TABLE)
        timely, refusals = overtaken(self.plan() if plan is None else plan, self.decisions())
        receipt = self._moves.apply(timely, report=report, stopped=stopped)
        return replace(receipt, failed=receipt.failed + refusals)

    @watched
    def undo(
        self,
        number: int | None = None,
        *,
        items: Sequence[str] | None = None,
        report: Report = shown,
        stopped: Stop = never,
    ) -> Receipt:
        """Put every file of the last apply back where it was. The decisions themselves stay.

        Or of any apply, by its number in `ledger.applied()`, or what was last done to some images. An image
        that was kept under the label that it now loses is again to be given that label.
        """
        receipt = self._moves.undo(number, items=items, report=report, stopped=stopped)
        if again := unkept(receipt, self.decisions()):
            self.journal.decide(again, round=self.rounds[-1].number if self.rounds else 0)
        return receipt

    def report(self, path: str | Path) -> Path:
        """Write what was wrong, done and achieved as one HTML page that can be sent; see `report.py`."""
        from cleaner.app.report import write_report

        return write_report(self, Path(path))

    # --- beneath ---

    def _look_again(self, failed: Sequence[str]) -> None:
        """Check the folder, and what failed for other bytes, after moves; a fault must not hide those."""
        self.notice = None
        try:
            if failed and self._catalog is not None:
                self._catalog = doubted(self._catalog, failed)
            self.verify(report=quiet)
        except (CleanerError, OSError) as error:
            self.notice = f"The folder could not be checked again ({error}); check it before you go on."
