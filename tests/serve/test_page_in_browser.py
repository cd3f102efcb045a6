"""The page where one drops a picture, in a real Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from cleaner.serve.classifier import Prediction
from cleaner.serve.settings import Limits, Settings
from tests.serve.conftest import Colours, picture, serving
from tests.support.browser import chromium

TOKEN = "correct-horse-battery-staple"
HOSTILE = "<img src=x onerror=window.hacked=1>"
DROP = """([base64, name]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type: "image/png" }));
  const at = document.getElementById("drop");
  for (const kind of ["dragover", "drop"])
    at.dispatchEvent(new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true }));
}"""
PASTE = DROP.split("const at")[0] + (
    'document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: carried, bubbles: true })); }'
)


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


def _told(page: Page) -> list[str]:
    """Note everything that the page asks of others and all that goes wrong on it."""
    told: list[str] = []
    page.on("request", lambda asked: told.append(asked.url) if "127.0.0.1" not in asked.url else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("console", lambda said: told.append(said.text) if "Content Security" in said.text else None)
    return told


@pytest.mark.browser
def test_a_dropped_a_pasted_and_a_chosen_picture_get_their_classes_and_foreign_text_stays_text(
    tmp_path: Path,
) -> None:
    model = Colours(classes=(HOSTILE, "green", "blue"))
    (tmp_path / "chosen.png").write_bytes(picture("blue"))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with chromium() as browser, serving(Settings(token=TOKEN), model=model) as running:
        page = browser.new_page(viewport={"width": 800, "height": 900})
        told = _told(page)
        page.goto(running.url)
        page.get_by_label("This service asks for its token").fill("a wrong token, surely")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("That is not the token of this service.")
        page.get_by_label("This service asks for its token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.locator("#about")).to_contain_text(HOSTILE)

        page.evaluate(DROP, [_base64(picture("red")), f"{HOSTILE}.png"])
        card = page.locator(".card").first
        expect(card.locator("li").first).to_contain_text(HOSTILE)
        expect(card.locator(".name")).to_have_text(f"{HOSTILE}.png")
        expect(card.locator("li").first).to_contain_text(">99 %")

        page.evaluate(PASTE, [_base64(picture("green")), "pasted.png"])
        expect(page.locator(".card").first.locator("li").first).to_contain_text("green")
        assert page.locator(".card img").count() == 2
        assert page.get_by_role("button", name="That is wrong").count() == 0  # nothing is kept here

        page.set_input_files("#files", [tmp_path / "chosen.png", tmp_path / "broken.png"])
        expect(page.locator(".card")).to_have_count(4)
        expect(page.locator(".card", has_text="broken.png")).to_contain_text("This is not a picture")
        expect(page.locator(".card", has_text="chosen.png").locator("li").first).to_contain_text("blue")
        expect(page.get_by_role("status")).to_have_text("Done.")
        page.get_by_role("button", name="Clear all").click()
        expect(page.locator(".card")).to_have_count(0)

        page.goto(f"{running.url}/docs")
        expect(page.locator("h2")).to_have_count(5)
        page.goto(f"{running.url}/#token={TOKEN}")
        expect(page.locator("#drop")).to_be_visible()
        expect(page.locator("#about")).to_contain_text(HOSTILE)
        assert TOKEN not in page.url
        assert page.evaluate("window.hacked") is None
        assert told == []


@pytest.mark.browser
def test_what_is_wrong_can_be_said_and_the_page_says_as_what_it_is_kept() -> None:
    said: list[tuple[bytes, str]] = []

    def keep(data: bytes, _: Prediction, /, *, disputed: str | None = None) -> Path | None:
        if disputed is None:
            return None
        said.append((data, disputed))
        return None if data == picture("green") else Path("kept", said[0][1], "picture.png")

    with (
        chromium() as browser,
        serving(model=Colours(classes=("red", HOSTILE, "blue")), keep=keep) as running,
    ):
        page = browser.new_page(viewport={"width": 800, "height": 900})
        told = _told(page)
        page.goto(running.url)
        expect(page.locator("#keeps")).to_contain_text("are kept to teach the next one")

        def say(colour: str, *, choose: str) -> Locator:
            page.evaluate(DROP, [_base64(picture(colour)), f"{colour}.png"])
            card = page.locator(".card", has_text=f"{colour}.png").first
            card.get_by_role("button", name="That is wrong").click()
            expect(card.get_by_label("It is")).to_be_focused()
            card.get_by_label("It is").select_option(choose)
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            return card

        expect(say("red", choose=HOSTILE)).to_contain_text(f"Kept as {HOSTILE}.")
        expect(say("blue", choose="red")).to_contain_text(
            f"Kept as {HOSTILE}, as somebody has decided before."
        )
        expect(say("green", choose="red").locator(".wrong")).to_contain_text("There is no room")
        assert said == [(picture("red"), HOSTILE), (picture("blue"), "red"), (picture("green"), "red")]
        assert page.evaluate("window.hacked") is None
        assert told == []


@pytest.mark.browser
def test_a_busy_service_is_asked_again_until_it_answers() -> None:
    model = Colours()
    with chromium() as browser, serving(Settings(limits=Limits(waiting=1, files=1)), model=model) as running:
        page = browser.new_page()
        page.goto(running.url)
        expect(page.locator("#fetch")).to_be_visible()
        model.gate.clear()
        page.evaluate(DROP, [_base64(picture("red")), "one.png"])
        with page.expect_response(lambda answer: answer.status == 503):
            page.evaluate(DROP, [_base64(picture("blue")), "two.png"])
        model.gate.set()
        expect(page.locator(".card", has_text="two.png").locator("li").first).to_contain_text("blue")
        expect(page.locator(".card", has_text="one.png").locator("li").first).to_contain_text("red")
