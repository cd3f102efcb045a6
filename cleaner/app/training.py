"""One training at a time for a project, in whichever window; its result becomes the next round."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cleaner.app.caches import Job, workplace_of
from cleaner.app.engine import Outcome, outcome_of, train_full, train_quick
from cleaner.app.rounds import save_round
from cleaner.app.underway import forget, told
from cleaner.errors import DISK_FULL, Refused, TrainingError
from cleaner.types import Round

if TYPE_CHECKING:
    from cleaner.model.train import Trained

ELSEWHERE = "A training of this project is running in another window; wait until it ends, or stop it."
GLANCE, PATIENCE = 0.05, 2.0  # seconds to wait for another window that only looks if a training runs
FITS = {"quick": train_quick, "full": train_full}


def train_round(job: Job) -> Round:
    """Train on a catalog, score every image, and keep that as the next round of the project.

    Raises Refused while another training of the project runs, and whatever the training raises; no round is
    on disk then.
    """
    from cleaner.model.checks import check_settings, split_rows

    check_settings(job.config)  # before the wait for what is heavy
    split_rows(job.catalog)
    return _keep_next(job, FITS[job.config.mode], beside=job.config.mode != "full")


def keep_round(job: Job, score: Callable[[Job], Trained]) -> Round:
    """Keep what was trained by hand as the next round of the project."""
    return _keep_next(job, lambda going: outcome_of(score(going), going), beside=True)


def _keep_next(job: Job, fit: Callable[[Job], Outcome], *, beside: bool) -> Round:
    """Fit, and keep the outcome; one that runs `beside` leaves what a killed full training has kept."""
    with (
        _alone(job.home, patience=PATIENCE),
        disk_errors_explained(job.home),
        told(job.home, config=job.config, report=job.report, beside=beside) as report,
    ):
        stop_file = _stop_file(job.home)
        stop_file.unlink(missing_ok=True)
        started = time.monotonic()
        outcome = fit(replace(job, report=report, stopped=lambda: job.stopped() or stop_file.exists()))
        kept = _save(outcome, job, seconds=time.monotonic() - started)
        if not beside:
            shutil.rmtree(workplace_of(job.home), ignore_errors=True)  # only now may it go
        return kept


def _save(outcome: Outcome, job: Job, *, seconds: float) -> Round:
    said = outcome.predictions
    held_out = job.catalog.held_out()
    result = Round(
        number=0,  # given when it is saved
        config=outcome.config,
        vocab=said.vocab,
        epochs=outcome.epochs,
        catalog_digest=job.catalog.digest(),
        held_out=int(held_out.sum()),
        error_rate=float((said.probs.argmax(axis=1) != said.labels)[held_out].mean()),
        device=outcome.device,
        notes=outcome.notes,
        seconds=seconds,
        finished=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        advice=outcome.advice,
    )
    return save_round(
        result,
        said,
        folder=job.home / "rounds",
        save_network=outcome.save_network,
        features=outcome.features,
    )


def training_elsewhere(home: Path) -> str | None:
    """Say that a training runs, in a sentence; None if none does."""
    try:
        with _alone(home):
            return None
    except Refused as running:
        return str(running)


def ask_to_stop(home: Path) -> None:
    """Ask the training that runs, if any, to stop at its next step."""
    _stop_file(home).touch()


def drop_killed(home: Path) -> None:
    """Forget a training that was killed, and what it would go on from. Raises Refused while one runs."""
    with _alone(home, patience=PATIENCE):
        forget(home)
        shutil.rmtree(workplace_of(home), ignore_errors=True)


@contextlib.contextmanager
def disk_errors_explained(home: Path) -> Iterator[None]:
    """Turn a full disk, at whatever moment, into a sentence with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise TrainingError(
            f"The disk that holds {home} is full; free some space and train again. All rounds are intact."
        ) from error


@contextlib.contextmanager
def _alone(home: Path, *, patience: float = GLANCE) -> Iterator[None]:
    lock = FileLock(home / "training.lock")
    try:
        lock.acquire(timeout=patience, poll_interval=0.01)
    except Timeout:
        raise Refused(ELSEWHERE) from None
    try:
        yield
    finally:
        lock.release()


def _stop_file(home: Path) -> Path:
    return home / "training.stop"
