"""Makes a finished model of a round: its network in the formats of others, and what is to be known of it.

It decides nothing about the round, and writes only where it is told.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cleaner.app.caches import Job
from cleaner.app.compare import cleaned_labels, compare, with_todays_names
from cleaner.app.engine import asked_of, load_library, network_of, quiet_import
from cleaner.app.exported import GRAPH, LEARNER, WEIGHTS, check_place, write_export
from cleaner.app.finished import FinishedModel
from cleaner.app.rounds import load_predictions
from cleaner.catalog.pixels import square
from cleaner.errors import InputError, UnreadableImage
from cleaner.progress import Progress
from cleaner.types import Catalog, Round, Standing

if TYPE_CHECKING:
    from cleaner.model.network import Network

COMPARED = 16  # images on which the exported graph must agree with the network
LIBRARIES = ("cleaner", "torch", "torchvision", "timm", "fastai", "onnx", "onnxscript", "onnxruntime",
             "safetensors", "pillow", "numpy")  # fmt: skip
STEPS = (
    "decode the whole file with Pillow; a JPEG at the smallest of its scales 1, 1/2, 1/4, 1/8 at which "
    "neither side falls below `size`",
    "turn it upright as its EXIF orientation says",
    "grey of more than 8 bits (mode I or I;16): divide by 2**d - 1 for the first d of 8, 10, 12, 14, 16, 32 "
    "that holds the brightest pixel, times 255; floats and negative values: from the least to the greatest",
    "transparency (alpha, palette or key): composite on white",
    "everything to RGB by Pillow's convert",
    "squeeze to size x size, whatever the shape, by Pillow's resize with BILINEAR and reducing_gap 2",
    "pass it as uint8, channels last; the graph does the rest: scale down to network.size (bilinear, "
    "antialiased), divide by 255, subtract mean, divide by std, softmax",
)


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a model comes from: a round of a project, and the decisions that stand when it is exported."""

    result: Round
    job: Job
    standing: Standing


def finished(result: Round, job: Job) -> FinishedModel:
    """Return the network of a round, ready to be asked. Raises InputError, NoWeights."""
    network = network_of(result, job)
    classes, size, ask = asked_of(network)
    info = _finite({"classes": list(classes), "size": size, **_of_round(result)})
    return FinishedModel(classes, size, info, ask)


def export_model(path: Path, source: Provenance, *, fastai: bool) -> Path:
    """Write the network of a round as a finished model; see Project.export_model."""
    job = source.job
    check_place(path, root=job.catalog.root)  # before the wait for what is heavy
    if fastai and source.result.config.mode == "quick":
        raise InputError(
            "fastai's export needs a network trained in full; leave fastai out, or train in full."
        )
    load_library(job.report)
    network = network_of(source.result, job)
    return write_export(path, root=job.catalog.root, fill=partial(_fill, source, network, fastai=fastai))


def _fill(source: Provenance, network: Network, part: Path, *, fastai: bool) -> Mapping[str, Any]:
    """Write all files of an export but its description, and return that."""
    with quiet_import():
        from cleaner.model.graph import write_graph
        from cleaner.model.images import cached_side
        from cleaner.model.store import save_network

    report, side = source.job.report, cached_side(network.size)
    squares = _some_squares(source.job.catalog, side=side)
    report(Progress("exporting", 0, 2, note="writing the weights"))
    save_network(part / WEIGHTS, network)
    if fastai:
        from cleaner.model.loaders import save_learner

        save_learner(part / LEARNER, network, squares)
    report(Progress("exporting", 1, 2, note="writing the ONNX graph, and comparing its answers"))
    difference = write_graph(part / GRAPH, network, squares=squares)
    report(Progress("exporting", 2, 2, note="exported"))
    described = {
        **_of_network(network, side=side),
        **_of_round(source.result),
        **_of_source(source),
        "agreement": {"images": len(squares), "largest_difference": difference},
    }
    return {name: _finite(value) for name, value in described.items()}


def _finite(value: Any) -> Any:
    """Return a value with None for every number in it that JSON has no word for."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _some_squares(catalog: Catalog, *, side: int) -> NDArray[np.uint8]:
    """Return some images of the dataset, evenly spread, and one of noise in case none can be read."""
    made = [np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)]
    for row in np.linspace(0, len(catalog) - 1, min(COMPARED - 1, len(catalog))).astype(int):
        try:
            made.append(square(catalog.root / catalog.paths[row], side=side))
        except UnreadableImage:
            continue
    return np.stack(made)


def _of_network(network: Network, *, side: int) -> dict[str, Any]:
    mean, std = network.stats
    return {
        "classes": list(network.vocab),
        "size": side,
        "network": {"arch": network.arch, "size": network.size, "mean": mean, "std": std},
        "input": {"name": "images", "type": "uint8", "shape": ["batch", side, side, 3], "made_by": STEPS},
        "output": {"name": "probabilities", "type": "float32", "shape": ["batch", len(network.vocab)]},
    }


def _of_round(result: Round) -> dict[str, Any]:
    told = asdict(result)
    kept = ("number", "config", "epochs", "device", "notes", "advice", "seconds", "finished")
    config = told["config"]
    if config["weights"] not in ("pretrained", "scratch"):
        config["weights"] = Path(config["weights"]).name  # where it lay is nobody's business elsewhere
    metrics = {"held_out_images": result.held_out, "error_rate": result.error_rate}
    return {"round": {key: told[key] for key in kept}, "metrics": metrics}


def _of_source(source: Provenance) -> dict[str, Any]:
    result, catalog = source.result, source.job.catalog
    labels = cleaned_labels(catalog, source.standing)
    said = with_todays_names(load_predictions(source.job.home / "rounds", result=result), catalog=catalog)
    (rates,) = compare({result.number: said}, cleaned=labels, original=labels).rates
    return {
        "metrics": {
            "held_out_images": result.held_out,
            "error_rate": result.error_rate,
            "error_rate_on_cleaned_labels": rates.cleaned,
        },
        "provenance": {
            "dataset": catalog.root.name,
            "images": len(catalog),
            "decisions": len(source.standing),
            "catalog_digest": result.catalog_digest,
            "exported": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "versions": _versions(),
        },
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
