"""How quick the grid is in a real Chromium, beside fastai's cleaner on the same photos in one run.

Key press → new pictures painted, verdict key → drawn and → saved, messages and bytes per page, page open →
first page painted, browser heap and kernel memory over 200 pages; in Voila and in JupyterLab, also while a
training runs in the same kernel. Alone on the machine, run it with `make grid`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from PIL import Image
from playwright.sync_api import Browser, Page

from cleaner.app.server import free_port, serve
from tests.support.browser import chromium
from tests.support.jupyter import jupyterlab

ROOT = Path(__file__).parents[2]
HOSTS = ("voila", "lab")
CLASSES = ("beagle", "basset", "collie")
DIFFERENT = 8  # photos of a class; the others are copies of them, which take as long to open
PATIENCE = 600  # seconds for fastai to score all photos and to show a page of them


class Photos(NamedTuple):
    """What is shown: width and height in pixels, and how many of each class."""

    size: tuple[int, int]
    each: int

    @property
    def count(self) -> int:
        """How many there are in all."""
        return len(CLASSES) * self.each


# fastai shows 30 of those of one class that it has learned from, four fifths of all
PHOTOS = {"small JPEGs": Photos((320, 240), 120), "multi-megapixel photos": Photos((4000, 3000), 42)}

OURS = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from cleaner import ReviewGrid
paths = sorted(Path({photos!r}).rglob("*.jpg"))
ReviewGrid(paths, [path.parent.name for path in paths], keep_in={kept!r}, by="bench", page_size={size})
"""

# the same over a round of a project, in which the next one is being trained, as the dashboard does it
TRAINING = """
import sys, threading
sys.path.insert(0, {root!r})
from cleaner import Project, TrainConfig
from cleaner.app.background import Task
project = Project.open({photos!r}, home={kept!r}, by="bench")
project.train(TrainConfig(weights="scratch", size=32, epochs=1, folds=0))
learning = threading.Event()
def report(progress):
    if progress.phase == "training":
        learning.set()
long = TrainConfig(weights="scratch", size=128, epochs=1000, folds=0)
work = lambda _, stopped: project.train(long, report=report, stopped=stopped)
task = Task(work, on_progress=report, on_end=lambda _: None)
learning.wait(600)
project.review(page_size={size})
"""

FASTAI = """
import warnings; warnings.filterwarnings("ignore")
from fastai.vision.all import *
from fastai.vision.widgets import ImageClassifierCleaner
dls = ImageDataLoaders.from_folder(Path({photos!r}), valid_pct=0.2, item_tfms=Resize(16), num_workers=0)
learn = Learner(dls, nn.Sequential(nn.Flatten(), nn.Linear(16 * 16 * 3, 3)), loss_func=CrossEntropyLossFlat())
ImageClassifierCleaner(learn, max_n={size})
"""

STATES = {"quiet": OURS, "while a training runs": TRAINING}
VERDICTS = 100

# Times one key: from its press to the frame after the change that was waited for.
TIMED = """() => {
  window.painted = () => new Promise((done) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(performance.now());
    port2.postMessage(null);
  }));
  window.timed = (target, key, sees) => new Promise((done) => {
    const begun = performance.now();
    let drawn = null;
    const look = async () => {
      if (!sees()) return;
      watcher.disconnect();
      drawn = await painted();
      done(drawn - begun);
    };
    const watcher = new MutationObserver(look);
    watcher.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    look();
  });
  window.tiles = () => document.querySelector(".cleaner-grid .tiles");
  window.first = () => Number(document.querySelector(".cleaner-grid .tile").getAttribute("aria-rowindex"));
  window.turn = (key) => {
    const before = first();
    return timed(tiles(), key, () => first() !== before);
  };
  window.judge = async (key) => {
    const tile = document.querySelector(".tile.current");
    const begun = performance.now();
    const saved = new Promise((done) => {
      const watcher = new MutationObserver(() => {
        if (tile.dataset.pending !== "false" || !tile.dataset.verdict) return;
        watcher.disconnect();
        done(performance.now() - begun);
      });
      watcher.observe(tile, { attributes: true });
    });
    const drawn = await timed(tiles(), key, () => tile.dataset.verdict !== "");
    return [drawn, await saved];
  };
  window.choose = async (select, at) => {
    const before = new Set([...document.images].map((image) => image.src));
    const begun = performance.now();
    select.selectedIndex = at;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    for (;;) {
      await painted();
      const now = [...document.querySelectorAll(".widget-image, .jupyter-widgets img, img")];
      const fresh = now.filter((image) => !before.has(image.src) && image.complete && image.naturalWidth);
      if (fresh.length >= now.length && fresh.length > 0) return (await painted()) - begun;
      if (performance.now() - begun > 120000) throw new Error("fastai showed no new page within two minutes");
    }
  };
}"""


@dataclass
class Traffic:
    """What a page was sent over its sockets."""

    messages: int = 0
    bytes: int = 0
    seen: list[int] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("websocket", lambda socket: socket.on("framereceived", self.take))

    def take(self, payload: str | bytes) -> None:
        self.messages += 1
        self.bytes += len(payload)


def main() -> None:
    """Measure everything and print it line by line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--flips", type=int, default=100)
    options.add_argument("--hosts", nargs="*", default=HOSTS, choices=HOSTS)
    options.add_argument("--tiles", type=int, nargs="+", default=[24, 60])
    options.add_argument("--states", nargs="+", default=list(STATES), choices=list(STATES))
    options.add_argument("--photos", nargs="+", default=list(PHOTOS), choices=list(PHOTOS))
    options.add_argument("--changes", type=int, default=20, help="changes of class in fastai's cleaner")
    options.add_argument("--no-fastai", action="store_true")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        for name in asked.photos:
            photos = write_photos(Path(place) / name.split()[0], PHOTOS[name])
            medians = {}
            for host, tiles, state in product(asked.hosts, asked.tiles, asked.states):
                title = f"{name}, {host}, {tiles} tiles, {state}"
                bench = Bench(browser, photos, host=host, tiles=tiles, count=PHOTOS[name].count, title=title)
                medians[title] = ours(bench, flips=asked.flips, cell=STATES[state])
            if not asked.no_fastai:
                theirs = fastai(browser, photos, changes=asked.changes, what=name)
                for title, median in medians.items():
                    say(title, f"{theirs / median:.0f} times faster than fastai's change of class")


class Bench(NamedTuple):
    """What is measured where: `tiles` of `count` photos a page, in Voila or in JupyterLab."""

    browser: Browser
    photos: Path
    host: str
    tiles: int
    count: int
    title: str


def ours(bench: Bench, *, flips: int, cell: str) -> float:
    """Measure the grid that a cell shows; return the median milliseconds of a flip."""
    tiles, count, title = bench.tiles, bench.count, bench.title
    kept = bench.photos.parent / f"kept-{time.time_ns()}"
    code = cell.format(root=str(ROOT), photos=str(bench.photos), kept=str(kept), size=tiles)
    with served(code, host=bench.host) as address:
        page = bench.browser.new_page(viewport={"width": 1300, "height": 900})
        traffic = Traffic()
        traffic.watch(page)
        begun = time.perf_counter()
        open_page(page, address, host=bench.host)
        page.wait_for_selector(".cleaner-grid .tile img", timeout=PATIENCE * 1000)
        opened = time.perf_counter() - begun
        page.evaluate(TIMED)
        walk(page, tiles=tiles, flips=2 * (count // tiles), count=count, pause=1500)  # all are decoded once
        before = (traffic.messages, traffic.bytes)
        times = walk(page, tiles=tiles, flips=flips, count=count, pause=250)
        sent = [
            (now - then) / flips for now, then in zip((traffic.messages, traffic.bytes), before, strict=True)
        ]
        say(title, f"page open to first page painted {opened:.1f} s")
        say(title, f"key to painted {spread(times)} ms over {flips} flips")
        say(title, f"{sent[0]:.1f} messages and {sent[1] / 1000:.0f} kB per flip")
        drawn, saved = judged(page)
        say(title, f"verdict drawn {spread(drawn)} ms, saved {spread(saved)} ms, of {len(saved)}")
        heap, kernel = memory(page)
        walk(page, tiles=tiles, flips=200, count=count, pause=40)
        after = memory(page)
        say(
            title,
            f"200 flips: browser {heap:.0f} → {after[0]:.0f} MB, kernel {kernel:.0f} → {after[1]:.0f} MB",
        )
        page.close()
        return statistics.median(times)


def judged(page: Page) -> tuple[list[float], list[float]]:
    """Judge a hundred pictures on the first pages; return the milliseconds until drawn and until saved."""
    times: list[list[float]] = []
    while page.evaluate("first()") > 1:
        page.evaluate("turn('PageUp')")
        page.wait_for_timeout(300)
    while len(times) < VERDICTS:
        times += [page.evaluate("judge('x')") for _ in range(20)]
        page.wait_for_timeout(300)
        page.evaluate("turn('PageDown')")
        page.wait_for_timeout(300)
    return [drawn for drawn, _ in times], [saved for _, saved in times]


def walk(page: Page, *, tiles: int, flips: int, count: int, pause: int) -> list[float]:
    """Turn the pages of `count` photos forth and back and return the milliseconds of each turn."""
    last = -(-count // tiles)
    times, key = [], "PageDown"
    for _ in range(flips):
        at = page.evaluate("first()") // tiles
        key = "PageDown" if at == 0 else "PageUp" if at >= last - 1 else key
        times.append(page.evaluate("(key) => turn(key)", key))
        page.wait_for_timeout(pause)
    return times


def fastai(browser: Browser, photos: Path, *, changes: int, what: str) -> float:
    """Measure fastai's cleaner; return the median milliseconds of a change of class."""
    with served(FASTAI.format(photos=str(photos), size=30), host="voila") as address:
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        traffic = Traffic()
        traffic.watch(page)
        begun = time.perf_counter()
        page.goto(address, timeout=PATIENCE * 1000)
        page.wait_for_selector("img", timeout=PATIENCE * 1000)
        opened = time.perf_counter() - begun
        page.wait_for_timeout(2_000)
        page.evaluate(TIMED)
        heap, _ = memory(page)
        before = (traffic.messages, traffic.bytes)
        title = f"{what}, voila, fastai's cleaner, 30 tiles"
        say(title, f"page open to first page painted {opened:.1f} s")
        times = []
        for turn in range(changes):
            times.append(
                page.evaluate("(at) => choose(document.querySelector('select'), at)", (turn + 1) % 3)
            )
            page.wait_for_timeout(500)
        sent = [
            (now - then) / changes
            for now, then in zip((traffic.messages, traffic.bytes), before, strict=True)
        ]
        say(title, f"change of class to painted {spread(times)} ms over {changes} changes")
        say(title, f"{sent[0]:.0f} messages and {sent[1] / 1000:.0f} kB per change")
        say(title, f"{changes} changes: browser heap {heap:.0f} → {memory(page)[0]:.0f} MB")
        page.close()
        return statistics.median(times)


def memory(page: Page) -> tuple[float, float]:
    """Return the browser's heap after a collection, and what the kernel holds, in MB."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    kernels = [p for p in psutil.Process().children(recursive=True) if "ipykernel" in " ".join(p.cmdline())]
    return heap / 1e6, max((p.memory_info().rss for p in kernels), default=0) / 1e6


@contextmanager
def served(cell: str, *, host: str) -> Iterator[str]:
    """Serve a notebook of one cell and yield its address."""
    with tempfile.TemporaryDirectory() as place:
        notebook = Path(place) / "bench.ipynb"
        code = {"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "execution_count": None}
        kernel = {"name": "python3", "display_name": "Python 3"}
        content = {"cells": [code], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}
        notebook.write_text(json.dumps(content), encoding="utf-8")
        environment: Mapping[str, str] = {"PYTHONPATH": str(ROOT), **os.environ}
        if host == "lab":
            with jupyterlab(notebook, environment=environment) as address:
                yield address
        else:
            with serve(notebook, port=free_port(), environment=environment) as running:
                yield running.address


def open_page(page: Page, address: str, *, host: str) -> None:
    page.goto(address)
    if host == "lab":
        page.get_by_text("| Idle").wait_for(timeout=60_000)
        page.locator(".jp-Notebook .jp-Cell").first.click(timeout=60_000)
        page.keyboard.press("Shift+Enter")


def write_photos(folder: Path, photos: Photos) -> Path:
    """Write JPEGs with smooth content and some grain, so that they weigh what photos weigh."""
    random = np.random.default_rng(0)
    width, height = photos.size
    for label in CLASSES:
        (folder / label).mkdir(parents=True)
        for number in range(photos.each):
            file = folder / label / f"{number:03d}.jpg"
            if number >= DIFFERENT:
                shutil.copy(folder / label / f"{number % DIFFERENT:03d}.jpg", file)
                continue
            coarse = Image.fromarray(random.integers(0, 255, (12, 16, 3), dtype=np.uint8))
            photo = np.asarray(coarse.resize(photos.size, Image.Resampling.BICUBIC), dtype=np.int16)
            grain = random.integers(-6, 6, (height, width, 1), dtype=np.int16)
            Image.fromarray((photo + grain).clip(0, 255).astype(np.uint8)).save(file, quality=88)
    return folder


def spread(times: list[float]) -> str:
    """Say the median and the 95th percentile."""
    cuts = statistics.quantiles(times, n=20, method="inclusive")
    return f"p50 {statistics.median(times):.0f}, p95 {cuts[18]:.0f}"


def say(title: str, text: str) -> None:
    print(f"{title}: {text}", flush=True)


if __name__ == "__main__":
    main()
