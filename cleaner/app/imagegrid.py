"""The grid by itself, over paths and labels of one's own: no project, no training, no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cleaner.app.home import user
from cleaner.catalog.fullsize import full_size
from cleaner.catalog.thumbnails import small
from cleaner.errors import CleanerError, InputError, UnreadableImage
from cleaner.review.database import open_database
from cleaner.review.grid import ReviewGrid
from cleaner.review.journal import Journal
from cleaner.types import Queue, strings

KEPT = 4000  # small pictures in memory, some 20 KB each


class ImageGrid(ReviewGrid):
    """Show images with their labels, those with the highest score first; as the last line of a notebook cell.

    `paths` are files, each once; their texts are the ids. `labels` and `suggested` are class names, one for
    each path, `suggested` None where there is nothing to suggest; `scores`: the higher, the sooner;
    `confidence` is the probability of the suggested class. Verdicts are kept in the SQLite file `keep_in`
    and found there again; `observe(…, "revision")` tells of each, `decisions` has them as a table.

    >>> ImageGrid(["a.jpg", "b.jpg"], ["cat", "dog"], [0.9, 0.1])        # doctest: +SKIP
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        labels: Sequence[str],
        scores: Sequence[float] | None = None,
        *,
        suggested: Sequence[str | None] | None = None,
        confidence: Sequence[float] | None = None,
        keep_in: str | Path = "cleaner-decisions.db",
        by: str | None = None,
        page_size: int = 24,
    ) -> None:
        queue = queue_of(paths, labels, scores, suggested=suggested, confidence=confidence)
        database = open_database(f"sqlite:///{Path(keep_in).expanduser().resolve().as_posix()}")
        super().__init__(
            queue,
            journal=Journal(database, by=by or user()),
            picture=lambda identity: _small(identity, _stamp(identity)),
            full=lambda identity: full_size(Path(identity)),
            class_problem=lambda name: None if name.strip() else "a class needs a name",
            page_size=page_size,
        )

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


def queue_of(
    paths: Sequence[str | Path],
    labels: Sequence[str],
    scores: Sequence[float] | None,
    *,
    suggested: Sequence[str | None] | None,
    confidence: Sequence[float] | None,
) -> Queue:
    """Put columns of one's own in the order of looking. Raises InputError where they don't fit together."""
    ids = [str(path) for path in paths]
    _check(ids, {"labels": labels, "scores": scores, "suggested": suggested, "confidence": confidence})
    other = [given if name is None else name for given, name in zip(labels, suggested or labels, strict=True)]
    vocab = tuple(sorted({*labels, *other}))
    code = {name: number for number, name in enumerate(vocab)}
    count = len(ids)
    queue = Queue(
        vocab=vocab,
        ids=strings(ids),
        scores=np.asarray(np.zeros(count) if scores is None else scores, dtype=np.float32),
        labels=np.array([code[name] for name in labels], dtype=np.int32),
        suggested=np.array([code[name] for name in other], dtype=np.int32),
        confidence=np.asarray(np.full(count, np.nan) if confidence is None else confidence, dtype=np.float32),
        given_probs=np.full(count, np.nan, dtype=np.float32),
        origins=strings([""] * count),
        late=np.zeros(count, dtype=bool),
    )
    return queue.take(np.argsort(-np.nan_to_num(queue.scores, nan=-np.inf), kind="stable"))


def _check(ids: list[str], columns: Mapping[str, Sequence[Any] | None]) -> None:
    for name, column in columns.items():
        if isinstance(column, str):
            raise InputError(f"{name}={column!r} is one text; pass a list with one for each path.")
        if column is not None and len(column) != len(ids):
            raise InputError(
                f"There are {len(ids):,} paths but {len(column):,} {name}; pass one for each path."
            )
    if wrong := [label for label in columns["labels"] or () if not isinstance(label, str)]:
        raise InputError(f"The label {wrong[0]!r} is no text; pass class names.")
    if twice := [path for path, number in Counter(ids).items() if number > 1]:
        raise InputError(f"{twice[0]} is there twice; pass each path once.")


def _stamp(path: str) -> tuple[int, int]:
    """Return what changes when a file does. Raises UnreadableImage where there is none."""
    try:
        found = Path(path).stat()
    except OSError as error:
        raise UnreadableImage(f"{path} can't be read ({error.strerror}).") from error
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=KEPT)
def _small(path: str, _: tuple[int, int]) -> bytes:
    return small(Path(path))
