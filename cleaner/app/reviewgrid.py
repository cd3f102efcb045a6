"""The grid by itself, over paths and labels of one's own: no project, no training, no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from cleaner.app.contents import Ties
from cleaner.app.filegrid import FileGrid, any_class, journal_in
from cleaner.errors import InputError
from cleaner.types import Floats, Pixels, Queue, strings

if TYPE_CHECKING:
    from cleaner.app.looking import Looking


class ReviewGrid(FileGrid):
    """Show images with their labels, those to look at first first; as the last line of a notebook cell.

    `paths` are N files, each once; their texts are the ids. `labels` are class names, one for each path, or
    whole numbers that count through `classes`.
    What comes first say either `scores`, the higher, the sooner, with `suggested` class names (None where
    there is nothing to suggest) and `confidence`, the probability of the suggested class; or the output of
    any model: `probs` [N, K], best from one that has not learned from the image, in columns as in `classes`,
    by default the names of the labels, sorted, as scikit-learn has them; `embeddings` [N, D] by any frozen
    encoder; or both. With embeddings the order follows the verdicts, and there are evidence and near-copies.
    With neither the images stay in the order given.

    Verdicts are kept in the SQLite file `keep_in` and found there again; `observe(…, "revision")` tells of
    each, `decisions` has them as a table. A verdict on a picture is none on another that takes its name, once
    the grid is made again. Raises InputError where the columns do not fit together, and where none of the
    files is there.

    >>> ReviewGrid(["a.jpg", "b.jpg"], ["cat", "dog"], [0.9, 0.1])        # doctest: +SKIP
    >>> ReviewGrid(paths, labels, probs=model.predict_proba(pixels))      # doctest: +SKIP
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        labels: Sequence[str] | Sequence[int],
        scores: Sequence[float] | None = None,
        *,
        probs: ArrayLike | None = None,
        embeddings: Pixels | None = None,
        classes: Iterable[str] | None = None,
        suggested: Sequence[str | None] | None = None,
        confidence: Sequence[float] | None = None,
        keep_in: str | Path = "cleaner-decisions.db",
        by: str | None = None,
        page_size: int = 24,
    ) -> None:
        journal = journal_in(keep_in, by=by)
        ids = [str(path) for path in paths]
        vocab = None if classes is None else tuple(map(str, classes))
        names = _named(labels, vocab)
        ties = Ties(ids, journal=journal)
        shown: Queue | Looking
        if probs is None and embeddings is None:
            shown = queue_of(
                ids, names, scores, suggested=suggested, confidence=confidence, classes=vocab or ()
            )
        else:
            from cleaner.app.anymodel import looking_over  # loads scipy

            if scores is not None or suggested is not None:
                raise InputError("The order comes either from scores or from probs and embeddings; pass one.")
            check_columns(ids, {"labels": names})
            shown = looking_over(
                ids, names, probs=probs, embeddings=embeddings, classes=vocab, journal=journal
            )
        _require_a_file(ids)
        super().__init__(shown, journal=journal, class_problem=any_class, page_size=page_size)
        self.observe(lambda _: ties.follow(), "revision")


def queue_of(
    paths: Sequence[str | Path],
    labels: Sequence[str],
    scores: Sequence[float] | None,
    *,
    suggested: Sequence[str | None] | None,
    confidence: Sequence[float] | None,
    classes: Sequence[str] = (),
) -> Queue:
    """Put columns of one's own in the order of looking. Raises InputError where they don't fit together.

    `classes` are offered first and in this order, then the others among the labels and suggestions.
    """
    ids = [str(path) for path in paths]
    check_columns(ids, {"labels": labels, "scores": scores, "suggested": suggested, "confidence": confidence})
    other = [
        given if name is None else name
        for given, name in zip(labels, labels if suggested is None else suggested, strict=True)
    ]
    vocab = tuple(dict.fromkeys([*classes, *sorted({*labels, *other})]))
    code = {name: number for number, name in enumerate(vocab)}
    count = len(ids)
    order = np.zeros(count, dtype=np.float32) if scores is None else _numbers("scores", scores)
    if scores is not None and count and np.isnan(order).all():
        raise InputError("None of the scores is a number; leave them out to keep the order given.")
    queue = Queue(
        vocab=vocab,
        ids=strings(ids),
        scores=order,
        labels=np.array([code[name] for name in labels], dtype=np.int32),
        suggested=np.array([code[name] for name in other], dtype=np.int32),
        confidence=_numbers("confidence", [np.nan] * count if confidence is None else confidence),
        given_probs=np.full(count, np.nan, dtype=np.float32),
        origins=strings([""] * count),
        late=np.zeros(count, dtype=bool),
    )
    return queue.take(np.argsort(-np.nan_to_num(queue.scores, nan=-np.inf), kind="stable"))


def check_columns(ids: list[str], columns: Mapping[str, Sequence[Any] | None]) -> None:
    """Raise InputError unless each path is there once and every column has one value for each."""
    for name, column in columns.items():
        if isinstance(column, str):
            raise InputError(f"{name}={column!r} is one text; pass a list with one for each path.")
        if column is not None and len(column) != len(ids):
            raise InputError(
                f"There are {len(ids):,} paths but {len(column):,} {name}; pass one for each path."
            )
    labels = columns["labels"]
    if wrong := [label for label in (() if labels is None else labels) if not isinstance(label, str)]:
        raise InputError(
            f"The label {wrong[0]!r} is no text; pass class names, or whole numbers and classes=…."
        )
    if twice := [path for path, number in Counter(ids).items() if number > 1]:
        raise InputError(f"{twice[0]} is there twice; pass each path once.")


def _named(labels: Any, classes: tuple[str, ...] | None) -> Any:
    """Return labels of which whole numbers are replaced by the classes that they count through."""
    if isinstance(labels, str) or classes is None:
        return labels
    numbers = [label for label in labels if isinstance(label, int | np.integer)]
    if wrong := [number for number in numbers if not 0 <= number < len(classes)]:
        raise InputError(
            f"The label {wrong[0]} is none of the {len(classes)} classes, which are counted from 0."
        )
    return [classes[label] if isinstance(label, int | np.integer) else label for label in labels]


def _numbers(name: str, column: ArrayLike) -> Floats:
    """Return a column of numbers [N]. Raises InputError for texts, and for rows of several numbers."""
    try:
        numbers = np.asarray(column, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"The {name} are not all numbers ({error}).") from error
    if numbers.ndim > 1:
        raise InputError(
            f"The {name} are {list(numbers.shape)}, several numbers for each path; pass them as probs=… if "
            "they are probabilities, as embeddings=… if they are features."
        )
    return numbers


def _require_a_file(paths: Sequence[str]) -> None:
    """Raise InputError where none of the files is there: then it is the folder that is another."""
    if paths and not any(Path(path).is_file() for path in paths):
        raise InputError(
            f"None of the {len(paths):,} files is there, {next(iter(paths))} for one; relative paths count "
            f"from {Path.cwd()}."
        )
