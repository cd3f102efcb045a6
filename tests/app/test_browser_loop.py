"""The whole loop, clicked and typed through in a real Chromium against a real Voila."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cleaner import Project, load_model
from cleaner.app.dashboard import STYLE
from cleaner.app.demo import Demo, build_demo
from cleaner.app.panels.parts import table
from cleaner.app.server import dashboard
from tests.support.browser import shot
from tests.support.dashboard import LONG, current, press, tab_into_the_grid
from tests.support.images import planted_error
from tests.support.weights import write_weights

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return build_demo(tmp_path_factory.mktemp("demo"))


def _review_page(page: Page, truth: dict[str, str]) -> dict[str, tuple[str, str | None]]:
    """Decide every picture of the page with one key each, from the truth; return what was said."""
    said: dict[str, tuple[str, str | None]] = {}
    for _ in range(24):
        tile = current(page)
        right = truth[tile["id"]]
        if right == tile["given"]:
            page.keyboard.press("Space")
            said[tile["id"]] = ("keep", None)
        else:
            page.keyboard.press("Enter" if right == tile["suggested"] else right)
            said[tile["id"]] = ("relabel", right)
    expect(page.locator(".cleaner-grid .status .saved")).to_be_visible()
    return said


def test_a_quick_look_can_be_reviewed_while_the_full_training_goes_on(tmp_path: Path, page: Page) -> None:
    root = planted_error(tmp_path / "photos", each=40, side=64)
    weights = write_weights(tmp_path / "small.safetensors", arch="squeezenet1_1")
    with dashboard(root) as served:
        page.goto(served.address)
        expect(page.get_by_text("Checked: 120 images", exact=False)).to_be_visible(timeout=LONG)
        press(page, "Next: train")
        page.get_by_text("Options").click()
        page.get_by_label("architecture").fill("squeezenet1_1")
        page.get_by_label("weights").fill(str(weights))
        page.get_by_label("epochs (0: auto)").fill("4")
        page.get_by_label("size (0: auto)").fill("64")
        press(page, "Find a learning rate")
        expect(page.get_by_text("is suggested; it stands in the options", exact=False)).to_be_visible(
            timeout=LONG
        )
        shot(page, "rates")
        press(page, "Train round 1")
        expect(page.get_by_text("You can review now", exact=False)).to_be_visible(timeout=LONG)
        shot(page, "quick")
        press(page, "4 Review")
        expect(page.get_by_text("This order comes from the quick look", exact=False)).to_be_visible()
        tab_into_the_grid(page)
        # the first of the order; up to two drawn by chance may lie before it
        planted = page.locator(".cleaner-grid .tile .photo[title='teddy/planted.png']")
        assert int(planted.locator("xpath=ancestor::*[@data-at]").get_attribute("data-at") or 9) <= 2
        planted.click()
        shot(page, "quick-review")
        page.keyboard.press("Enter")
        expect(page.locator(".cleaner-grid .status .saved")).to_be_visible()
        newer = page.get_by_role("button", name="Show the new order (round 2, full training)")
        expect(newer).to_be_visible(timeout=LONG)
        newer.click()
        expect(page.get_by_text("This order comes from the full training (round 2)")).to_be_visible()
        # decided while the training went on
        expect(page.locator(".cleaner-grid .photo[title='teddy/planted.png']")).to_have_count(0)
        press(page, "3 Train")
        page.get_by_text("What the model confuses").click()
        expect(page.get_by_role("img", name="Confusion matrix", exact=False)).to_be_visible()
        shot(page, "full")
    (decision,) = Project.open(root).decisions().values()
    assert (decision.item, decision.action, decision.label) == ("teddy/planted.png", "relabel", "black")


def test_a_number_is_not_taken_apart_by_a_very_long_name_beside_it(page: Page) -> None:
    page.set_viewport_size({"width": 480, "height": 600})
    counts = table(["class", "train", "all"], [["bears of the north " * 20, "128", "1,797"]])
    page.set_content(f"<style>{STYLE.read_text()}</style><div class='cleaner-app'>{counts}</div>")
    lines = "element => [...element.querySelectorAll('bdi')].map(cell => cell.getClientRects().length)"
    name, *numbers = page.locator("tbody").evaluate(lines)
    assert name > 1
    assert numbers == [1, 1]


def test_a_person_goes_once_round_the_loop(built: Demo, page: Page) -> None:
    with dashboard(built.folder) as served:
        page.goto(served.address)
        checked = re.compile(r"Checked: 1,797 images, \d+ findings\.")  # some digits are nearly alike
        expect(page.get_by_text(checked)).to_be_visible(timeout=LONG)
        shot(page, "check")
        press(page, "Next: train")
        page.get_by_text("Options").click()
        page.get_by_label("weights").fill("scratch")
        page.get_by_label("mirrored images mean the same").uncheck()
        press(page, "Train round 1")
        expect(page.get_by_text("epoch 2 of", exact=False)).to_be_visible(timeout=LONG)
        expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
        shot(page, "training")
        expect(page.get_by_text("Round 1 is done")).to_be_visible(timeout=LONG)
        shot(page, "trained")
        press(page, "Next: review")
        expect(page.locator(".cleaner-grid .tile img")).to_have_count(24, timeout=LONG)
        expect(page.locator(".cleaner-grid .tiles")).to_be_focused()  # the keys work without a click
        shot(page, "review-first")

        tab_into_the_grid(page)
        said = _review_page(page, built.truth)
        shot(page, "review")
        page.keyboard.press("PageDown")
        expect(page.get_by_text("Page 2 of", exact=False)).to_be_visible()
        expect(page.locator(".cleaner-grid .tile img")).to_have_count(24)
        page.wait_for_function(
            f"!{sorted(said)}.includes(document.querySelector('.tile.current .photo').title)"
        )
        said |= _review_page(page, built.truth)

        project = Project.open(built.folder)
        standing = project.decisions()
        assert {i: (d.action, d.label) for i, d in standing.items()} == said
        found = {i for i, (action, _) in said.items() if action == "relabel"}
        assert len(found) >= 36  # of 48 looked at
        assert found <= built.planted
        assert all((built.folder / i).exists() for i in said)  # nothing has moved yet

        press(page, "5 Apply")
        expect(page.get_by_text(f"{len(found)} images change class", exact=False)).to_be_visible()
        shot(page, "apply")
        press(page, f"Apply {len(found)} changes")
        expect(page.get_by_text(f"{len(found)} files moved", exact=False)).to_be_visible(timeout=LONG)
        for identity in found:
            name = Path(identity).name
            assert not (built.folder / identity).exists()
            assert (built.folder / built.truth[identity] / name).exists()
        assert len(list(built.folder.glob("*/*.png"))) == 1797

        press(page, "Next: train again")
        press(page, "Train round 2")
        expect(page.get_by_text("Round 2 is done")).to_be_visible(timeout=LONG)
        press(page, "6 Compare")
        expect(page.get_by_text("cleaned labels, round 2 makes", exact=False)).to_be_visible()
        expect(page.get_by_role("cell", name="round 2")).to_be_visible()
        shot(page, "compare")
        rates = project.compare().rates
        assert rates[1].cleaned < rates[0].original

        press(page, "Next: use the model")
        bad = built.folder.parent / "bad.png"
        bad.write_bytes(b"nonsense" * 600_000)  # comes in more than one part
        right = built.folder / "3"
        some = sorted(path for path in right.iterdir() if built.truth.get(f"3/{path.name}") == "3")[:2]
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose images").click()
        chooser.value.set_files([*some, bad])
        expect(page.get_by_text("Asked about 3 images; 1 could not be read.")).to_be_visible(timeout=LONG)
        expect(page.get_by_text("bad.png is not an image of any kind known here.")).to_be_visible()
        expect(page.locator(".cleaner-answer", has_text=some[0].name).locator("bdi").nth(1)).to_have_text("3")
        press(page, "Write the model")
        expect(page.get_by_text("Wrote the model to", exact=False)).to_be_visible(timeout=LONG)
        shot(page, "use")
    assert load_model(built.folder.with_name("digits-model")).predict(some)[0][0][0] == "3"
