"""The dashboard in a real JupyterLab and in Notebook 7: shown by a cell, and found again after a reload."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from cleaner import Project
from tests.support.browser import chromium, shot
from tests.support.jupyter import jupyterlab

pytestmark = pytest.mark.browser
LONG = 60_000  # milliseconds


def _run_cell(page: Page, address: str) -> None:
    page.goto(address)
    page.locator(".jp-Notebook .jp-Cell").first.click(timeout=LONG)
    page.wait_for_timeout(500)  # the kernel may still be starting; the cell waits for it
    page.keyboard.press("Shift+Enter")


def _is_here(page: Page, step: str) -> None:
    button = page.get_by_role("button", name=step, exact=True)
    expect(button).to_have_class(re.compile("cleaner-here"), timeout=LONG)


def test_the_steps_work_in_a_notebook_and_a_reload_leaves_one_where_one_was(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = folder()
    project = Project.open(root)
    project.decide([project.catalog.ids[0]], "delete")
    place = tmp_path / "here"
    place.mkdir()
    cell = nbformat.v4.new_code_cell(f"from cleaner import Dashboard\nDashboard({str(root)!r})")
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    nbformat.write(notebook, place / "clean.ipynb")
    with jupyterlab(place / "clean.ipynb", environment={}) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        _run_cell(page, address)
        expect(page.get_by_text("A few images of each class")).to_be_visible(timeout=LONG)
        for step, said in (
            ("1 Choose", "Open: "),
            ("3 Train", "Train round 1"),
            ("4 Review", "train first"),
            ("6 Compare", "nothing to compare yet"),
            ("7 Use", "There is no model yet"),
            ("5 Apply", "1 image goes to the project's trash"),
        ):
            page.get_by_role("button", name=step, exact=True).click()
            expect(page.get_by_text(said, exact=False).first).to_be_visible(timeout=LONG)
        page.get_by_role("button", name="Apply 1 change", exact=True).click()
        expect(page.get_by_text("1 file moved", exact=False)).to_be_visible(timeout=LONG)
        page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
        page.keyboard.press("Control+s")
        page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
        page.reload()
        _is_here(page, "5 Apply")  # the kernel lives on
        expect(page.get_by_text("What was applied")).to_be_visible()
        page.close()

        page = browser.new_page(viewport={"width": 1300, "height": 900})
        _run_cell(page, address.replace("/lab/tree/", "/notebooks/"))  # Notebook 7, over the same kernel
        page.get_by_role("button", name="5 Apply", exact=True).last.click(timeout=LONG)
        page.get_by_role("button", name="Undo the last apply", exact=True).click()
        expect(page.get_by_text("1 file put back", exact=False)).to_be_visible(timeout=LONG)
        shot(page, "notebook-7")
        page.reload()
        _is_here(page, "5 Apply")
    assert "data:image" not in (place / "clean.ipynb").read_text(encoding="utf-8")
    assert len(list(root.glob("*/*.png"))) == 24
