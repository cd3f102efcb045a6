"""What a training tells other windows, and what is left of one that was killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from filelock import FileLock

from cleaner.app.training import drop_killed
from cleaner.app.underway import forget, told, underway
from cleaner.errors import Refused
from cleaner.progress import Progress, quiet
from cleaner.types import Epoch, TrainConfig

CONFIG = TrainConfig(weights="scratch", epochs=3)
FAR = Progress("training", 2, 3, 1.5, "epoch 2 of 3", (Epoch(1, 0.5, 0.4, 0.1),), ("no weights",))


def _kill(home: Path, config: TrainConfig) -> None:
    with told(home, config=config, report=quiet):
        left = (home / "training.json").read_bytes()
    (home / "training.json").write_bytes(left)


def test_another_window_sees_how_far_a_training_is_and_nothing_is_left_after_it(tmp_path: Path) -> None:
    heard: list[Progress] = []
    assert underway(tmp_path) is None
    with told(tmp_path, config=CONFIG, report=heard.append) as report:
        report(FAR)
        seen = underway(tmp_path)
        assert seen is not None
        assert (seen.config, seen.progress) == (CONFIG, FAR)
    assert heard == [FAR]
    assert underway(tmp_path) is None


def test_a_training_that_fails_leaves_nothing_but_one_that_is_killed_does(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), told(tmp_path, config=CONFIG, report=quiet):
        raise ValueError("no")
    assert underway(tmp_path) is None
    if not (child := os.fork()):
        with told(tmp_path, config=CONFIG, report=quiet) as report:
            report(FAR)
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    left = underway(tmp_path)
    assert left is not None
    assert left.progress.epochs == FAR.epochs
    forget(tmp_path)
    assert underway(tmp_path) is None


def test_a_killed_training_is_forgotten_with_all_it_would_go_on_from(tmp_path: Path) -> None:
    """Or the next one with the same settings would go on with it, although somebody chose to start anew."""
    _kill(tmp_path, CONFIG)
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "0.state").touch()
    with FileLock(tmp_path / "training.lock"), pytest.raises(Refused, match="running in another window"):
        drop_killed(tmp_path)
    assert (tmp_path / "training" / "0.state").exists()
    drop_killed(tmp_path)
    assert underway(tmp_path) is None
    assert not (tmp_path / "training").exists()


def test_a_quick_look_leaves_what_a_killed_full_training_told(tmp_path: Path) -> None:
    quick = TrainConfig(mode="quick")
    _kill(tmp_path, CONFIG)
    with told(tmp_path, config=quick, report=quiet, beside=True):
        running = underway(tmp_path)
        assert running is not None
        assert running.config == quick
    left = underway(tmp_path)
    assert left is not None
    assert left.config == CONFIG
    _kill(tmp_path, quick)
    with told(tmp_path, config=quick, report=quiet, beside=True):
        pass
    assert underway(tmp_path) is None  # a quick look that was killed has kept nothing


def test_a_damaged_word_of_a_training_is_as_none(tmp_path: Path) -> None:
    of_another = '{"config": {"odd": 1}, "progress": {"epochs": [], "notes": []}}'
    for text in ("", "[]", '{"progress": 1}', of_another):
        (tmp_path / "training.json").write_text(text)
        assert underway(tmp_path) is None
