"""The whole loop, clicked and typed through in a real Chromium against a real Voila."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from cleaner import Project, TrainConfig, load_model
from cleaner.app.demo import CONFIG, Demo, build_demo
from cleaner.app.home import user
from cleaner.app.recent import remember
from cleaner.app.server import Served, dashboard
from tests.support.browser import chromium
from tests.support.images import planted_error
from tests.support.weights import write_weights

pytestmark = pytest.mark.browser
LONG = 180_000  # milliseconds; a training on a slow machine
SHOTS = os.environ.get("CLEANER_SCREENSHOTS")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return build_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1300, "height": 900})


def _press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def _shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


def _tab_into_the_grid(page: Page) -> None:
    for _ in range(60):
        if page.evaluate("document.activeElement.matches('.cleaner-grid .tiles')"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("the grid can't be reached with Tab")


def _current(page: Page) -> dict[str, str | None]:
    return page.evaluate("""() => {
        const tile = document.querySelector('.cleaner-grid .tile.current');
        return {id: tile.querySelector('.photo').title,
                given: tile.querySelector('.given').textContent,
                suggested: tile.querySelector('.suggested')?.textContent ?? null};
    }""")


def _review_page(page: Page, truth: dict[str, str]) -> dict[str, tuple[str, str | None]]:
    """Decide every picture of the page with one key each, from the truth; return what was said."""
    said: dict[str, tuple[str, str | None]] = {}
    for _ in range(24):
        tile = _current(page)
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
    weights = write_weights(tmp_path / "resnet18.safetensors")
    with dashboard(root) as served:
        page.goto(served.address)
        expect(page.get_by_text("Checked: 120 images", exact=False)).to_be_visible(timeout=LONG)
        _press(page, "Next: train")
        page.get_by_text("Options").click()
        page.get_by_label("architecture").fill("resnet18")
        page.get_by_label("weights").fill(str(weights))
        page.get_by_label("epochs (0: auto)").fill("4")
        page.get_by_label("size (0: auto)").fill("64")
        _press(page, "Find a learning rate")
        expect(page.get_by_text("is suggested; it stands in the options", exact=False)).to_be_visible(
            timeout=LONG
        )
        _shot(page, "rates")
        _press(page, "Train round 1")
        expect(page.get_by_text("You can review now", exact=False)).to_be_visible(timeout=LONG)
        _shot(page, "quick")
        _press(page, "4 Review")
        expect(page.get_by_text("This order comes from the quick look", exact=False)).to_be_visible()
        _tab_into_the_grid(page)
        # the first of the order; up to two drawn by chance may lie before it
        planted = page.locator(".cleaner-grid .tile .photo[title='teddy/planted.png']")
        assert int(planted.locator("xpath=ancestor::*[@data-at]").get_attribute("data-at") or 9) <= 2
        planted.click()
        _shot(page, "quick-review")
        page.keyboard.press("Enter")
        expect(page.locator(".cleaner-grid .status .saved")).to_be_visible()
        newer = page.get_by_role("button", name="Show the new order (round 2, full training)")
        expect(newer).to_be_visible(timeout=LONG)
        newer.click()
        expect(page.get_by_text("This order comes from the full training (round 2)")).to_be_visible()
        # decided while the training went on
        expect(page.locator(".cleaner-grid .photo[title='teddy/planted.png']")).to_have_count(0)
        _press(page, "3 Train")
        page.get_by_text("What the model confuses").click()
        expect(page.get_by_role("img", name="Confusion matrix", exact=False)).to_be_visible()
        _shot(page, "full")
    (decision,) = Project.open(root).decisions().values()
    assert (decision.item, decision.action, decision.label) == ("teddy/planted.png", "relabel", "black")


def test_a_person_goes_once_round_the_loop(built: Demo, page: Page) -> None:
    with dashboard(built.folder) as served:
        page.goto(served.address)
        checked = re.compile(r"Checked: 1,797 images, \d+ findings\.")  # some digits are nearly alike
        expect(page.get_by_text(checked)).to_be_visible(timeout=LONG)
        _shot(page, "check")
        _press(page, "Next: train")
        page.get_by_text("Options").click()
        page.get_by_label("weights").fill("scratch")
        page.get_by_label("mirrored images mean the same").uncheck()
        _press(page, "Train round 1")
        expect(page.get_by_text("epoch 2 of", exact=False)).to_be_visible(timeout=LONG)
        expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
        _shot(page, "training")
        expect(page.get_by_text("Round 1 is done")).to_be_visible(timeout=LONG)
        _shot(page, "trained")
        _press(page, "Next: review")
        expect(page.locator(".cleaner-grid .tile img")).to_have_count(24, timeout=LONG)
        expect(page.locator(".cleaner-grid .tiles")).to_be_focused()  # the keys work without a click
        _shot(page, "review-first")

        _tab_into_the_grid(page)
        said = _review_page(page, built.truth)
        _shot(page, "review")
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

        _press(page, "5 Apply")
        expect(page.get_by_text(f"{len(found)} images change class", exact=False)).to_be_visible()
        _shot(page, "apply")
        _press(page, f"Apply {len(found)} changes")
        expect(page.get_by_text(f"{len(found)} files moved", exact=False)).to_be_visible(timeout=LONG)
        for identity in found:
            name = Path(identity).name
            assert not (built.folder / identity).exists()
            assert (built.folder / built.truth[identity] / name).exists()
        assert len(list(built.folder.glob("*/*.png"))) == 1797

        _press(page, "Next: train again")
        _press(page, "Train round 2")
        expect(page.get_by_text("Round 2 is done")).to_be_visible(timeout=LONG)
        _press(page, "6 Compare")
        expect(page.get_by_text("cleaned labels, round 2 makes", exact=False)).to_be_visible()
        expect(page.get_by_role("cell", name="round 2")).to_be_visible()
        _shot(page, "compare")
        rates = project.compare().rates
        assert rates[1].cleaned < rates[0].original

        _press(page, "Next: use the model")
        bad = built.folder.parent / "bad.png"
        bad.write_bytes(b"nonsense")
        right = built.folder / "3"
        some = sorted(path for path in right.iterdir() if built.truth.get(f"3/{path.name}") == "3")[:2]
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose images").click()
        chooser.value.set_files([*some, bad])
        expect(page.get_by_text("Asked about 3 images; 1 could not be read.")).to_be_visible(timeout=LONG)
        expect(page.get_by_text("bad.png is not an image of any kind known here.")).to_be_visible()
        expect(page.locator(".cleaner-answer", has_text=some[0].name).locator("bdi").nth(1)).to_have_text("3")
        _press(page, "Write the model")
        expect(page.get_by_text("Wrote the model to", exact=False)).to_be_visible(timeout=LONG)
        _shot(page, "use")
    assert load_model(built.folder.with_name("digits-model")).predict(some)[0][0][0] == "3"


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
        _press(bea, "Open")
        _enter(page, "Open")  # the one that was opened last
        _enter(page, "Next: train")
        _enter(page, "Train round 2")
        at_work = re.compile("loading the training library|epoch [0-9]+ of")
        expect(page.get_by_text(at_work)).to_be_visible(timeout=LONG)

        _press(bea, "3 Train")
        expect(bea.get_by_text("is running in another window", exact=False)).to_be_visible(timeout=LONG)
        _shot(bea, "training-elsewhere")
        _press(bea, "4 Review")
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
        _tab_into_the_grid(page)
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
        expect(page.get_by_text("Asked about 40 images.")).to_be_visible(timeout=LONG)
        _shot(page, "use-folder")
        page.reload()
        expect(page.get_by_role("button", name="7 Use")).to_have_class(re.compile("cleaner-here"))
    by = {decision.item: decision.by for decision in Project.open(root).decisions().values()}
    assert by.pop("teddy/planted.png") == "bea"
    assert set(by.values()) == {user()}


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
        _tab_into_the_grid(page)
        decided = []
        for _ in range(7):
            decided.append(_current(page)["id"])
            page.keyboard.press("Space")
        expect(page.locator(".cleaner-grid .status .saved")).to_be_visible()
        _kernel(served, page).send_signal(signal.SIGKILL)
        lost = _current(page)["id"]
        page.keyboard.press("x")
        expect(page.locator(".note", has_text="The kernel doesn’t answer")).to_be_visible(timeout=LONG)
        _shot(page, "kernel-killed")

        page.reload()
        expect(page.locator(".cleaner-grid .tile img")).to_have_count(24, timeout=LONG)
        expect(page.locator(".cleaner-grid .tile[data-verdict=keep]")).to_have_count(7)
        assert (
            _current(page)["id"] == lost
        )  # where the person was, with the verdict that was never saved open
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
        _press(page, "5 Apply")
        _press(page, f"Apply {len(movers)} changes")
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
        _press(page, "5 Apply")
        _shot(page, "apply-interrupted")
        _press(page, f"Apply {left} changes")
        expect(page.get_by_text(f"{left} files moved", exact=False)).to_be_visible(timeout=LONG)
    after = {path.name: path.read_bytes() for path in built.folder.glob("*/*.png")}
    assert after == before
    assert not any((built.folder / i).exists() for i in movers)
