"""Train a network on a catalog and score every image with it: the second stage of the loop, in one call.

It shows and keeps nothing, and leaves every global setting and random state as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from fastai.callback import schedule  # noqa: F401  # gives Learner its fine_tune and fit_one_cycle
from fastai.callback.core import TrainEvalCallback
from fastai.callback.fp16 import MixedPrecision
from fastai.data.core import DataLoaders
from fastai.learner import CastToTensor, Learner, Recorder
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import error_rate
from fastai.torch_core import no_random, params
from numpy.typing import NDArray

from cleaner.errors import InputError, TrainingError
from cleaner.model.checks import split_rows
from cleaner.model.choice import Choice, choose
from cleaner.model.data import loaders
from cleaner.model.device import device, device_line
from cleaner.model.network import Network, layer_groups
from cleaner.model.predict import batches, log_probs
from cleaner.model.progress import Meter, Watch
from cleaner.progress import Report, Stop, never, quiet
from cleaner.types import Catalog, Epoch, Predictions, TrainConfig, strings

Pixels: TypeAlias = Callable[[int], NDArray[np.uint8]]  # side -> [N, side, side, 3], rows as in the catalog

DEFAULTS = TrainConfig()


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What a training leaves behind. `config` has nothing left open; `network` lies on the CPU, in eval mode.

    Where weights were fine-tuned, the first of `epochs` has the number 0: in it only the new head learned.
    """

    config: TrainConfig
    epochs: tuple[Epoch, ...]
    predictions: Predictions
    device: str
    notes: tuple[str, ...]
    network: Network


def train(
    catalog: Catalog,
    pixels: Pixels,
    *,
    config: TrainConfig = DEFAULTS,
    report: Report = quiet,
    stopped: Stop = never,
) -> Trained:
    """Train on the split "train", validate on "valid" (else "test"), and score all images unaugmented.

    `pixels` is called once, after the settings are known to be good. The same catalog, config and seed give
    the same predictions on a CPU. Raises InputError, TrainingError or Stopped, one sentence each.
    """
    learned, validated = split_rows(catalog)
    with _memory_errors_explained(config):
        with no_random(config.seed):
            choice = choose(catalog, config=config, report=report, stopped=stopped)
        images = pixels(choice.network.size)
        _check_pixels(images, catalog=catalog, size=choice.network.size)
        with no_random(config.seed):
            dls = loaders(
                images,
                labels=catalog.labels,
                train=learned,
                valid=validated,
                batch_size=config.batch_size,
                flip=config.flip,
                device=device(),
            )
            meter = _fit(choice, dls, scored=len(catalog), report=report, stopped=stopped)
        predictions = _score(choice.network, catalog, images, meter=meter)
    return Trained(
        config=choice.config,
        epochs=meter.epochs,
        predictions=predictions,
        device=device_line(),
        notes=choice.notes,
        network=choice.network.cpu(),
    )


def _check_pixels(images: NDArray[np.uint8], *, catalog: Catalog, size: int) -> None:
    wanted = (len(catalog), size, size, 3)
    if images.shape != wanted or images.dtype != np.uint8:
        raise InputError(f"The pixels must be uint8 {wanted}, but are {images.dtype} {images.shape}.")


def _fit(choice: Choice, dls: DataLoaders, *, scored: int, report: Report, stopped: Stop) -> Meter:
    """Train the chosen network, and return the meter with the figures of every epoch.

    `scored` images are to be scored afterwards, which the meter counts too.
    """
    epochs, rate, scratch = choice.epochs, choice.lr, choice.from_scratch
    total = (epochs + (not scratch)) * (len(dls.train) + len(dls.valid)) + batches(scored)
    meter = Meter(total, report=report, stopped=stopped, notes=choice.notes)
    watch = Watch(meter, epochs=epochs, head_first=not scratch, lr=rate)
    learner = _learner(choice, dls, watch=watch)
    with learner.no_logging():
        if scratch:
            learner.fit_one_cycle(epochs, rate, wd=0.05)
        else:
            learner.fine_tune(epochs, rate)
    if watch.ended:
        raise watch.ended
    return meter


def _learner(choice: Choice, dls: DataLoaders, *, watch: Watch) -> Learner:
    """Return fastai's Learner without its default callbacks, which print and draw bars."""
    callbacks = [TrainEvalCallback(), Recorder(add_time=False), CastToTensor(), watch]
    if dls.device.type == "cuda":
        callbacks.append(MixedPrecision())
    return Learner(
        dls,
        choice.network.to(dls.device),
        loss_func=CrossEntropyLossFlat(),
        metrics=error_rate,
        splitter=params if choice.from_scratch else layer_groups,
        cbs=callbacks,
        default_cbs=False,
    )


def _score(network: Network, catalog: Catalog, images: NDArray[np.uint8], *, meter: Meter) -> Predictions:
    """Ask the network about every image of the catalog, in its order."""
    said = log_probs(network, images, each=lambda: meter.step("scoring", note=f"{len(catalog)} images"))
    if not np.isfinite(said).all():
        raise TrainingError("The network predicts no numbers any more; give a lower learning rate.")
    return Predictions(
        ids=catalog.ids,
        vocab=catalog.vocab,
        labels=catalog.labels,
        probs=np.exp(said),
        losses=-said[np.arange(len(catalog)), catalog.labels],
        origins=strings(["held-out" if held else "in-sample" for held in catalog.held_out()]),
    )


@contextmanager
def _memory_errors_explained(config: TrainConfig) -> Iterator[None]:
    """Turn a failed allocation, on whatever device, into a sentence with a remedy."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if isinstance(error, RuntimeError) and "out of memory" not in text and "allocate memory" not in text:
            raise
        now = f"batch_size={config.batch_size}" + (f", size={config.size}" if config.size else "")
        raise TrainingError(
            f"The memory was not enough; give a smaller batch_size or size (now {now})."
        ) from error
