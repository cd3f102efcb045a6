"""Training by hand, for those who know fastai: its own Learner over a project's images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cleaner.app.caches import Job
from cleaner.app.engine import load_library
from cleaner.app.plots import lr_plot
from cleaner.errors import InputError

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


def learner_of(job: Job) -> Any:
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


def scored_by(learner: Any, job: Job) -> Trained:
    """Score every image of a project with a Learner that was made for it, as it is now; else InputError."""
    load_library(job.report)
    from cleaner.model.train import scored

    made_for = getattr(getattr(learner, "material", None), "catalog", job.catalog)
    if (made_for.root, made_for.digest()) != (job.catalog.root, job.catalog.digest()):
        raise InputError(
            f"Since this Learner was made, images or labels of {job.catalog.root} have changed, or it is of "
            "another project; make a new one with project.learner()."
        )
    return scored(learner, report=job.report, stopped=job.stopped)


def search_rate(job: Job) -> RateSearch:
    """Try out rising learning rates on a network that is thrown away."""
    load_library(job.report)
    from cleaner.model.finder import find_lr

    found = find_lr(job.catalog, job.squares, config=job.config, report=job.report, stopped=job.stopped)
    return RateSearch(found.suggestion, found.lrs.tolist(), found.losses.tolist())
