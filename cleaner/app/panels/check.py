"""Step 2: what is there, and what is wrong with it before any model has looked."""

from __future__ import annotations

from collections import Counter

import ipywidgets as widgets

from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.parts import block, button, heading, sentence, table
from cleaner.app.words import count
from cleaner.progress import Report, Stop
from cleaner.types import SPLITS, Catalog, Finding

SHOWN = 100  # findings listed; the rest are counted


class Check:
    """List the folder, check every file, and show counts and findings."""

    title = "Check"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._again = button("Check the folder", tooltip="Look for new, changed and damaged files")
        self._next = button("Next: train", primary=True)
        self._runner = Runner(desk, self._again)
        self._counts, self._findings = block(), block()
        self._again.on_click(lambda _: self.start())
        self._next.on_click(lambda _: desk.go("Train"))
        self.view = widgets.VBox(
            [
                heading(
                    "Check", lead="Every file is opened once. What can't be used is listed and left alone."
                ),
                self._runner.view,
                self._counts,
                self._findings,
                self._next,
            ]
        )

    def start(self) -> None:
        """Check the open project's folder in the background."""

        def work(report: Report, stopped: Stop) -> tuple[Finding, ...]:
            return self._desk.project.verify(report=report, stopped=stopped)

        def done(found: tuple[Finding, ...]) -> tuple[str, str]:
            images = count(len(self._desk.project.catalog), "image")
            return f"Checked: {images}, {count(len(found), 'finding')}.", "good"

        self._runner.run(work, on_done=done)

    def refresh(self) -> None:
        """Show what the last check found."""
        if not self._desk.is_open or not self._desk.project.checked:
            self._counts.value = self._findings.value = ""
            return
        project = self._desk.project
        self._counts.value = class_table(project.catalog)
        self._findings.value = findings_table(project.findings)


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


def findings_table(found: tuple[Finding, ...]) -> str:
    """Show the findings, worst first."""
    if not found:
        return sentence("No damaged files, no duplicates.", tone="good")
    rows = [[finding.kind, finding.detail] for finding in found[:SHOWN]]
    more = f"and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    return (
        sentence(f"{count(len(found), 'finding')}:")
        + table(["what", "where"], rows, numbers=False)
        + sentence(more)
    )
