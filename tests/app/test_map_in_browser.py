"""The map in a real Chromium: a line around points by mouse, a frame by keys, on Voila and in JupyterLab."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cleaner.app.places import of_probabilities, overview
from cleaner.app.server import dashboard
from tests.support.browser import chromium, shot
from tests.support.images import planted_error
from tests.support.jupyter import jupyterlab
from tests.support.rounds import round_without_training

pytestmark = pytest.mark.browser
LONG = 120_000
TOP = Path(__file__).parents[2]
MARGIN = 18  # of the map, in pixels


def _lasso(page: Page, around: tuple[float, float], radius: float) -> None:
    x, y = around
    page.mouse.move(x - radius, y)
    page.mouse.down()
    for step in range(1, 25):
        turn = 2 * math.pi * step / 24
        page.mouse.move(x - radius * math.cos(turn), y - radius * math.sin(turn))
    page.mouse.up()


def _shown(page: Page) -> set[str]:
    return set(page.locator(".cleaner-grid .tile .photo").evaluate_all("all => all.map((one) => one.title)"))


def test_a_line_around_points_and_a_frame_by_keys_show_just_these(tmp_path: Path) -> None:
    project = round_without_training(planted_error(tmp_path / "photos", each=15), sure=0.998)
    queue, said = project.queue(), project.predictions()
    places = overview(of_probabilities(said.probs))
    left, top = places.min(axis=0)
    right, bottom = places.max(axis=0)
    of_black = [row for row, name in enumerate(said.ids) if name.startswith("black/") or "planted" in name]
    with dashboard(project.root) as served, chromium() as browser:
        page = browser.new_page(viewport={"width": 1300, "height": 950})
        page.goto(served.address)
        expect(page.locator(".cleaner-grid .tile img").first).to_be_visible(timeout=LONG)
        page.get_by_role("button", name="Map", exact=True).click()
        wanted = page.locator(".cleaner-map [data-command='overview']")
        expect(page.locator(".cleaner-map .classes button")).to_have_count(3, timeout=LONG)
        stage = page.locator(".cleaner-map .stage")
        expect(stage).to_have_attribute("data-layout", "neighbourhoods", timeout=LONG)
        shot(page, "map-neighbourhoods")
        wanted.click()
        expect(wanted).to_have_attribute("aria-pressed", "true")
        expect(stage).to_have_attribute("data-layout", "overview")
        box = stage.bounding_box()
        assert box is not None
        inner = (box["width"] - 2, box["height"] - 2)  # without the border
        scale = min((inner[0] - 2 * MARGIN) / (right - left), (inner[1] - 2 * MARGIN) / (bottom - top))
        middle = np.array([box["x"] + 1 + inner[0] / 2, box["y"] + 1 + inner[1] / 2])
        on_screen = middle + (places - [(left + right) / 2, (top + bottom) / 2]) * scale
        centre = on_screen[of_black].mean(axis=0)
        reach = float(np.linalg.norm(on_screen[of_black] - centre, axis=1).max()) + 8
        _lasso(page, (float(centre[0]), float(centre[1])), reach)
        status = page.locator(".cleaner-grid .status")
        expect(status).to_contain_text("15 pictures from the map")
        expect(page.locator(".cleaner-grid .tile")).to_have_count(15)
        assert _shown(page) == {said.ids[row] for row in of_black}
        page.mouse.move(float(on_screen[of_black[0]][0]), float(on_screen[of_black[0]][1]))
        expect(page.locator(".cleaner-map .tip img")).to_be_visible()
        shot(page, "map-lasso")
        status.get_by_role("button", name="Show all").click()
        expect(page.locator(".cleaner-grid .tile")).to_have_count(24)
        expect(page.locator(".cleaner-map .note")).to_contain_text("45 pictures")

        # by keyboard alone: a frame over the whole map, and out again
        page.locator(".cleaner-map .stage").focus()
        for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown"):
            for _ in range(24):
                page.keyboard.press(key)
        expect(page.locator(".cleaner-map .note")).to_contain_text("45 pictures in the frame")
        page.keyboard.press("Enter")
        expect(status).to_contain_text("45 pictures from the map")
        page.keyboard.press("Escape")
        expect(status).not_to_contain_text("from the map")
        page.keyboard.press("x")  # the map decides nothing
        assert project.decisions() == {}
        assert len(queue) == 45


def test_the_map_works_in_a_notebook_and_its_keys_stay_there(tmp_path: Path) -> None:
    project = round_without_training(planted_error(tmp_path / "photos", each=8))
    served = tmp_path / "served" / "map.ipynb"
    served.parent.mkdir()
    source = f"import sys\nsys.path.insert(0, {str(TOP)!r})\nfrom cleaner import Project\n"
    source += f"Project.open({str(project.root)!r}).map()"
    cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3"}
    content = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}
    served.write_text(json.dumps(content), encoding="utf-8")
    with jupyterlab(served, environment={}) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.goto(address)
        expect(page.get_by_text("| Idle")).to_be_visible(timeout=LONG)
        cells = page.locator(".jp-Notebook .jp-Cell")
        cells.first.click(timeout=LONG)
        page.keyboard.press("Shift+Enter")
        expect(page.locator(".cleaner-map .classes button")).to_have_count(3, timeout=LONG)
        before = cells.count()
        page.get_by_role("button", name="grizzly", exact=False).first.click()
        page.get_by_role("button", name="Show them in the grid").click()
        expect(page.locator(".cleaner-grid .status")).to_contain_text("8 pictures from the map")
        expect(page.locator(".cleaner-grid .tile")).to_have_count(8)
        assert all(name.startswith("grizzly/") for name in _shown(page))
        page.locator(".cleaner-map .stage").focus()
        for key in ("Escape", "d", "d", "x", "a", "b", "m", "ArrowDown"):
            page.keyboard.press(key)
        assert cells.count() == before
        shot(page, "map-lab")
        page.close()
