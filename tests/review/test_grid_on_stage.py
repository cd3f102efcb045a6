"""What a person does in the grid, key by key and click by click: Chromium over the real Python side."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy.engine import Engine

from cleaner.errors import UnreadableImage
from cleaner.review.journal import Journal
from cleaner.types import Finding, Queue
from tests.review import pictures
from tests.support.browser import shot
from tests.support.stage import HeardGrid, staged

pytestmark = pytest.mark.browser


# whether the middle of each canvas shows anything
PAINTED = """canvases => canvases.map((canvas) =>
  canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data[3] === 255)"""


@pytest.fixture
def journal(engine: Engine) -> Journal:
    return Journal(engine, by="ann")


@pytest.fixture
def make(journal: Journal) -> Iterator[Callable[..., HeardGrid]]:
    made: list[HeardGrid] = []

    def grid(queue: Queue | None = None, **settings: object) -> HeardGrid:
        wanted = {
            "picture": pictures.picture,
            "full": pictures.full,
            "evidence": pictures.evidence,
            **settings,
        }
        made.append(HeardGrid(queue or pictures.queue(60), journal=journal, **wanted))
        return made[-1]

    yield grid
    for each in made:
        each.close()


@pytest.fixture
def page(browser: Browser, make: Callable[..., HeardGrid]) -> Iterator[Page]:
    opened = staged(browser, make(class_problem=lambda name: "it has a slash" if "/" in name else None))
    yield opened
    opened.close()


def said(journal: Journal) -> dict[str, tuple[str, str | None]]:
    return {item: (event.action, event.label) for item, event in journal.standing().items()}


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    expect(page.locator(".status .saved").first).to_be_visible()


def tile(page: Page, at: int) -> Locator:
    return page.locator(f".tile[data-at='{at}']")


def note(page: Page) -> Locator:
    return page.locator(".head .note")


# --- several at once, undo and redo ---


def test_a_verdict_is_for_all_that_is_selected_and_is_undone_and_redone_as_one(
    page: Page, journal: Journal
) -> None:
    tile(page, 1).locator(".photo").click()
    tile(page, 3).locator(".photo").click(modifiers=["Control"])
    tile(page, 8).locator(".photo").click(modifiers=["Shift"])
    tile(page, 4).locator(".photo").click(modifiers=["Control"])
    expect(page.locator(".about")).to_contain_text("5 selected")
    shot(page, "stage-selected")
    press(page, "x")
    wanted = {pictures.queue(60).ids[row]: ("delete", None) for row in (3, 5, 6, 7, 8)}
    assert said(journal) == wanted
    expect(page.locator(".tile.selected")).to_have_count(0)
    expect(page.locator(".tile.current")).to_have_attribute("data-at", "0")
    page.keyboard.press("z")
    expect(note(page)).to_have_text("Taken back: 5 verdicts.")
    assert said(journal) == {}
    page.keyboard.press("Shift+Z")
    expect(note(page)).to_have_text("Done again: 5 verdicts.")
    assert said(journal) == wanted
    page.keyboard.press("Control+Shift+Z")
    expect(note(page)).to_have_text("There is nothing to redo.")


def test_the_picture_clicked_first_belongs_to_the_selection(page: Page, journal: Journal) -> None:
    tile(page, 1).locator(".photo").click()
    tile(page, 3).locator(".photo").click(modifiers=["Control"])
    press(page, "u")
    assert sorted(said(journal)) == ["dogs/0001.jpg", "dogs/0003.jpg"]


def test_arrows_with_shift_select_and_escape_or_an_arrow_ends_it(page: Page, journal: Journal) -> None:
    page.locator(".tiles").focus()
    for key in ("ArrowRight", "Shift+ArrowDown", "Shift+ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator(".tile.selected")).to_have_count(8)
    assert page.locator("[role=gridcell][aria-selected=true]").count() == 8
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator(".tile.selected")).to_have_count(7)
    page.keyboard.press("Escape")
    expect(page.locator(".tile.selected")).to_have_count(0)
    page.keyboard.press("Control+a")
    expect(page.locator(".tile.selected")).to_have_count(24)
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".tile.selected")).to_have_count(0)
    assert said(journal) == {}


def test_several_are_selected_and_judged_by_mouse_alone(page: Page, journal: Journal) -> None:
    for at in (2, 4):
        tile(page, at).hover()
        tile(page, at).locator("[data-command=select]").click()
    tile(page, 4).locator("[data-command=remove]").click()
    expect(page.locator(".status .saved")).to_be_visible()
    assert sorted(said(journal)) == ["dogs/0002.jpg", "dogs/0004.jpg"]


def test_what_has_no_suggestion_is_left_alone_when_several_are_accepted(page: Page, journal: Journal) -> None:
    page.locator(".tiles").focus()
    press(page, "Control+a", "Enter")
    assert len(said(journal)) == 16
    assert all(action == "relabel" for action, _ in said(journal).values())
    expect(note(page)).to_have_text("8 pictures had no such suggestion and were left alone.")


def test_several_are_given_to_one_class_and_those_that_have_it_are_fine(page: Page, journal: Journal) -> None:
    page.locator(".tiles").focus()
    press(page, "Control+a", "/")
    expect(page.get_by_role("combobox", name="Relabel to")).to_have_attribute(
        "placeholder", "Relabel 24 pictures to…"
    )
    page.keyboard.type("cat")
    press(page, "Enter")
    verdicts = list(said(journal).values())
    assert (verdicts.count(("relabel", "cat")), verdicts.count(("keep", None))) == (20, 4)


def test_undo_goes_back_without_end(page: Page, journal: Journal) -> None:
    page.locator(".tiles").focus()
    press(page, *["Space", "x", "u"] * 8)
    assert len(said(journal)) == 24
    for _ in range(24):
        page.keyboard.press("Control+z")
    expect(page.locator(".status")).to_contain_text("0 of 60 reviewed")
    assert said(journal) == {}


def test_the_same_verdict_is_offered_for_pictures_that_are_nearly_identical(
    browser: Browser, make: Callable[..., HeardGrid], journal: Journal
) -> None:
    alike = ["dogs/0000.jpg", "dogs/0001.jpg", "dogs/0007.jpg", "dogs/0040.jpg"]
    page = staged(browser, make(copies=lambda item: alike if item in alike else ()))
    page.locator(".tiles").focus()
    press(page, "2")  # basset: 0001 and 0007 are labelled so
    expect(note(page)).to_contain_text("3 more pictures are nearly identical to the last one (basset).")
    shot(page, "stage-alike")
    press(page, "y")
    assert said(journal) == {
        "dogs/0000.jpg": ("relabel", "basset"),
        "dogs/0001.jpg": ("keep", None),
        "dogs/0007.jpg": ("keep", None),
        "dogs/0040.jpg": ("relabel", "basset"),
    }
    expect(tile(page, 7)).to_have_attribute("data-verdict", "keep")
    page.keyboard.press("y")
    expect(note(page)).to_have_text("No picture that is nearly identical waits for a verdict.")
    page.keyboard.press("z")
    expect(note(page)).to_have_text("Taken back: 3 verdicts.")
    press(page, "Home", "x")
    expect(note(page)).to_contain_text("3 more pictures")
    press(page, "ArrowRight")
    expect(note(page)).to_be_hidden()
    page.close()


# --- filters, sprint, blind ---


def test_verdicts_are_still_there_after_changing_the_class_and_back(page: Page, journal: Journal) -> None:
    page.locator(".tiles").focus()
    press(page, "x")
    page.keyboard.press("l")
    page.get_by_label("Label", exact=True).select_option("cat")
    expect(page.locator(".status .among")).to_have_text("10 pictures labelled cat")
    expect(page.locator(".tile .given")).to_have_text(["cat"] * 10)
    shot(page, "stage-filter")
    page.locator(".tiles").focus()
    press(page, "u")
    page.get_by_label("Label", exact=True).select_option("beagle")
    expect(page.locator(".status .among")).to_have_text("10 pictures labelled beagle")
    expect(tile(page, 0)).to_have_attribute("data-verdict", "delete")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".status .among")).to_have_count(0)
    expect(tile(page, 2)).to_have_attribute("data-verdict", "unsure")
    assert said(journal) == {"dogs/0000.jpg": ("delete", None), "dogs/0002.jpg": ("unsure", None)}


def test_a_change_of_class_costs_two_messages(page: Page) -> None:
    page.keyboard.press("l")
    expect(page.get_by_label("Confused pair", exact=True)).to_contain_text("to decide")
    page.evaluate("sent.length = 0")
    page.get_by_label("Label", exact=True).select_option("cat")
    expect(page.locator(".tile")).to_have_count(10)
    assert page.evaluate("sent.map((message) => message.kind)") == ["find", "page"]


def test_pictures_are_found_by_verdict_and_by_name(page: Page) -> None:
    page.locator(".tiles").focus()
    press(page, "x", "Space", "l")
    page.get_by_label("Verdict", exact=True).select_option(label="found wrong")
    expect(page.locator(".tile")).to_have_count(1)
    page.get_by_label("Verdict", exact=True).select_option(label="any")
    page.get_by_label("File name", exact=True).fill("005")
    expect(page.locator(".tile")).to_have_count(11)
    page.get_by_label("File name", exact=True).fill("<none>")
    expect(note(page)).to_contain_text("No picture fits this filter.")
    note(page).get_by_role("button").click()
    expect(page.locator(".tile")).to_have_count(24)


def test_what_a_check_found_is_on_the_tiles_and_its_advice_is_accepted_with_a_key(
    browser: Browser, make: Callable[..., HeardGrid], journal: Journal
) -> None:
    twins = [
        Finding(f"dogs/{at:04d}.jpg", "near duplicate", 0.4, f"{at} is a copy.", "twins", advice)
        for at, advice in ((2, "keep"), (8, "delete"), (14, "delete"))
    ]
    found = [*twins, Finding("dogs/0004.jpg", "<b>blurry</b>", 0.3, "It is blurred.")]
    page = staged(browser, make(findings=lambda: found))
    expect(page.locator(".tile .issue")).to_have_text(
        ["near duplicate", "<b>blurry</b>", *["near duplicate"] * 2]
    )
    shot(page, "stage-findings")
    page.locator(".tiles").focus()
    page.keyboard.press("l")
    page.get_by_label("Finding", exact=True).select_option(label="near duplicate (3)")
    expect(page.locator(".status .among")).to_have_text("3 pictures flagged near duplicate")
    expect(page.locator(".tile .model .suggested")).to_have_text(["keep this one", "remove", "remove"])
    shot(page, "stage-findings-filtered")
    page.locator(".tiles").focus()
    press(page, "Control+a", "Enter")
    assert {item: action for item, (action, _) in said(journal).items()} == {
        twin.item: twin.advice for twin in twins
    }
    page.close()


def test_a_sprint_goes_through_the_pair_confused_most_then_the_next(page: Page, journal: Journal) -> None:
    page.locator(".tiles").focus()
    page.keyboard.press("s")
    among = page.locator(".status .among")
    expect(among).to_contain_text("not decided")
    first = among.inner_text()
    expect(page.locator(".tiles .tile:visible")).to_have_count(int(first.split()[0]))  # they follow the words
    press(page, "Control+a", "Enter")
    page.keyboard.press("s")
    expect(among).not_to_have_text(first)
    assert set(said(journal).values()) == {("relabel", first.split(" → ")[1].split(",")[0])}


def test_no_verdict_meets_the_pictures_before_those_that_were_asked_for(page: Page, journal: Journal) -> None:
    page.locator(".tiles").focus()
    hold = "({ kind }) => kind === 'page' && new Promise((arrive) => { window.arrive = arrive; })"
    page.evaluate(f"() => {{ held = {hold}; }}")
    page.keyboard.press("s")
    among = page.locator(".status .among")
    expect(among).to_contain_text("not decided")
    press(page, "Control+a", "Enter", "x", "a")
    expect(note(page)).to_contain_text("on their way: press again")
    page.evaluate("held = undefined")
    page.evaluate("arrive()")
    expect(page.locator(".tiles .tile:visible")).to_have_count(int(among.inner_text().split()[0]))
    expect(note(page)).to_be_hidden()
    assert said(journal) == {}
    press(page, "x")
    assert len(said(journal)) == 1


def test_where_no_other_pictures_come_those_that_are_shown_can_be_judged(
    browser: Browser, make: Callable[..., HeardGrid], journal: Journal
) -> None:
    page = staged(browser, make(page_size=10))
    page.locator(".tiles").focus()
    page.wait_for_function("sent.some(({ kind, page }) => kind === 'page' && page === 1)")  # it comes
    page.evaluate("() => { held = (message) => { if (message.page !== null) message.page = 1e9; }; }")
    press(page, "PageDown", "PageDown")
    expect(note(page)).to_contain_text("There is no page")
    press(page, "x")
    assert len(said(journal)) == 1
    page.close()


def test_undo_within_a_filter_stays_there(page: Page, journal: Journal) -> None:
    page.locator(".tiles").focus()
    press(page, "x", "l")
    page.get_by_label("Label", exact=True).select_option("cat")
    expect(page.locator(".tile")).to_have_count(10)
    page.locator(".tiles").focus()
    page.keyboard.press("z")
    expect(note(page)).to_contain_text("Taken back: the verdict on dogs/0000.jpg, which is not among")
    assert said(journal) == {}
    expect(page.locator(".tile")).to_have_count(10)


def test_blind_hides_labels_from_eye_and_ear_until_asked_for(page: Page, journal: Journal) -> None:
    page.locator(".tiles").focus()
    page.keyboard.press("b")
    expect(tile(page, 0).locator(".given")).to_be_hidden()
    expect(tile(page, 0).get_by_role("gridcell")).to_have_accessible_name("label hidden")
    assert tile(page, 0).locator(".photo").get_attribute("title") == ""
    expect(page.locator(".about")).not_to_contain_text("dogs/")
    page.keyboard.press("Space")
    expect(tile(page, 0).locator(".given")).to_be_visible()
    assert said(journal) == {}
    press(page, "Space")
    press(page, "3")  # cat: the label of the next picture is told by nothing
    assert said(journal) == {"dogs/0000.jpg": ("keep", None), "dogs/0001.jpg": ("relabel", "cat")}
    expect(tile(page, 1).locator(".given")).to_be_visible()
    shot(page, "stage-blind")
    page.keyboard.press("a")
    assert len(said(journal)) == 2
    page.keyboard.press("b")
    expect(tile(page, 5).locator(".given")).to_be_visible()


def test_a_tile_is_told_in_words_with_its_verdict_and_its_file(page: Page) -> None:
    cell = tile(page, 0).get_by_role("gridcell")
    expect(cell).to_have_accessible_name(
        "; beagle ; the model suggests basset ; >99% in-sample ; dogs/0000.jpg"
    )
    page.locator(".tiles").focus()
    press(page, "Enter")
    expect(cell).to_have_accessible_name(re.compile("^basset ?; beagle ?; the model suggests basset"))
    page.evaluate("window.dead = true")
    page.keyboard.press("Space")
    expect(tile(page, 1).get_by_role("gridcell")).to_have_accessible_name(re.compile("^fine not saved yet"))


# --- full size and evidence ---


def test_full_size_shows_zooms_pans_and_judges(page: Page, journal: Journal) -> None:
    page.locator(".tiles").focus()
    page.keyboard.press("f")
    picture = page.locator(".stage img")
    expect(picture).to_have_js_property("naturalWidth", 1280)
    stage = page.locator(".stage").bounding_box()
    assert stage is not None
    whole = picture.bounding_box()
    assert whole is not None
    assert whole["width"] <= stage["width"] + 1
    assert whole["height"] <= stage["height"] + 1
    shot(page, "stage-full")
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(x, y)
    page.mouse.wheel(0, -800)
    expect(page.locator(".scale")).not_to_have_text("…")
    zoomed = picture.bounding_box()
    assert zoomed is not None
    assert zoomed["width"] > whole["width"] * 3
    page.mouse.down()
    page.mouse.move(x + 100, y + 50)
    page.mouse.up()
    panned = picture.bounding_box()
    assert panned is not None
    assert round(panned["x"] - zoomed["x"]) == 100
    assert round(panned["y"] - zoomed["y"]) == 50
    page.mouse.dblclick(x, y)
    again = picture.bounding_box()
    assert again is not None
    assert round(again["width"]) == round(whole["width"])
    press(page, "x")
    expect(page.locator(".side .name")).to_have_text("dogs/0001.jpg")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".side .verdict")).to_contain_text("remove")
    page.keyboard.press("/")
    page.keyboard.type("cat")
    press(page, "Enter")
    assert said(journal) == {"dogs/0000.jpg": ("relabel", "cat")}
    page.keyboard.press("Escape")
    expect(page.locator("dialog.full")).to_be_hidden()
    expect(page.locator(".tiles")).to_be_focused()


def test_full_size_opens_on_a_double_click_and_goes_on_across_pages(page: Page) -> None:
    tile(page, 23).locator(".photo").dblclick()
    expect(page.locator(".side .name")).to_have_text("dogs/0023.jpg")
    press(page, "u")
    expect(page.locator(".side .told")).to_contain_text("That was the last picture of this page.")
    expect(note(page)).to_be_hidden()
    page.get_by_role("button", name="Next picture").click()
    expect(page.locator(".side .name")).to_have_text("dogs/0024.jpg")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("dialog.full")).to_be_hidden()
    expect(page.locator(".status")).to_contain_text("Page 2 of 3")


def test_a_picture_that_vanished_says_so_and_the_next_one_is_shown(
    browser: Browser, make: Callable[..., HeardGrid]
) -> None:
    def full(identity: str) -> bytes:
        if identity == "dogs/0000.jpg":
            raise UnreadableImage("0000.jpg is gone; check the folder again.")
        return pictures.full(identity)

    page = staged(browser, make(full=full))
    page.locator(".tiles").focus()
    page.keyboard.press("f")
    expect(page.locator(".stage .sentence")).to_have_text("0000.jpg is gone; check the folder again.")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".stage img")).to_have_js_property("naturalWidth", 960)
    page.close()


def test_greys_that_eight_bits_would_lose_are_seen_through_the_window(
    browser: Browser, make: Callable[..., HeardGrid]
) -> None:
    values = np.full((40, 60), 30_000, dtype=np.uint16)
    values[:, 30:] = 30_060  # a quarter of one of 256 steps apart
    values[0, 0], values[0, 1] = 0, 65_535
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    page = staged(browser, make(full=lambda _: out.getvalue()))
    page.locator(".tiles").focus()
    page.keyboard.press("f")
    canvas = page.locator(".stage canvas")
    expect(canvas).to_be_visible()
    look = "canvas => [10, 50].map((x) => canvas.getContext('2d').getImageData(x, 20, 1, 1).data[0])"
    left, right = canvas.evaluate(look)
    assert left == right
    page.get_by_role("button", name="Auto").click()
    assert canvas.evaluate(look) == [0, 255]
    expect(page.locator(".values")).to_contain_text("black 30,000, white 30,060")
    shot(page, "stage-deep")
    page.get_by_role("button", name="Whole range").click()
    page.get_by_label("Window", exact=True).fill("120")
    page.get_by_label("Level", exact=True).fill("30030")
    left, right = canvas.evaluate(look)
    assert (left, right) == (64, 191)
    page.close()


def test_evidence_stands_beside_the_picture_on_a_key_and_in_full_size(page: Page) -> None:
    page.locator(".tiles").focus()
    page.keyboard.press("e")
    strip = page.locator(".head .strip")
    expect(strip.locator("figure")).to_have_count(2)
    expect(strip.locator("figure").first).to_contain_text("labelled beagle")
    expect(strip.locator(".example canvas")).to_have_count(6)
    assert all(strip.locator(".example canvas").evaluate_all(PAINTED))
    expect(strip.locator(".chip").first).to_have_text("3 of its 5 nearest neighbours are basset")
    shot(page, "stage-evidence")
    page.keyboard.press("f")
    expect(page.locator(".side .strip .example canvas")).to_have_count(6)
    shot(page, "stage-full-evidence")
    page.keyboard.press("f")
    page.keyboard.press("e")
    expect(strip).to_be_hidden()


def test_without_evidence_the_key_says_so(browser: Browser, make: Callable[..., HeardGrid]) -> None:
    page = staged(browser, make(evidence=None))
    page.locator(".tiles").focus()
    page.keyboard.press("e")
    expect(note(page)).to_have_text("There is no evidence to show here.")
    page.close()


# --- classes ---


def test_a_new_class_is_added_by_typing_it(page: Page, journal: Journal) -> None:
    page.locator(".tiles").focus()
    page.keyboard.press("/")
    page.keyboard.type("lynx")
    expect(page.get_by_role("option")).to_have_text(["lynxnew class"])
    shot(page, "stage-new-class")
    press(page, "Enter", "/")
    page.keyboard.type("lyn")
    expect(page.get_by_role("option").first).to_have_text("lynx")
    press(page, "Enter")
    assert said(journal) == {"dogs/0000.jpg": ("relabel", "lynx"), "dogs/0001.jpg": ("relabel", "lynx")}
    page.keyboard.press("/")
    page.keyboard.type("a/b")
    page.keyboard.press("Enter")
    expect(note(page)).to_contain_text("This can't be a class: it has a slash.")
    assert len(said(journal)) == 2


def test_up_to_five_suggestions_are_offered_with_their_probabilities_and_keys(
    browser: Browser, make: Callable[..., HeardGrid], journal: Journal
) -> None:
    offered = [("beagle", 0.6), ("cat", 0.3), ("breed 007", 0.004), ("basset", 0.001)]
    page = staged(browser, make(suggestions=lambda _: offered))
    expect(page.locator(".about")).to_contain_text(re.compile(r"Shift\+2\s*cat\s*30%"))
    page.locator(".tiles").focus()
    page.keyboard.press("/")
    expect(page.get_by_role("option").nth(2)).to_have_text("breed 007<1%")
    page.keyboard.press("Escape")
    shot(page, "stage-suggestions")
    press(page, "Shift+Digit2", "Shift+Digit3", "Shift+Digit3")
    assert said(journal) == {
        "dogs/0000.jpg": ("relabel", "cat"),
        "dogs/0001.jpg": ("relabel", "breed 007"),
    }
    expect(note(page)).to_have_text("The model suggests no such class; press / to pick one.")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("f")
    expect(page.locator(".side .others")).to_contain_text("cat30%")
    page.close()


def test_classes_named_like_commands_are_classes(
    browser: Browser, make: Callable[..., HeardGrid], journal: Journal
) -> None:
    queue = pictures.queue(6, vocab=("<Delete>", "keep", "__proto__", "constructor", "null", "undefined"))
    page = staged(browser, make(queue))
    page.locator(".tiles").focus()
    press(page, "Enter", "3", "Space", "x", "/")
    page.keyboard.type("<Del")
    press(page, "Enter")
    assert said(journal) == {
        "dogs/0000.jpg": ("relabel", "keep"),
        "dogs/0001.jpg": ("relabel", "__proto__"),
        "dogs/0002.jpg": ("keep", None),
        "dogs/0003.jpg": ("delete", None),
        "dogs/0004.jpg": ("relabel", "<Delete>"),
    }
    expect(tile(page, 4).locator(".badge")).to_have_text("<Delete>")
    page.close()


# --- always in sight ---


def test_pace_errors_and_the_outlook_are_in_sight(browser: Browser, make: Callable[..., HeardGrid]) -> None:
    grid = make()
    page = staged(browser, grid)
    expect(page.locator(".outlook")).to_be_hidden()
    grid.outlook = "At most 12 errors remain (95 %); you may stop."
    page.evaluate("refresh()")
    expect(page.locator(".outlook")).to_have_text("At most 12 errors remain (95 %); you may stop.")
    page.locator(".tiles").focus()
    page.clock.install()
    for _ in range(12):
        page.clock.fast_forward(2_000)
        page.keyboard.press("x")
    expect(page.locator(".status")).to_contain_text("12 of 60 reviewed")
    expect(page.locator(".status")).to_contain_text("12 errors found")
    expect(page.locator(".status")).to_contain_text(re.compile(r"(30|2\d) a minute"))
    shot(page, "stage-outlook")
    page.close()


def test_any_page_is_one_number_away(page: Page) -> None:
    page.locator(".tiles").focus()
    page.get_by_role("button", name="Page 1 of 3").click()
    page.get_by_label("Go to page").fill("3")
    page.keyboard.press("Enter")
    expect(page.locator(".status")).to_contain_text("Page 3 of 3")
    expect(page.locator(".tiles")).to_be_focused()
    page.get_by_role("button", name="Page 3 of 3").click()
    page.get_by_label("Go to page").fill("4")
    page.keyboard.press("Enter")
    expect(note(page)).to_have_text("There are pages 1 to 3.")


# --- staying alive ---


def test_two_views_of_one_grid_show_the_same_verdicts(page: Page) -> None:
    page.evaluate("() => { window.closeSecond = addView(); }")
    second = page.locator(".cleaner-grid").nth(1)
    expect(second.locator(".tile")).to_have_count(24)
    page.locator(".tiles").first.focus()
    press(page, "x")
    expect(second.locator(".tile").first).to_have_attribute("data-verdict", "delete")
    second.locator(".tiles").focus()
    page.keyboard.press("z")
    expect(page.locator(".tile").first).to_have_attribute("data-verdict", "")
    page.evaluate("closeSecond()")
    page.locator(".tiles").first.focus()
    press(page, "Home", "u")
    expect(page.locator(".tile").first).to_have_attribute("data-verdict", "unsure")


def test_a_kernel_that_is_gone_is_told_and_one_that_comes_back_gets_what_was_not_saved(
    page: Page, journal: Journal
) -> None:
    page.locator(".tiles").focus()
    page.clock.install()
    page.evaluate("window.dead = true")
    page.keyboard.press("x")
    page.evaluate("tell('comm_live_update')")
    page.clock.run_for(3_100)
    expect(note(page)).to_contain_text(
        "The kernel was restarted or has ended. What is saved is safe: run the cell"
    )
    expect(note(page)).to_contain_text("1 verdict not saved yet")
    assert said(journal) == {}
    shot(page, "stage-gone")
    page.clock.run_for(10_000)
    page.evaluate("window.dead = false")
    note(page).get_by_role("button", name="Try again").click()
    expect(page.locator(".status .saved")).to_be_visible()
    expect(note(page)).to_be_hidden()
    assert said(journal) == {"dogs/0000.jpg": ("delete", None)}


def test_leaving_the_page_is_asked_about_only_while_something_is_not_saved(page: Page) -> None:
    unload = "() => !window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    assert page.evaluate(unload) is False
    page.locator(".tiles").focus()
    page.evaluate("window.dead = true")
    page.keyboard.press("x")
    assert page.evaluate(unload) is True


# --- large and hostile ---


def test_two_hundred_tiles_are_one_message_and_every_blob_is_given_back(
    browser: Browser, make: Callable[..., HeardGrid]
) -> None:
    page = staged(browser, make(pictures.queue(600), page_size=200))
    expect(page.locator(".tile")).to_have_count(200)
    page.evaluate("""() => {
        window.blobs = new Set();
        const { createObjectURL, revokeObjectURL } = URL;
        URL.createObjectURL = (blob) => {
            const url = createObjectURL.call(URL, blob);
            window.blobs.add(url);
            return url;
        };
        URL.revokeObjectURL = (url) => { window.blobs.delete(url); revokeObjectURL.call(URL, url); };
        sent.length = 0;
    }""")
    page.locator(".tiles").focus()
    page.keyboard.press("PageDown")
    expect(page.locator(".status")).to_contain_text("Page 2 of 3")
    page.keyboard.press("PageDown")
    expect(tile(page, 0)).to_have_attribute("aria-rowindex", "401")
    assert page.evaluate("[blobs.size, sent.map(({ kind }) => kind).join()]") == [0, "page"]
    page.close()


def test_held_page_keys_ask_for_no_page_that_is_not_shown(
    browser: Browser, make: Callable[..., HeardGrid]
) -> None:
    page = staged(browser, make(pictures.queue(600), page_size=10))
    page.locator(".tiles").focus()
    page.keyboard.down("PageDown")
    for _ in range(20):
        page.keyboard.down("PageDown")
    page.keyboard.up("PageDown")
    expect(page.locator(".status .saved")).to_be_visible()
    asked = page.evaluate("sent.filter(({ kind }) => kind === 'page').length")
    shown = int(page.locator(".status").inner_text().split()[1])
    assert asked <= shown + 2
    page.close()
