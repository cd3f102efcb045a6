"""Several people at once on one server, by keyboard alone where there is no mouse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cleaner import Project, TrainConfig
from cleaner.app.home import user
from cleaner.app.recent import remember
from cleaner.app.server import dashboard
from tests.support.browser import shot
from tests.support.dashboard import LONG, press, tab_into_the_grid
from tests.support.images import planted_error

pytestmark = pytest.mark.browser


def _tab_to(page: Page, name: str, *, role: str = "button") -> None:
    """Walk to a control with the Tab key alone, as somebody does who has no mouse."""
    wanted = page.get_by_role(role, name=name, exact=True)
    expect(wanted).to_be_enabled(timeout=LONG)
    for _ in range(150):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} can't be reached with Tab")


def _enter(page: Page, name: str) -> None:
    _tab_to(page, name)
    page.keyboard.press("Enter")


def test_one_person_trains_by_keyboard_alone_while_another_reviews_on_the_same_server(
    tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = planted_error(tmp_path / "photos", each=40)
    Project.open(root).train(TrainConfig(weights="scratch", epochs=3, size=32))
    monkeypatch.setenv("CLEANER_RECENT", str(tmp_path / "recent.json"))
    remember(root)
    with dashboard(None) as served:
        bea = page.context.browser.new_context().new_page()
        page.goto(served.address)
        bea.goto(served.address)
        bea.get_by_label("you are").fill("bea")
        press(bea, "Open")
        _enter(page, "Open")  # the one that was opened last
        _enter(page, "Next: train")
        _enter(page, "Train round 2")
        at_work = re.compile("loading the training library|epoch [0-9]+ of")
        expect(page.get_by_text(at_work)).to_be_visible(timeout=LONG)

        press(bea, "3 Train")
        expect(bea.get_by_text("is running in another window", exact=False)).to_be_visible(timeout=LONG)
        shot(bea, "training-elsewhere")
        press(bea, "4 Review")
        expect(bea.locator(".cleaner-grid .tile img")).to_have_count(24, timeout=LONG)
        bea.locator(".cleaner-grid .photo[title='teddy/planted.png']").click()
        bea.keyboard.press("Enter")
        expect(bea.locator(".cleaner-grid .status .saved")).to_be_visible()

        page.reload()  # its training goes on, and is shown
        expect(page.get_by_role("button", name="3 Train")).to_have_class(re.compile("cleaner-here"))
        expect(page.get_by_text("Round 2: error rate", exact=False)).to_be_visible(timeout=LONG)
        expect(page.get_by_role("button", name="Stop that training")).to_have_count(0)
        _enter(page, "Next: review")
        expect(page.locator(".cleaner-grid .tile img").first).to_be_visible(timeout=LONG)
        tab_into_the_grid(page)
        page.keyboard.press("x")
        expect(page.locator(".cleaner-grid .status .saved")).to_be_visible()
        _enter(page, "5 Apply")
        expect(page.get_by_text("1 image changes class, 1 goes to the project's trash")).to_be_visible()
        _enter(page, "Apply 2 changes")
        expect(page.get_by_text("2 files moved", exact=False)).to_be_visible(timeout=LONG)
        _enter(page, "6 Compare")
        expect(page.get_by_text("held-out images with their cleaned labels", exact=False)).to_be_visible()
        _enter(page, "Next: use the model")
        _tab_to(page, "folder", role="textbox")
        page.keyboard.type(str(root / "grizzly"))
        _enter(page, "Ask about the folder")
        left = len(list((root / "grizzly").iterdir()))  # the image that went may have been a grizzly
        expect(page.get_by_text(f"Asked about {left} images.")).to_be_visible(timeout=LONG)
        shot(page, "use-folder")
        page.reload()
        expect(page.get_by_role("button", name="7 Use")).to_have_class(re.compile("cleaner-here"))
    by = {decision.item: decision.by for decision in Project.open(root).decisions().values()}
    assert by.pop("teddy/planted.png") == "bea"
    assert set(by.values()) == {user()}
