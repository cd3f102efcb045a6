"""What axe-core finds wrong with the grid for those who see, hear or steer it otherwise, state by state.

`npm install axe-core` somewhere, then `python tests/bench/accessibility.py …/axe.min.js`; exits with 1 where
there is a finding.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page

from cleaner.review.database import open_database
from cleaner.review.journal import Journal
from tests.review import pictures
from tests.support.browser import chromium
from tests.support.stage import HeardGrid, staged

FINDINGS = """async () => {
  const { violations } = await axe.run(document.querySelector(".cleaner-grid"));
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
                findings = page.evaluate(FINDINGS)
                found += len(findings)
                print(f"{theme}, {state}: {len(findings)} findings", *findings, sep="\n  ")
            page.close()
            grid.close()
    sys.exit(found > 0)


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


if __name__ == "__main__":
    main()
