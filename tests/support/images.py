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


def odd_pictures(home: Path, *, seed: int = 0) -> list[Path]:
    """Write one picture of each kind that programs decode differently, noisy and not square; return them."""
    home.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (70, 90, 4)).astype(np.uint8)
    smooth = Image.fromarray(random.integers(0, 256, (9, 12, 3)).astype(np.uint8)).resize((1200, 900))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    deep = random.integers(0, 65536, (70, 90)).astype(np.uint16)
    pictures = {
        "turned.jpg": (smooth, {"exif": exif, "quality": 90}),
        "clear.png": (Image.fromarray(noise), {}),
        "deep.png": (Image.fromarray(deep), {}),
        "print.jpg": (smooth.resize((300, 200)).convert("CMYK"), {}),
        "grey.png": (Image.fromarray(noise[..., 0]), {}),
        "bits.png": (Image.fromarray(noise[..., 0]).convert("1"), {}),
        "palette.gif": (Image.fromarray(noise[..., :3]).quantize(16), {"transparency": 3}),
    }
    for name, (picture, options) in pictures.items():
        picture.save(home / name, **options)
    return [home / name for name in pictures]


def planted_error(root: Path, *, each: int, side: int = 32) -> Path:
    """Write a dataset of which one image, `teddy/planted.png`, is of the class black; return `root`."""
    colour_fields(root, each=each, side=side)
    (root / "black" / "000.png").rename(root / "teddy" / "planted.png")
    return root
