"""Builds the demo: handwritten digits that a dependency carries, as image files with planted label errors.

Needs no network; the truth is kept beside the folder, never inside it.
"""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from cleaner.app.project import Project
from cleaner.ranking.order import LiveOrder
from cleaner.ranking.queue import found_within
from cleaner.types import TrainConfig

SIDE, MARGIN = 48, 4  # the originals have 8 x 8 pixels, too few for a person to read
ERROR_SHARE = 0.05
CONFIG = TrainConfig(weights="scratch", flip=False)  # a mirrored digit is another digit


@dataclass(frozen=True, slots=True)
class Demo:
    """Where the demo lies, and the true label of each image by its id."""

    folder: Path
    truth: dict[str, str]
    planted: frozenset[str]


def build_demo(home: Path, *, seed: int = 0) -> Demo:
    """Make `<home>/digits` with 1,797 images, 5 % of them in a wrong class folder, or reuse what is there.

    Source: «Optical recognition of handwritten digits» (Alpaydin, Kaynak 1998), as scikit-learn carries it.
    """
    truth = home / "truth.csv"
    if not truth.exists():
        draft = home / ".draft"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(home / "digits", ignore_errors=True)
        rows = _write_images(draft / "digits", seed=seed)
        (draft / "digits").rename(home / "digits")
        _write_truth(draft / "truth.csv", rows)
        (draft / "truth.csv").rename(truth)  # last: its presence says that the demo is whole
        draft.rmdir()
    return _read_demo(home)


def _write_images(folder: Path, *, seed: int) -> list[tuple[str, str, str]]:
    from sklearn.datasets import load_digits  # takes seconds to import

    digits = load_digits()
    true = digits.target
    given = _with_errors(true, seed=seed)
    rows = []
    for number, (pixels, right, label) in enumerate(zip(digits.images, true, given, strict=True)):
        path = f"{label}/{number:04d}.png"
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        _readable(pixels).save(folder / path)
        rows.append((path, str(label), str(right)))
    return rows


def _with_errors(true: np.ndarray, *, seed: int) -> np.ndarray:
    """Give a share of the labels another class at random, each wrong class equally likely."""
    random = np.random.default_rng(seed)
    given: np.ndarray = true.copy()
    wrong = random.choice(len(true), size=round(ERROR_SHARE * len(true)), replace=False)
    given[wrong] = (true[wrong] + random.integers(1, 10, size=len(wrong))) % 10
    return given


def _readable(pixels: np.ndarray) -> Image.Image:
    ink = 255 - (pixels * (255 / 16)).round().astype(
        np.uint8
    )  # 0 to 16 in the source, dark ink on white here
    inner = SIDE - 2 * MARGIN
    digit = Image.fromarray(ink).resize((inner, inner), Image.Resampling.BICUBIC)
    return ImageOps.expand(digit, border=MARGIN, fill=255)


def _write_truth(path: Path, rows: list[tuple[str, str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "given", "true"))
        writer.writerows(rows)


def _read_demo(home: Path) -> Demo:
    with (home / "truth.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Demo(
        folder=home / "digits",
        truth={row["path"]: row["true"] for row in rows},
        planted=frozenset(row["path"] for row in rows if row["given"] != row["true"]),
    )


def is_demo(folder: Path) -> bool:
    """Say whether a dataset is the demo: it is known by the truth beside it."""
    return folder.name == "digits" and (folder.parent / "truth.csv").exists()


def standing_of_planted(project: Project, demo: Demo) -> str:
    """Say how many of the planted errors the first round puts within the first N and 2N looks."""
    queue = LiveOrder(project.predictions(1)).queue()
    count = len(demo.planted)
    once, twice = (found_within(queue, demo.planted, looks) for looks in (count, 2 * count))
    return (
        f"{count} of {len(queue):,} labels were planted wrong. Ranked by the first round, {once} of them "
        f"({once / count:.0%}) stand in the first {count} images, {twice} ({twice / count:.0%}) in the first "
        f"{2 * count}."
    )
