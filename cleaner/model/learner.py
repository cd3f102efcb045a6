"""fastai's own Learner over cached pixels: what every training is made with, and what a notebook may use.

A Learner made here knows which images it learns from, so that what it comes to know can be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from fastai.callback import schedule  # noqa: F401  # gives Learner its fine_tune, fit_one_cycle, lr_find
from fastai.callback.core import Callback, TrainEvalCallback
from fastai.callback.fp16 import MixedPrecision
from fastai.callback.progress import ProgressCallback
from fastai.imports import noop
from fastai.learner import CastToTensor, Learner, Recorder
from fastai.metrics import error_rate
from fastai.torch_core import no_random, params
from numpy.typing import NDArray

from cleaner.model.checks import Rows, check_pixels, check_trusted, split_rows
from cleaner.model.choice import Choice, choose
from cleaner.model.data import loaders
from cleaner.model.device import device
from cleaner.model.images import cached_side
from cleaner.model.losses import Margins, WeightedLoss, weights_of
from cleaner.model.network import Network, layer_groups
from cleaner.model.progress import History, SmoothLoss
from cleaner.progress import Report, Stop, never, quiet
from cleaner.types import Catalog, Floats, Pixels, TrainConfig

PixelSource: TypeAlias = Callable[[int], Pixels]  # side -> [N, side, side, 3], rows as in the catalog

DECAY = 0.05  # of the weights, where nothing was learned before


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """All that a training starts from. `weights` [N] say how much each label counts in the loss."""

    catalog: Catalog
    choice: Choice
    images: Pixels
    weights: Floats
    learned: Rows
    validated: Rows


def gather(
    catalog: Catalog,
    pixels: PixelSource,
    *,
    config: TrainConfig,
    trusted: NDArray[np.bool_] | None,
    report: Report,
    stopped: Stop,
) -> Material:
    """Check what can be checked, choose what is left open, and only then ask for the pixels, once."""
    learned, validated = split_rows(catalog)
    check_trusted(trusted, catalog=catalog)
    with no_random(config.seed):
        choice = choose(catalog, config=config, report=report, stopped=stopped)
    side = cached_side(choice.network.size)
    images = pixels(side)
    check_pixels(images, catalog=catalog, side=side)
    return Material(catalog, choice, images, weights_of(trusted, count=len(catalog)), learned, validated)


def learner(
    material: Material,
    *,
    network: Network,
    learned: Rows,
    batch_size: int,
    callbacks: Sequence[Callback],
    verbose: bool = False,
    path: Path | None = None,
) -> Learner:
    """Return fastai's Learner of a network over some rows; unless it is verbose, it neither prints nor draws.

    It keeps its stages in `path`.
    """
    choice, to = material.choice, device()
    dls = loaders(
        material.images,
        labels=material.catalog.labels,
        train=learned,
        valid=material.validated,
        batch_size=batch_size,
        size=network.size,
        flip=choice.config.flip,
        device=to,
    )
    made = Learner(
        dls,
        network.to(to),
        lr=choice.lr,
        loss_func=WeightedLoss(material.weights),
        metrics=error_rate,
        splitter=params if choice.from_scratch else layer_groups,
        wd=DECAY if choice.from_scratch else None,
        cbs=[TrainEvalCallback(), CastToTensor(), *_figures(verbose), *_precision(to), *callbacks],
        default_cbs=False,
        path=path,
        model_dir=".",
    )
    made.material = material
    if not verbose:
        made.logger = noop
    return made


def make_learner(
    catalog: Catalog,
    pixels: PixelSource,
    *,
    config: TrainConfig,
    trusted: NDArray[np.bool_] | None = None,
    workplace: Path,
    report: Report = quiet,
    stopped: Stop = never,
) -> Learner:
    """Return a Learner to train by hand: freeze, fit_one_cycle, fine_tune, lr_find, save and load of stages.

    It learns from the split "train" and prints as fastai does; stages lie in `workplace`. `scored` keeps
    what it has learned. `report` and `stopped` are for what comes before: a download, the pixels.
    """
    material = gather(catalog, pixels, config=config, trusted=trusted, report=report, stopped=stopped)
    made = learner(
        material,
        network=material.choice.network,
        learned=material.learned,
        batch_size=material.choice.config.batch_size,
        callbacks=[History(), Margins(len(catalog))],
        verbose=True,
        path=workplace,
    )
    if not material.choice.from_scratch:
        made.freeze()  # as fastai's own vision_learner does
    return made


def _figures(verbose: bool) -> list[Callback]:
    """Return what keeps the losses of a fit, and shows them if it is to be verbose."""
    if verbose:
        return [Recorder(), ProgressCallback()]
    recorder = Recorder(add_time=False)
    recorder.smooth_loss = SmoothLoss()
    return [recorder]


def _precision(to: torch.device) -> list[Callback]:
    """Return fastai's mixed precision where the network can't use the wider bfloat16 by itself."""
    native = to.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    return [] if native else [MixedPrecision()]
