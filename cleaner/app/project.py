"""A dataset under cleaning: every verb of the loop, callable without a widget.

Importing it, opening a project and reviewing never import torch; only training and predicting do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ipywidgets import HBox

from cleaner.app.agenda import check_verdict, trusted
from cleaner.app.byhand import ByHand
from cleaner.app.caches import Job
from cleaner.app.compare import Comparison, cleaned_labels, compare, first_labels
from cleaner.app.engine import answers
from cleaner.app.export import Export
from cleaner.app.history import Event, history
from cleaner.app.home import database_of, kept_elsewhere, prepare, user
from cleaner.app.interpretation import Interpretation, interpret
from cleaner.app.looking import Looking
from cleaner.app.mapping import beside
from cleaner.app.moves import Moves, moved_since
from cleaner.app.pictures import Pictures
from cleaner.app.report import write_report
from cleaner.app.reviewing import grid_over
from cleaner.app.rounds import NETWORK, load_predictions, load_rounds, round_folder
from cleaner.app.training import ask_to_stop, train_round, training_elsewhere
from cleaner.app.trash import Trash
from cleaner.catalog.digest import digest_of
from cleaner.catalog.scan import scan
from cleaner.catalog.store import load_catalog, save_catalog
from cleaner.changes.ledger import Ledger
from cleaner.changes.plan import make_plan
from cleaner.changes.recover import recover
from cleaner.changes.sidecars import with_sidecars
from cleaner.errors import CleanerError, InputError, Refused
from cleaner.progress import Report, Stop, never, quiet
from cleaner.review.grid import ReviewGrid
from cleaner.review.journal import Journal
from cleaner.types import (
    Action,
    Catalog,
    Decision,
    Finding,
    How,
    Plan,
    Predictions,
    Queue,
    Receipt,
    Round,
    Standing,
    TrainConfig,
)


class Project:
    """A folder of labelled images with everything the program keeps about it, in `<folder>/.cleaner/`.

    >>> project = Project.open("photos")        # doctest: +SKIP
    >>> project.train()                         # doctest: +SKIP
    >>> project.review()                        # doctest: +SKIP
    >>> project.apply(project.plan())           # doctest: +SKIP
    """

    def __init__(self, root: Path, *, home: Path, journal: Journal, ledger: Ledger) -> None:
        self.root, self.home, self.journal, self.ledger = root, home, journal, ledger
        found = recover(root=root, home=home, ledger=ledger, digest_of=digest_of)
        self.notice = found or kept_elsewhere(root, home=home)
        kept = load_catalog(home / "catalog.npz", root=root)
        self._catalog: Catalog | None = kept[0] if kept else None
        self.findings: tuple[Finding, ...] = kept[1] if kept else ()  # of the last check, worst first
        self.by_hand = ByHand(self._job)  # for those who know fastai
        self._looked: Looking | None = None
        self._pictures = Pictures(home / "thumbnails", location=ledger.location)
        self._moves = Moves(root, home=home, ledger=ledger, by=journal.by, then=self._look_again)
        self.trash = Trash(self._moves, ledger=ledger, journal=journal)  # removed images: back, or for good
        self.export = Export(lambda: self.catalog, journal=journal)  # the cleaned dataset in many formats
        if self._catalog is not None and moved_since(self._catalog, ledger=ledger):
            self.verify()

    def __repr__(self) -> str:
        return f"Project({str(self.root)!r})"

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        home: str | Path | None = None,
        database: str | None = None,
        by: str | None = None,
    ) -> Project:
        """Open the project of a dataset, made on first use; settles what a crash has left half-way.

        With `home`, or where the dataset is read-only, the project is kept elsewhere and no file of the
        dataset is ever touched. `database` is any SQLAlchemy URL of a database for this project alone, by
        default the variable CLEANER_DATABASE or an SQLite file in the project; `by` is the name that
        decisions carry. `notice` then says what was found of an interrupted change, if anything. Raises
        InputError for a folder that isn't there.
        """
        root, own = prepare(folder, home=home)
        engine = database_of(own, url=database)
        return cls(root, home=own, journal=Journal(engine, by=by or user()), ledger=Ledger(engine))

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

    def verify(self, *, report: Report = quiet, stopped: Stop = never) -> tuple[Finding, ...]:
        """List the folder again and check every new or changed file; return what was found, worst first."""
        catalog, findings = scan(
            self.root, known=self._catalog, moved=self.ledger.locations(), report=report, stopped=stopped
        )
        save_catalog(catalog, findings, self.home / "catalog.npz")
        self._catalog, self.findings = catalog, findings
        return findings

    def picture(self, identity: str) -> bytes:
        """Return the thumbnail of an image as JPEG, also of one in the trash. Raises UnreadableImage."""
        return self._pictures.of(identity, catalog=self.catalog)

    # --- 2 what does a model make of it? ---

    @property
    def rounds(self) -> tuple[Round, ...]:
        """The finished rounds, oldest first."""
        return load_rounds(self.home / "rounds")

    def predictions(self, number: int | None = None) -> Predictions:
        """Return what the network of a round says of every image, by default of the last round."""
        return load_predictions(self.home / "rounds", result=self._round(number))

    def train(
        self, config: TrainConfig | None = None, *, report: Report = quiet, stopped: Stop = never
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

    def stop_training(self) -> None:
        """Ask a training of this project to stop, in whichever window it runs."""
        ask_to_stop(self.home)

    @property
    def training_elsewhere(self) -> str | None:
        """Say in a sentence that a training of this project runs, here or in another window; None if not."""
        return training_elsewhere(self.home)

    def interpret(self, number: int | None = None) -> Interpretation:
        """Say what a round's model confuses with what, on held-out images; by default the last round."""
        return interpret(self.predictions(number), epochs=self._round(number).epochs)

    def predict(self, images: Sequence[str | Path]) -> list[list[tuple[str, float]]]:
        """Ask the last trained network about image files; return classes and probabilities, best first."""
        full = [r.number for r in self.rounds if r.config.mode == "full"]
        if not full:
            raise InputError("There is no trained network yet; train in full mode first.")
        return answers(round_folder(self.home / "rounds", full[-1]) / NETWORK, images)

    # --- 3 what should a person see first? ---

    def queue(self) -> Queue:
        """Return the images in the order in which to look at them, by the last round and every verdict since.

        What was decided in earlier rounds does not come back, nor an image whose label has changed since the
        round, by apply for instance: the order says nothing of it. Pages that were shown stay as they were.
        """
        return self.looking.dealer.queue()

    @property
    def looking(self) -> Looking:
        """The last round as a person goes through it: its pages, what is contested, and when one may stop."""
        last = self._round(None)
        if self._looked is None or self._looked.round != last:
            self._looked = Looking(
                last,
                home=self.home,
                engine=self.journal.engine,
                catalog=lambda: self.catalog,
                standing=self.decisions,
            )
        return self._looked

    # --- 4 the person decides ---

    def review(self, *, page_size: int = 24) -> ReviewGrid:
        """Return the grid over the queue: show it as the last line of a notebook cell."""
        return grid_over(
            lambda: self.looking,
            journal=self.journal,
            pictures=self._pictures,
            catalog=lambda: self.catalog,
            page_size=page_size,
        )

    def map(self, *, grid: ReviewGrid | None = None) -> HBox:
        """Return a map beside a grid that shows what one draws a line around, or that of a grid elsewhere."""
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

    def decisions(self) -> Standing:
        """Return the decision that stands for each image decided so far."""
        return self.journal.standing()

    def history(self, identity: str) -> tuple[Event, ...]:
        """Return what was decided on one image and done to its files, by whom and why, oldest first."""
        return history(identity, journal=self.journal, ledger=self.ledger, rounds=self.home / "rounds")

    # --- 5 make it so, and undo it ---

    def plan(self, *, sidecars: bool = False) -> Plan:
        """Say what apply would do with the decisions as they stand; touches nothing.

        With `sidecars`, files of an image's stem that end in .txt, .xml or .json go where the image goes.
        """
        plan = make_plan(self.catalog, self.decisions(), disputed=len(self.journal.conflicts()))
        return with_sidecars(plan, catalog=self.catalog, digest_of=digest_of) if sidecars else plan

    def apply(self, plan: Plan | None = None, *, report: Report = quiet, stopped: Stop = never) -> Receipt:
        """Move relabelled images to their class folder and removed ones to the project's trash."""
        return self._moves.apply(self.plan() if plan is None else plan, report=report, stopped=stopped)

    def undo(
        self,
        number: int | None = None,
        *,
        items: Sequence[str] | None = None,
        report: Report = quiet,
        stopped: Stop = never,
    ) -> Receipt:
        """Put every file of the last apply back where it was. The decisions themselves stay.

        Or of any apply, by its number in `ledger.applied()`, or what was last done to some images.
        """
        return self._moves.undo(number, items=items, report=report, stopped=stopped)

    def compare(self) -> Comparison:
        """Compare all rounds of the last one's mode on the same held-out images, on both kinds of labels."""
        seen = {r.number: self.predictions(r.number) for r in self.rounds}
        alike = {
            r.number: seen[r.number] for r in self.rounds if r.config.mode == self.rounds[-1].config.mode
        }
        cleaned = cleaned_labels(self.catalog, self.decisions())
        return compare(alike, cleaned=cleaned, original=first_labels(seen))

    def report(self, path: str | Path) -> Path:
        """Write what was wrong, done and achieved as one HTML page that can be sent; see `report.py`."""
        return write_report(self, Path(path))

    # --- beneath ---

    def _job(self, config: TrainConfig | None, *, report: Report = quiet, stopped: Stop = never) -> Job:
        confirmed = trusted(self.catalog, self.decisions())
        return Job(self.catalog, self.home, config or TrainConfig(), confirmed, report, stopped)

    def _look_again(self) -> None:
        """Check the folder after files have moved; a fault there must not hide what was done."""
        self.notice = None
        try:
            self.verify()
        except (CleanerError, OSError) as error:
            self.notice = f"The folder could not be checked again ({error}); check it before you go on."

    def _round(self, number: int | None) -> Round:
        found = [r for r in self.rounds if number is None or r.number == number]
        if not found:
            which = "yet" if number is None else f"with number {number}"
            raise InputError(f"There is no round {which}; train first.")
        return found[-1]
