"""Choose what will be trained: the network, and every setting that was left open. It trains nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path

import numpy as np

from cleaner.errors import InputError
from cleaner.model.checks import check_settings
from cleaner.model.network import IMAGENET, SMALL, Network, Stats, check_arch, fine_tunable, small_network
from cleaner.model.weights import pretrained, read_weights
from cleaner.progress import Report, Stop
from cleaner.types import Catalog, TrainConfig


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A config without anything left open, the network that belongs to it, and what a person should know."""

    config: TrainConfig
    network: Network
    epochs: int
    lr: float
    notes: tuple[str, ...] = ()

    @property
    def from_scratch(self) -> bool:
        """Say whether the network has learned nothing yet."""
        return self.config.weights == "scratch"


def choose(catalog: Catalog, *, config: TrainConfig, report: Report, stopped: Stop) -> Choice:
    """Fill in what the config leaves open and build the network, without a network connection if need be.

    InputError if the settings, the architecture or the weights can't be used.
    """
    check_settings(config)
    if config.weights == "scratch":
        return _scratch(catalog, config)
    check_arch(config.arch)
    if config.weights != "pretrained":
        return _fine_tuned(catalog, config, Path(config.weights))
    try:
        file, stats = pretrained(config.arch, report=report, stopped=stopped)
    except (OSError, HTTPException) as error:
        return _fallback(catalog, config, error)
    return _fine_tuned(catalog, config, file, stats=stats)


def own_scale(catalog: Catalog) -> int:
    """Return the side at which to train from scratch: the usual shorter side, a multiple of 8, 32 to 128."""
    usual = float(np.median(np.minimum(catalog.widths, catalog.heights)))
    return int(np.clip(round(usual / 8) * 8, 32, 128))


def own_epochs(catalog: Catalog, batch_size: int) -> int:
    """Return how long to train from scratch: 10 passes, more for very few images.

    Fewer than 30 steps learn nothing; from 12 passes on, wrong labels are memorised and hide.
    """
    train = int((~catalog.held_out()).sum())
    return max(10, math.ceil(30 / math.ceil(train / batch_size)))


def _scratch(catalog: Catalog, config: TrainConfig, *notes: str) -> Choice:
    size = config.size or own_scale(catalog)
    epochs, lr = config.epochs or own_epochs(catalog, config.batch_size), config.lr or 8e-3
    chosen = replace(config, arch=SMALL, weights="scratch", epochs=epochs, lr=lr, size=size)
    return Choice(chosen, small_network(catalog.vocab, size=size), epochs, lr, notes)


def _fallback(catalog: Catalog, config: TrainConfig, error: Exception) -> Choice:
    size = config.size or own_scale(catalog)
    cause = getattr(error, "reason", None) or error
    reason = getattr(cause, "strerror", None) or cause
    note = (
        f"The pretrained weights of {config.arch} could not be downloaded (no network? {reason}), so a small "
        f"network is trained from scratch at {size} px; name a file of your own as weights to use that."
    )
    return _scratch(catalog, config, note)


def _fine_tuned(catalog: Catalog, config: TrainConfig, file: Path, *, stats: Stats = IMAGENET) -> Choice:
    size = config.size or 224
    weights = read_weights(file, arch=config.arch)
    try:
        network = fine_tunable(config.arch, vocab=catalog.vocab, size=size, stats=stats, weights=weights)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    epochs, lr = config.epochs or 4, config.lr or 3e-3
    return Choice(replace(config, epochs=epochs, lr=lr, size=size), network, epochs, lr)
