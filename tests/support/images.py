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


def odd_pictures(home: Path, *, picture: Image.Image | None = None) -> list[Path]:
    """Write a picture, by default noise, in each kind that programs decode differently; return the files."""
    home.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    if picture is None:
        picture = Image.fromarray(random.integers(0, 256, (9, 12, 3)).astype(np.uint8)).resize((1200, 900))
    small, grey = picture.resize((90, 70)), picture.convert("L")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    deep = np.asarray(grey.resize((90, 70)), dtype=np.uint16) * 257 - random.integers(0, 2, (70, 90))
    clear = small.convert("RGBA")
    clear.putalpha(Image.fromarray(random.integers(0, 256, (70, 90)).astype(np.uint8)))
    pictures = {
        "turned.jpg": (picture, {"exif": exif, "quality": 90}),
        "clear.png": (clear, {}),
        "deep.png": (Image.fromarray(deep.clip(0, 65535).astype(np.uint16)), {}),
        "print.jpg": (picture.resize((300, 200)).convert("CMYK"), {}),
        "grey.png": (grey, {}),
        "bits.png": (grey.convert("1"), {}),
        "palette.gif": (small.quantize(16), {"transparency": 3}),
    }
    for name, (made, options) in pictures.items():
        made.save(home / name, **options)
    return [home / name for name in pictures]


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
