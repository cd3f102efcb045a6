"""Makes small real datasets for the tests: coloured shapes that a network can tell apart, as image files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))  # tests share what lies in tests/support

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return a function that writes a dataset of noisy colour fields, one colour per class."""

    def make(
        classes: tuple[str, ...] = ("black", "grizzly", "teddy"),
        *,
        each: int = 8,
        side: int = 32,
        name: str = "photos",
        under: str = "",
    ) -> Path:
        root = tmp_path / name
        for number, label in enumerate(classes):
            home = root / under / label
            home.mkdir(parents=True)
            for index in range(each):
                random = np.random.default_rng([number, index, len(under)])
                noise = random.normal(0, 30, size=(side, side, 3))
                colour = np.full(3, 60.0)
                colour[number % 3] = 190.0
                pixels = (noise + colour).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(home / f"{index:03d}.png")
        return root

    return make
