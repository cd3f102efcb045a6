"""Compares rounds fairly: the same held-out images, labels as cleaned and as first given. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cleaner.app.agenda import labels_by_id
from cleaner.types import Catalog, Predictions, Standing

RESAMPLES, COVERED = 10_000, 0.95


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Shares of held-out images that a round got wrong, against two sets of labels."""

    round: int
    cleaned: float
    original: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much an error rate changed from the first round to the last: negative is better.

    `low` and `high` hold 95 % of what a paired bootstrap of the images gives (Efron and Tibshirani 1993).
    """

    change: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Say whether the change is more than chance: zero lies outside of the interval."""
        return self.low > 0 or self.high < 0

    def sentence(self) -> str:
        """Say in one sentence whether the change is more than chance, in percentage points."""
        if not self.change and not self.low and not self.high:
            return "The two answer alike."
        within = f"95 % interval from {_points(self.low)} to {_points(self.high)}"
        if self.certain:
            return f"That is more than chance: {_points(self.change)}, {within}."
        return f"That may be chance: {_points(self.change)}, {within}."


@dataclass(frozen=True, slots=True)
class Mind:
    """One held-out image of which the first round said `before` and the last one `after`."""

    id: str
    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Rounds side by side on the same `images` held-out images, in the order of their numbers.

    `cleaned` and `original` are the changes from the first round to the last against the two kinds of
    labels, None with fewer than two rounds. `minds` are the images of which those two say different things,
    new mistakes first. `before` and `after` [K, K] count the images by cleaned label (rows) and by what the
    first and the last round said (columns), both in the order of `vocab`.
    """

    images: int
    rates: tuple[ErrorRates, ...]
    cleaned: Difference | None = None
    original: Difference | None = None
    minds: tuple[Mind, ...] = ()
    vocab: tuple[str, ...] = ()
    before: NDArray[np.intp] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.intp))
    after: NDArray[np.intp] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.intp))

    @property
    def worse(self) -> bool:
        """Say whether the last round makes more mistakes than the first, beyond chance."""
        return self.cleaned is not None and self.cleaned.low > 0

    @property
    def better(self) -> bool:
        """Say whether the last round makes fewer mistakes than the first, beyond chance."""
        return self.cleaned is not None and self.cleaned.high < 0

    def sentence(self) -> str:
        """Say whether the last round is better than the first, and whether that is more than chance."""
        if self.rates and not self.images:
            return "No image is left that every round held out: train again to have some."
        if self.cleaned is None:
            return "There is nothing to compare yet: train, clean, and train again."
        first, last = self.rates[0], self.rates[-1]
        change = last.cleaned - first.cleaned
        verdict = "fewer" if change < 0 else "more" if change > 0 else "as many"
        return (
            f"On the same {self.images:,} held-out images with their cleaned labels, round {last.round} "
            f"makes {verdict} mistakes {'as' if change == 0 else 'than'} round {first.round}: "
            f"{last.cleaned:.1%} against {first.cleaned:.1%}. {self.cleaned.sentence()}"
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


def with_todays_names(said: Predictions, *, catalog: Catalog) -> Predictions:
    """Call the classes of a round as they are called now, where somebody has renamed their folders since.

    So it is with a class that is gone while all its images that are left have one name, new to the round.
    """
    now = labels_by_id(catalog)
    names = list(said.vocab)
    for code, name in enumerate(said.vocab):
        if name not in catalog.vocab:
            found = {now[key] for key in said.ids[said.labels == code] if key in now}
            if len(found) == 1 and not found & set(said.vocab):
                names[code] = found.pop()
    return replace(said, vocab=tuple(names))


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
    said = {number: _said(rounds[number]) for number in sorted(rounds)}
    rates = tuple(
        ErrorRates(number, cleaned=_error_rate(says, ids, cleaned), original=_error_rate(says, ids, original))
        for number, says in said.items()
    )
    if len(rates) < 2 or not ids:
        return Comparison(images=len(ids), rates=rates)
    first, last = (said[rates[place].round] for place in (0, -1))
    vocab = tuple(sorted({says[key] for says in (first, last, cleaned) for key in ids}))
    return Comparison(
        images=len(ids),
        rates=rates,
        cleaned=difference(_wrong(first, ids, cleaned), _wrong(last, ids, cleaned)),
        original=difference(_wrong(first, ids, original), _wrong(last, ids, original)),
        minds=_minds(first, last, ids, cleaned),
        vocab=vocab,
        before=_confusion(first, ids, cleaned, vocab=vocab),
        after=_confusion(last, ids, cleaned, vocab=vocab),
    )


def difference(before: NDArray[np.bool_], after: NDArray[np.bool_], *, seed: int = 0) -> Difference:
    """Compare two ways to answer the same N questions, each marked where it is wrong, [N].

    The images are resampled in pairs: what one answer has of luck with its images, the other has too. Of N
    differences of -1, 0 and 1 only the three counts matter, so these are drawn.
    """
    change = after.astype(np.int8) - before
    counts = np.array([(change == kind).sum() for kind in (-1, 0, 1)])
    drawn = np.random.default_rng(seed).multinomial(len(change), counts / len(change), size=RESAMPLES)
    means = (drawn[:, 2] - drawn[:, 0]) / len(change)
    low, high = np.quantile(means, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return Difference(float(change.mean()), float(low), float(high))


def _said(predictions: Predictions) -> dict[str, str]:
    best: NDArray[np.intp] = predictions.probs.argmax(axis=1)
    return {key: predictions.vocab[code] for key, code in zip(predictions.ids, best, strict=True)}


def _wrong(said: Mapping[str, str], ids: list[str], labels: Mapping[str, str]) -> NDArray[np.bool_]:
    return np.array([said[key] != labels[key] for key in ids], dtype=bool)


def _error_rate(said: Mapping[str, str], ids: list[str], labels: Mapping[str, str]) -> float:
    return float(_wrong(said, ids, labels).mean()) if ids else float("nan")


def _minds(
    first: Mapping[str, str], last: Mapping[str, str], ids: list[str], labels: Mapping[str, str]
) -> tuple[Mind, ...]:
    changed = [Mind(key, labels[key], first[key], last[key]) for key in ids if first[key] != last[key]]
    return tuple(sorted(changed, key=lambda m: (m.before != m.label, m.after != m.label, m.id)))


def _confusion(
    said: Mapping[str, str], ids: list[str], labels: Mapping[str, str], *, vocab: tuple[str, ...]
) -> NDArray[np.intp]:
    codes = {name: code for code, name in enumerate(vocab)}
    counts = np.zeros((len(vocab), len(vocab)), dtype=np.intp)
    np.add.at(counts, ([codes[labels[key]] for key in ids], [codes[said[key]] for key in ids]), 1)
    return counts


def _points(change: float) -> str:
    """Say a change of an error rate: «1.2 points fewer»."""
    if round(change, 3) == 0:
        return "no change"
    return f"{abs(change) * 100:.1f} points {'fewer' if change < 0 else 'more'}"
