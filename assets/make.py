"""Take the README's pictures of the real app, in Chromium, on the demo: `make picture`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page

from cleaner import Project
from cleaner.app.demo import CONFIG, build_demo
from cleaner.app.server import dashboard
from tests.support.browser import chromium

HERE = Path(__file__).parent
LONG = 120_000  # milliseconds


def main() -> None:
    """Build the demo in a folder of its own, train, and write review.png and map.png."""
    with tempfile.TemporaryDirectory() as place:
        folder = build_demo(Path(place)).folder
        Project.open(folder).train(CONFIG)
        with dashboard(folder) as served, chromium() as browser:
            page = browser.new_page(viewport={"width": 1300, "height": 860})
            page.goto(served.address)
            page.locator(".cleaner-grid .tile img").first.wait_for(timeout=LONG)
            page.locator(".cleaner-grid").screenshot(path=HERE / "review.png")
            _open_map(page)
            page.screenshot(path=HERE / "map.png")


def _open_map(page: Page) -> None:
    """Wait until the images are arranged, and choose some by keys."""
    page.get_by_role("button", name="Map", exact=True).click()
    page.locator(".cleaner-map .stage[data-layout='neighbourhoods']").wait_for(timeout=LONG)
    page.locator(".cleaner-map .stage").focus()
    for key in ("ArrowRight", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    page.locator(".cleaner-grid .status .among").wait_for(timeout=LONG)


if __name__ == "__main__":
    main()
