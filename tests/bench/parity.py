"""Compares what is scored, predicted, exported, loaded again and served; and how fast and small each starts.

`python tests/bench/parity.py [FOLDER]` copies a folder of class folders, by default the demo's digits, adds
pictures of every odd kind, trains on them in a temporary folder, exports, and removes everything.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from cleaner import Project, TrainConfig, load_model
from cleaner.app.demo import build_demo
from cleaner.catalog.pictures import open_picture
from cleaner.types import Floats
from tests.bench.serve import PORT, started
from tests.support.images import odd_pictures

ENDING = """
import json
first = time.time() - START
took = []
for _ in range(30):
    begun = time.perf_counter()
    ask(IMAGE)
    took.append((time.perf_counter() - begun) * 1000)
from statistics import median
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak = int(status["VmHWM"].split()[0]) / 1000
print(json.dumps([first, median(took), peak]))
"""
OURS = "from cleaner import load_model\nask = load_model(MODEL, engine={!r}).predict\nask(IMAGE)\n"
FASTAI = """
import warnings
warnings.simplefilter("ignore")
from fastai.learner import load_learner
learner = load_learner(MODEL + "/export.pkl")
def ask(image):
    with learner.no_bar(), learner.no_logging():
        return learner.predict(image)
ask(IMAGE)
"""
WAYS = {
    "onnxruntime": OURS.format("onnx"),
    "torch": OURS.format("torch"),
    "fastai's load_learner": FASTAI,
}


def agreement(project: Project, model: Path) -> None:
    """Say by how much the ways to ask differ from the scores, on all images and on the odd ones."""
    scored, paths = project.predictions(), [project.root / path for path in project.catalog.paths]
    odd = np.array([path.parent.name == "odd" for path in paths])
    ways = {
        "project.model()": project.model(),
        "safetensors in torch": load_model(model, engine="torch"),
        "ONNX in onnxruntime": load_model(model),
    }
    exact = project.rounds[-1].config.mode == "full"  # a quick look scores each image as if left out
    said = {name: way.predict(paths).probs for name, way in ways.items()}
    said["cleaner serve over HTTP"] = served(model, paths)
    base = scored.probs if exact else said["project.model()"]
    print(f"largest differences from the {'scores' if exact else 'network'} of {len(paths):,} images:")
    for name, probs in said.items():
        differences = np.abs(probs - base).max(axis=1)
        each = ", ".join(f"{paths[row].name} {differences[row]:.1e}" for row in np.flatnonzero(odd))
        print(f"  {name}: {differences.max():.1e} ({each})")


def served(model: Path, paths: list[Path]) -> Floats:
    """Return the probabilities [N, K] that a service says of images, each sent as the body of a request."""
    command = [sys.executable, "-m", "cleaner.app.cli", "serve", str(model), f"--port={PORT}"]
    with (
        started("cleaner serve", command, port=PORT, where=model.parent),
        httpx2.Client(base_url=f"http://127.0.0.1:{PORT}", trust_env=False, timeout=60) as client,
    ):
        classes = client.get("/classes").json()["classes"]
        answers = [client.post("/classify", content=path.read_bytes()) for path in paths]
        rows = [dict(answer.raise_for_status().json()["predictions"]) for answer in answers]
    return np.array([[row[name] for name in classes] for row in rows], dtype=np.float32)


def starts(model: Path, image: Path, *, runs: int) -> None:
    """Time each way from the start of Python to its first answer, in turn; print medians and ratios."""
    figures: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    for _ in range(runs):
        for name, code in WAYS.items():
            if name.startswith("fastai") and not (model / "export.pkl").exists():
                continue
            begin = f"import time\nSTART = {{start}}\nMODEL, IMAGE = {str(model)!r}, {str(image)!r}\n"
            figures[name].append(_run(begin, code + ENDING))
    first = statistics.median(run[0] for run in figures["onnxruntime"])
    for name, seen in figures.items():
        if seen:
            cold, warm, peak = (statistics.median(column) for column in zip(*seen, strict=True))
            print(
                f"{name}: first answer after {cold:.2f} s ({cold / first:.1f}x), "
                f"one more image {warm:.1f} ms, peak memory {peak:.0f} MB"
            )


def _run(begin: str, code: str) -> list[float]:
    start = "float(__import__('os').environ['BENCH_START'])"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    environment["BENCH_START"] = repr(time.time())
    done = subprocess.run(
        [sys.executable, "-c", begin.format(start=start) + code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    figures: list[float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    """Train, export, compare and time."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", nargs="?", type=Path)
    arguments.add_argument("--mode", default="full")
    arguments.add_argument("--arch", default="resnet34")
    arguments.add_argument("--weights", default="scratch")
    arguments.add_argument("--size", type=int)
    arguments.add_argument("--epochs", type=int, default=1)
    arguments.add_argument("--runs", type=int, default=3)
    asked = arguments.parse_args()
    config = TrainConfig(
        mode=asked.mode, arch=asked.arch, weights=asked.weights, size=asked.size, epochs=asked.epochs, folds=0
    )
    with tempfile.TemporaryDirectory() as place:
        source = asked.folder or build_demo(Path(place, "demo")).folder
        root = shutil.copytree(source, Path(place, "data"), ignore=shutil.ignore_patterns(".*"))
        label = sorted(path for path in root.iterdir() if path.is_dir())[0]
        picture = open_picture(sorted(label.iterdir())[0])
        odd = odd_pictures(label / "odd", picture=picture)
        project = Project.open(root, by="bench")
        project.train(config)
        model = project.export_model(Path(place, "model"), fastai=asked.mode == "full")
        told = json.loads((model / "model.json").read_text())
        print(
            f"{told['network']['arch']} at {told['network']['size']} px, {len(project.catalog):,} images, "
            f"at export {told['agreement']['largest_difference']:.1e}"
        )
        agreement(project, model)
        starts(model, odd[0], runs=asked.runs)


if __name__ == "__main__":
    main()
