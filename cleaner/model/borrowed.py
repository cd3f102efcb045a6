"""What somebody's own fastai Learner says of its images, never augmented.

The Learner is left as it was found: nothing is trained, no network moved, neither callback nor hook stays.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from fastai.data.core import Datasets
from fastai.learner import Learner
from fastai.torch_core import TensorCategory
from numpy.typing import NDArray
from torch import Tensor, nn

from cleaner.errors import InputError
from cleaner.model.checks import Rows
from cleaner.types import Floats, Ints, Predictions, strings

SPLIT_NAMES = ("train", "valid")  # further sets of a Learner are test sets

Readable = Callable[[Path], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a Learner says of N of its images, the training images first.

    `paths` are the files as it opens them, each once; `predictions` carry their texts as ids; `features`
    [N, D] are what the end of its body sees, None if it has no body.
    """

    paths: tuple[Path, ...]
    predictions: Predictions
    features: NDArray[np.float16] | None


def ask(
    learn: Any, *, readable: Readable, layers: Sequence[int] | None = None, side: str | None = None
) -> Asked:
    """Ask a Learner about the labelled images of its DataLoaders, or of one side, whose files are there.

    A file that is not `readable` gets the same probability for every class. `layers` lead to the layer that
    sees the features, as in `learn.model[0][7][2]`. Raises InputError for a Learner that does not give each
    image file one class.
    """
    with _as_found(learn):
        vocab = _vocab(learn)
        named = zip(chain(SPLIT_NAMES, repeat("test")), learn.dls.loaders, strict=False)
        asked = [(name, loader.dataset) for name, loader in named if side in (None, name)]
        found = [(name, data) for name, data in asked if len(data) and len(data.tls) == 2]
        if not found:
            raise InputError(f"This Learner has no {side} images with labels; ask for the other side.")
        splits, sets = zip(*found, strict=True)
        paths, rows = _files(sets)
        labels = np.array(
            [int(each.tls[1][int(row)]) for each, some in zip(sets, rows, strict=True) for row in some],
            dtype=np.int32,
        )
        lists = [each.tls[0] for each in sets]
        said, features = _answers(
            learn, lists, rows, paths, classes=len(vocab), readable=readable, layers=layers
        )
    names = [name for name, some in zip(splits, rows, strict=True) for _ in some]
    return Asked(paths, _predictions(paths, labels, vocab, said, names), features)


def ask_unlabelled(
    learn: Any, loader: Any, *, readable: Readable
) -> tuple[tuple[Path, ...], Floats, tuple[str, ...]]:
    """Ask a Learner about the images of a test set, `learn.dls.test_dl(files)`.

    Returns the files that are there, probabilities [N, K] and the K classes.
    """
    with _as_found(learn):
        vocab = _vocab(learn)
        paths, rows = _files([loader.dataset])
        lists = [loader.dataset.tls[0]]
        said, _ = _answers(learn, lists, rows, paths, classes=len(vocab), readable=readable, layers=None)
    return paths, np.exp(said), vocab


def _vocab(learn: Any) -> tuple[str, ...]:
    """Return the classes of a Learner that gives each image one. Raises InputError for any other."""
    if not isinstance(learn, Learner):
        raise InputError(
            f"This is no fastai Learner but a {type(learn).__name__}; pass the one that you trained."
        )
    sets = [loader.dataset for loader in learn.dls.loaders]
    data = next((some for some in sets if len(some)), sets[0])
    if not isinstance(data, Datasets) or not hasattr(data, "tls"):
        raise InputError("This Learner's data are no fastai Datasets; make its DataLoaders with fastai.")
    if len(data.tls) != 2 or data.n_inp != 1:
        raise InputError("This Learner sees more than one picture and its label; only those can be cleaned.")
    if not len(data):
        raise InputError(
            "This Learner has no images (an exported one carries none); give it DataLoaders: learn.dls = …."
        )
    target = data.tls[1][0]
    if not isinstance(target, TensorCategory):
        raise InputError(
            "This Learner predicts no classes (a regression, or masks); only classes can be cleaned."
        )
    if target.ndim:
        raise InputError(
            "This Learner gives an image several labels; only those with one label can be cleaned."
        )
    return tuple(str(name) for name in data.tls[1].vocab)


def _files(sets: Sequence[Any]) -> tuple[tuple[Path, ...], list[Rows]]:
    """Return the files that are there, each once, and which rows of which set they are."""
    paths: dict[Path, None] = {}
    rows: list[Rows] = []
    for data in sets:
        mine = []
        for row, path in enumerate(_paths(data.tls[0])):
            if path not in paths and path.is_file():
                paths[path] = None
                mine.append(row)
        rows.append(np.array(mine, dtype=np.intp))
    if not paths:
        raise InputError(
            "None of this Learner's image files is there any more; make a new one from what is left."
        )
    return tuple(paths), rows


def _paths(images: Any) -> list[Path]:
    """Follow each item through the transforms up to the one that opens its file."""
    rows = getattr(images.items, "iloc", images.items)  # of a DataFrame, or a list
    item, steps = rows[0], None
    for number, step in enumerate([None, *images.tfms.fs]):
        try:
            item = item if step is None else step(item, split_idx=1)
        except Exception:  # noqa: BLE001 - the file may be gone: what it was opened by is known even so
            break
        if isinstance(item, str | os.PathLike):
            steps = images.tfms.fs[:number]
    if steps is None:
        raise InputError("This Learner's images come from no files, so none can be shown or moved.")
    return [Path(_through(rows[row], steps)) for row in range(len(images))]


def _through(item: Any, steps: Sequence[Any]) -> Any:
    for step in steps:
        item = step(item, split_idx=1)
    return item


def _answers(
    learn: Any,
    lists: Sequence[Any],
    rows: Sequence[Rows],
    paths: Sequence[Path],
    *,
    classes: int,
    readable: Readable,
    layers: Sequence[int] | None,
) -> tuple[Floats, NDArray[np.float16] | None]:
    """Return log-probabilities [N, K] of all paths, and what a layer sees of them [N, D]."""
    good = np.ones(len(paths), dtype=bool)
    try:
        said, seen = _passes(learn, lists, rows, good, layers=layers)
    except Exception as error:  # one damaged file must not hide all others, whatever its decoder raises
        with ThreadPoolExecutor() as threads:
            good[:] = list(threads.map(readable, paths))
        if not good.any():
            raise InputError("None of this Learner's images can be read; see what its files are.") from error
        if good.all():
            raise
        said, seen = _passes(learn, lists, rows, good, layers=layers)
    if said.shape[1] != classes or not np.isfinite(said).all():
        raise InputError(
            f"This Learner answers with {said.shape[1]} numbers for {classes} classes, or with none at all; "
            "see that its network and its loss fit its data."
        )
    even = -np.log(np.float32(classes))
    return _spread(said, good, fill=even), None if seen is None else _spread(seen, good, fill=np.nan)


def _passes(
    learn: Any,
    lists: Sequence[Any],
    rows: Sequence[Rows],
    good: NDArray[np.bool_],
    *,
    layers: Sequence[int] | None,
) -> tuple[Floats, NDArray[np.float16] | None]:
    ends = np.cumsum([len(some) for some in rows])[:-1]
    answers = [
        _one_pass(learn, images._new(_taken(images.items, some[kept]), split_idx=1), layers)
        for images, some, kept in zip(lists, rows, np.split(good, ends), strict=True)
        if kept.any()
    ]
    seen = [features for _, features in answers if features is not None]
    return torch.cat([logs for logs, _ in answers]).numpy(), torch.cat(seen).numpy() if seen else None


def _spread(values: NDArray[Any], good: NDArray[np.bool_], *, fill: float) -> NDArray[Any]:
    """Return rows for all files [N, …], of which only the good ones were asked about."""
    table = np.full((len(good), *values.shape[1:]), fill, dtype=values.dtype)
    table[good] = values
    return table


def _taken(items: Any, rows: Rows) -> Any:
    return items.iloc[rows] if hasattr(items, "iloc") else [items[row] for row in rows]


@torch.no_grad()
def _one_pass(learn: Any, images: Any, layers: Sequence[int] | None) -> tuple[Tensor, Tensor | None]:
    """Return log-probabilities [M, K] and features [M, D] of images, in their order, in batches."""
    like = next(loader for loader in reversed(learn.dls.loaders[:2]) if len(loader.dataset))
    loader = like.new(Datasets(tls=[images], n_inp=1), shuffle=False, drop_last=False)
    device = next(learn.model.parameters()).device
    activation = getattr(learn.loss_func, "activation", lambda logits: logits.softmax(dim=-1))
    logs: list[Tensor] = []
    seen: list[Tensor] = []
    with _watched(_layer(learn.model, layers), seen):
        for (batch,) in loader:
            probs = activation(learn.model(batch.to(device))).float()
            logs.append(torch.log(probs.clamp_min(1e-12) / probs.sum(dim=-1, keepdim=True)).cpu())
    plain = torch.cat(logs).as_subclass(Tensor)
    return plain, torch.cat(seen).as_subclass(Tensor) if seen else None


def _layer(model: Any, layers: Sequence[int] | None) -> nn.Module | None:
    """Return the layer that some numbers lead to; without any, the body of a network of body and head."""
    if layers is None:
        return model[0] if isinstance(model, nn.Sequential) and len(model) == 2 else None
    found: Any = model
    try:
        for number in layers:
            found = found[number]
    except (IndexError, TypeError, KeyError) as error:
        raise InputError(
            f"This Learner's network has no layer {list(layers)}; leave layer_ls out."
        ) from error
    return cast(nn.Module, found)


@contextmanager
def _watched(layer: nn.Module | None, seen: list[Tensor]) -> Iterator[None]:
    """Collect what a layer sees of each batch, [B, D], averaged over the picture, while it is watched."""

    def keep(_: nn.Module, __: Any, out: Any) -> None:
        if isinstance(out, Tensor):
            seen.append(out.flatten(2).mean(-1).half().cpu() if out.ndim > 2 else out.half().cpu())

    hook = None if layer is None else layer.register_forward_hook(keep)
    try:
        yield
    finally:
        if hook is not None:
            hook.remove()


@contextmanager
def _as_found(learn: Any) -> Iterator[None]:
    """Put the network's modes and every random generator back as they were."""
    model = getattr(learn, "model", None)
    modes = [(module, module.training) for module in model.modules()] if isinstance(model, nn.Module) else []
    state, numbers, torchs = random.getstate(), np.random.get_state(), torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        if isinstance(model, nn.Module):
            model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training
        random.setstate(state)
        np.random.set_state(numbers)
        torch.set_rng_state(torchs)
        if devices:
            torch.cuda.set_rng_state_all(devices)


def _predictions(
    paths: Sequence[Path], labels: Ints, vocab: tuple[str, ...], said: Floats, splits: Sequence[str]
) -> Predictions:
    return Predictions(
        ids=strings([str(path) for path in paths]),
        vocab=vocab,
        labels=labels,
        probs=np.exp(said),
        losses=-said[np.arange(len(paths)), labels],
        origins=strings(["in-sample" if split == "train" else "held-out" for split in splits]),
    )
