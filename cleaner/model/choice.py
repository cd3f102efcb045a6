"""Choose what will be used: the body or network, and every setting that was left open. It trains nothing."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from cleaner.errors import InputError, NoWeights
from cleaner.model.bodies import Body, Stats, body_of, check_arch, usual_stats
from cleaner.model.checks import check_settings
from cleaner.model.network import SMALL, Network, fine_tunable, small_network
from cleaner.model.weights import DOWNLOAD_FAILED, pretrained, read_weights
from cleaner.progress import Report, Stop
from cleaner.types import Catalog, TrainConfig

FORMAT = 3  # of embeddings: to be raised whenever the same body comes to embed the same image otherwise


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


@dataclass(frozen=True, slots=True, eq=False)
class Backbone:
    """A pretrained body, and the config with its size filled in.

    `key` is a name for a file that only bodies which embed alike have in common.
    """

    body: Body
    key: str
    config: TrainConfig


def choose(catalog: Catalog, *, config: TrainConfig, report: Report, stopped: Stop) -> Choice:
    """Fill in what the config leaves open and build the network, without a network connection if need be.

    InputError if the settings, the architecture or the weights can't be used.
    """
    check_settings(config)
    if config.weights == "scratch":
        return _scratch(catalog, config, *_not_used(config))
    try:
        file, stats = _weights(config, report=report, stopped=stopped)
    except DOWNLOAD_FAILED as error:
        return _fallback(catalog, config, error)
    epochs, lr = config.epochs or 4, config.lr or 3e-3
    body = _body(config, file, stats)
    chosen = replace(config, epochs=epochs, lr=lr, size=body.size)
    return Choice(chosen, fine_tunable(body, vocab=catalog.vocab), epochs, lr)


def backbone(config: TrainConfig, *, report: Report, stopped: Stop) -> Backbone:
    """Choose the pretrained body on whose features a quick head is fitted; leaves torch's random state alone.

    NoWeights if there are none to be had; InputError if the settings, the architecture or they can't be used.
    """
    check_settings(config)
    try:
        file, stats = _weights(config, report=report, stopped=stopped)
    except DOWNLOAD_FAILED as error:
        raise NoWeights(
            f"{_not_downloaded(config, error)}, and quick mode needs some; name a file of your own as "
            'weights, or use mode "full", which can train a small network from scratch.'
        ) from error
    with torch.random.fork_rng(devices=[]):
        body = _body(config, file, stats)
    return Backbone(body, _key(body, file), replace(config, size=body.size))


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


def _not_used(config: TrainConfig) -> tuple[str, ...]:
    """Say that an architecture which was asked for is not used. Raises InputError for one that is unknown."""
    if config.arch in (SMALL, TrainConfig().arch):
        return ()
    check_arch(config.arch)
    return (
        f"{config.arch} is only used with pretrained weights or a file of them; from scratch a small network "
        "is trained instead.",
    )


def _fallback(catalog: Catalog, config: TrainConfig, error: Exception) -> Choice:
    size = config.size or own_scale(catalog)
    note = (
        f"{_not_downloaded(config, error)}, so a small network is trained from scratch at {size} px; "
        "name a file of your own as weights to use that."
    )
    return _scratch(catalog, config, note)


def _not_downloaded(config: TrainConfig, error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    reason = getattr(cause, "strerror", None) or cause
    return f"The pretrained weights of {config.arch} could not be downloaded (no network? {reason})"


def _weights(config: TrainConfig, *, report: Report, stopped: Stop) -> tuple[Path, Stats]:
    """Return the file of weights and how they want pixels normalised; raises one of DOWNLOAD_FAILED."""
    check_arch(config.arch)
    if config.weights != "pretrained":
        return Path(config.weights).expanduser(), usual_stats(config.arch)
    return pretrained(config.arch, report=report, stopped=stopped)


def _body(config: TrainConfig, file: Path, stats: Stats) -> Body:
    weights = read_weights(file, arch=config.arch)
    try:
        return body_of(config.arch, size=config.size or 224, stats=stats, weights=weights)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _key(body: Body, file: Path) -> str:
    state = hashlib.blake2b(repr(body.stats).encode(), digest_size=8)
    with file.open("rb") as content:
        while chunk := content.read(2**20):
            state.update(chunk)
    arch = re.sub(r"[^\w.-]", "-", body.arch)
    return f"{arch}-{body.size}-{state.hexdigest()}-{FORMAT}"
