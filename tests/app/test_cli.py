from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

import cleaner
from cleaner import Project
from cleaner.app.cli import app
from cleaner.app.terminal import bar
from cleaner.errors import CleanerError, Refused
from cleaner.progress import Progress
from tests.support.badfiles import photograph


def _cleaner(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cleaner.app.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_the_demo_finds_the_planted_errors_and_a_second_start_reuses_it(tmp_path: Path) -> None:
    first = _cleaner("demo", tmp_path / "demo", "--check")
    assert first.returncode == 0, first.stderr
    assert "90 of 1,797 labels were planted wrong" in first.stdout
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
    ranked = _cleaner("rank", root, "--top", 5, "--csv", tmp_path / "order.csv").stdout.splitlines()
    assert len(ranked) == 5
    with (tmp_path / "order.csv").open(newline="", encoding="utf-8") as file:
        order = list(csv.DictReader(file))
    assert [line["id"] for line in order[:5]] == [line.split("\t")[1] for line in ranked]
    assert len(order) == 60
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


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two ordinary images of one class."""
    (tmp_path / "photos" / "bird").mkdir(parents=True)
    for seed in (1, 2):
        photograph(110, seed=seed).save(tmp_path / "photos" / "bird" / f"{seed}.png")
    return tmp_path / "photos"


def _here(*words: object) -> Any:
    """Run a command in this process, which is quicker; an error is in the result's `exception`."""
    return CliRunner().invoke(app, list(map(str, words)))


def test_removed_images_are_listed_put_back_and_destroyed(folder, tmp_path: Path) -> None:
    root = folder(each=4)
    for words, said in (
        (["trash", "list"], "The trash is empty."),
        (["history"], "Nothing was applied yet."),
    ):
        nothing = _here(*words, root)
        assert (nothing.stdout, nothing.stderr) == ("", f"{said}\n")
    project = Project.open(root, by="ann")
    project.decide(["black/000.png", "black/001.png", "teddy/000.png"], "delete")
    (root / "teddy" / "000.txt").write_text("a teddy")
    assert "sidecar\tteddy/000.txt\ttrash" in _here("plan", root, "--sidecars").stdout
    assert "4 files moved" in _here("apply", root, "--yes", "--sidecars").stdout
    listed = _here("trash", "list", root).stdout.splitlines()
    assert [line.split("\t")[0] for line in listed] == ["teddy/000.png", "black/001.png", "black/000.png"]
    restored = _here("trash", "restore", root, "black/000.png")
    assert "1 file put back; the decisions are taken back too" in restored.stdout
    history = _here("history", root, "black/000.png").stdout.splitlines()
    assert [line.split("\t")[2].split()[0] for line in history] == ["to", "moved", "moved", "verdict"]
    assert "3 of 4 changes stand" in _here("history", root).stdout
    refused = _here("trash", "empty", root, "--word", "yes")
    assert isinstance(refused.exception, Refused)
    assert "give the word 'destroy'" in str(refused.exception)
    assert "2 files put back" in _here("undo", root, "--image", "teddy/000.png").stdout
    assert "1 file destroyed" in _here("trash", "empty", root, "--word", "destroy").stdout
    assert "The trash is empty." in _here("trash", "empty", root).stdout
    assert len(list(root.glob("*/*.png"))) == 11


def test_the_cleaned_dataset_is_exported_in_every_format(folder, tmp_path: Path) -> None:
    root = folder(each=4)
    Project.open(root).decide(["black/000.png"], "delete")
    for form in ("csv", "fastai", "decisions", "folder", "splits", "hugging-face"):
        assert f"Wrote {tmp_path / form}" in _here("export", root, tmp_path / form, "--as", form).stdout
    assert len((tmp_path / "fastai").read_text().splitlines()) == 12
    assert len(list((tmp_path / "folder").glob("*/*.png"))) == 11
    assert (tmp_path / "hugging-face" / "train" / "metadata.jsonl").exists()
    wrong = _here("export", root, tmp_path / "x", "--as", "tar")
    assert "'tar' is no format; choose one of csv" in str(wrong.exception)


def test_people_who_do_not_agree_are_listed(folder) -> None:
    root = folder(each=4)
    Project.open(root, by="ann").decide(["black/000.png"], "keep")
    Project.open(root, by="bob").decide(["black/000.png"], "relabel", label="teddy")
    assert _here("conflicts", root).stdout == "black/000.png\tann: keep\tbob: relabel teddy\n"


def test_what_is_asked_of_an_image_that_is_not_there_is_an_error(folder) -> None:
    root = folder(each=4)
    for words in (["history", root, "nope"], ["sides", "put", root, "train", "nope"]):
        with pytest.raises(CleanerError, match=r"'nope' is no image of .*, such as 'black/000\.png'"):
            raise _here(*words).exception
    with pytest.raises(CleanerError, match="is no image of"):
        raise _here("history", root, "black/caf\udce9.png").exception  # a name as the disk may have it
    nothing = _here("history", root, "black/000.png")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert _here("rank", root, "--top", -1).exit_code == 2


def test_what_a_check_has_found_is_written_as_a_table(photos: Path, tmp_path: Path) -> None:
    (photos / "bird" / "empty.jpg").touch()
    _here("verify", photos, "--csv", tmp_path / "found.csv")
    with (tmp_path / "found.csv").open(newline="", encoding="utf-8") as file:
        (found,) = csv.DictReader(file)
    assert (found["item"], found["kind"], found["severity"]) == ("bird/empty.jpg", "empty", "0.9")


def test_a_check_that_finds_nothing_says_so(photos: Path) -> None:
    assert _here("verify", photos).stdout == "2 images in 1 class. Nothing was found.\n"


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        (["looking", "checking"], "Interrupted; the check begins anew next time."),
        (["checking", "training"], "Interrupted; what was finished before is kept."),
        ([], "Interrupted; what was finished before is kept."),
    ],
)
def test_ctrl_c_says_what_is_kept(phases: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    def pressed() -> None:
        with bar() as report:
            for phase in phases:
                report(Progress(phase, 1, 2))
            raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as ended:
        pressed()
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err.endswith(f"{said}\n")


def test_the_command_says_its_version_and_what_its_status_means() -> None:
    said = subprocess.run([sys.executable, "-m", "cleaner", "--version"], capture_output=True, text=True)
    assert said.stdout == f"cleaner {cleaner.__version__}\n"
    assert "Exit status: 0" in _here("-h").stdout
    assert "rank" in _here("rank", "-h").stdout


def test_ctrl_c_while_the_command_is_loaded_leaves_no_traceback() -> None:
    pressed = """
import sys
class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Pressed())
from cleaner.__main__ import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", pressed], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "")


def test_the_guide_names_every_verb() -> None:
    guide = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    line = next(line for line in guide.splitlines() if line.startswith("**On the command line:**"))
    assert set(get_command(app).commands) == {
        w.removeprefix("cleaner ") for w in re.findall("`([a-z][a-z -]+)`", line)
    }


def test_the_columns_of_a_table_are_named_once(folder) -> None:
    photos = folder(each=2)
    lines = [f"{path.name},{path.parent.name},{path.name}" for path in sorted(photos.rglob("*.png"))]
    table = photos.parent / "list.csv"
    table.write_text("\n".join(["what,class of bear,label", *lines]))
    path, label = ("--path-col", "what"), ("--label-col", "class of bear")
    assert "name it once: with path_col=" in str(_here("verify", table, *label).exception)
    assert "None of the 6 files in the column 'what'" in str(_here("verify", table, *path).exception)
    root = ("--root", photos / "black")
    assert "2 images in 1 class." in _here("verify", table, *path, *label, *root).stdout
    assert "2 images in 1 class." in _here("verify", table).stdout
    refused = _here("verify", photos, *label).exception
    assert "photos is no file; pass the path of a CSV, TSV or Parquet file." in str(refused)


@pytest.mark.parametrize("verb", ["rank", "plan", "train", "undo", "verify"])
def test_a_folder_that_is_not_there_is_one_sentence_and_status_1(tmp_path: Path, verb: str) -> None:
    done = _cleaner(verb, tmp_path / "nowhere")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("choose the folder that holds one folder per class.")
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_gone_while_one_is_in_it_is_one_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f"rmdir '{gone}' && exec '{sys.executable}' -m cleaner.app.cli plan ."
    done = subprocess.run(command, shell=True, cwd=gone, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("The current folder or the output can't be used (No such file")
    assert "Traceback" not in done.stderr
