"""How soon a first ranked page is there, how good it is, and what scoring costs, beside fastai's own way.

Every measurement runs in a process of its own, alone, and prints its seconds (from the folder to the order,
libraries loaded before the clock starts), its peak memory and, where the truth is known, how good the order
is. fastai's way is `vision_learner`, the same weights, `fine_tune(4)` and `ImageClassifierCleaner`, its lists
of both splits merged by loss. Two datasets:

photos: 2,000 JPEGs of 1,024 x 768 pixels, made of random windows of the two photographs that scikit-learn
carries, in four classes, 5 % of them labelled wrong; ResNet-18 of random weights at 224 pixels: for the time
it does not matter what the weights know.

A folder of one's own, named by CLEANER_BENCH_DATA: `images/<label>/…`, a `truth.csv` (path, given, true) and
`weights.safetensors` of a ResNet-18, seen at 64 pixels.

Run it with `make bench`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cleaner import Project, TrainConfig

DATA = "CLEANER_BENCH_DATA"
ARCH = "resnet18"


@dataclass(frozen=True)
class Task:
    """A dataset with its weights, the side at which it is seen, and the true label of each image."""

    name: str
    folder: Path
    weights: Path
    size: int
    truth: Mapping[str, str]

    @property
    def config(self) -> TrainConfig:
        """Return what all ways have in common."""
        return TrainConfig(arch=ARCH, weights=str(self.weights), size=self.size)


def main() -> None:
    """Run what was asked for: one measurement, or all of them, each in a process of its own."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--one", choices=sorted(WAYS), help="run one measurement and print it as JSON")
    options.add_argument("--task", help="a file with the task of that one, as JSON")
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--photos", type=int, default=2000, help="how many photos to make; 0 for none")
    options.add_argument("--counts", type=int, nargs="*", default=[1000, 10_000], help="images to score")
    chosen = options.parse_args()
    if chosen.one:
        task = json.loads(Path(chosen.task).read_text(encoding="utf-8"))
        print(json.dumps(measured(WAYS[chosen.one], task)))
        return
    with tempfile.TemporaryDirectory() as place:
        run_all(Path(place), seeds=chosen.seeds, photos=chosen.photos, counts=chosen.counts)


def run_all(place: Path, *, seeds: int, photos: int, counts: Sequence[int]) -> None:
    """Make the datasets, measure every way on each, and print the tables."""
    tasks = [own_task(place, Path(os.environ[DATA]))] if os.environ.get(DATA) else []
    if not tasks:
        print(f"{DATA} names no folder, so there is no table for real labelling errors")
    if photos:
        tasks.append(photo_task(place, count=photos))
    for task in tasks:
        ways = ("quick", "quick_again", "fastai", "full")
        results = [run_one(way, task, seed=seed) for seed in range(seeds) for way in ways]
        print_orders(task, results)
    for count in counts:
        print_scoring(
            [run_one(way, score_task(place, count), seed=0) for way in ("score", "get_preds")], count
        )


# --- the ways ------------------------------------------------------------------------------------------


def measured(way: Callable[[Task, int], dict[str, float]], raw: dict[str, object]) -> dict[str, float]:
    """Run one way and add its peak memory in MiB."""
    seed = int(raw.pop("seed"))  # type: ignore[call-overload]
    task = Task(**{**raw, "folder": Path(str(raw["folder"])), "weights": Path(str(raw["weights"]))})  # type: ignore[arg-type]
    result = way(task, seed)
    return {**result, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def quick(task: Task, seed: int) -> dict[str, float]:
    """Check, decode, embed, fit the quick head, rank; nothing is cached."""
    import torchvision  # noqa: F401

    shutil.rmtree(task.folder / ".cleaner", ignore_errors=True)
    return _cleaner(task, mode="quick", seed=seed)


def quick_again(task: Task, seed: int) -> dict[str, float]:
    """Do the same in a second round, with everything cached that the first has computed."""
    import torchvision  # noqa: F401

    return _cleaner(task, mode="quick", seed=seed)


def full(task: Task, seed: int) -> dict[str, float]:
    """Train in full, from the cold folder."""
    import fastai.vision.all  # noqa: F401

    shutil.rmtree(task.folder / ".cleaner", ignore_errors=True)
    return _cleaner(task, mode="full", seed=seed)


def _cleaner(task: Task, *, mode: str, seed: int) -> dict[str, float]:
    started = time.perf_counter()
    project = Project.open(task.folder)
    project.train(replace(task.config, mode=mode, seed=seed))
    order = list(project.queue().ids)
    return {"seconds": time.perf_counter() - started, **quality(order, task.truth)}


def fastai_way(task: Task, seed: int) -> dict[str, float]:
    """Train with fastai as its book does, and merge its cleaner's lists of both splits by loss."""
    from fastai.vision import widgets
    from fastai.vision.all import (
        ImageDataLoaders,
        Normalize,
        Resize,
        aug_transforms,
        create_body,
        error_rate,
        imagenet_stats,
        resnet18,
        set_seed,
        vision_learner,
    )
    from safetensors.torch import load_file

    shutil.rmtree(task.folder / ".cleaner", ignore_errors=True)
    started = time.perf_counter()
    set_seed(seed, reproducible=True)
    loaders = ImageDataLoaders.from_folder(
        task.folder,
        valid_pct=0.2,
        seed=seed,
        item_tfms=Resize(task.size),
        batch_tfms=[*aug_transforms(), Normalize.from_stats(*imagenet_stats)],
        bs=task.config.batch_size,
        num_workers=2,
    )
    learner = vision_learner(loaders, resnet18, pretrained=False, normalize=False, metrics=error_rate)
    whole = resnet18(weights=None)
    weights = {k: v.float() for k, v in load_file(task.weights).items() if not k.startswith("fc.")}
    whole.load_state_dict(weights, strict=False)
    learner.model[0].load_state_dict(create_body(whole, pretrained=False).state_dict())
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(4, 3e-3)
        widgets.display = lambda _: None  # there only in a notebook; to its advantage, nothing is drawn
        sides = widgets.ImageClassifierCleaner(learner).iwis
    seconds = time.perf_counter() - started
    scored = sorted(((float(loss), str(path)) for side in sides for path, _, loss in side), reverse=True)
    order = [Path(path).relative_to(task.folder).as_posix() for _, path in scored]
    return {"seconds": seconds, **quality(order, task.truth)}


def score(task: Task, seed: int) -> dict[str, float]:
    """Check, decode and score every image of a folder with a network; then score it again."""
    from cleaner.app.caches import Job
    from cleaner.model.bodies import IMAGENET, body_of
    from cleaner.model.images import cached_side
    from cleaner.model.network import fine_tunable
    from cleaner.model.predict import predict
    from cleaner.progress import never, quiet

    body = body_of(ARCH, size=task.size, stats=IMAGENET, weights=None)
    network = fine_tunable(body, vocab=tuple(f"class{n}" for n in range(10)))
    started = time.perf_counter()
    project = Project.open(task.folder)
    nobody = np.zeros(len(project.catalog), dtype=bool)
    job = Job(project.catalog, project.home, task.config, nobody, quiet, never)
    times = [time.perf_counter() - started]
    for _ in range(2):
        started = time.perf_counter()
        predict(network, job.squares(cached_side(task.size)))
        times.append(time.perf_counter() - started)
    return {"seconds": times[0] + times[1], "again": times[2]}


def get_preds(task: Task, seed: int) -> dict[str, float]:
    """Score every image with `Learner.get_preds` and the loaders that fastai makes for a folder."""
    from fastai.vision.all import ImageDataLoaders, Resize, resnet18, vision_learner

    started = time.perf_counter()
    loaders = ImageDataLoaders.from_folder(
        task.folder, valid_pct=0.2, item_tfms=Resize(task.size), bs=64, num_workers=2
    )
    learner = vision_learner(loaders, resnet18, pretrained=False)
    every = loaders.test_dl([*loaders.train_ds.items, *loaders.valid_ds.items], with_labels=True)
    with learner.no_bar(), learner.no_logging():
        learner.get_preds(dl=every, with_loss=True)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "again": seconds}  # it reads and decodes every file every time


WAYS = {
    "quick": quick,
    "quick_again": quick_again,
    "full": full,
    "fastai": fastai_way,
    "score": score,
    "get_preds": get_preds,
}


# --- the datasets --------------------------------------------------------------------------------------


def own_task(place: Path, source: Path) -> Task:
    """Copy a folder with known errors to where it may be written to."""
    shutil.copytree(source / "images", place / "own")
    with (source / "truth.csv").open(newline="", encoding="utf-8") as file:
        truth = {row["path"].removeprefix("images/"): row["true"] for row in csv.DictReader(file)}
    return Task("own", place / "own", source / "weights.safetensors", 64, truth)


def photo_task(place: Path, *, count: int) -> Task:
    """Make photographs with 5 % wrong labels, and a ResNet-18 of random weights."""
    from PIL import Image, ImageOps
    from sklearn.datasets import load_sample_images

    chance = np.random.default_rng(0)
    sources = [Image.fromarray(image) for image in load_sample_images().images]
    sources += [ImageOps.mirror(ImageOps.flip(source)) for source in sources]
    truth = {}
    for number in range(count):
        true = number % 4
        given = (true + 1) % 4 if chance.random() < 0.05 else true
        path = f"class{given}/{number:05d}.jpg"
        (place / "photos" / path).parent.mkdir(parents=True, exist_ok=True)
        left, top = chance.integers(0, 200), chance.integers(0, 100)
        window = sources[true].crop((left, top, left + 400, top + 300)).resize((1024, 768))
        window.save(place / "photos" / path, quality=90)
        truth[path] = f"class{true}"
    return Task("photos", place / "photos", random_weights(place), 224, truth)


def score_task(place: Path, count: int) -> Task:
    """Make small pictures of noise, each different from every other."""
    from PIL import Image

    folder, chance = place / f"score{count}", np.random.default_rng(0)
    for number in range(count if not folder.exists() else 0):
        path = folder / f"class{number % 10}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chance.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    return Task(f"{count} pictures", folder, random_weights(place), 64, {})


def random_weights(place: Path) -> Path:
    """Write the weights of a ResNet-18 that knows nothing; in a process of its own, for memory's sake."""
    path = place / "weights.safetensors"
    if not path.exists():
        code = (
            "import sys, torch, torchvision; from safetensors.torch import save_file; torch.manual_seed(0);"
            "save_file(torchvision.models.resnet18().state_dict(), sys.argv[1])"
        )
        subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    return path


# --- figures -------------------------------------------------------------------------------------------


def quality(order: Sequence[str], truth: Mapping[str, str]) -> dict[str, float]:
    """Return average precision, and how many of the E wrong labels stand in the first E of an order."""
    wrong = np.array([truth[path] != path.split("/")[0] for path in order])
    hits = np.cumsum(wrong)
    precision = hits / np.arange(1, len(order) + 1)
    return {
        "ap": float(precision[wrong].mean()),
        "found": int(hits[wrong.sum() - 1]),
        "wrong": int(wrong.sum()),
    }


def run_one(way: str, task: Task, *, seed: int) -> dict[str, float | str]:
    """Run one measurement in a process of its own."""
    raw = {"name": task.name, "folder": str(task.folder), "weights": str(task.weights), "size": task.size}
    asked = json.dumps({**raw, "truth": dict(task.truth), "seed": seed})
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        file.write(asked)
    command = [sys.executable, __file__, "--one", way, "--task", file.name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    Path(file.name).unlink()
    result = json.loads(done.stdout.strip().split("\n")[-1])
    print(f"{task.name}, {way}: {result['seconds']:.1f} s", file=sys.stderr, flush=True)
    return {"way": way, **result}


def print_orders(task: Task, results: Sequence[Mapping[str, float | str]]) -> None:
    """Print one line for each way, medians over the seeds, and how often fastai's seconds hold its own."""
    middle = {
        way: _medians([r for r in results if r["way"] == way])
        for way in dict.fromkeys(r["way"] for r in results)
    }
    print(f"\n{task.name}: {len(task.truth):,} images at {task.size} px, {ARCH}, folder to first page")
    print(f"{'way':14}{'seconds':>9}{'fastai x':>10}{'AP':>8}{'in first E':>14}{'peak MiB':>10}")
    for way, r in middle.items():
        ratio = middle["fastai"]["seconds"] / r["seconds"]
        found = f"{r['found']:.0f}/{r['wrong']:.0f}"
        print(f"{way:14}{r['seconds']:>9.1f}{ratio:>10.1f}{r['ap']:>8.3f}{found:>14}{r['memory']:>10.0f}")


def print_scoring(results: Sequence[Mapping[str, float | str]], count: int) -> None:
    """Print images per second of both, from files and a second time."""
    print(f"\nscoring {count:,} pictures of 64 px with {ARCH}")
    for r in results:
        first, again = (count / float(r[key]) for key in ("seconds", "again"))
        print(f"{r['way']:14}{first:>9.0f} images/s, again {again:>7.0f} images/s{r['memory']:>10.0f} MiB")


def _medians(results: Sequence[Mapping[str, float | str]]) -> dict[str, float]:
    return {key: statistics.median(float(r[key]) for r in results) for key in results[0] if key != "way"}


if __name__ == "__main__":
    main()
