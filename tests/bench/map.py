"""How much the map sends and how quick it is with 100,000 images: bytes, drawn, a line around half of them.

Real widgets in this process, a real Chromium, made-up places; a page's pictures are tiny. Needs no data.
"""

from __future__ import annotations

import base64
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from cleaner.app.places import neighbourhoods, overview
from cleaner.review.database import open_database
from cleaner.review.journal import Journal
from cleaner.review.map import CHOSEN
from cleaner.review.script import MAP_SCRIPT, MAP_STYLE
from cleaner.types import Queue, strings
from tests.review.pictures import picture
from tests.review.test_map import HeardMap
from tests.support.browser import chromium
from tests.support.stage import HeardGrid

IMAGES, CLASSES, DIMS, RUNS = 100_000, 10, 128, 5

PAGE = """async ([source, css, state]) => {
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  const { default: map } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const heard = [];
  const unpacked = (text) => new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer);
  window.deliver = ({ content, buffers }) => {
    const views = buffers.map(unpacked);
    const began = performance.now();
    for (const [name, act] of heard) if (name === "msg:custom") act(content, views);
    const drawn = (done) => requestAnimationFrame(() => done(performance.now() - began));
    return new Promise((done) => setTimeout(() => drawn(done)));
  };
  window.asked = [];
  const model = { get: (name) => ({ state, work: "" })[name], off() {},
    on: (name, act) => heard.push([name, act]),
    send: (message) => { window.asked.push(message); window.sent = performance.now(); } };
  const place = document.body.appendChild(document.createElement("div"));
  map.render({ model, el: place });
}"""


def main() -> None:
    """Print what 100,000 images take on the map."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, IMAGES).astype(np.int32)
    vectors = (random.normal(size=(CLASSES, DIMS))[labels] + random.normal(size=(IMAGES, DIMS))).astype("f2")
    began = time.perf_counter()
    places = overview(vectors)
    print(f"overview of {IMAGES:,} × {DIMS}: {time.perf_counter() - began:.1f} s")
    began = time.perf_counter()
    neighbourhoods(vectors)
    print(f"neighbourhoods: {time.perf_counter() - began:.1f} s")
    shown, grid = widgets(places, labels)
    content, buffers = shown.ask("points", layout="overview")
    print(f"points: one message, {sum(map(len, buffers)) + len(json.dumps(content)):,} bytes")
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 900, "height": 1000})
        page.set_content("<!doctype html><title>Map</title>")
        page.evaluate(PAGE, [MAP_SCRIPT, MAP_STYLE, shown.state])
        request = page.evaluate("window.asked[0].request")
        packed = [base64.b64encode(buffer).decode() for buffer in buffers]
        drawn = page.evaluate("deliver", {"content": {**content, "request": request}, "buffers": packed})
        print(f"message in the browser → drawn: {drawn:.0f} ms")
        times = [lasso(page, shown, grid) for _ in range(RUNS)]
    print(f"line closed → rows sent: {statistics.median(one for one, _ in times):.0f} ms")
    print(f"rows → first page packed: {statistics.median(other for _, other in times):.0f} ms")
    shown.close()
    grid.close()


def widgets(places: Any, labels: Any) -> tuple[HeardMap, HeardGrid]:
    """Return a map and a grid over made-up images, linked."""
    queue = Queue(
        vocab=tuple(f"class {n}" for n in range(CLASSES)),
        ids=strings([f"dogs/{row % 10000:04d}-{row}.jpg" for row in range(IMAGES)]),
        scores=np.linspace(1, 0, IMAGES, dtype=np.float32),
        labels=labels,
        suggested=(labels + 1) % CLASSES,
        confidence=np.full(IMAGES, 0.9, np.float32),
        given_probs=np.full(IMAGES, 0.1, np.float32),
        origins=strings(["held-out"] * IMAGES),
        late=np.zeros(IMAGES, dtype=bool),
    )
    database = open_database(f"sqlite:///{tempfile.mkdtemp()}/cleaner.db")
    grid = HeardGrid(queue, journal=Journal(database, by="bench"), picture=picture)
    choose = lambda items: grid.narrow(items, name=CHOSEN)  # noqa: E731
    return HeardMap(queue, places, standing={}, picture=picture, choose=choose), grid


def lasso(page: Any, shown: HeardMap, grid: HeardGrid) -> tuple[float, float]:
    """Draw a line around half of the map; return the milliseconds until sent, and until a page is packed."""
    box = page.locator(".stage").bounding_box()
    x, y, r = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["height"] / 4
    before = page.evaluate("window.asked.length")
    page.mouse.move(x + r, y)
    page.mouse.down()
    for step in range(1, 60):
        page.mouse.move(x + r * np.cos(step / 9.5), y + r * np.sin(step / 9.5))
    page.evaluate("addEventListener('pointerup', () => { window.lifted = performance.now(); }, true)")
    page.mouse.up()
    page.wait_for_function(f"window.asked.length > {before}")
    sent = page.evaluate("window.sent - window.lifted")
    rows = page.evaluate("window.asked.at(-1).rows")
    began = time.perf_counter()
    shown.ask("choose", rows=rows)
    wanted = {"given": None, "suggested": None, "origin": None, "verdict": None, "name": "", "chosen": CHOSEN}
    found, _ = grid.ask("find", filter=wanted)
    assert found["total"] == len(rows) > IMAGES / 20
    grid.ask("page", page=None, found=found["found"])
    return sent, (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
