"""Find a learning rate: fastai's mock training with rising rates, on a network that is thrown away."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from fastai.callback.core import CancelFitException
from fastai.callback.schedule import LRFinder, valley
from fastai.learner import Learner
from fastai.torch_core import no_random

from cleaner.errors import Stopped, TrainingError
from cleaner.model.learner import PixelSource, gather, learner
from cleaner.model.memory import memory_errors_explained
from cleaner.model.progress import Meter
from cleaner.progress import Report, Stop, never, quiet
from cleaner.types import Catalog, Floats, TrainConfig

STEPS = 100
UNSURE = 5  # of the last steps, when the loss already runs away
FEWEST = 10  # steps from which a valley can be told


@dataclass(frozen=True, slots=True, eq=False)
class LearningRates:
    """The smoothed training loss, in nats, at each of M rising learning rates, and the rate to train with."""

    lrs: Floats
    losses: Floats
    suggestion: float


class Trial(LRFinder):  # type: ignore[misc]  # fastai is untyped
    """fastai's own, on a network that need not be put back; moves a Meter on, and `ended` tells of a Stop."""

    def __init__(self, meter: Meter):
        super().__init__(num_it=STEPS)
        self.meter = meter
        self.ended: Stopped | None = None

    def before_fit(self) -> None:
        """Begin, without a copy of the network on disk."""
        self.hps: dict[str, list[float]] = {"lr": []}
        self.best_loss = math.inf

    def after_batch(self) -> None:
        """Count one step, and see whether it was the last one."""
        try:
            self.meter.step(1, "finding the learning rate", note=lambda: f"lr {self.recorder.lrs[-1]:.1e}")
        except Stopped as error:
            self.ended = error
            raise CancelFitException from error
        super().after_batch()

    def after_fit(self) -> None:
        """Put nothing back."""


def find_lr(
    catalog: Catalog,
    pixels: PixelSource,
    *,
    config: TrainConfig,
    report: Report = quiet,
    stopped: Stop = never,
) -> LearningRates:
    """Try STEPS rising learning rates on what a training would begin with, and suggest one.

    For weights from elsewhere it is the new head alone that learns, as in the first epoch of a training.
    Nothing is kept. Raises InputError, TrainingError or Stopped.
    """
    with memory_errors_explained(config):
        material = gather(catalog, pixels, config=config, trusted=None, report=report, stopped=stopped)
        choice = material.choice
        trial = Trial(Meter(STEPS, report=report, stopped=stopped, notes=choice.notes))
        with no_random(config.seed):
            made = learner(
                material,
                network=choice.network,
                learned=material.learned,
                batch_size=config.batch_size,
                callbacks=[trial],
            )
            if not choice.from_scratch:
                made.freeze()
            made.fit(math.ceil(STEPS / len(made.dls.train)))
    if trial.ended:
        raise trial.ended
    return _suggested(made)


def _suggested(made: Learner) -> LearningRates:
    """Leave out both ends, as fastai does, and whatever is no number; suggest from the longest valley."""
    lrs = np.asarray([float(lr) for lr in made.recorder.lrs], dtype=np.float32)
    losses = np.asarray([float(loss) for loss in made.recorder.losses], dtype=np.float32)
    good = int(np.argmin(np.isfinite(losses))) if not np.isfinite(losses).all() else len(losses)
    middle = slice(STEPS // 10, min(good, len(losses) - UNSURE))
    lrs, losses = lrs[middle], losses[middle]
    if len(lrs) < FEWEST:
        raise TrainingError(
            "No learning rate can be suggested, because the loss is no number almost at once; "
            "look at the images."
        )
    suggestion, _ = valley(lrs.tolist(), losses.tolist(), STEPS)
    return LearningRates(lrs, losses, float(suggestion))
