"""Small real datasets for the tests: noisy colour fields that a network can tell apart, as image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def colour_fields(
    root: Path,
    *,
    classes: tuple[str, ...] = ("black", "grizzly", "teddy"),
    each: int = 8,
    side: int = 32,
    under: str = "",
) -> Path:
    """Write `each` images per class under `root`, one colour channel per class; return `root`."""
    for number, label in enumerate(classes):
        home = root / under / label
        home.mkdir(parents=True)
        for index in range(each):
            random = np.random.default_rng([number, index, len(under)])
            pixels = random.normal(60, 30, size=(side, side, 3))
            pixels[..., number % 3] += 130
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(home / f"{index:03d}.png")
    return root


def planted_error(root: Path, *, each: int, side: int = 32) -> Path:
    """Write a dataset of which one image, `teddy/planted.png`, is of the class black; return `root`."""
    colour_fields(root, each=each, side=side)
    (root / "black" / "000.png").rename(root / "teddy" / "planted.png")
    return root
