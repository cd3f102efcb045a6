"""A kernel that is killed under the dashboard loses nothing: no verdict, no file."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from cleaner import Project
from cleaner.app.demo import CONFIG, build_demo
from cleaner.app.server import Served, dashboard
from tests.support.browser import shot
from tests.support.dashboard import LONG, current, press, tab_into_the_grid
from tests.support.images import planted_error

pytestmark = pytest.mark.browser


def _kernel(served: Served, page: Page) -> psutil.Process:
    """Return the kernel of a page: the server keeps another one ready, and that may be the older one."""
    own = json.loads(page.locator("#jupyter-config-data").text_content() or "")["kernelId"]
    children = psutil.Process(served.process.pid).children(recursive=True)
    (kernel,) = [process for process in children if own in " ".join(process.cmdline())]
    return kernel


def test_a_kernel_killed_in_the_middle_of_a_page_loses_no_verdict(tmp_path: Path, page: Page) -> None:
    built = build_demo(tmp_path)
    project = Project.open(built.folder)
    project.train(CONFIG)
    with dashboard(built.folder) as served:
        page.goto(served.address)
        expect(page.locator(".cleaner-grid .tile img")).to_have_count(24, timeout=LONG)
        tab_into_the_grid(page)
        decided = []
        for _ in range(7):
            decided.append(current(page)["id"])
            page.keyboard.press("Space")
        expect(page.locator(".cleaner-grid .status .saved")).to_be_visible()
        _kernel(served, page).send_signal(signal.SIGKILL)
        lost = current(page)["id"]
        page.keyboard.press("x")
        expect(page.locator(".note", has_text="The kernel doesn’t answer")).to_be_visible(timeout=LONG)
        shot(page, "kernel-killed")

        page.reload()
        expect(page.locator(".cleaner-grid .tile img")).to_have_count(24, timeout=LONG)
        expect(page.locator(".cleaner-grid .tile[data-verdict=keep]")).to_have_count(7)
        assert current(page)["id"] == lost  # where the person was, with the verdict that was never saved open
    assert set(project.decisions()) == set(decided)


def test_a_kernel_killed_in_the_middle_of_an_apply_loses_no_file(tmp_path: Path, page: Page) -> None:
    built = build_demo(tmp_path)
    project = Project.open(built.folder)
    project.verify()
    movers = [i for i in project.catalog.ids if i.startswith(("1/", "2/", "3/", "4/", "5/"))]
    project.decide(movers, "relabel", label="7")
    before = {path.name: path.read_bytes() for path in built.folder.glob("*/*.png")}
    with dashboard(built.folder) as served:
        page.goto(served.address)
        kernel = _kernel(served, page)
        press(page, "5 Apply")
        press(page, f"Apply {len(movers)} changes")
        while sum((built.folder / i).exists() for i in movers) > len(movers) * 0.9:
            time.sleep(0.005)
        kernel.send_signal(signal.SIGKILL)
        time.sleep(0.2)
        left = sum((built.folder / i).exists() for i in movers)
        assert 0 < left < len(movers)  # it was in the middle
        page.reload()
        notice = page.get_by_text("The last apply was interrupted", exact=False).first
        expect(notice).to_be_visible(timeout=LONG)
        expect(notice).to_contain_text(f"{len(movers) - left} of {len(movers)} changes were made")
        press(page, "5 Apply")
        shot(page, "apply-interrupted")
        press(page, f"Apply {left} changes")
        expect(page.get_by_text(f"{left} files moved", exact=False)).to_be_visible(timeout=LONG)
    after = {path.name: path.read_bytes() for path in built.folder.glob("*/*.png")}
    assert after == before
    assert not any((built.folder / i).exists() for i in movers)


def test_a_page_whose_kernel_has_died_says_so_in_a_sentence_at_every_step(tmp_path: Path, page: Page) -> None:
    with dashboard(planted_error(tmp_path / "photos", each=3)) as served:
        page.goto(served.address)
        expect(page.get_by_text("Checked:", exact=False)).to_be_visible(timeout=LONG)
        _kernel(served, page).send_signal(signal.SIGKILL)
        expect(page.locator(".cleaner-app.jupyter-widgets-disconnected")).to_be_visible(timeout=LONG)
        shot(page, "kernel-died")
        before = "element => getComputedStyle(element, '::before')"
        app, step = page.locator(".cleaner-app"), page.get_by_role("button", name="3 Train")
        assert "All that is saved is safe: reload the page" in app.evaluate(f"{before}.content")
        assert app.evaluate(f"{before}.display") != "none"
        assert step.evaluate(f"{before}.display") == "none"
