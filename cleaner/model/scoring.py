"""What networks say of all images of a catalog, put together. Nothing is learned or augmented here."""

from __future__ import annotations

import numpy as np

from cleaner.errors import TrainingError
from cleaner.model.checks import Rows
from cleaner.model.learner import Material
from cleaner.model.network import Network
from cleaner.model.predict import log_probs
from cleaner.model.progress import Meter
from cleaner.types import Catalog, Floats, Predictions, Strings, strings


def score(network: Network, *, material: Material, rows: Rows, meter: Meter, name: str = "") -> Floats:
    """Ask a network about some images, never augmented; return logarithms of probabilities, [M, K], in nats.

    TrainingError if it predicts no numbers.
    """
    note = " · ".join(part for part in (name, f"{len(rows)} images") if part)

    def each(count: int) -> None:
        meter.step(count, "scoring", note=lambda: note)

    said = log_probs(network, material.images, rows=rows, each=each)
    if not np.isfinite(said).all():
        raise TrainingError("The network predicts no numbers any more; give a lower learning rate.")
    return said


def predictions_of(
    catalog: Catalog, *, said: Floats, origins: Strings, margins: Floats | None
) -> Predictions:
    """Put what was said of every image, [N, K] in nats, beside the labels as given."""
    return Predictions(
        ids=catalog.ids,
        vocab=catalog.vocab,
        labels=catalog.labels,
        probs=np.exp(said),
        losses=-said[np.arange(len(catalog)), catalog.labels],
        origins=origins,
        margins=margins,
    )


def origins_of(catalog: Catalog, *, out_of_fold: Rows) -> Strings:
    """Say of every image, [N], whether what scores it has learned from it."""
    origins = strings(["held-out" if held else "in-sample" for held in catalog.held_out()])
    origins[out_of_fold] = "out-of-fold"
    return origins
