"""fastai 2's cleaners: the same calls and the same loops, on the grid. They move and delete no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cleaner.app.anymodel import looking_at
from cleaner.app.contents import same, tied
from cleaner.app.engine import quiet_import
from cleaner.app.filegrid import FileGrid, journal_in
from cleaner.app.home import home_of
from cleaner.app.reviewgrid import queue_of
from cleaner.catalog.pictures import open_picture
from cleaner.errors import UnreadableImage
from cleaner.types import Action, Decision, Queue

KEPT_IN = "learner.db"  # in the folder `.cleaner` of the Learner's path
NO_LABEL = "no label"


class _FastaiGrid(FileGrid):
    """The grid with what fastai's cleaners answer to; `fns` never change, `_digests` are theirs."""

    fns: list[Path]
    _digests: list[str]

    def delete(self) -> list[int]:
        """Return the positions in `fns` of the images to delete, as far as they are still there."""
        return [row for row, _ in self._waiting("delete")]

    def change(self) -> list[tuple[int, str]]:
        """Return positions in `fns` and new classes of the images to move, as far as they are still there."""
        return [(row, decision.label) for row, decision in self._waiting("relabel") if decision.label]

    def values(self) -> list[str]:
        """Return for each of `fns` its new class, `<Delete>` or `<Keep>`."""
        said = dict.fromkeys(self.delete(), "<Delete>") | dict(self.change())
        return [said.get(row, "<Keep>") for row in range(len(self.fns))]

    def _waiting(self, action: Action) -> list[tuple[int, Decision]]:
        """Return the verdicts of one kind that nobody has carried out yet, with their positions."""
        standing = self._journal.standing()
        found = ((row, standing.get(str(path))) for row, path in enumerate(self.fns))
        return [
            (row, decision)
            for row, decision in found
            if decision is not None
            and decision.action == action
            and self._pages.label_of(decision.item) != decision.label
            and same(self._folder / self.fns[row], self._digests[row])
        ]


class ImageClassifierCleaner(_FastaiGrid):
    """Show the images of a fastai Learner, those whose label it doubts most first: last line of a cell.

    Training and validation images are in one list, scored without augmentation; the Learner is left as it
    was found. `opts` are further classes to offer, `max_n` the images on a page: all others are on the next
    ones. Pictures are sent with at most `height` or `width` pixels, whichever is more. `fns` are the files,
    in the order of the Learner's data; nothing is moved before you do it, in fastai's way:

    >>> cleaner = ImageClassifierCleaner(learn)                              # doctest: +SKIP
    >>> for idx in cleaner.delete(): cleaner.fns[idx].unlink()               # doctest: +SKIP
    >>> for idx, cat in cleaner.change(): shutil.move(str(cleaner.fns[idx]), path/cat)   # doctest: +SKIP

    Both may be run again: what is done already drops out. Verdicts are kept in `.cleaner/learner.db` of the
    Learner's path, or in the SQLite file `keep_in`, and found there again. Raises InputError for a Learner
    that does not give each image file one class.
    """

    def __init__(
        self,
        learn: Any,
        opts: Sequence[object] = (),
        height: int = 128,
        width: int = 256,
        max_n: int = 30,
        *,
        keep_in: str | Path | None = None,
        by: str | None = None,
    ) -> None:
        with quiet_import():
            from cleaner.model.borrowed import ask

        asked = ask(learn, readable=readable)
        kept = home_of(Path(learn.path).resolve()) / KEPT_IN if keep_in is None else keep_in
        journal = journal_in(kept, by=by)
        digests = tied(asked.paths, journal=journal)
        added = tuple(name for name in dict.fromkeys(map(str, opts)) if name not in asked.predictions.vocab)
        looking = looking_at(
            asked.predictions,
            journal=journal,
            embeddings=asked.features,
            digests=digests,
            listed=lambda ranked, _: replace(ranked, vocab=ranked.vocab + added),
        )
        super().__init__(looking, journal=journal, page_size=max_n, side=max(height, width))
        self.fns, self._digests = list(asked.paths), list(digests)


class ImagesCleaner(_FastaiGrid):
    """Show some image files, to delete them or give them one of the classes `opts`: see `set_fns`.

    As fastai's, of which `ImageClassifierCleaner` is the one that ranks; `max_n` are the images on a page.
    """

    def __init__(
        self,
        opts: Sequence[object] = (),
        height: int = 128,
        width: int = 256,
        max_n: int = 30,
        *,
        keep_in: str | Path = "cleaner-decisions.db",
        by: str | None = None,
    ) -> None:
        self._opts = tuple(dict.fromkeys(map(str, opts)))
        journal = journal_in(keep_in, by=by)
        super().__init__(self._queue([]), journal=journal, page_size=max_n, side=max(height, width))
        self.fns, self._digests = [], []

    def set_fns(self, fns: Sequence[str | Path]) -> None:
        """Show these files, in this order, each once if it is there; `fns` has the place of all."""
        self.fns = [*map(Path, fns)]
        shown = [path for path in dict.fromkeys(self.fns) if path.is_file()]
        digests = dict(zip(shown, tied(shown, journal=self._journal), strict=True))
        self._digests = [digests.pop(path, "") for path in self.fns]  # a verdict has the first of its places
        self.show(self._queue(shown), round=1)

    def _queue(self, paths: Sequence[Path]) -> Queue:
        labels = [NO_LABEL] * len(paths)
        return queue_of(paths, labels, None, suggested=None, confidence=None, classes=self._opts)


def readable(path: Path) -> bool:
    """Say whether a file can be decoded."""
    try:
        open_picture(path, side=64)
    except UnreadableImage:
        return False
    return True
