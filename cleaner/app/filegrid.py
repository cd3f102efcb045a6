"""The grid over image files whose paths are the ids, without a project; its verdicts as a table. No torch."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Engine

from cleaner.app.home import user
from cleaner.catalog.fullsize import full_size
from cleaner.catalog.thumbnails import SIDE, small
from cleaner.errors import CleanerError, Refused, UnreadableImage
from cleaner.review.database import open_database
from cleaner.review.grid import QueueGrid
from cleaner.review.journal import Journal
from cleaner.review.packing import Evidence
from cleaner.types import Action, Decision, How, Predictions, Queue

if TYPE_CHECKING:
    from cleaner.app.looking import Looking

KEPT = 4000  # small pictures in memory, some 20 KB each


class FileGrid(QueueGrid):
    """Show image files by their paths: a queue as it is, or scored images whose order follows the verdicts.

    `side` is how many pixels a side the pictures are sent with; without `class_problem` there are no new
    classes. Relative paths are of the folder that was the current one when it was made. Verdicts are in the
    journal's database; `decisions` has them as a table.
    """

    def __init__(
        self,
        shown: Queue | Looking,
        *,
        journal: Journal,
        class_problem: Callable[[str], str | None] | None = None,
        evidence: Callable[[str], Evidence | None] | None = None,
        page_size: int = 24,
        side: int = SIDE,
    ) -> None:
        self._folder = Path.cwd()
        looking = None if isinstance(shown, Queue) else shown
        super().__init__(
            shown if isinstance(shown, Queue) else shown.dealer.queue(),
            journal=journal,
            picture=lambda identity: _small(self._folder / identity, _stamp(self._folder / identity), side),
            full=lambda identity: full_size(self._folder / identity),
            evidence=looking.evidence if looking and looking.has_evidence else evidence,
            copies=looking.copies if looking else lambda _: (),
            suggestions=looking.suggestions if looking else lambda _: (),
            class_problem=class_problem,
            round=looking.number if looking else 1,
            page_size=page_size,
            deal=looking.dealer.deal if looking else None,
        )
        if looking:
            from cleaner.app.reviewing import tell_outlook

            tell_outlook(self, lambda: looking, upcoming=page_size)

    @property
    def queue(self) -> Queue:
        """The images in the order of looking, as far as it is fixed; pages not shown yet may change."""
        return self._pages.queue

    def decide(
        self, paths: Sequence[str | Path], action: Action, *, label: str | None = None
    ) -> tuple[Decision, ...]:
        """Give one verdict on some images, durably; pages in view show it when they are turned to.

        Raises Refused for an image that isn't in the grid, and for a label that is the one it has.
        """
        if isinstance(paths, str | Path):
            raise Refused(f"Give a list of paths, not {str(paths)!r} alone.")
        rows, folder = self._pages.rows, self._folder
        items = [str(path) if str(path) in rows else in_full(path, folder=folder) for path in paths]
        for item, path in zip(items, paths, strict=True):
            if item not in rows:
                raise Refused(f"{str(path)!r} is not in this grid; its images are in grid.queue.ids.")
            if label is not None and label == self._pages.label_of(item):
                raise Refused(f"{item!r} is labelled {label!r} already; keep it instead.")
        how: How = "bulk" if len(items) > 1 else "person"
        kept = self._journal.decide(
            [(item, action, label) for item in items], round=self._pages.round, how=how
        )
        standing = self._journal.standing()
        self._count(standing)
        self._name_new_classes(standing)
        self.set_trait("revision", self.revision + 1)
        return kept

    @property
    def decisions(self) -> Any:
        """Return the verdicts as a pandas DataFrame, a row for each image decided, in their order."""
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise CleanerError("A table of the decisions needs pandas; install it and try again.") from error
        columns = ["path", "label", "decision", "new_label", "by", "at"]
        return pd.DataFrame(self._rows_decided(), columns=columns)

    def _rows_decided(self) -> list[tuple[str | None, ...]]:
        queue, standing = self._pages.queue, self._journal.standing()
        kept = (
            (queue.vocab[code], standing.get(key)) for key, code in zip(queue.ids, queue.labels, strict=True)
        )
        return [(d.item, label, d.action, d.label, d.by, d.at) for label, d in kept if d is not None]


def in_full(path: str | Path, *, folder: Path | None = None) -> str:
    """Return the one text for a file, however its path is spelled: an id wherever one works from."""
    return os.path.normpath((folder or Path.cwd()) / path)


def database_in(file: str | Path) -> Engine:
    """Open the SQLite file that keeps verdicts, made on first use. Raises InputError."""
    return open_database(f"sqlite:///{Path(file).expanduser().resolve().as_posix()}")


def journal_in(file: str | Path, *, by: str | None) -> Journal:
    """Return the journal of the verdicts kept in a file, in the name of `by` or of the user."""
    return Journal(database_in(file), by=by or user())


def any_class(name: str) -> str | None:
    """Let a class have any name that is one."""
    return None if name.strip() else "a class needs a name"


def number_of(said: Predictions) -> int:
    """Return a number that tells what was said of images from anything else that was: pages carry it."""
    state = zlib.crc32("\0".join([*said.vocab, "", *said.ids]).encode("utf-8", "surrogateescape"))
    state = zlib.crc32(said.labels.tobytes(), state)
    return zlib.crc32(np.round(said.probs, 3).tobytes(), state) >> 1


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes when a file does. Raises UnreadableImage where there is none."""
    try:
        found = path.stat()
    except OSError as error:
        raise UnreadableImage(f"{path} can't be read ({error.strerror}).") from error
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=KEPT)
def _small(path: Path, _: tuple[int, int], side: int) -> bytes:
    return small(path, side=side)
