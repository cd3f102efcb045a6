"""Small real datasets for the tests: noisy colour fields that a network can tell apart, as image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


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


def scene(number: int, *, width: int = 96, height: int = 72) -> Image.Image:
    """Draw a picture of its own: overlapping shapes in random colours, with something to see everywhere."""
    random = np.random.default_rng([7, number])
    image = Image.new("RGB", (4 * width, 4 * height), tuple(random.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(25):
        x, y = random.uniform(0, 4 * width), random.uniform(0, 4 * height)
        across, down = random.uniform(0.05, 0.4, 2) * 4 * width
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape((x - across / 2, y - down / 2, x + across / 2, y + down / 2), tuple(random.integers(0, 256, 3)))
    return image.resize((width, height), Image.Resampling.LANCZOS)
