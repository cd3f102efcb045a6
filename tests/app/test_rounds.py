from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from cleaner.app.features import load_features
from cleaner.app.rounds import load_predictions, load_rounds, save_round
from cleaner.errors import InputError
from cleaner.types import Epoch, Predictions, Round, TrainConfig, strings

RESULT = Round(
    number=0,
    config=TrainConfig(epochs=2, size=32),
    vocab=("a", "<b>"),
    epochs=(Epoch(1, 0.5, 0.6, 0.25), Epoch(2, 0.4, float("nan"), 0.2)),
    catalog_digest="ab",
    held_out=1,
    error_rate=0.0,
    device="CPU",
    notes=("a note",),
    seconds=1.5,
    finished="2026-01-01T00:00:00+00:00",
)
SAID = Predictions(
    ids=strings(["a/クマ.png", "b/\n.png"]),
    vocab=("a", "<b>"),
    labels=np.array([0, 1], dtype=np.int32),
    probs=np.array([[0.75, 0.25], [0.5, 0.5]], dtype=np.float32),
    losses=np.array([0.3, 0.7], dtype=np.float32),
    origins=strings(["held-out", "in-sample"]),
)


def _save(folder: Path) -> Round:
    return save_round(RESULT, SAID, folder=folder, save_network=lambda path: path.write_bytes(b"weights"))


def test_a_round_comes_back_as_it_was(tmp_path: Path) -> None:
    saved = _save(tmp_path)
    (loaded,) = load_rounds(tmp_path)
    assert repr(loaded) == repr(saved)  # a loss that is no number is equal to nothing, not even to itself
    said = load_predictions(tmp_path, result=loaded)
    assert list(said.ids) == list(SAID.ids)
    assert list(said.origins) == list(SAID.origins)
    assert all(np.array_equal(getattr(said, n), getattr(SAID, n)) for n in ("labels", "probs", "losses"))


def test_two_trainings_that_end_at_once_become_two_rounds(tmp_path: Path) -> None:
    threads = [threading.Thread(target=_save, args=[tmp_path]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r.number for r in load_rounds(tmp_path)] == list(range(1, 9))


def test_a_round_whose_weights_cannot_be_written_is_no_round(tmp_path: Path) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        save_round(RESULT, SAID, folder=tmp_path, save_network=full)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []  # it would keep the disk full
    assert load_rounds(tmp_path) == ()
    assert _save(tmp_path).number == 1


def test_a_round_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    _save(tmp_path)
    _save(tmp_path)
    (tmp_path / "001" / "round.json").write_text("{ cut sho")
    assert [r.number for r in load_rounds(tmp_path)] == [2]
    assert _save(tmp_path).number == 3


def test_the_number_of_a_round_that_was_removed_is_not_given_again(tmp_path: Path) -> None:
    _save(tmp_path)
    _save(tmp_path)
    shutil.rmtree(tmp_path / "002")
    assert _save(tmp_path).number == 3
    (tmp_path / ".last").write_bytes(b"\xff")
    assert _save(tmp_path).number == 4


def test_a_copy_of_a_round_is_no_second_one(tmp_path: Path) -> None:
    _save(tmp_path)
    shutil.copytree(tmp_path / "001", tmp_path / "001 backup")
    (tmp_path / "²").mkdir()
    assert [r.number for r in load_rounds(tmp_path)] == [1]
    assert _save(tmp_path).number == 2


@pytest.mark.parametrize("text", ["{}", "[]", '{"ids": 1, "origins": []}', '{"ids": ["a"]}', "{ cut sho"])
def test_a_round_whose_items_are_damaged_is_named(tmp_path: Path, text: str) -> None:
    saved = _save(tmp_path)
    (tmp_path / "001" / "items.json").write_text(text)
    with pytest.raises(InputError, match=r"Round 1 in .* is damaged"):
        load_predictions(tmp_path, result=saved)


@pytest.mark.parametrize("text", ["null", "[]", "1", "{}", '{"config": 1}'])
def test_a_round_that_is_none_is_left_out_and_hides_no_other(tmp_path: Path, text: str) -> None:
    _save(tmp_path)
    _save(tmp_path)
    (tmp_path / "001" / "round.json").write_text(text)
    (tmp_path / "002" / "features.json").write_text(text)
    assert [r.number for r in load_rounds(tmp_path)] == [2]
    assert load_features(tmp_path / "002") is None
