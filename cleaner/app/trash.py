"""The trash of a project as a person meets it: `project.trash`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cleaner.app.moves import Moves
from cleaner.app.waiting import shown, watched
from cleaner.changes.ledger import Ledger
from cleaner.changes.trash import Trashed, in_trash
from cleaner.errors import Refused
from cleaner.progress import Report, Stop, never
from cleaner.review.journal import Journal
from cleaner.types import Receipt, Refusal

_WANTED = "{} is no longer to be removed; restore it, or name it to destroy it all the same."


class Trash:
    """The removed images of a project: list them, put some back, or destroy them for good.

    `project.picture(id)` shows them. As the last line of a notebook cell it says how much it holds.
    """

    def __init__(self, moves: Moves, *, ledger: Ledger, journal: Journal) -> None:
        self._moves, self._ledger, self._journal = moves, ledger, journal

    def __repr__(self) -> str:
        held = self.list()
        return f"<Trash: {len(held)} images, {sum(image.bytes for image in held) / 1e6:.1f} MB>"

    def list(self) -> tuple[Trashed, ...]:
        """Return what lies in the trash, the last removed first."""
        return in_trash(self._ledger)

    def wanted(self) -> tuple[Trashed, ...]:
        """Return what lies in the trash though the last decision on it is not, or no longer, to remove it."""
        return self._wanted(self.list())

    @watched
    def restore(self, items: Sequence[str], *, report: Report = shown, stopped: Stop = never) -> Receipt:
        """Put images back where they lay, and take back the decision to remove them.

        Raises Refused for one that is not in the trash.
        """
        there = {image.id for image in self.list()}
        if missing := [item for item in items if item not in there]:
            raise Refused(f"{missing[0]!r} is not in the trash; its list says what is.")
        receipt = self._moves.undo(None, items=items, report=report, stopped=stopped)
        standing = self._journal.standing()
        back = dict.fromkeys(operation.item for operation in receipt.done)
        removed = [item for item in back if item in standing and standing[item].action == "delete"]
        if removed:
            round = max(standing[item].round for item in removed)
            self._journal.decide([(item, "clear", None) for item in removed], round=round)
        return receipt

    @watched
    def empty(
        self,
        word: str,
        *,
        items: Sequence[str] | None = None,
        report: Report = shown,
        stopped: Stop = never,
    ) -> Receipt:
        """Destroy what lies in the trash, or some images of it; `word` must be "destroy".

        Nothing brings them back. What is `wanted` is left out unless it is among `items`. Raises Refused for
        another word, or an image that is not in the trash.
        """
        held = self.list() if items is None else ()
        wanted = {image.id: _WANTED.format(image.id) for image in self._wanted(held)}
        if wanted:
            items = [image.id for image in held if image.id not in wanted]
        receipt = self._moves.empty(items, word=word, report=report, stopped=stopped)
        left = tuple(Refusal(item, reason) for item, reason in wanted.items())
        return replace(receipt, failed=receipt.failed + left)

    def _wanted(self, held: Sequence[Trashed]) -> tuple[Trashed, ...]:
        standing = self._journal.standing()
        removed = {item for item, decision in standing.items() if decision.action == "delete"}
        return tuple(image for image in held if image.id not in removed)
