"""A queue cut into pages, and what the browser must know of each image on them. It holds no picture.

Pure: what stands comes as an argument, and the order never changes here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from cleaner.review.filters import Issues, kinds_of
from cleaner.review.protocol import Terms
from cleaner.types import Candidate, Queue, Standing

MOST_SUGGESTIONS = 5


@dataclass(frozen=True, eq=False)
class Pages:
    """A queue cut into pages, in an order that never changes. Pages count from 0."""

    queue: Queue
    page_size: int
    round: int
    epoch: int
    issues: Issues = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Return the number of pages; an empty queue has one, empty."""
        return max(1, -(-len(self.queue) // self.page_size))

    @cached_property
    def rows(self) -> dict[str, int]:
        """Map each id to its place in the queue."""
        return {identity: row for row, identity in enumerate(self.queue.ids)}

    @property
    def terms(self) -> Terms:
        """Return what the browser may speak of."""
        kinds = tuple(kind for kind, _ in self.kinds)
        return Terms(label_of=self.label_of, vocab=self.queue.vocab, pages=self.count, issues=kinds)

    @cached_property
    def kinds(self) -> list[tuple[str, int]]:
        """Return the kinds of findings in the queue, with how many images have each."""
        return kinds_of(self.queue.ids, self.issues)

    def label_of(self, item: str) -> str | None:
        """Return the label an image has now, None if it is not in the queue."""
        row = self.rows.get(item)
        return None if row is None else self.queue.vocab[self.queue.labels[row]]

    def of(self, item: str) -> int | None:
        """Return the page an image is on, None if it is not in the queue."""
        row = self.rows.get(item)
        return None if row is None else row // self.page_size

    def rows_of(self, page: int) -> range:
        """Return the places in the queue that one page shows."""
        return range(page * self.page_size, min((page + 1) * self.page_size, len(self.queue)))

    def first_undecided(self, standing: Standing) -> int:
        """Return the first page with an image that waits for its verdict; the last page if none does."""
        waits = (row for row, identity in enumerate(self.queue.ids) if identity not in standing)
        return next(waits, max(0, len(self.queue) - 1)) // self.page_size

    def state(self) -> dict[str, Any]:
        """Return what the browser must know of the whole queue."""
        return {
            "vocab": list(self.queue.vocab),
            "total": len(self.queue),
            "page_size": self.page_size,
            "pages": self.count,
            "round": self.round,
            "epoch": self.epoch,
            "issues": self.kinds,
        }

    def counts(self, standing: Standing) -> dict[str, int]:
        """Count the images of this queue by the verdict that stands."""
        of = Counter(decision.action for item, decision in standing.items() if item in self.rows)
        return {
            "total": len(self.queue),
            "reviewed": sum(of.values()),
            "kept": of["keep"],
            "relabelled": of["relabel"],
            "removed": of["delete"],
            "unsure": of["unsure"],
            "errors": of["relabel"] + of["delete"],
        }

    def tile(self, row: int, *, others: Sequence[tuple[str, float]] = ()) -> dict[str, Any]:
        """Describe one image for the browser, without its pixels; `others` are further classes to offer."""
        candidate = self.queue.candidate(row)
        found = self.issues.get(candidate.id, ())
        reasons = list(candidate.reasons) if np.isfinite(self.queue.given_probs[row]) else []
        return {
            "id": candidate.id,
            "given": candidate.label,
            "suggested": candidate.suggested,
            "confidence": _finite(candidate.confidence),
            "suggestions": _suggestions(candidate, others),
            "origin": candidate.origin,
            "reasons": [*reasons, *(finding.detail for finding in found)],
            "issues": list(dict.fromkeys(finding.kind for finding in found)),
            "advice": next((finding.advice for finding in found if finding.advice), None),
        }


def _suggestions(candidate: Candidate, others: Sequence[tuple[str, float]]) -> list[tuple[str, float | None]]:
    """Return the classes to offer, at most five: the one that the tile shows, then the likeliest others."""
    if candidate.suggested is None:
        return []
    first = (candidate.suggested, _finite(candidate.confidence))
    rest = [(name, _finite(p)) for name, p in others if name not in (candidate.label, candidate.suggested)]
    return [first, *rest[: MOST_SUGGESTIONS - 1]]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
