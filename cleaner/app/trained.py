"""What can be asked of the rounds of a project, the networks they left, and a training: a part of Project.

It changes no file of the dataset, and loads torch only to ask a network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from cleaner.app.agenda import trusted
from cleaner.app.answers import Answers, Images
from cleaner.app.caches import Job
from cleaner.app.compare import Comparison, cleaned_labels, compare, first_labels, with_todays_names
from cleaner.app.exporting import Provenance, export_model, finished
from cleaner.app.finished import FinishedModel
from cleaner.app.interpretation import Interpretation, interpret
from cleaner.app.rounds import best_of, load_predictions, load_rounds, one_of
from cleaner.app.training import ask_to_stop, training_elsewhere
from cleaner.app.waiting import shown, watched
from cleaner.progress import Report, Stop, never, quiet
from cleaner.review.journal import Journal
from cleaner.types import Catalog, Predictions, Round, Standing, TrainConfig


class Trained(ABC):
    """The rounds kept in `home`, over images in a catalog with decisions in a journal."""

    home: Path
    journal: Journal

    @property
    @abstractmethod
    def catalog(self) -> Catalog:
        """The images as they were last found."""

    @property
    def rounds(self) -> tuple[Round, ...]:
        """The finished rounds, oldest first."""
        return load_rounds(self.home / "rounds")

    def predictions(self, number: int | None = None) -> Predictions:
        """Return what the network of a round says of every image, by default of the last round."""
        return self._said_in(one_of(self.rounds, number))

    def interpret(self, number: int | None = None) -> Interpretation:
        """Say what a round's model confuses with what, on held-out images; by default the last round."""
        result = one_of(self.rounds, number)
        return interpret(self._said_in(result), epochs=result.epochs)

    @watched
    def model(self, number: int | None = None, *, report: Report = shown) -> FinishedModel:
        """Return a round's network to ask: by default the last that was trained in full, else the last."""
        return finished(best_of(self.rounds, number), self._job(None, report=report))

    @watched
    def predict(self, images: Images, *, report: Report = shown) -> Answers:
        """Ask `model()` about an image, a folder or a list of files; for more than once, keep the model."""
        return self.model(report=report).predict(images, report=report)

    @watched
    def export_model(
        self, path: str | Path, *, number: int | None = None, fastai: bool = False, report: Report = shown
    ) -> Path:
        """Write the network of a round, chosen as in `model`, as a folder for `cleaner.load_model`.

        It holds the weights (safetensors), an ONNX graph proven to agree with them, a description, and with
        `fastai` an `export.pkl`. Raises InputError for a place that is taken, TrainingError if it disagrees.
        """
        source = Provenance(best_of(self.rounds, number), self._job(None, report=report), self.decisions())
        return export_model(Path(path).expanduser(), source, fastai=fastai)

    def compare(self) -> Comparison:
        """Compare all rounds of the last one's mode on the same held-out images, on both kinds of labels."""
        catalog, rounds = self.catalog, self.rounds  # once: a training may end meanwhile
        seen = {r.number: with_todays_names(self._said_in(r), catalog=catalog) for r in rounds}
        alike = {r.number: seen[r.number] for r in rounds if r.config.mode == rounds[-1].config.mode}
        cleaned = cleaned_labels(catalog, self.decisions())
        return compare(alike, cleaned=cleaned, original=first_labels(seen))

    def decisions(self) -> Standing:
        """Return the decision that stands for each image decided so far."""
        return self.journal.standing()

    def stop_training(self) -> None:
        """Ask a training of this project to stop, in whichever window it runs."""
        ask_to_stop(self.home)

    @property
    def training_elsewhere(self) -> str | None:
        """Say in a sentence that a training of this project runs, here or in another window; None if not."""
        return training_elsewhere(self.home)

    def _said_in(self, result: Round) -> Predictions:
        return load_predictions(self.home / "rounds", result=result)

    def _job(self, config: TrainConfig | None, *, report: Report = quiet, stopped: Stop = never) -> Job:
        from cleaner.model.checks import plain

        confirmed = trusted(self.catalog, self.decisions())
        return Job(self.catalog, self.home, plain(config or TrainConfig()), confirmed, report, stopped)
