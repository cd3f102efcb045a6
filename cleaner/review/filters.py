"""What a person wants to see of a queue: what fits a filter, which classes are confused most. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cleaner.types import Decision, Finding, Queue, Standing

STATES: dict[str, Callable[[Decision | None], bool]] = {
    "undecided": lambda kept: kept is None,
    "decided": lambda kept: kept is not None,
    "errors": lambda kept: kept is not None and kept.action in ("relabel", "delete"),
    "keep": lambda kept: kept is not None and kept.action == "keep",
    "relabel": lambda kept: kept is not None and kept.action == "relabel",
    "delete": lambda kept: kept is not None and kept.action == "delete",
    "unsure": lambda kept: kept is not None and kept.action == "unsure",
}
MOST_PAIRS = 40

Issues: TypeAlias = Mapping[str, "tuple[Finding, ...]"]  # what was found of each image, worst first


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show of a queue; None, and a name of no letters, ask for nothing.

    `given` and `suggested` are classes, `verdict` is a key of STATES, `name` a part of the id in any case,
    `issue` a kind of finding. `chosen` names the images that were chosen elsewhere, on the map for instance.
    """

    given: str | None = None
    suggested: str | None = None
    origin: str | None = None
    verdict: str | None = None
    name: str = ""
    issue: str | None = None
    chosen: str | None = None


def by_item(findings: Iterable[Finding]) -> Issues:
    """Map each image to what was found of it, in their order."""
    together: dict[str, tuple[Finding, ...]] = {}
    for finding in findings:
        together[finding.item] = (*together.get(finding.item, ()), finding)
    return together


def kinds_of(ids: Iterable[str], issues: Issues) -> list[tuple[str, int]]:
    """Return the kinds of findings that some images have, with how many have each, by name."""
    counts = Counter(kind for item in ids for kind in {finding.kind for finding in issues.get(item, ())})
    return sorted(counts.items())


def rows_found(
    queue: Queue, wanted: Filter, *, standing: Standing, issues: Issues, chosen: Collection[str] = ()
) -> NDArray[np.intp]:
    """Return the rows that fit, in the order of the queue; of an issue, what belongs together side by side.

    A class that the queue has not fits no row.
    """
    fits = np.ones(len(queue), dtype=bool)
    if wanted.given is not None:
        fits &= queue.labels == _code(queue, wanted.given)
    if wanted.suggested is not None:
        fits &= (queue.suggested == _code(queue, wanted.suggested)) & (queue.suggested != queue.labels)
    if wanted.origin is not None:
        fits &= np.asarray(queue.origins == wanted.origin, dtype=bool)
    rows = np.flatnonzero(fits)
    if wanted.chosen is not None:
        rows = rows[[queue.ids[row] in chosen for row in rows]]
    if wanted.name:
        rows = rows[[wanted.name.casefold() in queue.ids[row].casefold() for row in rows]]
    if wanted.verdict is not None:
        fitting = STATES[wanted.verdict]
        rows = rows[[fitting(standing.get(queue.ids[row])) for row in rows]]
    return rows if wanted.issue is None else _with_issue(queue, rows, kind=wanted.issue, issues=issues)


def _with_issue(queue: Queue, rows: NDArray[np.intp], *, kind: str, issues: Issues) -> NDArray[np.intp]:
    """Return the rows with one kind of finding, each group where the first of it is."""
    found = {row: f for row in rows.tolist() for f in issues.get(queue.ids[row], ()) if f.kind == kind}
    first: dict[str, int] = {}
    for row, finding in found.items():
        first.setdefault(finding.group or finding.item, row)
    return np.array(
        sorted(found, key=lambda row: (first[found[row].group or found[row].item], row)), dtype=np.intp
    )


def confused(queue: Queue, *, standing: Standing) -> list[tuple[str, str, int]]:
    """Return pairs of given and suggested class with how many images wait for a verdict, most first."""
    doubted = np.flatnonzero(queue.labels != queue.suggested)
    waiting = [row for row in doubted if queue.ids[row] not in standing]
    pairs = zip(queue.labels[waiting].tolist(), queue.suggested[waiting].tolist(), strict=True)
    common = Counter(pairs).most_common(MOST_PAIRS)
    return [(queue.vocab[given], queue.vocab[suggested], number) for (given, suggested), number in common]


def _code(queue: Queue, label: str) -> int:
    return queue.vocab.index(label) if label in queue.vocab else -1


@dataclass(frozen=True, eq=False)
class Found:
    """The images that a filter found when it was asked, cut into pages. They stay, whatever is decided."""

    ids: Sequence[str]
    page_size: int

    @property
    def count(self) -> int:
        """Return the number of pages; where nothing was found there is one, empty."""
        return max(1, -(-len(self.ids) // self.page_size))

    def of(self, item: str) -> int | None:
        """Return the page an image is on, None if it was not found."""
        return self.ids.index(item) // self.page_size if item in self.ids else None

    def ids_of(self, page: int) -> Sequence[str]:
        """Return the images of one page."""
        return self.ids[page * self.page_size : (page + 1) * self.page_size]

    def first_undecided(self, standing: Standing) -> int:
        """Return the first page with an image that waits for its verdict; the first of all if none does."""
        waits = (at for at, item in enumerate(self.ids) if item not in standing)
        return next(waits, 0) // self.page_size
