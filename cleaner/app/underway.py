"""What a training tells of itself to other windows, and to the one that opens after it was killed.

One small file in the project's folder, there as long as a training runs; it never stops or fails one.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from cleaner.progress import Progress, Report
from cleaner.types import Epoch, TrainConfig
from cleaner.writing import whole

EVERY = 0.5  # seconds between two writes


@dataclass(frozen=True, slots=True)
class Underway:
    """A training as it was asked for, and how far it was when it last told."""

    config: TrainConfig
    progress: Progress


@contextlib.contextmanager
def told(home: Path, *, config: TrainConfig, report: Report, beside: bool = False) -> Iterator[Report]:
    """Tell how far a training is while the block runs; yield what it is to report to.

    However the block ends nothing is left; only a kill leaves what was told last. One that runs `beside` what
    a full training has kept of itself leaves what that told, too.
    """
    last = 0.0
    file = _file(home)
    killed = underway(home) if beside else None
    _write(file, Underway(config, Progress("starting", 0, 0)))

    def tell(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            _write(file, Underway(config, progress))
        report(progress)

    try:
        yield tell
    finally:
        if killed is not None and killed.config.mode == "full":
            _write(file, killed)
        else:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)


def underway(home: Path) -> Underway | None:
    """Return what a training of a project told last, whether it still runs or was killed; None if none."""
    try:
        raw = json.loads(_file(home).read_text(encoding="utf-8"))
        progress = raw["progress"]
        epochs = tuple(Epoch(**epoch) for epoch in progress.pop("epochs"))
        notes = tuple(progress.pop("notes"))
        return Underway(TrainConfig(**raw["config"]), Progress(**progress, epochs=epochs, notes=notes))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def forget(home: Path) -> None:
    """Forget what a training that was killed told last."""
    _file(home).unlink(missing_ok=True)


def _write(file: Path, now: Underway) -> None:
    with contextlib.suppress(OSError), whole(file) as part:  # a full disk is for the training itself to say
        part.write_text(json.dumps(asdict(now)), encoding="utf-8")


def _file(home: Path) -> Path:
    return home / "training.json"
