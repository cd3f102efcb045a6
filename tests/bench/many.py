"""How quick the grid is with 100,000 images: opening, its last page, filters; in a real Voila and Chromium.

`PYTHONPATH=. python tests/bench/many.py` makes the files, of which most are links to a few, and removes them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page

from tests.bench.grid import CLASSES, ROOT, TIMED, Photos, memory, served, write_photos
from tests.support.browser import chromium

PAGE = 24
CELL = """
import sys
sys.path.insert(0, {root!r})
import csv, time
from cleaner import ReviewGrid
with open({listed!r}, newline="") as file:
    paths, labels = zip(*csv.reader(file))
begun = time.perf_counter()
scores = [1 - number / len(paths) for number in range(len(paths))]
grid = ReviewGrid(paths, labels, scores, keep_in={kept!r}, by="bench", page_size={size})
print("made in", round(time.perf_counter() - begun, 1), "s")
grid
"""

# does something and waits until the first picture is another one, and painted
CHANGED = """() => {
  window.changed = (act) => new Promise((done) => {
    const name = () => document.querySelector(".cleaner-grid .tile img")?.src;
    const [before, begun] = [name(), performance.now()];
    const watcher = new MutationObserver(() => {
      if (!name() || name() === before) return;
      watcher.disconnect();
      painted().then((at) => done(at - begun));
    });
    watcher.observe(document.body, { subtree: true, childList: true, attributes: true });
    act();
  });
  window.field = (label) => document.querySelector(`.cleaner-grid [aria-label="${label}"]`);
  window.to = (number) => changed(() => {
    document.querySelector('.cleaner-grid [data-command="jump"]').click();
    field("Go to page").value = String(number);
    field("Go to page").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  });
  window.pick = (label, at) => changed(() => {
    field(label).selectedIndex = at;
    field(label).dispatchEvent(new Event("change", { bubbles: true }));
  });
  window.search = (text) => changed(() => {
    field("File name").value = text;
    field("File name").dispatchEvent(new Event("input", { bubbles: true }));
  });
}"""


def main() -> None:
    """Make the files, open them in the grid, and time what a person may ask of it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=100_000)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        listed = write_many(Path(place), count=asked.images)
        kept = str(Path(place) / "kept")
        with served(
            CELL.format(root=str(ROOT), listed=str(listed), kept=kept, size=PAGE), host="voila"
        ) as address:
            page = browser.new_page(viewport={"width": 1300, "height": 900})
            begun = time.perf_counter()
            page.goto(address)
            page.wait_for_selector(".cleaner-grid .tile img", timeout=600_000)
            print(f"page open to first pictures painted {time.perf_counter() - begun:.1f} s")
            measure(page, images=asked.images)
            heap, kernel = memory(page)
            print(f"browser {heap:.0f} MB, kernel {kernel:.0f} MB")


def write_many(place: Path, *, count: int) -> Path:
    """Write some small JPEGs and link them under many names; return a list of them with their labels."""
    photos = sorted(write_photos(place / "few", Photos((320, 240), 8)).rglob("*.jpg"))
    for label in CLASSES:
        (place / "many" / label).mkdir(parents=True)
    with (place / "listed.csv").open("w", encoding="utf-8") as file:
        for number in range(count):
            path = place / "many" / CLASSES[number % len(CLASSES)] / f"{number:06d}.jpg"
            os.link(photos[number % len(photos)], path)
            file.write(f"{path},{path.parent.name}\n")
    return place / "listed.csv"


def measure(page: Page, *, images: int) -> None:
    """Jump to the last page and back, and narrow the queue in three ways, a few times each."""
    page.evaluate(TIMED)
    page.evaluate(CHANGED)
    page.locator(".cleaner-grid .tiles").focus()
    page.keyboard.press("l")
    asked = {
        "last page": f"to({-(-images // PAGE)})",
        "first page": "to(1)",
        "one label": "pick('Label', 2)",
        "all labels": "pick('Label', 0)",
        "a file name (from the last letter, of which 250 ms are waited)": f"search('{images // 2:06d}')",
        "no file name": "search('')",
    }
    times: dict[str, list[float]] = {what: [] for what in asked}
    for _ in range(5):
        for what, act in asked.items():
            times[what].append(page.evaluate(act))
            page.wait_for_timeout(500)
    for what, took in times.items():
        print(f"{what}: median {statistics.median(took):.0f} ms, most {max(took):.0f} ms")


if __name__ == "__main__":
    main()
