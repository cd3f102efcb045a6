"""The grid in a real JupyterLab: its keys are its own, and the notebook around it stays as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.database import decided
from tests.support.jupyter import jupyterlab

pytestmark = pytest.mark.browser


def _first_cell_run(browser: Browser, address: str) -> tuple[Page, Locator]:
    """Open the notebook, run the cell that shows the grid, and return the page and its cells."""
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.goto(address)
    cells = page.locator(".jp-Notebook .jp-Cell")
    expect(page.get_by_text("| Idle")).to_be_visible(timeout=60_000)
    cells.first.click(timeout=60_000)
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".cleaner-grid .tile img").first).to_be_visible(timeout=60_000)
    return page, cells


def test_keys_in_the_grid_never_reach_the_notebook(
    browser: Browser, notebook: Path, env: dict[str, str]
) -> None:
    with jupyterlab(notebook, environment=env) as address:
        page, cells = _first_cell_run(browser, address)
        before = cells.count()
        page.locator(".cleaner-grid .photo").first.click()
        # in the notebook: cut the cell, delete it, change it to markdown, add cells above and below, edit
        for key in ("x", "d", "d", "1", "m", "a", "b", "Enter"):
            page.keyboard.press(key)
        page.get_by_role("button", name="Undo", exact=True).focus()
        for key in ("d", "d", "x"):
            page.keyboard.press(key)
        expect(page.locator(".cleaner-grid .status .saved")).to_be_visible()
        assert cells.count() == before
        assert decided(env)["dogs/0000.jpg"] == ("delete", None)
        assert len(decided(env)) >= 24  # «a» was ours: the rest of the page is fine
        page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
        page.keyboard.press("Control+s")
        expect(page.locator(".jp-mod-dirty")).to_have_count(0)
        saved = notebook.read_text(encoding="utf-8")
        page.close()
    assert len(saved) < 50_000  # no pixel lies in a saved notebook
    assert "data:image" not in saved
    assert json.loads(saved)["cells"][0]["cell_type"] == "code"


def test_a_restarted_kernel_is_told_and_the_cell_run_again_goes_on_where_one_was(
    browser: Browser, notebook: Path, env: dict[str, str]
) -> None:
    with jupyterlab(notebook, environment=env) as address:
        page, cells = _first_cell_run(browser, address)
        page.locator(".cleaner-grid .tiles").focus()
        page.keyboard.press("a")
        expect(page.locator(".cleaner-grid .status")).to_contain_text("24 of 60 reviewed")
        page.get_by_role("menuitem", name="Kernel").click()
        page.get_by_text("Restart Kernel…", exact=True).click()
        page.get_by_role("button", name="Confirm Kernel Restart").click()
        told = page.locator(".cleaner-grid .head .note")
        expect(told).to_contain_text("The kernel was restarted or has ended", timeout=60_000)
        expect(told).to_contain_text("run the cell of this grid again")
        cells.first.click()
        page.keyboard.press("Shift+Enter")
        expect(page.locator(".cleaner-grid .status")).to_contain_text("Page 2 of 3", timeout=60_000)
        expect(page.locator(".cleaner-grid .status")).to_contain_text("24 of 60 reviewed")
        page.close()
