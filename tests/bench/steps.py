"""All seven steps in a real Chromium, on the demo and on photos, by mouse alone and by keyboard alone.

PYTHONPATH=. python tests/bench/steps.py PHOTOS --to PICTURES [--only voila-demo-mouse]: PHOTOS holds a folder
of photographs per class; it is copied, never written to. PICTURES gets a picture of every step to be looked
at. Exits with 1 where a step can't be done, the page reports an error, or a key leads to no visible focus.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Protocol

import nbformat
from playwright.sync_api import Browser, Error, Locator, Page, expect

from cleaner.app.server import dashboard
from tests.support.browser import chromium
from tests.support.jupyter import jupyterlab

LONG = 240_000  # milliseconds; a training on a slow machine
TABS = 250  # presses of Tab after which a control counts as out of reach
SURFACES, DATA, HANDS = ("voila", "jupyterlab", "notebook"), ("demo", "photos"), ("mouse", "keyboard")

# What of ours has the focus without showing it, by nothing that it does not look like without; else null.
# A grid shows it on the picture that is current.
UNSEEN = """() => {
  const here = document.activeElement;
  if (!here?.closest(".cleaner-app")) return null;
  const current = document.getElementById(here.getAttribute("aria-activedescendant"));
  const seen = current?.closest(".tile") ?? here;
  const looks = () => {
    const { outlineStyle, outlineWidth, boxShadow, borderColor, backgroundColor } = getComputedStyle(seen);
    return [outlineStyle === "none" ? "" : outlineWidth, boxShadow, borderColor, backgroundColor].join();
  };
  const shown = looks();
  here.blur();
  const hidden = looks();
  here.focus({ preventScroll: true, focusVisible: true });
  return shown === hidden ? here.outerHTML.slice(0, 120) : null;
}"""


class Hand(Protocol):
    """How a person reaches what is on the page."""

    page: Page

    def press(self, name: str | re.Pattern[str]) -> None:
        """Press a button."""

    def choose(self, folder: Path) -> None:
        """Open a folder in step 1."""

    def judge(self) -> None:
        """Keep one picture, relabel one, remove one, take one back."""

    def ask(self, questions: Path) -> str:
        """Ask the model about something; return what the page says then."""

    def fill(self, name: str, text: str) -> None:
        """Type into a field, if there is a keyboard."""


@dataclass
class Mouse:
    """Clicks, and never types."""

    page: Page

    def press(self, name: str | re.Pattern[str]) -> None:
        self._button(name).click(timeout=LONG)

    def choose(self, folder: Path) -> None:
        self.press("Select")
        self.page.get_by_role("option", name=f"{folder.name}/", exact=True).click()
        self.page.wait_for_timeout(500)
        self.press("Select")

    def judge(self) -> None:
        tiles = self.page.locator(".cleaner-grid:visible .tile")
        for at, verdict in ((0, "Fine"), (1, "Remove"), (2, "Another class…"), (3, "Can’t tell")):
            tiles.nth(at).locator(".photo").hover()
            tiles.nth(at).get_by_role("button", name=verdict, exact=True).click()
            if verdict == "Another class…":
                self.page.locator(".cleaner-grid:visible .option").nth(1).click()
        self.press("Undo")

    def ask(self, questions: Path) -> str:
        with self.page.expect_file_chooser() as chooser:
            self.press(re.compile("^Choose images"))
        chooser.value.set_files([questions / "0.jpg"])
        return "Asked about 1 image."

    def fill(self, name: str, text: str) -> None:
        """Leave the field as it is: there is no keyboard."""

    def _button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name, exact=isinstance(name, str)).last


@dataclass
class Keyboard:
    """Types, and never clicks; notes what has the focus without showing it."""

    page: Page
    unseen: set[str] = field(default_factory=set)
    walked: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # the browser is told to hand over its file choosers before a key is pressed, or the key may be first
        self.page.on("filechooser", lambda _: None)

    def press(self, name: str | re.Pattern[str]) -> None:
        self._walk(self.page.get_by_role("button", name=name, exact=isinstance(name, str)).last, str(name))
        self.page.keyboard.press("Enter")

    def choose(self, folder: Path) -> None:
        self.fill("or its path", str(folder))
        self.press("Open this path")

    def judge(self) -> None:
        self._walk(self.page.locator(".cleaner-grid:visible .tiles").last, "the grid")
        for key in ("Space", "x", "/", "ArrowDown", "Enter", "u", "z"):
            self.page.keyboard.press(key)

    def ask(self, questions: Path) -> str:
        upload = self.page.get_by_role("button", name=re.compile("^Choose images")).last
        self._walk(upload, "Choose images")
        with self.page.expect_file_chooser() as chooser:
            self.page.keyboard.press("Enter")
        chooser.value.set_files([questions / "0.jpg"])
        expect(self.page.get_by_text("Asked about 1 image.").last).to_be_visible(timeout=LONG)
        self.fill("folder", str(questions))
        self.press("Ask about the folder")
        return f"Asked about {len(list(questions.iterdir())):,} images."

    def fill(self, name: str, text: str) -> None:
        self._walk(self.page.get_by_label(name, exact=True).last, name)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def _walk(self, wanted: Locator, name: str) -> None:
        """Go to a control with the Tab key alone."""
        expect(wanted).to_be_enabled(timeout=LONG)
        for tabs in range(TABS):
            if wanted.evaluate(
                "element => element === document.activeElement || element.contains(document.activeElement)"
            ):
                self.walked[name] = tabs
                return
            self.page.keyboard.press("Tab")
            if unseen := self.page.evaluate(UNSEEN):
                self.unseen.add(unseen)
        raise AssertionError(f"{name} can't be reached with Tab")


Shot = Callable[[str], None]


def seven_steps(hand: Hand, shot: Shot, *, folder: Path | None, questions: Path) -> None:
    """Go through all seven steps; without a folder, on the demo."""
    page = hand.page
    expect(page.get_by_role("heading", name="Choose a folder").last).to_be_visible(timeout=LONG)
    shot("1-choose")
    if folder is None:
        hand.press("Try the demo")
    else:
        hand.choose(folder)
    check(hand, shot)
    train(hand, shot)
    review(hand, shot)
    apply(hand, shot)
    compare(hand, shot)
    use(hand, shot, questions=questions)


def says(page: Page, text: str | re.Pattern[str]) -> None:
    """Wait until the page says something."""
    expect(page.get_by_text(text).last).to_be_visible(timeout=LONG)


def check(hand: Hand, shot: Shot) -> None:
    says(hand.page, re.compile(r"Checked: [0-9,]+ images"))
    says(hand.page, "A few images of each class")
    shot("2-check")
    hand.press("Look at these")
    expect(hand.page.locator(".cleaner-grid:visible .tile img").first).to_be_visible(timeout=LONG)
    shot("2-findings")
    hand.press("Next: train")


def train(hand: Hand, shot: Shot) -> None:
    says(hand.page, "A model learns your labels")
    shot("3-train")
    hand.press("Options")
    hand.fill("weights", "scratch")
    shot("3-options")
    hand.press("Train round 1")
    says(hand.page, re.compile("epoch [0-9]+ of"))
    shot("3-training")
    says(hand.page, "Round 1 is done")
    shot("3-trained")
    hand.press("Next: review")


def review(hand: Hand, shot: Shot) -> None:
    grid = hand.page.locator(".cleaner-grid:visible")
    expect(grid.locator(".tile img").first).to_be_visible(timeout=LONG)
    hand.page.wait_for_timeout(500)  # the pictures of the first page
    shot("4-review")
    hand.judge()
    expect(grid.locator(".status .saved")).to_be_visible()
    shot("4-reviewed")
    hand.press("Map")
    stage = hand.page.locator(".cleaner-map .stage[data-layout='neighbourhoods']")
    expect(stage).to_be_visible(timeout=LONG)
    shot("4-map")
    hand.press("Hide the map")
    hand.press("Next: apply")


def apply(hand: Hand, shot: Shot) -> None:
    says(hand.page, re.compile("1 goes to the project's trash"))
    shot("5-apply")
    hand.press("Apply 2 changes")
    says(hand.page, re.compile("2 files moved"))
    shot("5-applied")
    hand.press("Undo the last apply")
    says(hand.page, re.compile("2 files put back"))
    hand.press("Apply 2 changes")
    says(hand.page, re.compile("2 files moved"))
    hand.press("Next: train again")


def compare(hand: Hand, shot: Shot) -> None:
    hand.press("Train round 2")
    says(hand.page, "Round 2 is done")
    shot("6-trained-again")
    hand.press("Compare the rounds")
    says(hand.page, re.compile("held-out images with their cleaned labels"))
    shot("6-compare")
    hand.press("Next: use the model")


def use(hand: Hand, shot: Shot, *, questions: Path) -> None:
    says(hand.page, hand.ask(questions))
    shot("7-use")
    hand.press("Write the model")
    says(hand.page, re.compile("Wrote the model to"))
    shot("7-written")


@contextmanager
def opened(surface: str, browser: Browser, place: Path, *, by: str) -> Iterator[Page]:
    """Show the dashboard on a surface, at a folder to begin in."""
    size = {"width": 1300, "height": 900}
    if surface == "voila":
        with dashboard(None) as served:
            page = browser.new_context(viewport=size).new_page()
            page.goto(served.address)
            yield page
            page.close()
        return
    home = place / "notebook"
    home.mkdir()
    cell = nbformat.v4.new_code_cell("from cleaner import Dashboard\n\nDashboard()")
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    nbformat.write(
        nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), home / "clean.ipynb"
    )
    with jupyterlab(home / "clean.ipynb", environment={}) as address:
        page = browser.new_context(viewport=size).new_page()
        page.goto(address if surface == "jupyterlab" else address.replace("/lab/tree/", "/notebooks/"))
        first = page.locator(".jp-Notebook .jp-Cell").first
        expect(first).to_be_visible(timeout=LONG)
        idle = page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
        expect(idle.first).to_be_visible(timeout=LONG)
        shown, tries = page.get_by_role("heading", name="Choose a folder").last, 3
        while not shown.is_visible() and tries:  # a kernel that has just been started may forget a cell
            tries -= 1
            if by == "mouse":
                first.click()
                page.get_by_role("button", name=re.compile("^Run")).first.click()
            else:
                page.keyboard.press("Control+Enter")
            with suppress(Error):
                shown.wait_for(timeout=LONG / 8)
        yield page
        page.close()


def run(name: str, browser: Browser, *, photos: Path, to: Path) -> list[str]:
    """Go through one case; return what is wrong."""
    surface, data, by = name.split("-")
    wrong: list[str] = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        place = Path(made)
        folder, questions = data_of(place, photos=photos)
        os.environ.update(CLEANER_START=str(folder.parent), CLEANER_RECENT=str(place / "recent.json"))
        with opened(surface, browser, place, by=by) as page:
            page.on("pageerror", lambda error: wrong.append(f"the page reports: {error}"))
            hand: Hand = Mouse(page) if by == "mouse" else Keyboard(page)

            def shot(step: str) -> None:
                page.screenshot(path=to / f"{name}-{step}.png")

            try:
                seven_steps(hand, shot, folder=folder if data == "photos" else None, questions=questions)
            except (AssertionError, Error) as error:
                shot("failed")
                wrong.append(f"{type(error).__name__}: {error}"[:2000])
            if isinstance(hand, Keyboard):
                wrong += [f"has the focus unseen: {element}" for element in sorted(hand.unseen)]
                far = max(hand.walked, key=hand.walked.__getitem__, default="")
                print(f"{name}: furthest is {far}, by {hand.walked.get(far)} presses of Tab")
    print(f"{name}: {time.monotonic() - begun:.0f} s", *wrong, sep="\n  ", flush=True)
    return wrong


def data_of(place: Path, *, photos: Path) -> tuple[Path, Path]:
    """Copy the photos to a folder among others, and some of them to another, to ask the model about."""
    folder = Path(shutil.copytree(photos, place / "data" / "bears"))
    for other in ("archive", "zoo"):
        (place / "data" / other / "empty").mkdir(parents=True)
    questions = place / "questions"
    questions.mkdir()
    for number, path in enumerate(sorted(photos.rglob("*.jpg"))[:3]):
        shutil.copy(path, questions / f"{number}.jpg")
    return folder, questions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--only", default="")
    wanted = parser.parse_args()
    wanted.to.mkdir(parents=True, exist_ok=True)
    every = ["-".join(case) for case in product(SURFACES, DATA, HANDS)]
    names = [name for name in every if wanted.only in name]
    if not names:
        parser.error(f"no case is named {wanted.only!r}; there are {', '.join(every)}")
    with chromium() as browser:
        wrong = [run(name, browser, photos=wanted.photos, to=wanted.to) for name in names]
    sys.exit(any(wrong))


if __name__ == "__main__":
    main()
