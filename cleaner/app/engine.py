"""The two ways to fit a model to a catalog, quick and full, over caches that outlive both.

It joins stages: networks from `model`, the quick head from `ranking`. It writes no round.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cleaner.app.caches import Job, workplace_of
from cleaner.app.checking import known_copies
from cleaner.app.features import Features, compared, load_features
from cleaner.app.rounds import NETWORK, round_folder
from cleaner.errors import CleanerError, InputError, Stopped
from cleaner.progress import Progress, Report
from cleaner.ranking.ridge import leave_one_out
from cleaner.types import TRUST, Epoch, Floats, Predictions, Round, TrainConfig, strings

if TYPE_CHECKING:
    from cleaner.model.choice import Backbone
    from cleaner.model.network import Network
    from cleaner.model.train import Trained

LOADING = Progress("loading", 0, 0, note="loading PyTorch (a few seconds the first time)")
BESIDE = (CleanerError, OSError, MemoryError, RuntimeError, np.linalg.LinAlgError)  # what may fail beside it


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a fitted model leaves behind; `save_network` writes its network, of a quick look only the head.

    `features` are those of the frozen body under it, None where there is none.
    """

    config: TrainConfig
    predictions: Predictions
    device: str
    save_network: Callable[[Path], None]
    epochs: tuple[Epoch, ...] = ()
    notes: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    features: Features | None = None


def train_quick(job: Job) -> Outcome:
    """Fit a linear head on the cached features of the pretrained body, each image scored as if left out.

    Raises NoWeights where there is no pretrained body to be had, and Stopped.
    """
    job.report(LOADING)
    with quiet_import():
        from cleaner.model.choice import backbone
        from cleaner.model.device import device_line
        from cleaner.model.network import quick_network
        from cleaner.model.store import save_network

    chosen = backbone(job.config, report=job.report, stopped=job.stopped)
    quick, catalog = _quick_head(job, chosen), job.catalog
    network = quick_network(chosen.body, vocab=catalog.vocab, head=quick.head)
    said = Predictions(
        ids=catalog.ids,
        vocab=catalog.vocab,
        labels=catalog.labels,
        probs=np.exp(quick.log_probs),
        losses=-quick.log_probs[np.arange(len(catalog)), catalog.labels],
        origins=strings(["held-out" if held else "out-of-fold" for held in catalog.held_out()]),
    )
    save = partial(save_network, network=network, with_body=False)
    if job.stopped():  # asked too late for any step of it, but a full training may be about to follow
        raise Stopped("The quick look was stopped; no round of it was kept.")
    return Outcome(chosen.config, said, device_line(), save, features=quick.features)


def train_full(job: Job) -> Outcome:
    """Train a whole network, say what went wrong in the training, and ask the quick head beside it."""
    load_library(job.report)
    from cleaner.model.train import train

    trained = train(
        job.catalog,
        job.squares,
        config=job.config,
        trusted=job.trusted,
        workplace=workplace_of(job.home),
        report=job.report,
        stopped=job.stopped,
    )
    return outcome_of(trained, job)


def outcome_of(trained: Trained, job: Job) -> Outcome:
    """Add to a finished training what can be said of it, the quick head, and how its network is kept.

    No fault in these, and no Stop, loses the training.
    """
    from cleaner.model.store import save_network

    outcome = Outcome(
        trained.config,
        trained.predictions,
        trained.device,
        partial(save_network, network=trained.network),
        epochs=trained.epochs,
        notes=trained.notes,
    )
    try:
        outcome = replace(outcome, advice=_advice(trained, job))
        if trained.config.weights != "scratch":
            outcome = _with_quick_head(outcome, job)
    except BESIDE as error:
        outcome = replace(outcome, notes=(*outcome.notes, f"The order is by the training alone: {error}"))
    return outcome


def network_of(result: Round, job: Job) -> Network:
    """Return the network of a round; that of a quick look needs the weights it was made with once more.

    Raises InputError where the round has none, or those weights are others now; NoWeights.
    """
    job.report(LOADING)
    with quiet_import():
        from cleaner.model.choice import backbone
        from cleaner.model.store import load_network

    folder = round_folder(job.home / "rounds", result.number)
    if result.config.mode == "full":
        with quiet_import():
            return load_network(folder / NETWORK)
    if not (folder / NETWORK).exists():
        raise InputError(f"Round {result.number} kept no network; have another quick look, or train in full.")
    chosen, features = backbone(result.config, report=job.report, stopped=job.stopped), load_features(folder)
    if features is None or features.cache != chosen.key:
        raise InputError(
            f"The weights that round {result.number} was made with are others now; have another quick look."
        )
    return load_network(folder / NETWORK, body=chosen.body)


def asked_of(network: Network) -> tuple[tuple[str, ...], int, Callable[[NDArray[np.uint8]], Floats]]:
    """Return a network's classes, the side of the squares to ask it about, and what answers."""
    with quiet_import():
        from cleaner.model.images import cached_side
        from cleaner.model.predict import predict

    return network.vocab, cached_side(network.size), partial(predict, network)


def load_library(report: Report) -> None:
    """Load what trains networks, and say so: it takes its time once."""
    report(Progress("loading", 0, 0, note="loading the training library (about 20 s the first time)"))
    with quiet_import():
        import cleaner.model.train  # noqa: F401


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Keep what the heavy libraries say of each other while they load from a person who can't help it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True, slots=True, eq=False)
class _Quick:
    """What a linear head says of each image as if left out, [N, K] in nats, and the head fitted on all.

    `head` [D + 1, K] maps a body's own embedding and a constant 1 to logits.
    """

    log_probs: Floats
    head: NDArray[np.float64]
    features: Features


def _quick_head(job: Job, chosen: Backbone) -> _Quick:
    """Fit a linear head on the body's embeddings, standardised.

    Near-copies leave together, so that they can't vouch for each other.
    """
    embeddings, catalog = job.embeddings(chosen), job.catalog
    features = compared(
        embeddings,
        cache=job.embeddings_in(chosen),
        digests=catalog.digests,
        copies=known_copies(job.home, catalog.digests),
        labels=catalog.labels,
        report=job.report,
        stopped=job.stopped,
    )
    job.report(Progress("fitting", 0, 0, note=f"fitting the quick head to {len(catalog):,} images"))
    weights = np.where(job.trusted, TRUST, 1.0)
    fitted = leave_one_out(
        embeddings, catalog.labels, classes=len(catalog.vocab), weights=weights, groups=features.groups
    )
    return _Quick(fitted.log_probs, embeddings.unscaled(fitted.temperature * fitted.coefficients), features)


def _with_quick_head(outcome: Outcome, job: Job) -> Outcome:
    from cleaner.model.choice import backbone

    chosen = backbone(outcome.config, report=job.report, stopped=job.stopped)
    quick = _quick_head(job, chosen)
    said = replace(outcome.predictions, quick=np.exp(quick.log_probs))
    return replace(outcome, predictions=said, features=quick.features)


def _advice(trained: Trained, job: Job) -> tuple[str, ...]:
    """Look for what went wrong; of a training by hand, with rates that nobody noted, in the data alone."""
    from cleaner.model.advice import advise_on_data, advise_on_history
    from cleaner.model.checks import split_rows
    from cleaner.model.images import cached_side

    job.report(Progress("checking", 0, 0, note="looking for what may have gone wrong"))
    history: tuple[str, ...] = ()
    if trained.config.lr is not None:
        history = advise_on_history(
            trained.epochs,
            config=trained.config,
            classes=len(job.catalog.vocab),
            held_out=len(split_rows(job.catalog)[1]),
        )
    images = job.squares(cached_side(trained.network.size))
    return (*history, *advise_on_data(job.catalog, trained.predictions, images))
