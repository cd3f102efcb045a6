"""How soon the dashboard is there: seconds from opening its address to the header and to the first panel.

PYTHONPATH=. python tests/bench/opening.py [FOLDER] [--openings 10]; each has an empty browser cache.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, expect

from cleaner.app.server import dashboard
from tests.support.browser import chromium
from tests.support.images import colour_fields

PAUSE = 6.0  # seconds for the server to get the next kernel ready


def _opened(browser: Browser, address: str) -> tuple[float, float]:
    """Open the address in a fresh window; return the seconds to the header and to the panel below it."""
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    begun = time.monotonic()
    page.goto(address, wait_until="commit")
    expect(page.locator(".cleaner-app h1")).to_be_visible(timeout=60_000)
    header = time.monotonic() - begun
    expect(page.locator(".cleaner-panel:visible").first).to_be_visible(timeout=60_000)
    panel = time.monotonic() - begun
    page.close()
    return header, panel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--openings", type=int, default=10)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["CLEANER_RECENT"] = str(Path(place, "recent.json"))
        folder = wanted.folder or colour_fields(Path(place, "photos"), each=40)
        with dashboard(folder) as served, chromium() as browser:
            seen = []
            for _ in range(wanted.openings):
                time.sleep(PAUSE)
                seen.append(_opened(browser, served.address))
    for name, times in zip(("header", "panel"), zip(*seen, strict=True), strict=True):
        print(f"{name}: median {statistics.median(times):.2f} s, {min(times):.2f} to {max(times):.2f} s")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
