"""Times the service beside the obvious one, FastAPI around `learn.predict`: same network, same photos.

`python tests/bench/serve.py` makes a network of random weights and 64 photos, and asks both services in
turns: latency, throughput and processor time at 1, 8 and 64 clients, cold start, memory, what is said above
capacity, and what the cores could do if nothing were served. `CLEANER_BENCH_DATA` names a folder of JPEG
photos to be used instead.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

TOP = Path(__file__).parents[2]
sys.path.insert(0, str(TOP))

PORT = 18_471
CLASSES = tuple(f"class {number}" for number in range(10))

PREPARE = """
import sys
from pathlib import Path
import numpy as np
from fastai.vision.all import ImageDataLoaders, Resize, vision_learner
import torchvision.models as models
from cleaner.app.exported import GRAPH, write_export
from cleaner.model.graph import write_graph
from cleaner.model.images import cached_side
from cleaner.model.network import build
place, arch, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
vocab = tuple(sys.argv[4:])
network = build(arch, vocab=vocab, size=size)
side = cached_side(size)
def fill(part):
    write_graph(part / GRAPH, network, squares=np.zeros((1, side, side, 3), np.uint8))
    return {"classes": list(vocab), "size": side}
write_export(place / "ours", root=Path("/nowhere"), fill=fill)
photos = sorted((place / "photos").iterdir())
labels = [vocab[number % len(vocab)] for number in range(len(photos))]
loaders = ImageDataLoaders.from_lists(place, photos, labels, item_tfms=Resize(size), bs=8)
learn = vision_learner(loaders, getattr(models, arch), pretrained=False, n_out=len(vocab))
learn.export(place / "export.pkl")
"""

# As it is written everywhere: the learner loaded once, one picture at a time, on the framework's threads.
RIVAL = """
from fastai.vision.all import PILImage, load_learner
from fastapi import FastAPI, File, UploadFile
app = FastAPI()
learn = load_learner("export.pkl")

@app.get("/health")
def health():
    return "ok"

@app.post("/classify")
def classify(file: UploadFile = File(...)):
    label, number, probabilities = learn.predict(PILImage.create(file.file.read()))
    pairs = zip(learn.dls.vocab, map(float, probabilities))
    return {"predictions": sorted(pairs, key=lambda pair: -pair[1])}
"""


@dataclass
class Service:
    """A service that runs, and what it answers to each photo when it has nothing else to do."""

    name: str
    port: int
    seconds: float
    process: psutil.Process
    alone: dict[int, float] = field(default_factory=dict)

    def megabytes(self) -> float:
        """Return what it holds of the memory, shared pages by its share of them."""
        return float(self.process.memory_full_info().pss) / 1e6

    def cpu(self) -> float:
        """Return the processor seconds it has used."""
        used = self.process.cpu_times()
        return float(used.user + used.system)


@dataclass
class Load:
    """What some clients saw: seconds of good answers and of refusals, statuses, and answers that were wrong.

    `cpu` is the processor time that the service took meanwhile, `own` what the clients took themselves, and
    `others` what else the machine did: a timing beside much of that says little.
    """

    wall: float = 0.0
    cpu: float = 0.0
    own: float = 0.0
    others: float = 0.0
    seconds: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: int = 0

    def line(self) -> str:
        """Say it in figures."""
        p50, p95 = np.percentile(self.seconds or [np.nan], [50, 95]) * 1000
        each, own = (used / max(1, len(self.seconds)) * 1000 for used in (self.cpu, self.own))
        return (
            f"p50 {p50:7.1f} ms  p95 {p95:7.1f} ms  {self.rate():6.1f} a second  {each:5.1f} ms of processor "
            f"each and {own:.1f} of the clients, {self.others / self.wall:.1f} cores to others  "
            f"{self.wrong} wrong  {dict(self.statuses)}"
        )

    def rate(self) -> float:
        """Return the good answers a second."""
        return len(self.seconds) / self.wall


@dataclass
class Line:
    """One client's connection, kept between requests: bare sockets, as the clients share the cores."""

    port: int
    _open: socket.socket | None = None

    def ask(self, request: bytes) -> tuple[str, bytes]:
        """Return the status, or what went wrong, and the body."""
        try:
            if self._open is None:
                self._open = socket.create_connection(("127.0.0.1", self.port), timeout=120)
                self._open.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(ConnectionError):  # a refusal may come before all is sent
                self._open.sendall(request)
            head, body = self._answer(self._open)
        except OSError as error:
            self.close()
            return type(error).__name__, b""
        if b"\nconnection: close" in head:
            self.close()
        return head[9:12].decode(), body

    def close(self) -> None:
        """Hang up; the next question connects anew."""
        if self._open is not None:
            self._open.close()
        self._open = None

    def _answer(self, line: socket.socket) -> tuple[bytes, bytes]:
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._more(line)
        head, _, body = got.partition(b"\r\n\r\n")
        head = head.lower()
        length = int(head.partition(b"\ncontent-length:")[2].split(b"\r")[0])
        while len(body) < length:
            body += self._more(line)
        return head, body

    def _more(self, line: socket.socket) -> bytes:
        if got := line.recv(65_536):
            return got
        raise ConnectionResetError


@contextlib.contextmanager
def started(name: str, command: list[str], *, port: int, where: Path) -> Iterator[Service]:
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
        yield Service(name, port, time.perf_counter() - begun, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=60)


def load(service: Service, requests: list[bytes], *, clients: int, seconds: float) -> Load:
    """Let clients ask one photo after the other, each as soon as it has its answer."""
    seen, lock = Load(), threading.Lock()
    begun, used, own, all_used = time.perf_counter(), service.cpu(), time.process_time(), machine_cpu()

    def client(number: int) -> None:
        line, turn = Line(service.port), number
        while time.perf_counter() < begun + seconds:
            at, turn = turn % len(requests), turn + 1
            asked = time.perf_counter()
            status, said = line.ask(requests[at])
            took = time.perf_counter() - asked
            best = _best(said) if status == "200" else np.nan
            with lock:
                seen.statuses[status] += 1
                (seen.seconds if status == "200" else seen.refused).append(took)
                seen.wrong += status == "200" and not abs(best - service.alone.get(at, best)) <= 1e-3
        line.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen.wall, seen.cpu = time.perf_counter() - begun, service.cpu() - used
    seen.own = time.process_time() - own
    seen.others = max(0.0, machine_cpu() - all_used - seen.cpu - seen.own)
    return seen


def machine_cpu() -> float:
    """Return the processor seconds that everything on this machine has used."""
    used = psutil.cpu_times()
    return float(used.user + used.nice + used.system)


def _best(said: bytes) -> float:
    return float(json.loads(said)["predictions"][0][1])


def request_of(photo: bytes) -> bytes:
    """Write the whole request for a photo, as a browser's form sends it."""
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
    form = head + photo + b"\r\n--edge--\r\n"
    lines = (
        "POST /classify HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: multipart/form-data; boundary=edge",
        f"Content-Length: {len(form)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + form


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


def compare(services: list[Service], requests: list[bytes], *, seconds: float, runs: int) -> None:
    """Measure the services in turns, so that what else the machine does meets both; print all and medians."""
    for service in services:
        line = Line(service.port)
        service.alone |= {at: _best(line.ask(request)[1]) for at, request in enumerate(requests)}
        line.close()
        print(f"{service.name:20} cold start {service.seconds:.1f} s, memory {service.megabytes():.0f} MB")
    for clients in (1, 8, 64):
        rates, cpus = [], []
        for _ in range(runs):
            pair = [load(service, requests, clients=clients, seconds=seconds) for service in services]
            for service, seen in zip(services, pair, strict=True):
                print(f"{service.name:20} {clients:3} clients  {seen.line()}", flush=True)
            rates.append(pair[0].rate() / pair[1].rate())
            cpus.append(pair[1].cpu / len(pair[1].seconds) / (pair[0].cpu / len(pair[0].seconds)))
        print(
            f"{clients} clients: {np.median(rates):.1f} times the throughput (median of {runs}), "
            f"{np.median(cpus):.1f} times less processor time for a picture"
        )


def ceiling(model: Path, photos: list[bytes], *, seconds: float) -> float:
    """Return how many pictures a second are decoded and computed where nothing is served, on all cores."""
    from cleaner import load_model

    loaded = load_model(model, threads=1)
    ends = time.perf_counter() + seconds

    def work(first: int) -> int:
        done = 0
        while time.perf_counter() < ends:
            batch = [loaded.prepare(photos[(first + done + at) % len(photos)]) for at in range(8)]
            loaded.probabilities(np.stack(batch))
            done += len(batch)
        return done

    begun, cores = time.perf_counter(), len(psutil.Process().cpu_affinity())
    with ThreadPoolExecutor(cores) as pool:
        done = sum(pool.map(work, range(cores)))
    return done / (time.perf_counter() - begun)


def overload(service: Service, requests: list[bytes], *, seconds: float) -> None:
    """Print what more clients than there are places see."""
    seen = load(service, requests, clients=300, seconds=seconds)
    quick, slow = np.percentile(seen.refused or [np.nan], [50, 95]) * 1000
    print(f"Above capacity, 300 clients: {seen.line()}")
    print(f"  a refusal takes p50 {quick:.0f} ms, p95 {slow:.0f} ms, with 300 clients on the same cores")


def main() -> None:
    """Measure as often as asked, and print medians of the ratios."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", type=int, default=224)
    arguments.add_argument("--arch", default="resnet34")
    arguments.add_argument("--seconds", type=float, default=5)
    arguments.add_argument("--runs", type=int, default=3)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        photos = photos_of(os.environ.get("CLEANER_BENCH_DATA"), count=64)
        (place / "photos").mkdir()
        for number, photo in enumerate(photos):
            (place / "photos" / f"{number}.jpg").write_bytes(photo)
        (place / "rival.py").write_text(RIVAL)
        kilobytes = statistics.median(map(len, photos)) / 1000
        print(
            f"{len(photos)} photos of {kilobytes:.0f} kB in the median, {asked.arch} at {asked.size} pixels"
        )
        environment = {**os.environ, "PYTHONPATH": str(TOP)}
        prepare = [sys.executable, "-W", "ignore", "-c", PREPARE, str(place), asked.arch, str(asked.size)]
        subprocess.run([*prepare, *CLASSES], check=True, env=environment)
        serve = [sys.executable, "-m", "cleaner.app.cli", "serve", "ours", f"--port={PORT}"]
        rival = [sys.executable, "-m", "uvicorn", "rival:app", f"--port={PORT + 1}", "--no-access-log"]
        with (
            started("cleaner serve", serve, port=PORT, where=place) as ours,
            started("FastAPI and predict", rival, port=PORT + 1, where=place) as theirs,
        ):
            requests = [request_of(photo) for photo in photos]
            compare([ours, theirs], requests, seconds=asked.seconds, runs=asked.runs)
            overload(ours, requests, seconds=asked.seconds)
            alone = ceiling(place / "ours", photos, seconds=asked.seconds)
            print(f"Decoding and network alone, with nothing served: {alone:.1f} a second")


if __name__ == "__main__":
    main()
