"""Tell how far a training is, and end it early: on Stop, or when the loss is no number any more."""

from __future__ import annotations

import math
import time

from fastai.callback.core import Callback, CancelFitException

from cleaner.errors import CleanerError, Stopped, TrainingError
from cleaner.progress import Progress, Report, Stop
from cleaner.types import Epoch

INTERVAL = 0.1  # seconds between two reports, or the browser has no time to draw them


class Meter:
    """Counts the batches of training and scoring together, and reports them at a bearable pace."""

    def __init__(self, total: int, *, report: Report, stopped: Stop, notes: tuple[str, ...] = ()):
        self.total, self.done, self.notes = total, 0, notes
        self.epochs: tuple[Epoch, ...] = ()
        self._report, self._stopped = report, stopped
        self._begun, self._said = time.monotonic(), -math.inf

    def step(self, phase: str, *, note: str) -> None:
        """Count one batch; raise Stopped if the person doesn't want another."""
        self.done += 1
        if self._stopped():
            raise Stopped(f"The training was stopped while {phase} ({note}); nothing of it was kept.")
        if time.monotonic() - self._said >= INTERVAL or self.done == self.total:
            self.say(phase, note=note)

    def say(self, phase: str, *, note: str) -> None:
        """Report now."""
        self._said = time.monotonic()
        elapsed = self._said - self._begun
        self._report(Progress(phase, self.done, self.total, elapsed, note, self.epochs, self.notes))


class Watch(Callback):  # type: ignore[misc]  # fastai is untyped
    """Moves a Meter on with every batch of a Learner, and keeps the figures of every epoch.

    `ended` is why the training ended early: fastai rewords every error raised in a callback.
    """

    order = 60  # after the Recorder, whose figures it reads

    def __init__(self, meter: Meter, *, epochs: int, head_first: bool, lr: float):
        super().__init__()
        self.meter, self.planned, self.head_first, self.rate = meter, epochs, head_first, lr
        self.ended: CleanerError | None = None

    def before_fit(self) -> None:
        """Begin no second part of a training that has ended."""
        if self.ended:
            raise CancelFitException

    def after_batch(self) -> None:
        """Count the batch, and look at its loss."""
        try:
            self._check_loss()
            self.meter.step("training", note=self._note())
        except CleanerError as error:
            self.ended = error
            raise CancelFitException from error

    def after_epoch(self) -> None:
        """Keep the figures that fastai would print."""
        train_loss, valid_loss, error_rate = (float(value) for value in self.recorder.values[-1])
        note = self._note()
        self.meter.epochs += (Epoch(self._number(), train_loss, valid_loss, error_rate),)
        self.meter.say("training", note=note)

    def _number(self) -> int:
        return len(self.meter.epochs) + (0 if self.head_first else 1)

    def _note(self) -> str:
        number = self._number()
        where = f"epoch {number} of {self.planned}" if number else "the new head alone"
        return f"{where} · training loss {float(self.recorder.smooth_loss.value):.3f}"

    def _check_loss(self) -> None:
        loss = self.learn.loss.item()
        if self.training and not math.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss} in epoch {self._number()}; "
                f"give a lower learning rate than {self.rate:g}, for example lr={self.rate / 10:g}."
            )
