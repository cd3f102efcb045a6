"""One training at a time for a project, in whichever window; its result becomes the next round."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from cleaner.app.rounds import save_round
from cleaner.catalog.pixels import pixels
from cleaner.errors import Refused
from cleaner.progress import Progress, Report, Stop
from cleaner.types import Catalog, Round, TrainConfig

ELSEWHERE = "A training of this project is running in another window; wait until it ends, or stop it."


def train_round(catalog: Catalog, *, home: Path, config: TrainConfig, report: Report, stopped: Stop) -> Round:
    """Train on a catalog, score every image, and keep that as the next round of the project in `home`.

    Raises Refused while another training of the project runs, and whatever the training raises; nothing is
    on disk then.
    """
    from cleaner.model.checks import check_settings, split_rows

    check_settings(config)  # before the wait for what is heavy
    split_rows(catalog)
    with _alone(home):
        stop_file = _stop_file(home)
        stop_file.unlink(missing_ok=True)
        return _train(
            catalog, home=home, config=config, report=report, stopped=lambda: stopped() or stop_file.exists()
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


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Keep what the heavy libraries say of each other while they load from a person who can't help it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _train(catalog: Catalog, *, home: Path, config: TrainConfig, report: Report, stopped: Stop) -> Round:
    started = time.monotonic()
    report(Progress("loading", 0, 0, note="loading the training library (about 20 s the first time)"))
    with quiet_import():
        from cleaner.model.store import save_network
        from cleaner.model.train import train

    squares = partial(_pixels, catalog, home=home, report=report, stopped=stopped)
    trained = train(catalog, squares, config=config, report=report, stopped=stopped)
    said = trained.predictions
    held_out = said.origins == "held-out"
    result = Round(
        number=0,  # given when it is saved
        config=trained.config,
        vocab=said.vocab,
        epochs=trained.epochs,
        catalog_digest=catalog.digest(),
        held_out=int(held_out.sum()),
        error_rate=float((said.probs.argmax(axis=1) != said.labels)[held_out].mean()),
        device=trained.device,
        notes=trained.notes,
        seconds=time.monotonic() - started,
        finished=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    keep = partial(save_network, network=trained.network)
    return save_round(result, said, folder=home / "rounds", save_network=keep)


def _pixels(catalog: Catalog, side: int, *, home: Path, report: Report, stopped: Stop) -> NDArray[np.uint8]:
    return pixels(catalog, side=side, cache=home / "pixels", report=report, stopped=stopped)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    lock = FileLock(home / "training.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Refused(ELSEWHERE) from None
    try:
        yield
    finally:
        lock.release()


def _stop_file(home: Path) -> Path:
    return home / "training.stop"
