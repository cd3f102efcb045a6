from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from cleaner import Project


def _cleaner(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cleaner.app.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_the_demo_finds_the_planted_errors_and_a_second_start_reuses_it(tmp_path: Path) -> None:
    first = _cleaner("demo", tmp_path / "demo", "--check")
    assert first.returncode == 0, first.stderr
    assert "90 of 1797 labels were planted wrong" in first.stdout
    assert _first_share(first.stdout) >= 0.8
    again = _cleaner("demo", tmp_path / "demo", "--check")
    assert "Reusing" in again.stdout
    assert _sentence(again.stdout) == _sentence(first.stdout)
    with (tmp_path / "demo" / "truth.csv").open() as file:
        assert sum(row["given"] != row["true"] for row in csv.DictReader(file)) == 90


def _sentence(text: str) -> str:
    return next(line for line in text.splitlines() if "planted" in line)


def _first_share(text: str) -> float:
    return int(_sentence(text).split("(")[1].split("%")[0]) / 100


def test_the_verbs_take_a_folder_round_the_loop(folder, tmp_path: Path) -> None:
    root = folder(each=20)
    assert "60 images in 3 classes" in _cleaner("verify", root).stdout
    trained = _cleaner("train", root, "--weights", "scratch", "--epochs", 1, "--size", 32)
    assert "Round 1: error rate" in trained.stdout, trained.stderr
    ranked = _cleaner("rank", root, "--top", 5).stdout.splitlines()
    assert len(ranked) == 5
    identity = ranked[0].split("\t")[1]
    Project.open(root).decide([identity], "delete")
    assert f"trash\t{identity}" in _cleaner("plan", root).stdout
    assert (root / identity).exists()
    assert "1 file moved" in _cleaner("apply", root, "--yes").stdout
    assert not (root / identity).exists()
    assert "1 file put back" in _cleaner("undo", root).stdout
    assert (root / identity).exists()
    assert _cleaner("export", root, tmp_path / "out.csv").returncode == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 60


@pytest.mark.parametrize("verb", ["rank", "plan", "train", "undo", "verify"])
def test_a_folder_that_is_not_there_is_one_sentence_and_status_1(tmp_path: Path, verb: str) -> None:
    done = _cleaner(verb, tmp_path / "nowhere")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("choose the folder that holds one folder per class.")
    assert "Traceback" not in done.stderr
