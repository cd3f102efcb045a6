"""The grid over the output of any model: arrays in, verdicts out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cleaner import ReviewGrid
from cleaner.errors import InputError
from tests.support.widgets import close_grids

Make = Callable[..., ReviewGrid]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    def grid(paths: Any, labels: Any, probs: Any = None, **settings: Any) -> ReviewGrid:
        return ReviewGrid(paths, labels, probs=probs, keep_in=tmp_path / "kept.db", by="ann", **settings)

    yield grid
    close_grids()


@pytest.fixture
def clouds(tmp_path: Path) -> tuple[list[Path], list[str], np.ndarray]:
    """Sixty files in two clouds; the first is labelled as of the other."""
    paths = [tmp_path / f"{number:02d}.png" for number in range(60)]
    for number, path in enumerate(paths):
        Image.new("RGB", (20, 20), (number, 90, 40)).save(path)
    true = np.arange(60) % 2
    embeddings = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    embeddings[:, 0] += 8 * true
    labels = [("cat", "dog")[code] for code in true]
    labels[0] = "dog"
    return paths, labels, embeddings


def order(grid: ReviewGrid) -> list[str]:
    return [Path(identity).stem for identity in grid._pages.queue.ids]


def decide(grid: ReviewGrid, path: Path, action: str, label: str | None = None) -> None:
    verdict = {"id": str(path), "action": action, "label": label}
    grid._handle_custom_msg({"kind": "decide", "request": 1, "verdicts": [verdict], "new": True}, [])


def test_the_label_that_the_model_contradicts_comes_first(make: Make, clouds) -> None:
    paths, labels, _ = clouds
    probs = np.array([[0.9, 0.1] if label == "cat" else [0.2, 0.8] for label in labels])
    probs[0] = [0.97, 0.03]
    grid = make(paths, labels, probs)
    assert order(grid)[0] == "00"
    tile = grid._pages.tile(0)
    assert (tile["given"], tile["suggested"]) == ("dog", "cat")
    assert tile["reasons"] == ["the model sees cat (97%) rather than dog (3%)"]


def test_embeddings_alone_are_enough_and_bring_evidence(make: Make, clouds) -> None:
    paths, labels, embeddings = clouds
    grid = make(paths, labels, embeddings=embeddings)
    assert order(grid)[0] == "00"
    assert grid.offers["evidence"]
    assert not make(paths, labels, np.full((60, 2), 0.5)).offers["evidence"]


def test_the_order_follows_the_verdicts_and_pages_that_were_shown_stay(make: Make, clouds) -> None:
    paths, _, embeddings = clouds
    chance = np.random.default_rng(1)
    given = [str(label) for label in chance.choice(["cat", "dog"], 60)]
    grid = make(paths, given, embeddings=embeddings, page_size=10)
    grid._dealt(grid._pages, 0)
    before = order(grid)
    for path in before[:10]:
        row = int(path)
        decide(grid, paths[row], "keep" if given[row] == "cat" else "delete")
    grid._dealt(grid._pages, 1)
    assert order(grid)[:10] == before[:10]
    assert order(grid)[10:] != before[10:]


def test_decisions_are_found_again_also_by_another_model(make: Make, clouds) -> None:
    paths, labels, embeddings = clouds
    grid = make(paths, labels, np.full((60, 2), 0.5))
    decide(grid, paths[0], "relabel", "cat")
    decide(grid, paths[1], "relabel", "bird")
    assert grid.decisions["new_label"].tolist() == ["cat", "bird"]
    again = make(paths, labels, embeddings=embeddings)
    assert sorted(again.decisions["new_label"]) == ["bird", "cat"]


def test_columns_may_be_of_more_classes_than_the_labels(make: Make, clouds) -> None:
    paths, labels, _ = clouds
    grid = make(paths, labels, np.tile([0.1, 0.8, 0.1], (60, 1)), classes=["dog", "emu", "cat"])
    assert grid.state["vocab"] == ["dog", "emu", "cat"]
    assert grid._pages.tile(0)["suggested"] == "emu"


@pytest.mark.parametrize(
    ("columns", "settings", "sentence"),
    [
        ((["a", "b"], ["cat", "dog"], [[0.5, 0.5]] * 2), {"scores": [1, 2]}, "from scores or from probs"),
        ((["a", "b"], ["cat", "dog"], [[0.5, 0.5]]), {}, "Probabilities for 2 labels"),
        ((["a", "b"], ["cat", "dog"], [[0.5, 0.4, 0.1]] * 2), {}, "have 3 columns, but there are 2 classes"),
        (
            (["a", "b"], ["cat", "dog"], [[0.5, 0.5]] * 2),
            {"classes": ["cat", "emu"]},
            "'dog' is none of the 2",
        ),
        ((["a", "b"], ["cat", "dog"]), {"embeddings": np.ones((3, 4))}, "2 paths but the embeddings are"),
        ((["a", "a"], ["cat", "dog"], [[0.5, 0.5]] * 2), {}, "a is there twice"),
    ],
)
def test_what_does_not_fit_together_is_refused_at_the_door(make: Make, columns, settings, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        make(*columns, **settings)


def test_it_needs_neither_torch_nor_fastai(tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        Image.new("RGB", (20, 20)).save(path)
    code = f"""
import sys
import cleaner
cleaner.ImageCleaner, cleaner.FileDeleter, cleaner.ImageClassifierCleaner, cleaner.DatasetFormatter
even = [[0.5, 0.5]] * 2
kept = {str(tmp_path / "x.db")!r}
cleaner.ReviewGrid({[str(path) for path in paths]}, ["c", "d"], probs=even, keep_in=kept, by="ann")
print(sorted({{"torch", "torchvision", "fastai", "sklearn", "pandas"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
