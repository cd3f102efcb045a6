"""Keeps each round on disk: `rounds/NNN/` with arrays as .npy, weights as safetensors, the rest as JSON.

A round is there whole or not at all: it is written aside and renamed. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from filelock import FileLock

from cleaner.app.features import Features
from cleaner.changes.files import sync_files, sync_folder
from cleaner.errors import InputError
from cleaner.types import Epoch, Predictions, Round, TrainConfig, strings

_ARRAYS = ("labels", "probs", "losses")
_SOME = ("margins", "quick")  # arrays that not every round has
NETWORK = "model.safetensors"
_LAST = ".last"  # the highest number given so far: pages and verdicts of a removed round still carry it


def save_round(
    result: Round,
    predictions: Predictions,
    *,
    folder: Path,
    save_network: Callable[[Path], None] | None = None,
    features: Features | None = None,
) -> Round:
    """Write a round under `folder`, whole or not at all; return it with the number that it got.

    That is the next one never given: somebody else may have finished a round meanwhile, and the pages of one
    that was removed are no other's. `result.number` is ignored.
    `save_network` writes the network to a path; None for a round without one, as for features.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"), contextlib.ExitStack() as unfinished:
        numbered = replace(result, number=_next_number(folder))
        draft = folder / ".draft"
        shutil.rmtree(draft, ignore_errors=True)  # of a program that was killed: the lock is ours
        unfinished.callback(shutil.rmtree, draft, ignore_errors=True)  # nothing more to do once it is renamed
        draft.mkdir()
        for name in (*_ARRAYS, *_SOME):
            if (array := getattr(predictions, name)) is not None:
                np.save(draft / f"{name}.npy", array, allow_pickle=False)
        texts = {"ids": list(predictions.ids), "origins": list(predictions.origins)}
        (draft / "items.json").write_text(json.dumps(texts), encoding="utf-8")
        if save_network is not None:
            save_network(draft / NETWORK)
        if features is not None:
            features.save(draft)
        (draft / "round.json").write_text(json.dumps(asdict(numbered), indent=1), encoding="utf-8")
        sync_files(draft)
        (folder / _LAST).write_text(str(numbered.number), encoding="utf-8")
        draft.rename(round_folder(folder, numbered.number))
        sync_folder(folder)
    return numbered


def round_folder(folder: Path, number: int) -> Path:
    """Return where a round lies."""
    return folder / f"{number:03d}"


def _next_number(folder: Path) -> int:
    names = [path.name for path in folder.iterdir()]
    with contextlib.suppress(OSError, UnicodeError):
        names.append((folder / _LAST).read_text(encoding="utf-8"))
    return max((int(name) for name in names if name.isascii() and name.isdigit()), default=0) + 1


def load_rounds(folder: Path) -> tuple[Round, ...]:
    """Read what there is of rounds, in order; leave out what can't be read."""
    rounds = []
    for path in folder.glob("[0-9]*/round.json"):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            result = _read(json.loads(path.read_text(encoding="utf-8")))
            if path.parent == round_folder(folder, result.number):  # else a copy that somebody made
                rounds.append(result)
    return tuple(sorted(rounds, key=lambda result: result.number))


def _read(raw: dict[str, object]) -> Round:
    config, epochs, vocab, notes = (raw.pop(key) for key in ("config", "epochs", "vocab", "notes"))
    advice = raw.pop("advice", ())
    return Round(
        config=TrainConfig(**config),  # type: ignore[arg-type]
        epochs=tuple(Epoch(**epoch) for epoch in epochs),  # type: ignore[attr-defined]
        vocab=tuple(vocab),  # type: ignore[arg-type]
        notes=tuple(notes),  # type: ignore[arg-type]
        advice=tuple(advice),  # type: ignore[arg-type]
        **raw,  # type: ignore[arg-type]
    )


def one_of(rounds: Sequence[Round], number: int | None = None) -> Round:
    """Return the round of a number, by default the last. Raises InputError if there is none."""
    found = [r for r in rounds if number is None or r.number == number]
    if not found:
        which = "yet" if number is None else f"with number {number}"
        raise InputError(f"There is no round {which}; train first.")
    return found[-1]


def best_of(rounds: Sequence[Round], number: int | None = None) -> Round:
    """Return the round of a number, by default the last that was trained in full, else the last."""
    full = [r for r in rounds if r.config.mode == "full"]
    return one_of(full if full and number is None else rounds, number)


def load_predictions(folder: Path, *, result: Round) -> Predictions:
    """Read the predictions of a round. Raises InputError if they are damaged."""
    home = round_folder(folder, result.number)
    try:
        texts = json.loads((home / "items.json").read_text(encoding="utf-8"))
        there = [*_ARRAYS, *(name for name in _SOME if (home / f"{name}.npy").exists())]
        arrays = {name: np.load(home / f"{name}.npy", allow_pickle=False) for name in there}
        return Predictions(
            vocab=result.vocab,
            ids=strings(texts["ids"]),
            origins=strings(texts["origins"]),
            **arrays,
        )
    except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
        raise InputError(
            f"Round {result.number} in {home} is damaged; remove that folder or train again."
        ) from error
