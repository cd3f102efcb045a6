"""Train on a catalog and score every image of it: the second stage of the loop, in one call.

It shows nothing and leaves every global setting and random state as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from fastai.learner import Learner
from numpy.typing import NDArray

from cleaner.errors import InputError, Stopped, TrainingError
from cleaner.model.device import device_line
from cleaner.model.fitting import Bench, fit, say_going_on, work_of
from cleaner.model.folds import Part, folds_for, parts_of
from cleaner.model.learner import Material, PixelSource, gather
from cleaner.model.memory import give_memory_back, memory_errors_explained
from cleaner.model.network import Network
from cleaner.model.progress import Meter
from cleaner.model.resume import State, Workplace, epochs_as_rows, key_of, unsaved
from cleaner.model.scoring import origins_of, predictions_of, score
from cleaner.progress import Report, Stop, never, quiet
from cleaner.types import Catalog, Epoch, Floats, Predictions, TrainConfig

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


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What the network of one part says of the images that it judges, [M, K] in nats, and its history."""

    said: Floats
    epochs: tuple[Epoch, ...]
    margins: Floats
    network: Network


def train(
    catalog: Catalog,
    pixels: PixelSource,
    *,
    config: TrainConfig = DEFAULTS,
    trusted: NDArray[np.bool_] | None = None,
    workplace: Path | None = None,
    report: Report = quiet,
    stopped: Stop = never,
) -> Trained:
    """Train on the split "train", validate on "valid" (else "test"), and score all images unaugmented.

    `pixels` is called once, with `cached_side` of the size, after the settings are known to be good.
    `trusted` [N] marks labels that a person has confirmed: they count three times. First comes the network
    that is kept; then one for each of the folds. `workplace` is a folder of this training alone: an identical
    call goes on there after a kill, and gives what an uninterrupted one would have given; once the result is
    kept, whoever called removes it. The same catalog, config and seed give the same predictions on a CPU.
    Raises InputError, TrainingError or Stopped; once it has begun to learn, it empties the workplace then.
    """
    with memory_errors_explained(config):
        material = gather(catalog, pixels, config=config, trusted=trusted, report=report, stopped=stopped)
        material, notes = _divided(material, asked=config.folds)
        place = Workplace(workplace, key=key_of(catalog, choice=material.choice) if workplace else "")
        parts = parts_of(catalog, learned=material.learned, folds=material.choice.config.folds or 0)
        total = sum(work_of(part, material=material) for part in parts)
        meter = Meter(total, report=report, stopped=stopped, notes=notes)
        bench = Bench(material, meter, place, material.choice.config.batch_size)
    try:
        with memory_errors_explained(config):
            verdicts = [_verdict(part, number=number, bench=bench) for number, part in enumerate(parts)]
    except (Stopped, TrainingError):
        place.clear()
        raise
    kept = verdicts[0]
    return Trained(
        config=replace(material.choice.config, batch_size=bench.batch_size),
        epochs=kept.epochs,
        predictions=_together(catalog, parts=parts, verdicts=verdicts),
        device=device_line(),
        notes=meter.notes,
        network=kept.network,
    )


def scored(learner: Learner, *, report: Report = quiet, stopped: Stop = never) -> Trained:
    """Score every image with a Learner of `make_learner`, for the catalog that it was made for.

    Its own network goes on to be trained; the one returned is a copy. Raises InputError for any other
    Learner, TrainingError or Stopped.
    """
    material = getattr(learner, "material", None)
    if not isinstance(material, Material):
        raise InputError("This Learner knows no catalog; make one with project.by_hand.learner().")
    catalog, choice = material.catalog, material.choice
    meter = Meter(len(catalog), report=report, stopped=stopped, notes=choice.notes)
    with memory_errors_explained(choice.config):
        said = score(learner.model, material=material, rows=np.arange(len(catalog)), meter=meter)
    epochs, margins = learner.history.figures, learner.margins.table().numpy()
    nobody = np.empty(0, dtype=np.intp)
    return Trained(
        config=replace(choice.config, epochs=len(epochs), lr=None, folds=0),
        epochs=epochs,
        predictions=predictions_of(
            catalog,
            said=said,
            origins=origins_of(catalog, out_of_fold=nobody),
            margins=margins if margins.size else None,
        ),
        device=device_line(),
        notes=(*choice.notes, f"Trained by hand, in {len(epochs)} epochs."),
        network=deepcopy(learner.model).cpu(),
    )


def _divided(material: Material, *, asked: int | None) -> tuple[Material, tuple[str, ...]]:
    """Settle the number of folds, and say so if it is another one than was asked for."""
    choice = material.choice
    folds = folds_for(material.catalog, config=choice.config, learned=material.learned)
    notes = choice.notes
    if asked and not folds:
        notes += (f"The training images are too few for {asked} folds, so there are none.",)
    return replace(material, choice=replace(choice, config=replace(choice.config, folds=folds))), notes


def _verdict(part: Part, *, number: int, bench: Bench) -> Verdict:
    """Fit the network of a part and hear what it says, or recall it from before a kill."""
    begun = bench.workplace.load(number)
    if begun and "said" in begun:
        return _recalled(begun, part=part, bench=bench)
    if part.name:
        give_memory_back()  # what the network before left on the device
    fitted = fit(part, number=number, bench=bench, begun=begun)
    said = score(fitted.network, material=bench.material, rows=part.judged, meter=bench.meter, name=part.name)
    network = fitted.network.cpu()
    state = {
        "batch_size": bench.batch_size,
        "said": torch.from_numpy(said),
        "epochs": epochs_as_rows(fitted.epochs),
        "margins": fitted.margins,
        "network": {} if part.name else network.state_dict(),
    }
    try:
        bench.workplace.save(number, state)
    except OSError as error:
        bench.meter.remark("saving", note=unsaved(error))
    return Verdict(said, fitted.epochs, fitted.margins.numpy(), network)


def _recalled(state: State, *, part: Part, bench: Bench) -> Verdict:
    bench.batch_size = state["batch_size"]
    bench.meter.total -= work_of(part, material=bench.material)
    epochs = tuple(Epoch(*row) for row in state["epochs"])
    network = deepcopy(bench.material.choice.network)
    if not part.name:
        bench.meter.epochs = epochs
        network.load_state_dict(state["network"])
    last = part.name or f"epoch {epochs[-1].number} of {epochs[-1].number}"
    say_going_on(last, meter=bench.meter)
    return Verdict(state["said"].numpy(), epochs, state["margins"].numpy(), network.eval())


def _together(catalog: Catalog, *, parts: Sequence[Part], verdicts: Sequence[Verdict]) -> Predictions:
    """Take every image's prediction from the part that judges it, and the margins of the network kept."""
    said = np.empty((len(catalog), len(catalog.vocab)), dtype=np.float32)
    for part, verdict in zip(parts, verdicts, strict=True):
        said[part.judged] = verdict.said
    judged = [part.judged for part in parts[1:]]
    origins = origins_of(
        catalog, out_of_fold=np.concatenate(judged) if judged else np.empty(0, dtype=np.intp)
    )
    return predictions_of(catalog, said=said, origins=origins, margins=verdicts[0].margins)
