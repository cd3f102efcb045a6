"""Times the service beside the obvious one, FastAPI around `learn.predict`: same network, same photos.

`python tests/bench/serve.py` makes a network of random weights and 64 photos, and starts one service after
the other: latency and throughput at 1, 8 and 64 clients, cold start, memory, and what is said above
capacity. `CLEANER_BENCH_DATA` names a folder of JPEG photos to be used instead.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

TOP = Path(__file__).parents[2]
sys.path.insert(0, str(TOP))

CLASSES = tuple(f"class {number}" for number in range(10))

PREPARE = """
import sys
from pathlib import Path
import numpy as np
from fastai.vision.all import ImageDataLoaders, Resize, resnet34, vision_learner
from cleaner.app.exported import GRAPH, write_export
from cleaner.model.graph import write_graph
from cleaner.model.images import cached_side
from cleaner.model.network import build
place, size = Path(sys.argv[1]), int(sys.argv[2])
vocab = tuple(sys.argv[3:])
network = build("resnet34", vocab=vocab, size=size)
side = cached_side(size)
def fill(part):
    write_graph(part / GRAPH, network, squares=np.zeros((1, side, side, 3), np.uint8))
    return {"classes": list(vocab), "size": side}
write_export(place / "ours", root=Path("/nowhere"), fill=fill)
photos = sorted((place / "photos").iterdir())
labels = [vocab[number % len(vocab)] for number in range(len(photos))]
loaders = ImageDataLoaders.from_lists(place, photos, labels, item_tfms=Resize(size), bs=8)
vision_learner(loaders, resnet34, pretrained=False, n_out=len(vocab)).export(place / "export.pkl")
"""

# As it is written everywhere: the learner loaded once, one picture at a time. A plain `def` is run on
# threads, an `async def` on the event loop, one request after the other.
RIVAL = """
from fastai.vision.all import PILImage, load_learner
from fastapi import FastAPI, File, UploadFile
app = FastAPI()
learn = load_learner("export.pkl")

def answer(data):
    label, number, probabilities = learn.predict(PILImage.create(data))
    pairs = zip(learn.dls.vocab, map(float, probabilities))
    return {"predictions": sorted(pairs, key=lambda pair: -pair[1])}

@app.get("/health")
def health():
    return "ok"

@app.post("/threads")
def on_threads(file: UploadFile = File(...)):
    return answer(file.file.read())

@app.post("/loop")
async def on_the_loop(file: UploadFile = File(...)):
    return answer(await file.read())
"""


@dataclass
class Service:
    """A service that runs: where it listens, what it took to start, its process."""

    port: int
    seconds: float
    process: psutil.Process

    def megabytes(self) -> float:
        """Return what it holds of the memory alone, and its share of what it shares."""
        return sum(p.memory_full_info().pss for p in (self.process, *self.process.children(True))) / 1e6


@dataclass
class Load:
    """What some clients saw: seconds of the good answers, statuses of all."""

    wall: float = 0.0
    seconds: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        """Say it in figures."""
        p50, p95 = np.percentile(self.seconds or [np.nan], [50, 95]) * 1000
        bad = sum(self.statuses.values()) - self.statuses["200"]
        return f"p50 {p50:7.1f} ms  p95 {p95:7.1f} ms  {self.rate():6.1f} a second  {bad} not answered"

    def rate(self) -> float:
        """Return the good answers a second."""
        return len(self.seconds) / self.wall


@contextlib.contextmanager
def started(command: list[str], *, port: int, where: Path) -> Iterator[Service]:
    """Run a service until the block ends; wait until it answers."""
    begun = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(TOP), "PYTHONWARNINGS": "ignore"}
    with (where / "log").open("ab") as out:
        process = subprocess.Popen(command, cwd=where, stdout=out, stderr=out, env=environment)
    try:
        while True:
            with contextlib.suppress(OSError):
                line = http.client.HTTPConnection("127.0.0.1", port)
                line.request("GET", "/health")
                line.getresponse().read()
                break
            if process.poll() is not None:
                raise SystemExit((where / "log").read_text())
            time.sleep(0.02)
        yield Service(port, time.perf_counter() - begun, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=60)


def load(port: int, path: str, photos: list[bytes], *, clients: int, seconds: float) -> Load:
    """Let clients ask one photo after the other, each as soon as it has its answer."""
    seen, lock = Load(), threading.Lock()
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        turn = number
        while time.perf_counter() < end:
            body, kind = _form(photos[turn % len(photos)])
            turn += 1
            begun = time.perf_counter()
            try:
                line.request("POST", path, body, {"Content-Type": kind})
                answer = line.getresponse()
                answer.read()
                status = str(answer.status)
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
                line.close()
            took = time.perf_counter() - begun
            with lock:
                seen.statuses[status] += 1
                (seen.seconds if status == "200" else seen.refused).append(took)

    begun = time.perf_counter()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen.wall = time.perf_counter() - begun
    return seen


def _form(photo: bytes) -> tuple[bytes, str]:
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
    return head + photo + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"


def photos_of(folder: str | None, *, count: int) -> list[bytes]:
    """Take JPEGs of a folder, or make some of 500 to 1,000 pixels, as rough as photographs are."""
    if folder:
        return [path.read_bytes() for path in sorted(Path(folder).rglob("*.jpg"))[:count]]
    random = np.random.default_rng(0)
    made = []
    for _ in range(count):
        width, height = random.integers(500, 1000, 2)
        rough = Image.fromarray(random.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8))
        smooth = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        mixed = Image.blend(
            smooth.resize((width, height), Image.Resampling.BICUBIC),
            rough.resize((width, height), Image.Resampling.BICUBIC),
            0.25,
        )
        written = io.BytesIO()
        mixed.save(written, "JPEG", quality=88)
        made.append(written.getvalue())
    return made


def measure(
    name: str, service: Service, path: str, photos: list[bytes], *, seconds: float
) -> dict[int, Load]:
    """Print what a service does under each load."""
    load(service.port, path, photos, clients=2, seconds=1)  # warm
    found = {}
    for clients in (1, 8, 64):
        found[clients] = load(service.port, path, photos, clients=clients, seconds=seconds)
        print(f"{name:28} {clients:3} clients  {found[clients].line()}  {dict(found[clients].statuses)}")
    return found


def overload(service: Service, photos: list[bytes], *, seconds: float) -> None:
    """Print what more clients than there are places see."""
    seen = load(service.port, "/classify", photos, clients=300, seconds=seconds)
    quick, slow = np.percentile(seen.refused or [np.nan], [50, 95]) * 1000
    print(f"Above capacity, 300 clients: {seen.line()}; {dict(seen.statuses)}")
    print(f"  a refusal takes p50 {quick:.0f} ms, p95 {slow:.0f} ms, with 300 clients on the same cores")


def one_run(place: Path, photos: list[bytes], *, seconds: float) -> list[float]:
    """Measure both services, and return by how much the throughput differs at 1, 8 and 64 clients."""
    port = 18_471
    serve = [sys.executable, "-m", "cleaner.app.cli", "serve", "ours", f"--port={port}"]
    with started(serve, port=port, where=place) as ours:
        mine = measure("cleaner serve", ours, "/classify", photos, seconds=seconds)
        print(f"  cold start {ours.seconds:.1f} s, memory {ours.megabytes():.0f} MB")
        overload(ours, photos, seconds=seconds)
    rival = [sys.executable, "-m", "uvicorn", "rival:app", f"--port={port + 1}", "--no-access-log"]
    with started(rival, port=port + 1, where=place) as theirs:
        ways = {
            way: measure(f"FastAPI + predict, {way[1:]}", theirs, way, photos, seconds=seconds)
            for way in ("/loop", "/threads")
        }
        print(f"  cold start {theirs.seconds:.1f} s, memory {theirs.megabytes():.0f} MB")
    ratios = [mine[n].rate() / max(found[n].rate() for found in ways.values()) for n in mine]
    print("Throughput, times the better of the rival's two: " + ", ".join(f"{r:.1f}" for r in ratios))
    return ratios


def main() -> None:
    """Measure as often as asked, and print medians of the ratios."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", type=int, default=224)
    arguments.add_argument("--seconds", type=float, default=8)
    arguments.add_argument("--runs", type=int, default=1)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        photos = photos_of(os.environ.get("CLEANER_BENCH_DATA"), count=64)
        (place / "photos").mkdir()
        for number, photo in enumerate(photos):
            (place / "photos" / f"{number}.jpg").write_bytes(photo)
        (place / "rival.py").write_text(RIVAL)
        kilobytes = statistics.median(map(len, photos)) / 1000
        print(f"{len(photos)} photos of {kilobytes:.0f} kB in the median, resnet34 at {asked.size} pixels")
        environment = {**os.environ, "PYTHONPATH": str(TOP)}
        command = [sys.executable, "-W", "ignore", "-c", PREPARE, str(place), str(asked.size), *CLASSES]
        subprocess.run(command, check=True, env=environment)
        runs = [one_run(place, photos, seconds=asked.seconds) for _ in range(asked.runs)]
        print("Medians: " + ", ".join(f"{np.median(ratios):.1f}" for ratios in zip(*runs, strict=True)))


if __name__ == "__main__":
    main()
