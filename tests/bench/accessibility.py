"""What axe-core finds wrong with grid, map and dashboard for those who see, hear or steer them otherwise.

The grid alone state by state in both themes; under Voila the whole page, step by step, and the map. Not asked
for are landmarks: the frame of the page is Voila's. `npm install axe-core` somewhere, then
`python tests/bench/accessibility.py …/axe.min.js`; exits with 1 where there is a finding.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page

from cleaner.app.dashboard import STEPS
from cleaner.app.server import dashboard
from cleaner.review.database import open_database
from cleaner.review.journal import Journal
from tests.review import pictures
from tests.support.browser import chromium
from tests.support.images import planted_error
from tests.support.rounds import round_without_training
from tests.support.stage import HeardGrid, staged

PATIENCE = 120_000  # milliseconds

FINDINGS = """async (part) => {
  const rules = { region: { enabled: false } };
  const { violations } = await axe.run(document.querySelector(part), { rules });
  return violations.map(({ id, impact, nodes }) => `${impact} ${id} in ${nodes.length}: ${nodes[0].html}`);
}"""


def main() -> None:
    """Print a line for each state of the grid, and its findings."""
    axe = Path(sys.argv[1]).read_text(encoding="utf-8")
    found = 0
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        for theme in ("light", "dark"):
            grid = a_grid(Path(place))
            page = staged(browser, grid, theme=theme)
            page.evaluate(axe)
            for state in states(page):
                found += told(page, f"{theme}, {state}", part=".cleaner-grid")
            page.close()
            grid.close()
        project = round_without_training(planted_error(Path(place) / "photos", each=15), sure=0.998)
        with dashboard(project.root) as served:
            page = browser.new_page(viewport={"width": 1300, "height": 950})
            page.goto(served.address)
            page.locator(".cleaner-grid .tile img").first.wait_for(timeout=PATIENCE)
            page.evaluate(axe)
            for state in steps(page):
                found += told(page, state, part="html")
    sys.exit(found > 0)


def told(page: Page, state: str, *, part: str) -> int:
    """Print what is found wrong with a part of a page, and count it."""
    findings = page.evaluate(FINDINGS, part)
    print(f"{state}: {len(findings)} findings", *findings, sep="\n  ", flush=True)
    return len(findings)


def a_grid(place: Path) -> HeardGrid:
    journal = Journal(open_database(f"sqlite:///{(place / 'bench.db').as_posix()}"), by="bench")
    grid = HeardGrid(
        pictures.queue(60),
        journal=journal,
        picture=pictures.picture,
        full=pictures.full,
        evidence=pictures.evidence,
        class_problem=lambda _: None,
    )
    grid.outlook = "At most 12 errors remain (95 %)."
    return grid


def states(page: Page) -> Iterator[str]:
    """Bring the page into one state after the other, and name each."""
    page.locator(".tiles").focus()
    for key in ("Space", "Enter", "x", "u"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    yield "verdicts"
    for key in ("e", "l", "Escape", "Shift+ArrowRight"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    yield "selection, filter and evidence"
    page.keyboard.press("/")
    page.keyboard.type("bree")
    yield "class picker"
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    yield "blind"
    page.keyboard.press("b")
    page.keyboard.press("?")
    yield "help"
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    page.wait_for_timeout(500)
    yield "full size"


def steps(page: Page) -> Iterator[str]:
    """Open the map, then one step after the other, and name each."""
    page.get_by_role("button", name="Map", exact=True).click()
    page.locator(".cleaner-map .stage[data-layout='neighbourhoods']").wait_for(timeout=PATIENCE)
    yield "Review with the map"
    for number, name in enumerate(STEPS, start=1):
        page.get_by_role("button", name=f"{number} {name}").click()
        page.wait_for_timeout(2_000)
        yield f"{number} {name}"


if __name__ == "__main__":
    main()
