"""The grid over one's own paths and labels, in a notebook that knows no project."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cleaner import ReviewGrid
from cleaner.errors import InputError, Refused
from tests.support.stage import HeardGrid


class HeardReviewGrid(HeardGrid, ReviewGrid):
    """A grid whose messages go to the test."""


def write(folder: Path, count: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (40, 30), (number, 90, 40)).save(path)
    return paths


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., HeardReviewGrid]]:
    made: list[HeardReviewGrid] = []

    def grid(*columns: Any, **settings: Any) -> HeardReviewGrid:
        made.append(HeardReviewGrid(*columns, keep_in=tmp_path / "kept.db", by="ann", **settings))
        return made[-1]

    yield grid
    for each in made:
        each.close()


def tiles(grid: HeardReviewGrid, page: int = 0) -> list[dict[str, Any]]:
    return grid.ask("page", page=page)[0]["tiles"]


def test_the_highest_scores_come_first_and_what_has_none_comes_last(make, tmp_path: Path) -> None:
    paths = write(tmp_path / "a", 4)
    grid = make(paths, ["cat"] * 4, [0.1, float("nan"), 0.9, 0.5])
    assert [tile["id"] for tile in tiles(grid)] == [str(paths[row]) for row in (2, 3, 0, 1)]


@pytest.mark.parametrize("kind", [np.array, pd.Series], ids=["numpy", "pandas"])
def test_columns_may_be_arrays_or_of_a_table(make, tmp_path: Path, kind: Callable[..., Any]) -> None:
    paths = write(tmp_path / "a", 4)
    probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    grid = make(kind(list(map(str, paths))), kind(["ant", "ant", "ant", "bee"]), probs=probs)
    assert tiles(grid)[0]["id"] == str(paths[2])
    with pytest.raises(InputError, match="is no text; pass class names"):
        make(kind(list(map(str, paths))), kind([1, 2, 1, 2]))


def test_without_scores_the_order_is_the_one_given(make, tmp_path: Path) -> None:
    paths = write(tmp_path / "a", 30)
    grid = make(iter(paths), ["cat"] * 30)
    assert [tile["id"] for tile in tiles(grid, page=1)] == [str(path) for path in paths[24:]]
    first = tiles(grid)[0]
    assert (first["suggested"], first["confidence"], first["reasons"], first["origin"]) == (
        None,
        None,
        [],
        "",
    )


def test_suggestions_of_ones_own_are_offered_with_their_probability(make, tmp_path: Path) -> None:
    grid = make(write(tmp_path / "a", 2), ["cat", "dog"], suggested=["dog", None], confidence=[0.75, 0.5])
    first, second = tiles(grid)
    assert first["suggestions"] == [("dog", 0.75)]
    assert second["suggestions"] == []


def test_decisions_are_a_table_that_survives_the_kernel(make, tmp_path: Path) -> None:
    paths = write(tmp_path / "a", 3)
    grid = make(paths, ["cat", "dog", "cat"], [0.1, 0.2, 0.3])
    assert list(grid.decisions) == ["path", "label", "decision", "new_label", "by", "at"]
    seen: list[list[str]] = []
    grid.observe(lambda _: seen.append(list(grid.decisions["decision"])), "revision")
    grid.ask("decide", verdicts=[{"id": str(paths[0]), "action": "delete", "label": None}])
    grid.ask("decide", verdicts=[{"id": str(paths[1]), "action": "relabel", "label": "cat"}])
    assert seen == [["delete"], ["relabel", "delete"]]
    again = make(paths, ["cat", "dog", "cat"], [0.1, 0.2, 0.3])
    assert again.decisions[["path", "label", "decision", "by"]].values.tolist() == [
        [str(paths[1]), "dog", "relabel", "ann"],
        [str(paths[0]), "cat", "delete", "ann"],
    ]
    assert again.decisions["new_label"].dropna().tolist() == ["cat"]


def test_a_turned_photo_is_shown_upright_and_sixteen_bits_are_not_white(make, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 20), "red").save(tmp_path / "turned.jpg", exif=exif)
    Image.fromarray(np.full((20, 20), 40_000, dtype=np.uint16)).save(tmp_path / "deep.png")
    grid = make([tmp_path / "turned.jpg", tmp_path / "deep.png"], ["cat", "cat"])
    answer, (pixels,) = grid.ask("page", page=0)
    shown = [
        Image.open(io.BytesIO(pixels[at : at + size])) for at, size in (t["bytes"] for t in answer["tiles"])
    ]
    assert shown[0].size == (20, 60)
    assert 140 < np.asarray(shown[1]).mean() < 170
    _, (full,) = grid.ask("full", id=str(tmp_path / "deep.png"))
    assert set(np.asarray(Image.open(io.BytesIO(full))).flat) == {40_000}


def test_a_file_that_changes_or_vanishes_while_shown_is_seen_anew(make, tmp_path: Path) -> None:
    paths = write(tmp_path / "a", 2)
    grid = make(paths, ["cat", "dog"])
    before = grid.ask("page", page=0)[1]
    Image.new("RGB", (90, 10), "blue").save(paths[0])
    paths[1].unlink()
    answer, after = grid.ask("page", page=0)
    assert before != after
    assert answer["tiles"][1]["sentence"].startswith(f"{paths[1]} can't be read")


def test_a_class_may_have_any_name_that_is_one(make, tmp_path: Path) -> None:
    (path,) = write(tmp_path / "a", 1)
    grid = make([path], ["cat"])
    for label, kind in (("a/b: «new»?", "saved"), ("  ", "refused")):
        verdict = {"id": str(path), "action": "relabel", "label": label}
        assert grid.ask("decide", verdicts=[verdict], new=True)[0]["kind"] == kind


@pytest.mark.parametrize("probs", [None, [[0.9, 0.1], [0.2, 0.8]]], ids=["given", "ranked"])
def test_a_picture_that_takes_the_name_of_a_decided_one_is_not_taken_for_it(make, tmp_path, probs) -> None:
    paths = write(tmp_path / "a", 2)
    grid = make(paths, ["cat", "dog"], probs=probs)
    grid.decide([paths[0]], "delete")
    grid.ask("decide", verdicts=[{"id": str(paths[1]), "action": "keep", "label": None}])
    paths[1].touch()
    assert len(make(paths, ["cat", "dog"], probs=probs).decisions) == 2
    Image.new("RGB", (40, 30), "blue").save(paths[0])
    again = make(paths, ["cat", "dog"], probs=probs)
    assert again.decisions[["path", "decision"]].values.tolist() == [[str(paths[1]), "keep"]]
    again.ask("undo")
    assert len(make(paths, ["cat", "dog"], probs=probs).decisions) == 0
    again.decide([paths[0]], "unsure")
    assert len(make(paths, ["cat", "dog"], probs=probs).decisions) == 1


def test_relative_paths_stay_those_of_the_folder_in_which_the_grid_was_made(
    make, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (path,) = write(Path("a"), 1)
    grid = make([f"./{path}"], ["cat"])
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    assert tiles(grid)[0]["sentence"] is None
    assert grid.ask("full", id=f"./{path}")[0]["kind"] == "full"
    grid.decide([f"./{path}"], "delete")
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 30), "blue").save(path)
    assert len(make([f"./{path}"], ["cat"]).decisions) == 0


def test_only_files_with_a_verdict_are_read_and_those_that_are_gone_keep_it(make, tmp_path: Path) -> None:
    paths = write(tmp_path / "a", 2)
    make(paths, ["cat", "dog"]).decide(paths, "delete")
    paths[0].unlink()
    grid = make([*paths, tmp_path / "none.png"], ["cat", "dog", "cat"])
    assert grid.decisions["path"].tolist() == list(map(str, paths))


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ((["a"], ["cat", "dog"]), r"1 paths but 2 labels; pass one for each"),
        ((["a"], ["cat"], [0.5, 0.4]), r"1 paths but 2 scores"),
        ((["a"], "cat"), r"labels='cat' is one text"),
        ((["a", "b", "a"], ["cat"] * 3), r"a is there twice; pass each path once"),
        ((["a"], [3]), r"The label 3 is no text; pass class names"),
        ((["a"], ["cat"], ["high"]), r"The scores are not all numbers \(.*'high'"),
        ((["a", "b"], ["cat", "dog"], np.full((2, 2), 0.5)), r"scores are \[2, 2\].*pass them as probs=…"),
        ((["a", "b"], ["cat", "dog"], [float("nan")] * 2), r"None of the scores is a number; leave them out"),
        ((["no/a", "no/b"], ["cat", "dog"]), r"None of the 2 files is there, no/a for one; .* count from /"),
    ],
)
def test_columns_that_do_not_fit_are_refused_at_the_door(make, columns, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        make(*columns)


def test_labels_may_count_through_the_classes(make, tmp_path: Path) -> None:
    paths = write(tmp_path / "a", 3)
    classes = {0: "cat", 1: "dog", 2: "emu"}.values()
    grid = make(paths, np.array([1, 0, 1]), classes=classes)
    assert [tile["given"] for tile in tiles(grid)] == ["dog", "cat", "dog"]
    assert make(paths, [0, 1, 2], probs=np.eye(3), classes=classes).state["vocab"] == ["cat", "dog", "emu"]
    with pytest.raises(InputError, match="The label 3 is none of the 3 classes, which are counted from 0"):
        make(paths, [0, 3, 1], classes=classes)


def test_files_of_which_some_are_there_are_shown(make, tmp_path: Path) -> None:
    (path,) = write(tmp_path / "a", 1)
    grid = make([tmp_path / "gone.png", path], ["cat", "cat"])
    assert "can't be read" in tiles(grid)[0]["sentence"]


def test_no_images_are_an_empty_grid(make) -> None:
    grid = make([], [])
    assert tiles(grid) == []
    assert len(grid.decisions) == 0


def test_it_needs_neither_torch_nor_pandas(tmp_path: Path) -> None:
    (path,) = write(tmp_path / "a", 1)
    code = f"""
import sys
from cleaner import ReviewGrid
ReviewGrid([{str(path)!r}], ["cat"], [0.5], keep_in={str(tmp_path / "x.db")!r}, by="ann")
heavy = {{"torch", "torchvision", "fastai", "sklearn", "pandas", "scipy"}}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_verdicts_can_be_given_in_code_and_are_refused_as_in_the_browser(make, tmp_path: Path) -> None:
    paths = write(tmp_path / "a", 3)
    grid = make(paths, ["cat", "dog", "cat"], [0.1, 0.2, 0.3])
    assert list(grid.queue.ids) == [str(path) for path in reversed(paths)]
    said = grid.decide(paths[:2], "delete")
    assert [(decision.item, decision.action) for decision in said] == [(str(p), "delete") for p in paths[:2]]
    grid.decide([paths[2]], "relabel", label="emu")
    assert (grid.revision, grid.counts["errors"], grid.added) == (2, 3, ["emu"])
    with pytest.raises(Refused, match=r"Give a list of paths, not '.*2\.png' alone"):
        grid.decide(paths[2], "keep")
    with pytest.raises(Refused, match="is not in this grid"):
        grid.decide(["elsewhere.png"], "keep")
    with pytest.raises(Refused, match="is labelled 'dog' already"):
        grid.decide([paths[1]], "relabel", label="dog")
