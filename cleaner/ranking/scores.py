"""Every score by name, on bare arrays: bring the output of any model. One direction: 1 = look first.

Labels [N] are 0..K-1; probabilities [N, K] should be out of fold. What has no bound, x, becomes
(1 + x / (1 + |x|)) / 2: the order stays, and nothing falls together at the head of the list, where
probabilities do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from cleaner.errors import InputError
from cleaner.ranking.beliefs import believer, logarithms, odds
from cleaner.ranking.doubt import NETWORK, area_under_margin, standardised
from cleaner.ranking.feedback import WEIGHT, contradictions
from cleaner.ranking.neighbours import nearest
from cleaner.ranking.ridge import leave_one_out as fitted_without
from cleaner.ranking.rows import Doubles, Rows
from cleaner.ranking.scaling import Standardised
from cleaner.types import Floats, Pixels


def loss(labels: ArrayLike, *, probs: ArrayLike) -> Doubles:
    """Score by the cross-entropy -log p of the given label in nats, mapped to 0..1.

    Honest on held-out images; what a network has learned from it comes to believe.
    """
    return _unit(-np.log(_given(labels, probs)))


def self_confidence(labels: ArrayLike, *, probs: ArrayLike) -> Doubles:
    """Score by 1 - p of the given label: the same order as by loss.

    Source: Northcutt, Jiang & Chuang, «Confident Learning», JAIR 2021.
    """
    return 1 - _given(labels, probs)


def margin(labels: ArrayLike, *, probs: ArrayLike) -> Doubles:
    """Score by log q - log p, of the likeliest other class and the given one, mapped to 0..1.

    The difference of the probabilities themselves, which others call (normalized) margin, is the same for all
    that a model is sure of.
    """
    given, said = checked_probs(labels, probs)
    return _unit(odds(logarithms(said), given, sharpness=np.inf)[0].astype(np.float64))


def aum(labels: ArrayLike, *, margins: ArrayLike) -> Doubles:
    """Score by the area under the margin: minus the mean margin [N, E] over the epochs of training.

    0.5 for images that were never learned from (all NaN). See `area_under_margin`.
    """
    watched = np.asarray(margins, dtype=np.float32)
    if watched.ndim != 2 or len(watched) != len(np.asarray(labels)):
        raise InputError(f"Margins must be [N, epochs] for N labels, but these are {list(watched.shape)}.")
    return np.nan_to_num(_unit(area_under_margin(watched)), nan=0.5)


def unsure(labels: ArrayLike, *, probs: ArrayLike) -> Doubles:
    """Score by the entropy of the probabilities over log K, whatever the label.

    Finds hard images rather than wrong labels; of one class nothing is unsure. Source: Shannon 1948.
    """
    _, said = checked_probs(labels, probs)
    if said.shape[1] < 2:
        return np.zeros(len(said))
    logs = logarithms(said / said.sum(axis=1, keepdims=True)).T.astype(np.float64)
    return np.asarray(np.clip(-(np.exp(logs) * logs).sum(axis=1) / np.log(said.shape[1]), 0, 1))


def neighbours(labels: ArrayLike, *, embeddings: Pixels, k: int = 50) -> Doubles:
    """Score by the share of the k nearest others, by cosine, that do not carry the given label.

    0.5 for images without neighbours. Source: k-nearest-neighbour editing, Wilson 1972.
    """
    given, _ = _labels(labels)
    near = nearest(embeddings, k=min(k, max(1, len(given) - 1)))
    there = near.rows >= 0
    agree = (given[near.rows] == given[:, None]) & there
    asked = there.sum(axis=1)
    return np.where(asked > 0, 1 - agree.sum(axis=1) / np.maximum(asked, 1), 0.5)


def leave_one_out(labels: ArrayLike, *, embeddings: Pixels) -> Doubles:
    """Score by the log-odds against the label of a linear head fitted without the image, mapped to 0..1.

    Exact, closed form, on embeddings [N, D] of any frozen encoder, standardised: see `ridge.leave_one_out`.
    """
    given, classes = _labels(labels)
    head = fitted_without(Standardised(embeddings), given, classes=classes)
    return _unit(odds(np.ascontiguousarray(head.log_probs.T), given)[0].astype(np.float64))


def default(
    labels: ArrayLike,
    *,
    probs: ArrayLike | None = None,
    embeddings: Pixels | None = None,
    margins: ArrayLike | None = None,
) -> Doubles:
    """Score by everything there is: what the program itself ranks by, before any verdict.

    Log-odds by the probabilities, by a head and neighbours on the embeddings, and the area under the margin,
    each standardised, are added; and, by `feedback.contradictions`, how far such labels are to blame.
    """
    given, classes = _labels(labels)
    parts: list[Doubles] = []
    beliefs: Floats | None = None
    if margins is not None:
        parts.append(aum(given, margins=margins))
    if probs is not None:
        given, said = checked_probs(labels, probs)
        beliefs = logarithms(said)
        parts.append(odds(beliefs, given, sharpness=NETWORK)[0].astype(np.float64))
    if embeddings is not None:
        beliefs = believer(Standardised(embeddings), given, classes=classes).beliefs()
        parts.append(odds(beliefs, given)[0].astype(np.float64))
    if not parts:
        raise InputError("There is nothing to rank by; pass probs, embeddings or margins.")
    total = np.sum([standardised(part) for part in parts], axis=0)
    if beliefs is not None:
        guess = contradictions(beliefs, given, weights=np.ones(len(given)))
        total = standardised(total) + WEIGHT * guess[given, odds(beliefs, given)[1]]
    return _unit(total)


@dataclass(frozen=True, slots=True)
class Score:
    """A way to score labels [N], and which arrays it needs beside them; with none, it takes what there is."""

    function: Callable[..., Doubles]
    needs: tuple[str, ...]


SCORES: Mapping[str, Score] = MappingProxyType(
    {
        "default": Score(default, ()),
        "loss": Score(loss, ("probs",)),
        "self_confidence": Score(self_confidence, ("probs",)),
        "margin": Score(margin, ("probs",)),
        "unsure": Score(unsure, ("probs",)),
        "aum": Score(aum, ("margins",)),
        "neighbours": Score(neighbours, ("embeddings",)),
        "leave_one_out": Score(leave_one_out, ("embeddings",)),
    }
)


def score(
    labels: ArrayLike,
    probs: ArrayLike | None = None,
    *,
    embeddings: Pixels | None = None,
    margins: ArrayLike | None = None,
    classes: Iterable[str] | None = None,
    by: str = "default",
) -> Doubles:
    """Return a score in 0..1 for each of the labels [N], 1 = look first, by a name in SCORES.

    `probs` [N, K] are probabilities by a model that has not learned from the image, `embeddings` [N, D] by
    any frozen encoder, `margins` [N, E] logits of the given label minus the highest other one in each epoch
    of a training. Labels are whole numbers from 0 on, or texts that `classes` names in the order of the
    columns. Raises InputError for a name that isn't there, and where what it needs is missing.
    """
    if by not in SCORES:
        raise InputError(f"There is no score {by!r}; there are: {', '.join(SCORES)}.")
    passed = {"probs": probs, "embeddings": embeddings, "margins": margins}
    if missing := [name for name in SCORES[by].needs if passed[name] is None]:
        raise InputError(f"The score {by!r} needs {missing[0]}; pass {missing[0]}=….")
    coded = labels if classes is None else _coded(labels, classes)
    return SCORES[by].function(coded, **{name: passed[name] for name in SCORES[by].needs or passed})


def rank(
    labels: ArrayLike,
    probs: ArrayLike | None = None,
    *,
    embeddings: Pixels | None = None,
    margins: ArrayLike | None = None,
    classes: Iterable[str] | None = None,
    by: str = "default",
) -> Rows:
    """Return the rows [N] in the order in which to look at them, by `score`; ties in the order of the rows.

    >>> import numpy as np
    >>> rank([0, 0, 1], np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]), by="margin").tolist()
    [1, 2, 0]
    """
    scores = score(labels, probs, embeddings=embeddings, margins=margins, classes=classes, by=by)
    return np.argsort(-scores, kind="stable")


def _coded(labels: ArrayLike, classes: Iterable[str]) -> ArrayLike:
    """Return texts as their places among the classes; whole numbers are those already."""
    given, code = np.asarray(labels), {name: place for place, name in enumerate(classes)}
    if given.ndim != 1 or given.dtype.kind not in "OUT":
        return given
    if unknown := [(row, label) for row, label in enumerate(given.tolist()) if label not in code]:
        row, label = unknown[0]
        raise InputError(
            f"Row {row} has the label {label!r}, which is none of the {len(code)} classes; name all of them."
        )
    return np.array([code[label] for label in given.tolist()], dtype=np.intp)


def _labels(labels: ArrayLike) -> tuple[Rows, int]:
    given = np.asarray(labels)
    if given.dtype.kind in "OUT":
        raise InputError(
            "Labels must be whole numbers from 0 on; with texts, pass classes=…, in the order of the columns."
        )
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise InputError(
            f"Labels must be whole numbers from 0 on, [N], not {given.dtype} {list(given.shape)}."
        )
    if (given < 0).any():
        row = int((given < 0).argmax())
        raise InputError(
            f"Row {row} has the label {given[row]}; labels must be whole numbers from 0 on. Leave it out."
        )
    return given.astype(np.intp), int(given.max(initial=0)) + 1


def checked_probs(labels: ArrayLike, probs: ArrayLike) -> tuple[Rows, Floats]:
    """Return labels [N] and probabilities [N, K] that fit each other."""
    given, classes = _labels(labels)
    said = np.asarray(probs, dtype=np.float64)
    if said.ndim != 2 or len(said) != len(given) or said.shape[1] < classes:
        raise InputError(
            f"Probabilities for {len(given)} labels up to {classes - 1} must be [{len(given)}, {classes}] "
            f"or wider, but these are {list(said.shape)}."
        )
    bad = ~(np.isfinite(said).all(axis=1) & (said >= 0).all(axis=1) & (abs(said.sum(axis=1) - 1) < 0.01))
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"Row {row} holds no probabilities that sum to 1 ({int(bad.sum())} such): {said[row]}."
        )
    return given, said.astype(np.float32)


def _given(labels: ArrayLike, probs: ArrayLike) -> Doubles:
    given, said = checked_probs(labels, probs)
    chosen = said[np.arange(len(given)), given].astype(np.float64)
    return np.maximum(chosen, float(np.finfo(np.float32).tiny))


def _unit(values: Doubles) -> Doubles:
    return np.asarray((1 + values / (1 + np.abs(values))) / 2)
