"""Step 2: what is there, and what is wrong with it before any model has looked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

import ipywidgets as widgets
import numpy as np

from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.late import Late
from cleaner.app.panels.leaks import Leaks
from cleaner.app.panels.parts import (
    block,
    button,
    figure,
    figures,
    fold,
    heading,
    picture_of,
    sentence,
    subheading,
    table,
)
from cleaner.app.project import Project
from cleaner.app.words import count
from cleaner.catalog.kinds import KINDS
from cleaner.errors import CleanerError
from cleaner.progress import Report, Stop
from cleaner.types import SPLITS, Catalog, Finding

SHOWN = 100  # findings of a kind listed; the rest are counted
PICTURED = 24  # findings of a kind with pictures
SAMPLES, CLASSES = 6, 12  # images of a class, and classes, in the sample

Picture: TypeAlias = Callable[[str], "bytes | None"]  # the small JPEG of an id


class Check:
    """List the folder, check every file, and show counts and findings."""

    title = "Check"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._again = button("Check the folder", tooltip="Look for new, changed and damaged files")
        self._next = button("Next: train", primary=True)
        self._runner = Runner(desk, self._again)
        self._leaks = Leaks(desk)
        self._counts, self._findings, self._samples = block(), Late(), Late()
        self._kinds = widgets.Dropdown(options=(), description="findings")
        self._look = button("Look at these", tooltip="In the grid: keep, relabel or remove them")
        self._look.on_click(lambda _: self._on_look())
        self._looking = widgets.HBox([self._kinds, self._look])
        self._looking.add_class("cleaner-row")
        self._grid = widgets.VBox([])
        self._over: tuple[Project, str, tuple[str, ...]] | None = None  # what can be looked at in the grid
        self._again.on_click(lambda _: self.start())
        self._next.on_click(lambda _: desk.go("Train"))
        self.view = widgets.VBox(
            [
                heading(
                    "Check", lead="Every file is opened once. What can't be used is listed and left alone."
                ),
                self._runner.view,
                self._counts,
                self._findings.view,
                self._looking,
                self._grid,
                self._leaks.view,
                self._next,
                self._samples.view,
            ]
        )

    def start(self) -> None:
        """Check the open project's folder in the background."""

        def work(report: Report, stopped: Stop) -> tuple[Finding, ...]:
            return self._desk.project.verify(report=report, stopped=stopped)

        def done(found: tuple[Finding, ...]) -> tuple[str, str]:
            images = count(len(self._desk.project.catalog), "image")
            return f"Checked: {images}, {count(len(found), 'finding')}. Next: train a model on them.", "good"

        self._runner.run(work, on_done=done)

    def _on_look(self) -> None:
        """Show the images with findings of the chosen kind in the grid, below the list."""
        try:
            self._put(self._desk.project.review(findings=self._kinds.value))
        except CleanerError as error:
            self._runner.say(str(error), tone="warn")

    def _put(self, *grids: widgets.Widget) -> None:
        """Show a grid, or none, in the place of the one before."""
        before, self._grid.children = self._grid.children, grids
        for grid in before:
            grid.close()

    def _offer(self, project: Project, found: tuple[Finding, ...]) -> None:
        """Offer the kinds of which images can be looked at; a grid over what is no longer so goes away."""
        catalog = project.catalog
        there = set(catalog.ids)
        kinds = tuple(dict.fromkeys(finding.kind for finding in found if finding.item in there))
        self._looking.layout.display = "" if kinds else "none"
        if self._kinds.options != kinds:
            self._kinds.options = kinds
            self._kinds.index = 0 if kinds else None
        over = project, catalog.digest(), kinds
        if self._over != over:
            self._over = over
            self._put()

    def refresh(self) -> None:
        """Show what the last check found."""
        self._leaks.refresh()
        if not self._desk.is_open or not self._desk.project.checked:
            self._counts.value = ""
            self._findings.clear()
            self._samples.clear()
            self._looking.layout.display = "none"
            self._put()
            return
        project = self._desk.project
        catalog, found = project.catalog, project.findings

        def picture(identity: str) -> bytes | None:
            return picture_of(project, identity)

        self._counts.value = class_table(catalog)
        self._offer(project, found)
        self._findings.show((project, found), lambda: findings_view(found, picture=picture))
        self._samples.show((project, catalog.digest()), lambda: samples_view(catalog, picture=picture))


def class_table(catalog: Catalog) -> str:
    """Show how many images each class has on each side of the split."""
    tally = Counter(zip(catalog.labels.tolist(), catalog.splits, strict=True))
    used = [split for split in SPLITS if any(catalog.splits == split)]
    rows = [
        [name, *(f"{tally[code, split]:,}" for split in used), f"{sum(tally[code, s] for s in used):,}"]
        for code, name in enumerate(catalog.vocab)
    ]
    totals = [f"{int((catalog.splits == split).sum()):,}" for split in used]
    return table(["class", *used, "all"], [*rows, ["all", *totals, f"{len(catalog):,}"]])


def findings_view(found: tuple[Finding, ...], *, picture: Picture = lambda _: None) -> str:
    """Show the findings by kind, worst first, each kind folded away under its count, with pictures."""
    if not found:
        return sentence("No damaged files, no duplicates, nothing odd.", tone="good")
    kinds: dict[str, list[Finding]] = {}
    for finding in found:
        kinds.setdefault(finding.kind, []).append(finding)
    folds = (
        fold(f"{kind}: {len(some):,}", _of_kind(some, picture), meaning=KINDS.get(kind, ""))
        for kind, some in kinds.items()
    )
    return sentence(f"{count(len(found), 'finding')}; a click on a line shows them:") + "".join(folds)


def _of_kind(found: Sequence[Finding], picture: Picture) -> str:
    seen = [(finding, picture(finding.item)) for finding in found[:PICTURED]]
    shown = [figure(jpeg, caption=finding.item) for finding, jpeg in seen if jpeg is not None]
    listed = table(["what was found"], [[finding.detail] for finding in found[:SHOWN]], numbers=False)
    more = f"and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    return figures(shown) + listed + sentence(more)


def samples_view(catalog: Catalog, *, picture: Picture) -> str:
    """Show a few images of each class, spread over its files, the same ones each time."""
    rows = []
    for code, name in list(enumerate(catalog.vocab))[:CLASSES]:
        of_class = np.flatnonzero(catalog.labels == code)
        places = np.unique(np.linspace(0, len(of_class) - 1, SAMPLES).astype(np.intp))
        ids = [catalog.ids[of_class[place]] for place in places if len(of_class)]
        shown = figures([figure(picture(key), caption=key) for key in ids])
        rows.append(subheading(f"{name} ({len(of_class):,})") + (shown or sentence("No images.")))
    more = len(catalog.vocab) - len(rows)
    return fold(
        "A few images of each class",
        "".join(rows) + sentence(f"and {count(more, 'more class', 'more classes')}" if more > 0 else ""),
        opened=True,
    )
