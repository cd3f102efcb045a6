"""The grid in a real Chromium against a real Voila: what the keys and the mouse do is in the database."""

import sqlite3
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from cleaner.app.server import free_port, serve
from cleaner.review.script import SCRIPT
from tests.support.browser import shot
from tests.support.database import decided

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SIZE = 60
HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"


def opened(browser: Browser, url: str, *, width: int = 1300, height: int = 900) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(url)
    expect(page.locator(".tile").first).to_be_visible(timeout=60_000)
    return page


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    expect(page.locator(".status .saved")).to_be_visible()


def current(page: Page) -> Locator:
    return page.locator(".tile.current")


def test_a_whole_review_by_keyboard_alone_lands_in_the_database_and_survives_a_reload(
    browser: Browser, notebook: Path, env: dict[str, str], tmp_path: Path
) -> None:
    with serve(notebook, port=free_port(), environment=env) as served:
        page = opened(browser, served.address)
        while not page.locator(".tiles").evaluate("grid => grid === document.activeElement"):
            page.keyboard.press("Tab")
        press(page, "Space", "Enter", "x", "u")
        assert decided(env) == {
            "dogs/0000.jpg": ("keep", None),
            "dogs/0001.jpg": ("relabel", "cat"),
            "dogs/0002.jpg": ("delete", None),
            "dogs/0003.jpg": ("unsure", None),
        }
        assert page.locator(".status").inner_text().split("\n")[0].startswith("Page 1 of 3")
        expect(page.locator(".status")).to_contain_text("2 errors found")

        expect(current(page)).to_have_attribute("data-at", "4")
        press(page, "3", "/")
        page.keyboard.type("breed 04")
        press(page, "ArrowDown", "Enter")
        assert decided(env)["dogs/0004.jpg"] == ("relabel", "cat")
        assert decided(env)["dogs/0005 broken.jpg"] == ("relabel", "breed 041")
        expect(page.locator(".tiles")).to_be_focused()

        page.keyboard.press("z")
        expect(page.locator(".note")).to_have_text("Taken back: 1 verdict.")
        assert "dogs/0005 broken.jpg" not in decided(env)
        expect(current(page)).to_have_attribute("data-at", "5")

        page.keyboard.press("a")
        expect(page.locator(".status")).to_contain_text("Page 2 of 3")
        expect(page.locator(".tile .given").first).to_have_text("beagle")
        expect(page.locator(".status")).to_contain_text("24 of 60 reviewed")
        assert len(decided(env)) == 24

        page.keyboard.press("Control+z")
        expect(page.locator(".status")).to_contain_text("Page 1 of 3")
        expect(page.locator(".status")).to_contain_text("5 of 60 reviewed")
        press(page, "a")
        expect(page.locator(".status")).to_contain_text("24 of 60 reviewed")
        page.keyboard.press("PageUp")
        expect(page.locator(".status")).to_contain_text("Page 1 of 3")
        expect(page.locator(".tile[data-verdict=keep]")).to_have_count(20)
        press(page, "Home", "c")
        expect(page.locator(".tile").first).to_have_attribute("data-verdict", "")
        press(page, "Space")

        page.reload()
        expect(page.locator(".status")).to_contain_text("24 of 60 reviewed", timeout=60_000)
        expect(page.locator(".status")).to_contain_text("Page 2 of 3")
        page.locator(".tiles").focus()
        press(page, "a")
        expect(page.locator(".status")).to_contain_text("Page 3 of 3")
        expect(page.locator(".tile")).to_have_count(12)
        press(page, "a")
        expect(page.locator(".note")).to_contain_text("All 60 pictures are decided")
        assert len(decided(env)) == SIZE
        page.close()


def test_by_mouse_alone_in_the_dark_and_hostile_names_stay_text(
    browser: Browser, notebook: Path, env: dict[str, str], tmp_path: Path
) -> None:
    with serve(notebook, port=free_port(), environment=env, theme="dark") as served:
        page = opened(browser, served.address)
        tiles = page.locator(".tile")
        expect(tiles.nth(3).locator(".given")).to_have_text(HOSTILE)
        expect(tiles.nth(5).locator(".sentence")).to_contain_text("it ends in the middle")
        for at, command in enumerate(["fine", "accept", "remove", "unsure"]):
            tiles.nth(at).hover()
            tiles.nth(at).locator(f"[data-command={command}]").click()
        expect(page.locator(".status")).to_contain_text("4 of 60 reviewed")

        tiles.nth(6).hover()
        tiles.nth(6).locator("[data-command=pick]").click()
        page.get_by_role("option", name=HOSTILE).click()
        expect(tiles.nth(6).locator(".badge")).to_have_text(HOSTILE)
        expect(page.locator(".status")).to_contain_text("5 of 60 reviewed")
        assert decided(env)["dogs/0006.jpg"] == ("relabel", HOSTILE)
        assert page.locator("img[src=x]").count() == 0
        assert page.title() != "hacked"

        page.get_by_role("button", name="Undo").click()
        expect(tiles.nth(6)).to_have_attribute("data-verdict", "")
        page.get_by_role("button", name="Rest is fine").click()
        expect(page.locator(".status")).to_contain_text("Page 2 of 3")
        page.get_by_role("button", name="Previous").click()
        expect(page.locator(".status")).to_contain_text("Page 1 of 3")
        page.get_by_role("button", name="Help").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        before = page.locator(".photo").first.bounding_box()
        page.get_by_role("button", name="Bigger").click()
        after = page.locator(".photo").first.bounding_box()
        assert before is not None
        assert after is not None
        assert after["width"] > before["width"] * 1.2
        assert len(decided(env)) == 24
        page.close()


def test_a_verdict_that_could_not_be_saved_is_taken_off_the_picture(
    browser: Browser, notebook: Path, env: dict[str, str]
) -> None:
    with serve(notebook, port=free_port(), environment=env) as served:
        page = opened(browser, served.address)
        other = sqlite3.connect(env["CLEANER_TEST_URL"].removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        page.locator(".tiles").focus()
        page.keyboard.press("x")
        expect(page.locator(".tile").first).to_have_attribute("data-pending", "true")
        expect(page.locator(".note")).to_contain_text("locked by another program", timeout=15_000)
        expect(page.locator(".status .unsaved")).to_be_visible()
        expect(page.locator(".tile").first).to_have_attribute("data-verdict", "")
        other.close()
        press(page, "Home", "x")
        assert decided(env) == {"dogs/0000.jpg": ("delete", None)}
        page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_grid_fits_screens_from_800_to_2500_pixels_and_its_text_has_contrast(
    browser: Browser, notebook: Path, env: dict[str, str], theme: str
) -> None:
    with serve(notebook, port=free_port(), environment=env, theme=theme) as served:
        page = opened(browser, served.address)
        page.locator(".tiles").focus()
        press(page, "Space", "Enter", "x", "u", "3")
        for width, height in [(800, 900), (1300, 900), (2500, 1300)]:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(150)
            shot(page, f"grid-{theme}-{width}")
            root = page.locator(".cleaner-grid")
            assert root.evaluate("root => root.scrollWidth <= root.clientWidth")
            assert page.locator(".tiles").evaluate("tiles => tiles.scrollWidth <= tiles.clientWidth")
        assert page.evaluate(CONTRASTS) == []
        page.close()


def test_a_silent_kernel_is_mentioned_and_its_late_answer_still_counts(browser: Browser) -> None:
    page = browser.new_page()
    page.clock.install()
    page.evaluate(TWIN, SCRIPT)
    expect(page.locator(".tile")).to_have_count(2)
    page.locator(".tiles").focus()
    page.keyboard.press("x")
    page.clock.fast_forward(9_000)
    expect(page.locator(".status .saving")).to_be_visible()
    page.clock.fast_forward(1_500)
    expect(page.locator(".note")).to_contain_text("The kernel doesn’t answer")
    expect(page.locator(".note")).to_contain_text("1 verdict not saved yet")
    expect(page.locator(".tile").first.locator(".late")).to_have_text("not saved")
    page.evaluate("answer('saved', { verdicts: asked.at(-1).verdicts, page: 0 })")
    expect(page.locator(".status .saved")).to_be_visible()
    expect(page.locator(".tile").first).to_have_attribute("data-verdict", "delete")
    expect(page.locator(".late")).to_have_count(0)
    page.close()


def test_a_refused_verdict_leaves_what_was_saved_before(browser: Browser) -> None:
    page = browser.new_page()
    page.evaluate(TWIN, SCRIPT)
    page.locator(".tiles").focus()
    page.keyboard.press("x")
    page.evaluate("answer('saved', { verdicts: asked.at(-1).verdicts, page: 0 })")
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    expect(page.locator(".tile").first).to_have_attribute("data-verdict", "keep")
    page.evaluate("answer('refused', { sentence: 'The disk is full.' })")
    expect(page.locator(".note")).to_have_text("Not saved (a.jpg): The disk is full.")
    expect(page.locator(".tile").first).to_have_attribute("data-verdict", "delete")
    page.close()


def test_what_another_view_decided_is_drawn_too(browser: Browser) -> None:
    page = browser.new_page()
    page.evaluate(TWIN, SCRIPT)
    expect(page.locator(".tile")).to_have_count(2)
    verdict = "{ id: 'b.jpg', action: 'unsure', label: null }"
    page.evaluate(f"tell({{ kind: 'saved', request: -1, verdicts: [{verdict}] }})")
    expect(page.locator(".tile").nth(1)).to_have_attribute("data-verdict", "unsure")
    page.close()


# Draws the grid over a kernel that is played here: it sends one page at once, and then waits to be told.
TWIN = """async (source) => {
  const script = new Blob([source], { type: "text/javascript" });
  const { default: grid } = await import(URL.createObjectURL(script));
  const tile = (id) => ({ id, given: "cat", suggested: "dog", confidence: 0.9, origin: "held-out",
    suggestions: [["dog", 0.9]], reasons: [], issues: [], advice: null,
    sentence: "No picture here.", bytes: null });
  const traits = { state: { vocab: ["cat", "dog"], total: 2, page_size: 24, pages: 1, round: 1, epoch: 1,
      issues: [] },
    counts: { total: 2, reviewed: 0, errors: 0 }, offers: {}, added: [], outlook: "", chosen: {} };
  const heard = {};
  window.asked = [];
  window.tell = (message) => heard["msg:custom"](message, [new DataView(new ArrayBuffer(0))]);
  window.answer = (kind, fields) => tell({ kind, request: asked.at(-1).request, ...fields });
  const model = { get: (name) => traits[name], on: (name, act) => { heard[name] = act; }, off: () => {},
    send: (message) => asked.push(message) };
  grid.render({ model, el: document.body });
  answer("page", { epoch: 1, page: 0, tiles: [tile("a.jpg"), tile("b.jpg")], verdicts: [] });
}"""


# Lists the texts with a contrast below 4.5 against the nearest painted background behind them.
CONTRASTS = """() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const painted = (...colours) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (painted(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const bad = [];
  for (const element of document.querySelectorAll(".cleaner-grid *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility({ visibilityProperty: true }) || element.disabled) continue;
    const back = behind(element);
    const [one, two] = [light(painted(back)), light(painted(back, getComputedStyle(element).color))];
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    const text = element.textContent.slice(0, 30);
    if (contrast < 4.5) bad.push(`${element.className}: ${text} ${contrast.toFixed(2)}`);
  }
  return bad;
}"""
