"""What a person does in the dashboard, in a real Chromium against a real Voila."""

from __future__ import annotations

from playwright.sync_api import Page

LONG = 180_000  # milliseconds; a training on a slow machine


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def tab_into_the_grid(page: Page) -> None:
    for _ in range(60):
        if page.evaluate("document.activeElement.matches('.cleaner-grid .tiles')"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("the grid can't be reached with Tab")


def current(page: Page) -> dict[str, str | None]:
    return page.evaluate("""() => {
        const tile = document.querySelector('.cleaner-grid .tile.current');
        return {id: tile.querySelector('.photo').title,
                given: tile.querySelector('.given').textContent,
                suggested: tile.querySelector('.suggested')?.textContent ?? null};
    }""")
