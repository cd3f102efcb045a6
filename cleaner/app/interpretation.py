"""What a round's predictions say about it: which classes it confuses, and what surprised it most.

Pure: predictions in, tables and drawings out. Those who know fastai's ClassificationInterpretation find its
ideas here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleaner.app.drawing import Drawing, picture_grid
from cleaner.app.plots import confusion_plot, curves
from cleaner.errors import CleanerError, InputError
from cleaner.types import Epoch, Floats, Ints, Origin, Predictions, Strings, percent

ORIGINS: tuple[Origin, ...] = ("held-out", "out-of-fold", "in-sample")


class Confusion(NamedTuple):
    """How many images of one class were predicted as another."""

    given: str
    predicted: str
    times: int


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How one class fared: `images` carry its label, `mistakes` of them were predicted as another class.

    `predicted` is how many images of any label were predicted as this class; `error_rate` is mistakes over
    images, None without images.
    """

    label: str
    images: int
    predicted: int
    mistakes: int
    error_rate: float | None


@dataclass(frozen=True, slots=True)
class TopLoss:
    """One image that surprised the network: `loss` in nats, `probability` that of the predicted class."""

    id: str
    given: str
    predicted: str
    loss: float
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Interpretation:
    """The predictions of N images as a person asks about them; `predicted` [N] are positions in `vocab`."""

    vocab: tuple[str, ...]
    ids: Strings
    labels: Ints
    predicted: NDArray[np.intp]
    probabilities: Floats
    losses: Floats
    epochs: tuple[Epoch, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def confusion_matrix(self) -> NDArray[np.intp]:
        """Count images by given label (rows) and predicted class (columns), [K, K]."""
        from cleaner.model.advice import confusion

        return confusion(self.labels, self.predicted, classes=len(self.vocab))

    def most_confused(self, min_count: int = 1) -> list[Confusion]:
        """Return the pairs of different classes that were confused at least so often, most first."""
        mistakes = self.confusion_matrix
        np.fill_diagonal(mistakes, 0)
        rows, columns = np.nonzero(mistakes >= max(min_count, 1))
        order = np.argsort(-mistakes[rows, columns], kind="stable")
        return [
            Confusion(self.vocab[row], self.vocab[column], int(mistakes[row, column]))
            for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True)
        ]

    def per_class(self) -> list[ClassRow]:
        """Return one row per class, in the order of `vocab`; ready for `pandas.DataFrame`."""
        matrix = self.confusion_matrix
        images, right, predicted = matrix.sum(axis=1), matrix.diagonal(), matrix.sum(axis=0)
        wrong = images - right
        return [
            ClassRow(
                label,
                images=int(images[code]),
                predicted=int(predicted[code]),
                mistakes=int(wrong[code]),
                error_rate=float(wrong[code] / images[code]) if images[code] else None,
            )
            for code, label in enumerate(self.vocab)
        ]

    def top_losses(self, k: int = 9) -> list[TopLoss]:
        """Return the `k` images with the highest losses, highest first."""
        return [
            TopLoss(
                id=self.ids[row],
                given=self.vocab[self.labels[row]],
                predicted=self.vocab[self.predicted[row]],
                loss=float(self.losses[row]),
                probability=float(self.probabilities[row]),
            )
            for row in np.argsort(-self.losses, kind="stable")[: max(k, 0)].tolist()
        ]

    def plot_confusion_matrix(self) -> Drawing:
        """Draw the confusion matrix; of more than 20 classes, those with the most mistakes."""
        return Drawing(confusion_plot(self.confusion_matrix, self.vocab))

    def plot_top_losses(self, picture: Callable[[str], bytes], k: int = 9) -> Drawing:
        """Lay out the k most surprising images; `picture` gives the JPEG of an id: `Project.picture`."""
        return Drawing(picture_grid([(_jpeg(row.id, picture), _lines(row)) for row in self.top_losses(k)]))

    def plot_curves(self) -> Drawing:
        """Draw the losses and error rates of the epochs."""
        return Drawing(curves(self.epochs))


def interpret(
    predictions: Predictions, *, epochs: Sequence[Epoch] = (), origins: Sequence[Origin] = ("held-out",)
) -> Interpretation:
    """Interpret the predictions of the origins asked for: on held-out images they are honest.

    InputError if an origin is none, or none of the images has one of them.
    """
    if unknown := [origin for origin in origins if origin not in ORIGINS]:
        raise InputError(f"There is no origin {unknown[0]!r}; ask for some of {', '.join(ORIGINS)}.")
    rows = np.flatnonzero(np.isin(predictions.origins.astype(str), list(origins)))
    if not len(rows):
        there = ", ".join(sorted(set(predictions.origins))) or "none"
        raise InputError(f"No image was predicted {' or '.join(origins)}; there are these origins: {there}.")
    probs = predictions.probs[rows]
    return Interpretation(
        vocab=predictions.vocab,
        ids=predictions.ids[rows],
        labels=predictions.labels[rows],
        predicted=probs.argmax(axis=1),
        probabilities=probs.max(axis=1),
        losses=predictions.losses[rows],
        epochs=tuple(epochs),
    )


def _jpeg(identity: str, picture: Callable[[str], bytes]) -> bytes | None:
    try:
        return picture(identity)
    except CleanerError:  # an empty frame says that it can't be seen
        return None


def _lines(row: TopLoss) -> tuple[str, ...]:
    return (
        f"given {row.given}",
        f"predicted {row.predicted}",
        f"{percent(row.probability)} sure, loss {row.loss:.2f}",
    )
