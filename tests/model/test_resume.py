"""A training that is killed goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from cleaner.errors import Stopped, TrainingError
from cleaner.model import progress, resume
from cleaner.model.train import train

KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from cleaner.model import progress, resume
from cleaner.model.train import train
from cleaner.types import Catalog, TrainConfig, strings

resume.SAVE_EVERY = progress.INTERVAL = 0
with np.load(sys.argv[1], allow_pickle=True) as kept:
    columns = dict(kept)
catalog = Catalog(root=Path("photos"), vocab=("cat", "dog"), **columns)
images = np.load(sys.argv[2])

def kill(report):
    if report.note.startswith(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

config = TrainConfig(weights="scratch", epochs=4, folds=2)
train(catalog, lambda side: images, config=config, workplace=Path(sys.argv[3]), report=kill)
"""


class Killed(BaseException):
    """What no except clause of the program catches, as a kernel that is interrupted."""


@pytest.fixture(autouse=True)
def _saved_after_every_epoch_and_reported_at_every_batch(monkeypatch):
    monkeypatch.setattr(resume, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)


@pytest.fixture(scope="module")
def divided(quick):
    return replace(quick, epochs=4, folds=2)


@pytest.fixture(scope="module")
def uninterrupted(few, divided):
    return train(few.catalog, few.pixels, config=divided)


def interrupt(few, config, *, at: str, workplace: Path) -> None:
    """Train until a report begins with `at`."""

    def kill(report) -> None:
        if report.note.startswith(at):
            raise Killed

    with pytest.raises(Killed):
        train(few.catalog, few.pixels, config=config, workplace=workplace, report=kill)


def assert_same(mine, other) -> None:
    assert mine.epochs == other.epochs
    for name in ("probs", "losses", "margins", "origins"):
        np.testing.assert_array_equal(getattr(mine.predictions, name), getattr(other.predictions, name))
    for name, tensor in mine.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name]), name


def test_after_a_real_kill_the_same_call_goes_on_and_ends_the_same(few, divided, uninterrupted, tmp_path):
    names = ("ids", "paths", "labels", "splits", "digests", "widths", "heights", "bytes", "mtimes")
    np.savez(tmp_path / "catalog.npz", **{name: getattr(few.catalog, name) for name in names})
    np.save(tmp_path / "images.npy", few.pixels(36))
    place = tmp_path / "training"
    files = [str(tmp_path / name) for name in ("catalog.npz", "images.npy")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, *files, str(place), "fold 2 of 2 · epoch 2"],
        check=False,
        timeout=300,
    )
    assert done.returncode == -signal.SIGKILL
    assert list(place.glob("*.state"))
    again = train(few.catalog, few.pixels, config=divided, workplace=place)
    assert again.notes == (
        "Going on with the training that was interrupted after epoch 1 of 4 of fold 2 of 2.",
    )
    assert_same(again, uninterrupted)


def test_a_training_whose_result_was_not_kept_is_recalled_at_once(few, divided, uninterrupted, tmp_path):
    train(few.catalog, few.pixels, config=divided, workplace=tmp_path)
    seen = []
    again = train(few.catalog, few.pixels, config=divided, workplace=tmp_path, report=seen.append)
    assert not any("epoch" in progress.note for progress in seen if progress.phase == "training")
    assert_same(again, uninterrupted)


@pytest.mark.parametrize(
    ("at", "note"),
    [
        ("epoch 2 of 4", "after epoch 1 of 4"),
        ("30 images", "after epoch 4 of 4"),
        ("fold 1 of 2 · epoch 1", "after epoch 4 of 4"),
        ("fold 1 of 2 · epoch 4", "after epoch 3 of 4 of fold 1 of 2"),
        ("fold 2 of 2 · epoch 1", "after fold 1 of 2"),
    ],
)
def test_wherever_it_is_interrupted_it_goes_on_there(few, divided, uninterrupted, tmp_path, at, note):
    interrupt(few, divided, at=at, workplace=tmp_path)
    reports = []
    again = train(few.catalog, few.pixels, config=divided, workplace=tmp_path, report=reports.append)
    assert again.notes == (f"Going on with the training that was interrupted {note}.",)
    assert_same(again, uninterrupted)
    assert reports[-1].done == reports[-1].total
    assert reports[-1].epochs == again.epochs
    assert not any(report.note.startswith("epoch 1 of 4") for report in reports)


def test_it_can_be_interrupted_again_and_again(few, divided, uninterrupted, tmp_path):
    for at in ("epoch 2 of 4", "epoch 4 of 4", "fold 1 of 2 · epoch 3", "fold 2 of 2 · epoch 4"):
        interrupt(few, divided, at=at, workplace=tmp_path)
    assert_same(train(few.catalog, few.pixels, config=divided, workplace=tmp_path), uninterrupted)


@pytest.mark.parametrize(
    ("at", "after"), [("epoch 1 of 2", "the new head alone"), ("epoch 2 of 2", "epoch 1 of 2")]
)
def test_fine_tuning_goes_on_in_both_of_its_parts(few, quick, tmp_path, at, after):
    torch.manual_seed(0)
    save_file(get_model("resnet18", weights=None).state_dict(), tmp_path / "weights")
    config = replace(
        quick, arch="resnet18", weights=str(tmp_path / "weights"), size=32, epochs=2, batch_size=16
    )
    place = tmp_path / "training"
    interrupt(few, config, at=at, workplace=place)
    again = train(few.catalog, few.pixels, config=config, workplace=place)
    assert again.notes == (f"Going on with the training that was interrupted after {after}.",)
    assert_same(again, train(few.catalog, few.pixels, config=config))


def test_a_training_with_a_place_to_save_is_the_same_as_one_without(few, divided, uninterrupted, tmp_path):
    trained = train(few.catalog, few.pixels, config=divided, workplace=tmp_path / "new" / "folder")
    assert_same(trained, uninterrupted)
    assert trained.notes == ()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"",
        lambda whole: b"PK" + bytes(500),
        lambda whole: b"\x80\x02cos\nsystem\n(S'true'\ntR.",
        lambda whole: whole[:2000] + bytes(byte ^ 255 for byte in whole[2000:40000]) + whole[40000:],
    ],
    ids=["cut", "empty", "zeros", "foreign", "flipped"],
)
def test_a_damaged_state_is_ignored(few, quick, tmp_path, damage):
    config = replace(quick, epochs=2)
    interrupt(few, config, at="epoch 2 of 2", workplace=tmp_path)
    (file,) = tmp_path.glob("*.state")
    file.write_bytes(damage(file.read_bytes()))
    again = train(few.catalog, few.pixels, config=config, workplace=tmp_path)
    assert again.notes == ()
    assert_same(again, train(few.catalog, few.pixels, config=config))


def test_the_state_of_another_training_is_ignored_and_overwritten(few, quick, tmp_path):
    config = replace(quick, epochs=3)
    other_labels = replace(few.catalog, labels=1 - few.catalog.labels)
    for catalog, changed in (
        (few.catalog, replace(config, lr=1e-3)),
        (few.catalog, replace(config, seed=1)),
        (other_labels, config),
    ):
        interrupt(few, config, at="epoch 2 of 3", workplace=tmp_path)
        other = train(catalog, few.pixels, config=changed, workplace=tmp_path)
        assert other.notes == ()
        assert_same(other, train(catalog, few.pixels, config=changed))


def test_labels_confirmed_while_it_ran_do_not_cost_a_killed_training_its_state(few, quick, tmp_path):
    config = replace(quick, epochs=3)
    interrupt(few, config, at="epoch 3 of 3", workplace=tmp_path)
    again = train(few.catalog, few.pixels, config=config, trusted=np.arange(60) < 20, workplace=tmp_path)
    assert again.notes == ("Going on with the training that was interrupted after epoch 2 of 3.",)


def test_stop_and_an_error_of_the_training_leave_nothing_to_go_on_with(few, quick, tmp_path):
    asked = []

    def stopped() -> bool:
        asked.append(1)
        return bool(list(tmp_path.glob("*.state")))

    with pytest.raises(Stopped):
        train(few.catalog, few.pixels, config=replace(quick, epochs=3), workplace=tmp_path, stopped=stopped)
    assert len(asked) > 1
    assert list(tmp_path.iterdir()) == []
    interrupt(few, replace(quick, epochs=3), at="epoch 2 of 3", workplace=tmp_path)
    with pytest.raises(TrainingError):
        train(few.catalog, few.pixels, config=replace(quick, epochs=20, lr=1e30), workplace=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_between_two_epochs_it_saves_only_now_and_then(few, quick, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SAVE_EVERY", 1000.0)
    interrupt(few, replace(quick, epochs=3), at="epoch 3 of 3", workplace=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_can_not_be_saved_is_noted_and_the_training_goes_on(few, quick, tmp_path):
    (tmp_path / "0.state").mkdir()  # where it is to be written
    trained = train(few.catalog, few.pixels, config=quick, workplace=tmp_path)
    (note,) = trained.notes
    assert note.startswith("The state of the training could not be saved (Is a directory)")
    assert_same(trained, train(few.catalog, few.pixels, config=quick))
