"""Times the check of single images beside CleanVision and fastai's verify_images; compares what they find.

`python tests/bench/check.py FOLDER …` takes folders of class folders; constructed cases are made from the
last one's photographs, or from generated ones. `--bad N` examines N broken files instead. Files are copied
to a temporary folder and removed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from cleanvision import Imagelab
from fastai.data.transforms import get_image_files
from fastai.vision.utils import verify_images
from PIL import Image, ImageEnhance, ImageFilter

sys.path.insert(0, str(Path(__file__).parents[2]))

from cleaner.catalog.examine import Seen
from cleaner.catalog.guard import examine_all
from cleaner.catalog.scan import scan
from tests.support.badfiles import cut, flipped, photograph, whole

THEIRS = {  # CleanVision's name of what is found here under another
    "dark": "dark",
    "light": "light",
    "blurry": "blurry",
    "low information": "low_information",
    "grey among colour": "grayscale",
    "too small": "odd_size",
    "too large": "odd_size",
    "odd aspect ratio": "odd_aspect_ratio",
    "duplicate": "exact_duplicates",
}


def ours(root: Path) -> set[tuple[str, str]]:
    """Return file and kind of what is found here."""
    catalog, findings = scan(root)
    paths = dict(zip(catalog.ids, catalog.paths, strict=True))
    return {(paths.get(f.item, f.item), f.kind.replace("conflicting ", "")) for f in findings}


def cleanvision(root: Path) -> set[tuple[str, str]]:
    """Return file and kind of what CleanVision finds, under the names used here."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        lab = Imagelab(data_path=str(root), verbose=False)
        lab.find_issues(verbose=False)
    found = set()
    for kind, theirs in THEIRS.items():
        flagged = lab.issues.index[lab.issues[f"is_{theirs}_issue"]]
        found |= {(Path(path).relative_to(root).as_posix(), kind) for path in flagged}
    return found


def fastai(root: Path) -> set[tuple[str, str]]:
    """Return what fastai's verify_images can't open."""
    return {
        (path.relative_to(root).as_posix(), "unreadable") for path in verify_images(get_image_files(root))
    }


def speed(root: Path, *, runs: int) -> None:
    """Time all ways on the same images, one after the other, and say what each finds."""
    files = sum(1 for path in root.glob("**/*") if path.is_file())
    ways: dict[str, Callable[[Path], set[tuple[str, str]]]] = {
        "Cleaner": ours,
        "CleanVision": cleanvision,
        "fastai verify_images": fastai,
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    found = {}
    for _, (name, way) in itertools.product(range(runs), ways.items()):
        start = time.perf_counter()
        found[name] = way(root)
        took[name].append(time.perf_counter() - start)
    own = statistics.median(took["Cleaner"])
    for name, seconds in took.items():
        middle = statistics.median(seconds)
        kinds = dict(Counter(kind for _, kind in found[name]).most_common())
        print(f"  {name:21} {files / middle:7,.0f} files/s ({middle / own:4.1f} of our time) {kinds}")
    print(f"  only CleanVision: {sorted(found['CleanVision'] - found['Cleaner'])[:12]}")


def odd(image: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """Make one odd picture of each kind from an ordinary one."""
    width, height = image.size
    yield "dark", ImageEnhance.Brightness(image).enhance(0.15)
    yield "light", image.point(lambda value: 247 + value // 40)
    yield "blurry", image.filter(ImageFilter.GaussianBlur(max(image.size) / 50))
    yield "low information", Image.new("RGB", image.size, image.getpixel((width // 2, height // 2)))
    yield "grey among colour", image.convert("L")
    yield "too small", image.resize((max(1, width // 5), max(1, height // 5)))
    yield "too large", image.resize((width * 5, height * 5))
    yield "odd aspect ratio", image.resize((width, max(1, height // 4)))


def construct(root: Path, *, photos: list[Image.Image], each: int) -> None:
    """Write ordinary photographs, and `each` odd ones of every kind, into one class per kind of name."""
    for number, image in enumerate(photos[each:]):
        place = root / "photos" / f"ordinary-{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        image.save(place)
        if number < each:
            shutil.copy(place, place.with_name(f"duplicate-{number}.png"))
    for number, image in enumerate(photos[:each]):
        for kind, made in odd(image):
            made.save(root / "photos" / f"{kind}-{number}.png")


def constructed(root: Path, *, each: int) -> None:
    """Say how many of each kind both find, and what they say of the ordinary ones."""
    mine, theirs = ours(root), cleanvision(root)
    print(f"  {'kind':18} {'Cleaner':>8} {'CleanVision':>12}  of {each}; CleanVision alone")
    for kind in THEIRS:
        made = {(f"photos/{kind}-{number}.png", kind) for number in range(each)}
        print(f"  {kind:18} {len(made & mine):8} {len(made & theirs):12} {len((made & theirs) - mine):8}")
    for name, found in (("Cleaner", mine), ("CleanVision", theirs)):
        wrong = Counter(kind for path, kind in found if "ordinary" in path and kind != "duplicate")
        print(f"  of the ordinary photographs {name} flags {sum(wrong.values())}: {dict(wrong)}")


def bad(place: Path, *, count: int) -> None:
    """Examine many broken files; say what was found, how fast, and how much memory a worker had at most."""
    sources = [(content, seed) for seed, (_, __, content) in enumerate(whole(24)) if len(content) < 50_000]
    share = -(-count // len(sources))
    kinds: Counter[str] = Counter()
    slowest, start, done = 0.0, time.perf_counter(), 0
    for content, seed in sources:
        pieces = [part for _, part in cut(content, step=max(1, len(content) // (share // 2)))][: share // 2]
        pieces += flipped(content, count=share - len(pieces), seed=seed)
        for number, piece in enumerate(pieces):
            (place / str(number)).write_bytes(piece)
        begun = time.perf_counter()
        answers = examine_all(place, [str(number) for number in range(len(pieces))])
        slowest = max(slowest, time.perf_counter() - begun)
        assert len(answers) == len(pieces)
        done += len(pieces)
        kinds.update("fine" if isinstance(answer, Seen) else answer.kind for answer in answers)
    megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    took = time.perf_counter() - start
    print(f"{done:,} broken files of {len(sources)} containers and modes in {took:.0f} s, none unanswered;")
    print(f"  a worker had {megabytes:.0f} MB at most; the slowest {share} took {slowest:.1f} s")
    print(f"  {dict(kinds.most_common())}")


def sample(folder: Path, root: Path, *, limit: int) -> None:
    """Copy at most `limit` files, spread over all classes."""
    files = sorted(path for path in folder.glob("*/*") if path.is_file())
    for path in files[:: max(1, len(files) // limit)][:limit]:
        place = root / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


def main() -> None:
    """Compare on each folder given, then on constructed cases; print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folders", nargs="*", type=Path)
    arguments.add_argument("--limit", type=int, default=2000)
    arguments.add_argument("--each", type=int, default=30)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--bad", type=int, default=0)
    asked = arguments.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as temporary:
        if asked.bad:
            bad(Path(temporary), count=asked.bad)
            return
        for number, folder in enumerate(asked.folders):
            root = Path(temporary) / str(number)
            sample(folder, root, limit=asked.limit)
            print(f"{folder.name}:")
            speed(root, runs=asked.runs)
        generated = [photograph(224, seed=seed) for seed in range(300)]
        photos = [Image.open(path) for path in sorted(asked.folders[-1].glob("*/*"))] if asked.folders else []
        suitable = [i.convert("RGB") for i in photos if np.ptp(i.size) < 120 and i.mode == "RGB"]
        for name, images in (("generated", generated), ("photographs", suitable[::-1][:300])):
            if len(images) >= 2 * asked.each:
                root = Path(temporary) / name
                construct(root, photos=images, each=asked.each)
                print(f"constructed of {len(images)} {name}:")
                constructed(root, each=asked.each)


if __name__ == "__main__":
    main()
