"""Compares rounds fairly: the same held-out images, labels as cleaned and as first given. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleaner.app.agenda import labels_by_id
from cleaner.types import Catalog, Predictions, Standing


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Shares of held-out images that a round got wrong, against two sets of labels."""

    round: int
    cleaned: float
    original: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rounds side by side on the same `images` held-out images, in the order of their numbers."""

    images: int
    rates: tuple[ErrorRates, ...]

    @property
    def worse(self) -> bool:
        """Say whether the last round makes more mistakes than the first."""
        return len(self.rates) > 1 and self.rates[-1].cleaned > self.rates[0].cleaned

    def sentence(self) -> str:
        """Say in one sentence whether the last round is better than the first."""
        if not self.images or len(self.rates) < 2:
            return "There is nothing to compare yet: train, clean, and train again."
        first, last = self.rates[0], self.rates[-1]
        change = last.cleaned - first.cleaned
        verdict = "fewer" if change < 0 else "more" if change > 0 else "as many"
        return (
            f"On the same {self.images} held-out images with their cleaned labels, round {last.round} makes "
            f"{verdict} mistakes {'as' if change == 0 else 'than'} round {first.round}: "
            f"{last.cleaned:.1%} against {first.cleaned:.1%}."
        )


def cleaned_labels(catalog: Catalog, standing: Standing) -> dict[str, str]:
    """Give the label of each image as the decisions leave it; images to be removed are left out."""
    labels = {}
    for identity, label in labels_by_id(catalog).items():
        decision = standing.get(identity)
        if decision is None or decision.action in ("keep", "unsure"):
            labels[identity] = label
        elif decision.action == "relabel" and decision.label is not None:
            labels[identity] = decision.label
    return labels


def first_labels(rounds: Mapping[int, Predictions]) -> dict[str, str]:
    """Give the label that each image had in the first round that saw it."""
    labels: dict[str, str] = {}
    for number in sorted(rounds):
        labels = labels_by_id(rounds[number]) | labels
    return labels


def compare(
    rounds: Mapping[int, Predictions], *, cleaned: Mapping[str, str], original: Mapping[str, str]
) -> Comparison:
    """Compare rounds on the images that all of them held out and that are still in the dataset.

    `cleaned` and `original` map ids to labels, see `cleaned_labels` and `first_labels`. An image whose label
    a round did not know counts as a mistake of that round.
    """
    if not rounds:
        return Comparison(images=0, rates=())
    shared = set.intersection(*({*p.ids[p.origins == "held-out"]} for p in rounds.values()))
    ids = sorted(shared & set(cleaned))
    rates = tuple(
        ErrorRates(
            number,
            cleaned=_error_rate(said, ids, cleaned),
            original=_error_rate(said, ids, original),
        )
        for number, said in ((number, _said(rounds[number])) for number in sorted(rounds))
    )
    return Comparison(images=len(ids), rates=rates)


def _said(predictions: Predictions) -> dict[str, str]:
    best: NDArray[np.intp] = predictions.probs.argmax(axis=1)
    return {key: predictions.vocab[code] for key, code in zip(predictions.ids, best, strict=True)}


def _error_rate(said: Mapping[str, str], ids: list[str], labels: Mapping[str, str]) -> float:
    return sum(said[key] != labels[key] for key in ids) / len(ids) if ids else float("nan")
