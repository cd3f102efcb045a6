"""Finds transformed copies by laid-over pixels, perceptual hashes and a network's features, side by side.

`python tests/bench/twice.py FOLDER… --weights resnet18.safetensors` takes some images of each folder (by
default of `CLEANER_BENCH_DATA`), makes a copy of each in one of seven ways, and asks every method for the
pairs. Pairs that the folders hold already count as errors, for all alike.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

sys.path.insert(0, str(Path(__file__).parents[2]))

from cleaner.catalog.sketch import SIDE, sketch
from cleaner.ranking.pixelcopies import links

PRECISION = 0.95
STEPS = 4096  # of a distance between features
HASHES = {
    "phash": imagehash.phash,
    "dhash": imagehash.dhash,
    "whash": imagehash.whash,
    "ahash": imagehash.average_hash,
}


def crop(image: Image.Image, dice: random.Random) -> Image.Image:
    """Keep 70 to 95 % of the area, anywhere."""
    share = dice.uniform(0.70, 0.95) ** 0.5
    width, height = round(image.width * share), round(image.height * share)
    left, top = dice.randint(0, image.width - width), dice.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def rescale(image: Image.Image, dice: random.Random) -> Image.Image:
    """Resize to half up to one and a half of the sides."""
    by = dice.choice((0.5, 0.6, 0.75, 1.5))
    return image.resize((max(8, round(image.width * by)), max(8, round(image.height * by))))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Encode and decode."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out).convert("RGB")


def colour(image: Image.Image, dice: random.Random) -> Image.Image:
    """Change brightness and contrast by up to 40 % and colour by up to 70 %."""
    changes = ((ImageEnhance.Brightness, 0.4), (ImageEnhance.Contrast, 0.4), (ImageEnhance.Color, 0.7))
    for enhance, by in changes:
        image = enhance(image).enhance(dice.uniform(1 - by, 1 + by))
    return image


def border(image: Image.Image, dice: random.Random) -> Image.Image:
    """Frame it, a tenth of the short side wide."""
    fill = dice.choice(("black", "white", "brown"))
    return ImageOps.expand(image, round(0.1 * min(image.size)), fill=fill)


WAYS: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "crop": crop,
    "flip": lambda image, _: ImageOps.mirror(image),
    "rotate 25°": lambda image, dice: image.rotate(dice.choice((25, -25)), Image.Resampling.BICUBIC),
    "rescale": rescale,
    "JPEG 30": lambda image, _: jpeg(image, 30),
    "colour": colour,
    "border": border,
}


def opened(folder: Path, *, most: int, dice: random.Random) -> list[Image.Image]:
    """Decode some images of a folder, at most 512 pixels a side."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    dice.shuffle(paths)
    found: list[Image.Image] = []
    for path in paths:
        if len(found) == most:
            break
        try:
            image = Image.open(path).convert("RGB")
        except OSError:
            continue
        image.thumbnail((512, 512))
        found.append(image)
    return found


Pairs = dict[tuple[int, int], str]


def recall_at(
    true: NDArray[np.int64], every: NDArray[np.int64], pairs: Pairs, of_pair: NDArray[np.int64]
) -> tuple[float, dict[str, float]]:
    """Return the highest recall at PRECISION, of all and by way, from counts at each distance."""
    within, right = np.cumsum(every), np.cumsum(true)
    good = np.flatnonzero((right >= PRECISION * within) & (within > 0))
    cut = good[-1] if len(good) else -1
    return by_way([pair for pair, at in zip(pairs, of_pair, strict=True) if at <= cut], pairs)


def by_way(found: list[tuple[int, int]], pairs: Pairs) -> tuple[float, dict[str, float]]:
    """Return the recall of the pairs found, of all and by way."""
    there, hits = Counter(pairs.values()), Counter(pairs[pair] for pair in found)
    return len(found) / len(pairs), {way: hits[way] / there[way] for way in WAYS}


def swept(
    distance: Callable[[slice], NDArray[np.int64]], count: int, pairs: Pairs, *, steps: int
) -> tuple[float, dict[str, float]]:
    """Compare all pairs, block by block, and choose the best distance to stop at."""
    every = np.zeros(steps, dtype=np.int64)
    of_pair = np.zeros(len(pairs), dtype=np.int64)
    places = {one: [] for one, _ in pairs}
    for number, (one, other) in enumerate(pairs):
        places[one].append((number, other))
    for start in range(0, count, 512):
        block = distance(slice(start, start + 512))
        later = np.arange(count)[None] > np.arange(start, start + len(block))[:, None]
        every += np.bincount(block[later], minlength=steps)
        for row in range(len(block)):
            for number, other in places.get(start + row, []):
                of_pair[number] = block[row, other]
    return recall_at(np.bincount(of_pair, minlength=steps), every, pairs, of_pair)


def hashed(images: list[Image.Image], name: str) -> NDArray[np.float32]:
    """Return a hash of each image as -1 and 1, [N, 64]."""
    return np.stack([HASHES[name](image).hash.ravel() for image in images]).astype(np.float32) * 2 - 1


def features(images: list[Image.Image], weights: Path) -> NDArray[np.float32]:
    """Return what a ResNet-18 without its head says of each image at 64 pixels, of length 1, [N, 512]."""
    import torch
    from safetensors.torch import load_file
    from torchvision.models import resnet18

    body = resnet18(num_classes=10)
    body.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
    body.fc = torch.nn.Identity()
    body.eval()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    found = []
    with torch.inference_mode():
        for start in range(0, len(images), 128):
            squares = [np.asarray(image.resize((64, 64))) for image in images[start : start + 128]]
            batch = (torch.from_numpy(np.stack(squares)).float() / 255 - mean) / std
            found.append(body(batch.permute(0, 3, 1, 2)).numpy())
    stacked = np.concatenate(found)
    return stacked / np.linalg.norm(stacked, axis=1, keepdims=True)


def show(name: str, recall: float, ways: dict[str, float], seconds: float, note: str = "") -> None:
    """Print one row of the table."""
    cells = "".join(f"{ways[way]:>12.3f}" for way in WAYS)
    print(f"{name:<24}{recall:>8.3f}{cells}{seconds:>8.1f} s  {note}", flush=True)


def main() -> None:
    """Make the copies, ask every method, print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "folders", nargs="*", type=Path, default=[Path(os.environ.get("CLEANER_BENCH_DATA", "."))]
    )
    arguments.add_argument("--most", type=int, default=2000, help="images of each folder")
    arguments.add_argument("--weights", type=Path, help="of a ResNet-18, to compare features by cosine")
    arguments.add_argument("--seed", type=int, default=0)
    asked = arguments.parse_args()
    dice = random.Random(asked.seed)
    images = [image for folder in asked.folders for image in opened(folder, most=asked.most, dice=dice)]
    originals, names = len(images), list(WAYS)
    pairs: Pairs = {(at, originals + at): names[at % len(names)] for at in range(originals)}
    images += [jpeg(WAYS[way](images[one], dice), 90) for (one, _), way in pairs.items()]
    load = os.getloadavg()[0]
    print(f"{originals:,} images and a copy of each; recall at precision {PRECISION}; load {load:.1f}")
    print(f"{'':<24}{'all':>8}" + "".join(f"{way:>12}" for way in WAYS))

    start = time.perf_counter()
    made = (sketch(image, image.convert("L"))[: SIDE * SIDE] for image in images)
    grey = np.frombuffer(b"".join(made), dtype=np.uint8).reshape(-1, SIDE, SIDE)
    found = links(grey, np.array([image.size for image in images]))
    seen = {(min(pair), max(pair)) for pair in zip(found.one.tolist(), found.other.tolist(), strict=True)}
    right = [pair for pair in pairs if pair in seen]
    ours, ways = by_way(right, pairs)
    show(
        "laid-over pixels",
        ours,
        ways,
        time.perf_counter() - start,
        f"as it is; precision {len(right) / len(seen):.3f}",
    )

    best = 0.0
    for name in HASHES:
        start = time.perf_counter()
        bits = hashed(images, name)
        spent = time.perf_counter() - start
        if name == "phash":
            equal = [pair for pair in pairs if (bits[pair[0]] == bits[pair[1]]).all()]
            show("phash, equal", *by_way(equal, pairs), spent)
        result = swept(
            lambda rows, bits=bits: ((64 - bits[rows] @ bits.T) / 2).astype(np.int64),
            len(images),
            pairs,
            steps=65,
        )
        best = max(best, result[0])
        show(f"{name}, Hamming", *result, time.perf_counter() - start)
    if asked.weights:
        start = time.perf_counter()
        seen_by = features(images, asked.weights)
        half = (STEPS - 1) / 2
        result = swept(
            lambda rows: ((1 - np.clip(seen_by[rows] @ seen_by.T, -1, 1)) * half).astype(np.int64),
            len(images),
            pairs,
            steps=STEPS,
        )
        show("ResNet-18, cosine", *result, time.perf_counter() - start)
    print(f"{ours / max(best, 1e-9):.2f} times the recall of the best hash")


if __name__ == "__main__":
    main()
