"""Moves the files of one project, and has the folder looked at again however that ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from cleaner.app.settings import may_not_apply
from cleaner.catalog.digest import digest_of
from cleaner.changes.apply import apply_plan
from cleaner.changes.ledger import Ledger
from cleaner.changes.trash import empty_trash
from cleaner.changes.undo import undo
from cleaner.errors import Refused
from cleaner.progress import Report, Stop
from cleaner.types import Catalog, Plan, Receipt, Refusal


class Moves:
    """Apply, undo and empty the trash, in the name of one person.

    `then` is called after each, with the ids of what failed; `seen` maps ids to where the last check saw the
    images. Each raises Refused, and touches nothing, where that person may not change files.
    """

    def __init__(
        self,
        root: Path,
        *,
        home: Path,
        ledger: Ledger,
        by: str,
        then: Callable[[Sequence[str]], None],
        seen: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._root, self._home, self._ledger, self._by = root, home, ledger, by
        self._then, self._seen = then, seen

    def apply(self, plan: Plan, *, report: Report, stopped: Stop) -> Receipt:
        """Do what a plan says."""
        return self._do(partial(apply_plan, plan), report=report, stopped=stopped)

    def undo(
        self, batch: int | None, *, items: Sequence[str] | None, report: Report, stopped: Stop
    ) -> Receipt:
        """Undo an apply, the last one, or the last change of some images."""
        return self._do(partial(undo, batch, items=items, seen=self._seen()), report=report, stopped=stopped)

    def empty(self, items: Sequence[str] | None, *, word: str, report: Report, stopped: Stop) -> Receipt:
        """Destroy what lies in the trash, or some of it."""
        return self._do(partial(empty_trash, items, word=word), report=report, stopped=stopped)

    def _do(self, act: Callable[..., Receipt], *, report: Report, stopped: Stop) -> Receipt:
        if problem := may_not_apply(self._by):
            raise Refused(problem)
        failed: tuple[Refusal, ...] = ()
        try:
            receipt = act(
                root=self._root,
                home=self._home,
                ledger=self._ledger,
                digest_of=digest_of,
                by=self._by,
                report=report,
                stopped=stopped,
            )
            failed = receipt.failed
        finally:
            self._then([refusal.item for refusal in failed])
        return receipt


def paths_by_id(catalog: Catalog | None) -> dict[str, str]:
    """Map the id of each image to where a check saw it; without a check there is none."""
    return {} if catalog is None else dict(zip(catalog.ids, catalog.paths, strict=True))


def moved_since(catalog: Catalog, *, ledger: Ledger) -> bool:
    """Say whether files were moved since a check, by an apply that was killed before its own."""
    known = paths_by_id(catalog)
    places = ledger.locations().items()
    return any(known.get(key) != place and (catalog.root / place).exists() for key, place in places)
