"""Fit one network of a training, in batches that the memory holds, from the start or on from a kill.

It scores nothing and decides nothing about which networks there are.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import torch
from fastai.callback.core import Callback, CancelValidException
from fastai.learner import Learner
from fastai.torch_core import no_random

from cleaner.errors import TrainingError
from cleaner.model.advice import advise_on_history
from cleaner.model.choice import Choice
from cleaner.model.folds import Part
from cleaner.model.learner import Material, learner
from cleaner.model.losses import Margins
from cleaner.model.memory import MEMORY_ERRORS, give_memory_back, short_of_memory
from cleaner.model.network import Network
from cleaner.model.progress import LEARNING, History, Meter, Watch, epoch_in_words
from cleaner.model.resume import Resume, State, Workplace
from cleaner.types import Epoch


@dataclass(slots=True, eq=False)
class Bench:
    """What the networks of one training share: material, meter, a place on disk, and batches that fit."""

    material: Material
    meter: Meter
    workplace: Workplace
    batch_size: int


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A network that has learned, and what came of it on the way. `margins` are [N, E]."""

    network: Network
    epochs: tuple[Epoch, ...]
    margins: torch.Tensor


class Unvalidated(Callback):  # type: ignore[misc]  # fastai is untyped
    """Leaves validation out, where nobody looks at its figures."""

    def before_validate(self) -> None:
        """Skip it."""
        raise CancelValidException


def work_of(part: Part, *, material: Material) -> int:
    """Return what it takes to fit and to score a part, in the unit of the Meter."""
    choice = material.choice
    passes = choice.epochs + (not choice.from_scratch)  # one for a new head alone
    return passes * _work_of_epoch(part, material=material) + len(part.judged)


def fit(part: Part, *, number: int, bench: Bench, begun: State | None) -> Fitted:
    """Fit the network of a part; where the memory is not enough, from the same start with batches halved.

    Raises Stopped, or TrainingError if the loss is no number or even single images are too much.
    """
    config = bench.material.choice.config
    if begun:
        bench.batch_size = begun["batch_size"]
    while True:
        done = bench.meter.done
        if bench.batch_size < config.batch_size:
            bench.meter.remark("memory", note=_halved(config.batch_size, now=bench.batch_size))
        try:
            return _fit(part, number=number, bench=bench, begun=begun)
        except MEMORY_ERRORS as error:
            if not short_of_memory(error):
                raise
            if bench.batch_size == 1:
                raise TrainingError(
                    "The memory was not enough even for the smallest batches; "
                    f"give a smaller size or arch (now size={config.size}, arch={config.arch})."
                ) from error
        bench.meter.total += bench.meter.done - done  # that was for nothing
        bench.batch_size, begun = min(bench.batch_size, len(part.learned)) // 2, None
        give_memory_back()


def _halved(asked: int, *, now: int) -> str:
    return f"The memory was not enough for batches of {asked}, so they have {now}."


def _fit(part: Part, *, number: int, bench: Bench, begun: State | None) -> Fitted:
    material, choice = bench.material, bench.material.choice
    network = deepcopy(choice.network)
    history, margins = History(first=int(choice.from_scratch)), Margins(len(material.catalog))
    if begun:
        network.load_state_dict(begun["network"])
        history.figures = tuple(Epoch(*row) for row in begun["epochs"])
        margins.columns = list(begun["margins"].unbind(dim=1))
        _say_where(history, part=part, bench=bench)
    advise = partial(
        advise_on_history,
        config=choice.config,
        classes=len(material.catalog.vocab),
        held_out=len(material.validated),
    )
    watch = Watch(bench.meter, name=part.name, planned=choice.epochs, rate=choice.lr, advise=advise)
    resume = Resume(
        bench.workplace, number=number, batch_size=bench.batch_size, meter=bench.meter, begun=begun
    )
    callbacks = [history, margins, watch, resume, *([Unvalidated()] if part.name else [])]
    with no_random(choice.config.seed):
        made = learner(
            material, network=network, learned=part.learned, batch_size=bench.batch_size, callbacks=callbacks
        )
        try:
            _run_schedule(made, choice, done=len(history.figures))
        finally:
            _leave_autocast(made)
    if watch.ended:
        raise watch.ended
    return Fitted(network, history.figures, margins.table())


def _leave_autocast(made: Learner) -> None:
    """End what fastai's mixed precision leaves open when a batch fails: its cache of weights would stay."""
    if hasattr(made, "mixed_precision") and torch.is_autocast_enabled("cuda"):
        made.mixed_precision.autocast.__exit__(None, None, None)


def _run_schedule(made: Learner, choice: Choice, *, done: int) -> None:
    """Run one cycle, or what fastai's fine_tune does, from the epoch after the `done` ones."""
    epochs, rate = choice.epochs, choice.lr
    if choice.from_scratch:
        made.fit_one_cycle(epochs, rate, start_epoch=done)
        return
    if not done:
        made.freeze()
        made.fit_one_cycle(1, slice(rate), pct_start=0.99)
    made.unfreeze()
    rates = slice(rate / 200, rate / 2)
    made.fit_one_cycle(epochs, rates, pct_start=0.3, div=5.0, start_epoch=max(done - 1, 0))


def _say_where(history: History, *, part: Part, bench: Bench) -> None:
    """Count what was done before a kill as done, and say so."""
    done = len(history.figures)
    bench.meter.total -= done * _work_of_epoch(part, material=bench.material)
    if not part.name:
        bench.meter.epochs = history.figures
    last = epoch_in_words(history.number - 1, planned=bench.material.choice.epochs)
    say_going_on(f"{last} of {part.name}" if part.name else last, meter=bench.meter)


def say_going_on(after: str, *, meter: Meter) -> None:
    """Note that a training was interrupted, and after what."""
    meter.remark("resume", note=f"Going on with the training that was interrupted after {after}.")


def _work_of_epoch(part: Part, *, material: Material) -> int:
    return LEARNING * len(part.learned) + (0 if part.name else len(material.validated))
