"""Take the README's picture of the real app, in Chromium, on the demo: `make picture`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cleaner import Project
from cleaner.app.demo import CONFIG, build_demo
from cleaner.app.server import dashboard
from tests.support.browser import chromium

HERE = Path(__file__).parent
LONG = 120_000  # milliseconds


def main() -> None:
    """Build the demo in a folder of its own, train, and write review.png."""
    with tempfile.TemporaryDirectory() as place:
        folder = build_demo(Path(place)).folder
        Project.open(folder).train(CONFIG)
        with dashboard(folder) as served, chromium() as browser:
            page = browser.new_page(viewport={"width": 1300, "height": 860})
            page.goto(served.address)
            page.locator(".cleaner-grid .tile img").first.wait_for(timeout=LONG)
            page.locator(".cleaner-grid").screenshot(path=HERE / "review.png")


if __name__ == "__main__":
    main()
