"""fastai 1's FileDeleter: what is marked goes to a trash folder when that is confirmed. Nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

from ipywidgets import Button, Label, VBox

from cleaner.app.contents import tied
from cleaner.app.filegrid import FileGrid, in_full, journal_in
from cleaner.app.home import home_of
from cleaner.app.moves import Moves
from cleaner.app.reviewgrid import queue_of
from cleaner.catalog.digest import digest_of
from cleaner.changes.ledger import Ledger
from cleaner.changes.recover import recover
from cleaner.errors import CleanerError, InputError
from cleaner.progress import never, quiet
from cleaner.types import Operation, Plan, Receipt

KEPT_IN = "file-deleter.db"  # in the folder `.cleaner` of the root


class FileDeleter(VBox):  # type: ignore[misc]  # ipywidgets is untyped
    """Show image files, in the order given, to remove those marked with `X` when that is confirmed.

    `file_paths` are what fastai 1's `data.valid_ds.x[idxs]` was: paths. Confirmed, by the button or by
    `confirm()`, the marked files go to `trash`, a folder in `.cleaner` below `root`, by default the folder
    that all files have in common; `undo()` puts them back. Files that are no longer there are left out.
    """

    def __init__(
        self,
        file_paths: Sequence[str | Path],
        batch_size: int = 24,
        *,
        root: str | Path | None = None,
        by: str | None = None,
    ) -> None:
        paths = list(dict.fromkeys(Path(in_full(path)) for path in file_paths))
        there = [path for path in paths if path.is_file()]
        if not there:
            raise InputError(f"None of the {len(paths):,} files is there (any more); pass other file_paths.")
        self.root = _root(there) if root is None else Path(in_full(root))
        if outside := [path for path in there if not path.is_relative_to(self.root)]:
            raise InputError(f"{outside[0]} does not lie in {self.root}; pass a root that holds all files.")
        home = home_of(self.root)
        self.trash = home / "trash"
        journal = journal_in(home / KEPT_IN, by=by)
        ledger = Ledger(journal.engine)
        recover(root=self.root, home=home, ledger=ledger, digest_of=digest_of)
        self._digests = dict(zip(map(str, there), tied(there, journal=journal), strict=True))
        self._journal, self._ledger = journal, ledger
        self._moves = Moves(self.root, home=home, ledger=ledger, by=journal.by, then=lambda _: self._tell())
        names = [path.parent.name for path in there]
        queue = queue_of(there, names, None, suggested=None, confidence=None)
        self.grid = FileGrid(queue, journal=journal, page_size=batch_size)
        self._button, self._said = Button(), Label()
        self._button.on_click(lambda _: self._confirmed())
        self.grid.observe(lambda _: self._tell(), "revision")
        self._tell()
        super().__init__([self.grid, self._button, self._said])

    def confirm(self) -> Receipt:
        """Move the marked files to the trash and say what was done. Raises Refused where that can't be."""
        return self._moves.apply(self._plan(), report=quiet, stopped=never)

    def undo(self) -> Receipt:
        """Put the files of the last confirmation back, one whose name is taken beside it. They stay marked.

        Again and again undoes the confirmations before it. Raises Refused if there are none.
        """
        notes: list[str] = []
        receipt = self._moves.undo(
            None, items=None, report=lambda progress: notes.append(progress.note), stopped=never
        )
        note = next((f" {note}" for note in notes if note), "")
        self._said.value = f"{len(receipt.done)} put back.{note}"
        return receipt

    def _plan(self) -> Plan:
        standing = self._journal.standing()
        marked = [item for item, d in standing.items() if d.action == "delete" and item in self._digests]
        used = {entry.operation.item for entry in self._ledger.standing()}
        return Plan(tuple(self._operation(Path(item), used=used) for item in marked if Path(item).is_file()))

    def _operation(self, path: Path, *, used: set[str]) -> Operation:
        """Return what moves a file, as one of its own: another of its name may be in the trash."""
        name = path.relative_to(self.root).as_posix()
        names = chain([name], (f"{name}#{number}" for number in count(2)))
        item = next(free for free in names if free not in used)
        used.add(item)
        return Operation(
            item=item,
            kind="trash",
            source=name,
            target="",
            label=path.parent.name,
            new_label=None,
            digest=self._digests[str(path)],
            bytes=path.stat().st_size,
        )

    def _confirmed(self) -> None:
        try:
            done = self.confirm()
        except CleanerError as error:
            self._said.value = str(error)
            return
        failed = "".join(f" {refusal.reason}" for refusal in done.failed[:1])
        self._said.value = f"{len(done.done)} moved to {self.trash}.{failed}"

    def _tell(self) -> None:
        """Say on the button what it would do."""
        count = len(self._plan())
        files = "1 file" if count == 1 else f"{count} files"
        self._button.description = f"Move {files} to the trash" if count else "Nothing is marked"
        self._button.disabled = not count


def _root(paths: Sequence[Path]) -> Path:
    """Return the folder that all files have in common."""
    try:
        return Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError as error:
        raise InputError("The files lie on several disks; make one FileDeleter for each.") from error
