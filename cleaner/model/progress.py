"""Tell how far a training is, keep its epochs' figures, and end it early: on Stop, or without a loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.learner import AvgSmoothLoss, Learner
from torch import Tensor

from cleaner.errors import CleanerError, Stopped, TrainingError
from cleaner.progress import INTERVAL, Progress, Report, Stop
from cleaner.types import Epoch

Advise: TypeAlias = Callable[[Sequence[Epoch]], tuple[str, ...]]

LEARNING = 3  # what it takes to learn from one image, where to score one takes 1


class Meter:
    """Counts the work of all networks of a training, their scoring included, and reports at a bearable pace.

    The unit is the scoring of one image. `epochs`, `notes` and `advice` go into every report.
    """

    def __init__(self, total: int, *, report: Report, stopped: Stop, notes: Sequence[str] = ()):
        self.total, self.done = total, 0
        self.epochs: tuple[Epoch, ...] = ()
        self.advice: tuple[str, ...] = ()
        self._notes = {note: note for note in notes}
        self._report, self._stopped = report, stopped
        self._begun, self._said = time.monotonic(), -math.inf

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of this training."""
        return tuple(self._notes.values())

    @property
    def due(self) -> bool:
        """Say whether the next step will be reported."""
        return time.monotonic() - self._said >= INTERVAL

    def remark(self, about: str, *, note: str) -> None:
        """Add a note, in place of an earlier one about the same thing."""
        self._notes[about] = note

    def step(self, work: int, phase: str, *, note: Callable[[], str]) -> None:
        """Count the work of one batch; raise Stopped if the person doesn't want another."""
        self.done += work
        if self._stopped():
            raise Stopped(f"The training was stopped while {phase} ({note()}); nothing of it was kept.")
        if self.due or self.done == self.total:
            self.say(phase, note=note())

    def say(self, phase: str, *, note: str) -> None:
        """Report now."""
        self._said = time.monotonic()
        elapsed = self._said - self._begun
        known = (*self.notes, *self.advice)
        self._report(Progress(phase, self.done, self.total, elapsed, note, self.epochs, known))


class SmoothLoss(AvgSmoothLoss):  # type: ignore[misc]  # fastai is untyped
    """fastai's running mean of the training loss, kept on the device: no batch waits for the one before."""

    def accumulate(self, learn: Learner) -> None:
        """Take in the loss of one batch."""
        loss = learn.loss.detach().mean()
        self.count += 1
        self.val: Tensor = torch.lerp(loss, self.val.to(loss.device), self.beta)


class History(Callback):  # type: ignore[misc]  # fastai is untyped
    """Keeps the figures that fastai prints after each epoch, over all fits of a Learner.

    `first` is the number of the first one: 0 where a new head learns alone before.
    """

    order = 55  # after the Recorder, whose figures it reads

    def __init__(self, *, first: int = 1):
        super().__init__()
        self.first = first
        self.figures: tuple[Epoch, ...] = ()

    @property
    def number(self) -> int:
        """The number of the epoch that runs."""
        return self.first + len(self.figures)

    def after_epoch(self) -> None:
        """Keep the figures of an epoch that was not skipped; NaN where nothing was validated."""
        if is_trial(self.learn):
            return
        values = [math.nan if value is None else float(value) for value in self.recorder.values[-1]]
        if values:
            train_loss, valid_loss, error_rate = [*values, math.nan, math.nan][:3]
            self.figures += (Epoch(self.number, train_loss, valid_loss, error_rate),)


class Watch(Callback):  # type: ignore[misc]  # fastai is untyped
    """Moves a Meter on with every batch of a Learner, and ends a training that makes no sense any more.

    `ended` is why it ended early: fastai rewords every error raised in a callback.
    """

    order = 60

    def __init__(self, meter: Meter, *, name: str, planned: int, rate: float, advise: Advise):
        super().__init__()
        self.meter, self.name_of_part, self.planned, self.rate = meter, name, planned, rate
        self.advise = advise
        self.ended: CleanerError | None = None

    def before_fit(self) -> None:
        """Begin no second part of a training that has ended."""
        if self.ended:
            raise CancelFitException

    def after_batch(self) -> None:
        """Count the batch; look at its loss now and then, since a loss that is no number stays none."""
        try:
            if self.training and self.meter.due:
                self._check_loss()
            work = len(self.pred) * (LEARNING if self.training else 1)
            self.meter.step(work, "training", note=self._note)
        except CleanerError as error:
            self.ended = error
            raise CancelFitException from error

    def after_train(self) -> None:
        """Look at the loss of the last batch."""
        try:
            self._check_loss()
        except CleanerError as error:
            self.ended = error
            raise CancelFitException from error

    def after_epoch(self) -> None:
        """Show the figures of the network that is kept, and what they advise."""
        if self.recorder.values[-1] and not self.name_of_part:
            self.meter.epochs = self.history.figures
            self.meter.advice = self.advise(self.history.figures)
            self.meter.say("training", note=self._note(self.history.number - 1))

    def _note(self, number: int | None = None) -> str:
        """Say where the training is; in the epoch that runs unless another one is named."""
        number = self.history.number if number is None else number
        where = epoch_in_words(number, planned=self.planned)
        loss = f"training loss {float(self.recorder.smooth_loss.value):.3f}"
        return " · ".join(part for part in (self.name_of_part, where, loss) if part)

    def _check_loss(self) -> None:
        loss = self.learn.loss.item()
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss} in epoch {self.history.number}; "
                f"give a lower learning rate than {self.rate:g}, for example {self.rate / 10:g}."
            )


def is_trial(learn: Learner) -> bool:
    """Say whether a Learner only tries out learning rates, after which all it learned is forgotten."""
    return hasattr(learn, "lr_finder")


def epoch_in_words(number: int, *, planned: int) -> str:
    """Say which epoch it is; number 0 is the one in which only a new head learns."""
    return f"epoch {number} of {planned}" if number else "the new head alone"
