"""Training by hand, for those who know fastai: its own Learner over a project's images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cleaner.app.caches import Job
from cleaner.app.engine import load_library
from cleaner.app.plots import lr_plot
from cleaner.app.training import keep_round
from cleaner.app.waiting import shown, watched
from cleaner.errors import InputError
from cleaner.progress import Report, Stop, never
from cleaner.types import Round, TrainConfig

if TYPE_CHECKING:
    from cleaner.model.train import Trained


@dataclass(frozen=True, slots=True)
class RateSearch:
    """Training losses in nats at rising learning rates, and the rate suggested; a notebook draws them."""

    suggestion: float
    lrs: Sequence[float]
    losses: Sequence[float]

    def _repr_html_(self) -> str:
        return lr_plot(self.lrs, self.losses, self.suggestion)


class ByHand:
    """The verbs of training by hand; `job` makes a training of the images as they are now."""

    def __init__(self, job: Callable[..., Job]) -> None:
        self._job = job

    @watched
    def learner(self, config: TrainConfig | None = None, *, report: Report = shown) -> Any:
        """Return fastai's own Learner over the images as they are; `keep` makes it a round.

        What trains works on it: freeze, unfreeze, fit_one_cycle with slice(…), fine_tune, lr_find, save and
        load of stages, validate, get_preds. What shows batches doesn't: its images are arrays, not files.
        """
        return _learner(self._job(config, report=report))

    @watched
    def keep(self, learner: Any, *, report: Report = shown, stopped: Stop = never) -> Round:
        """Score every image with a Learner of `learner`, and keep that as the next round."""
        choice = getattr(getattr(learner, "material", None), "choice", None)
        job = self._job(choice and choice.config, report=report, stopped=stopped)
        return keep_round(job, partial(_scored, learner))

    @watched
    def find_lr(
        self, config: TrainConfig | None = None, *, report: Report = shown, stopped: Stop = never
    ) -> RateSearch:
        """Try out rising learning rates, and suggest one; as the last line of a cell it shows the curve."""
        return _search(self._job(config, report=report, stopped=stopped))


def _learner(job: Job) -> Any:
    """Return fastai's Learner over the images of a project; its stages are saved in `.cleaner/stages`."""
    load_library(job.report)
    from cleaner.model.learner import make_learner

    return make_learner(
        job.catalog,
        job.squares,
        config=job.config,
        trusted=job.trusted,
        workplace=job.home / "stages",
        report=job.report,
        stopped=job.stopped,
    )


def _scored(learner: Any, job: Job) -> Trained:
    """Score every image of a project with a Learner that was made for it, as it is now; else InputError."""
    load_library(job.report)
    from cleaner.model.train import scored

    made_for = getattr(getattr(learner, "material", None), "catalog", job.catalog)
    if (made_for.root, made_for.digest()) != (job.catalog.root, job.catalog.digest()):
        raise InputError(
            f"Since this Learner was made, images or labels of {job.catalog.root} have changed, or it is of "
            "another project; make a new one with project.by_hand.learner()."
        )
    return scored(learner, report=job.report, stopped=job.stopped)


def _search(job: Job) -> RateSearch:
    """Try out rising learning rates on a network that is thrown away."""
    load_library(job.report)
    from cleaner.model.finder import find_lr

    found = find_lr(job.catalog, job.squares, config=job.config, report=job.report, stopped=job.stopped)
    return RateSearch(found.suggestion, found.lrs.tolist(), found.losses.tolist())
