"""A real Chromium for the browser tests, offline and quiet, and pictures of what it shows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the Chromium of the machine (CLEANER_CHROMIUM, or `chromium` on the path) and yield it."""
    executable = os.environ.get("CLEANER_CHROMIUM") or shutil.which("chromium")
    if executable is None:
        raise RuntimeError("No Chromium was found; install it or set CLEANER_CHROMIUM to its path.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


def shot(page: Page, name: str) -> None:
    """Keep a picture of a page where CLEANER_SCREENSHOTS names a folder for them."""
    if folder := os.environ.get("CLEANER_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")
