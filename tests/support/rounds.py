"""A finished round without a training: predictions made up so that a planted error is doubted most."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cleaner import Project
from cleaner.app.rounds import save_round
from cleaner.types import Predictions, Round, TrainConfig, strings


def round_without_training(root: Path, *, seed: int = 0, sure: float = 0.9) -> Project:
    """Open the project of `root` and give it a round that believes what the name of each file's folder says.

    An image named «planted» is believed to be of the first class.
    """
    project = Project.open(root, by="ann")
    catalog = project.catalog
    n, k = len(catalog), len(catalog.vocab)
    random = np.random.default_rng(seed)
    believed = np.where(["planted" in name for name in catalog.ids], 0, catalog.labels)
    probs = random.uniform(0, (1 - sure) / k, (n, k))
    probs[np.arange(n), believed] = sure
    probs = (probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    losses = -np.log(probs[np.arange(n), catalog.labels])
    origins = strings(["held-out"] * n)
    said = Predictions(catalog.ids, catalog.vocab, catalog.labels, probs, losses, origins)
    wrong = float((probs.argmax(axis=1) != catalog.labels).mean())
    done = Round(
        1, TrainConfig(size=32), catalog.vocab, (), catalog.digest(), n, wrong, "CPU", (), 1.0, "2026-01-02"
    )
    save_round(done, said, folder=project.home / "rounds")
    return project
