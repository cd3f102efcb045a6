"""Keep what a training would need to go on after a kill, one file for each of its networks.

Files are whole or not there; nothing in them is ever run, and what belongs to another training is ignored.
"""

from __future__ import annotations

import hashlib
import random
import time
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeAlias

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.torch_core import to_device

from cleaner.model.choice import Choice
from cleaner.model.progress import Meter
from cleaner.types import Catalog, Epoch
from cleaner.writing import whole

FORMAT = 1
SAVE_EVERY = 20.0  # seconds between two saves in the middle of a network, or they would cost too much

State: TypeAlias = dict[str, Any]  # tensors, numbers, texts, and lists, tuples and dicts of those

UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, UnpicklingError)


def key_of(catalog: Catalog, *, choice: Choice) -> str:
    """Return a short text that differs for any two trainings that differ in what they start from."""
    state = hashlib.blake2b(digest_size=16)
    state.update(f"{FORMAT} {torch.__version__} {catalog.digest()} {choice.config!r}".encode())
    network = choice.network
    state.update(f"{network.arch} {network.vocab} {network.size} {network.stats}".encode())
    for name, tensor in network.state_dict().items():
        state.update(name.encode())
        state.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


class Workplace:
    """A folder for the state of one training; None keeps nothing."""

    def __init__(self, folder: Path | None, *, key: str):
        self._folder, self._key = folder, key
        self._saved = time.monotonic()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def load(self, number: int) -> State | None:
        """Return the state of a network as it was saved; None if there is none that can be used."""
        if self._folder is None:
            return None
        file = self._file(self._folder, number)
        try:
            with file.open("rb") as start:
                if start.read(2) != b"PK":  # torch would warn of it, and try to unpickle it
                    return None
            state: State = torch.load(file, map_location="cpu", weights_only=True)
            return state if state["key"] == self._key else None
        except UNREADABLE:
            return None

    @property
    def due(self) -> bool:
        """Say whether enough would be lost by a kill to save in the middle of a network."""
        return self._folder is not None and time.monotonic() - self._saved >= SAVE_EVERY

    def save(self, number: int, state: State) -> None:
        """Write the state of a network, all of it or nothing; OSError if there is no space."""
        if self._folder is None:
            return
        file = self._file(self._folder, number)
        try:
            with whole(file, durable=True) as part, part.open("wb") as out:
                torch.save({"key": self._key, **state}, out)
        except RuntimeError as error:  # how torch says that a write failed
            raise OSError(str(error)) from error
        self._saved = time.monotonic()

    def clear(self) -> None:
        """Remove every state."""
        if self._folder is not None:
            for file in (*self._folder.glob("*.state"), *self._folder.glob(".*.part")):
                with suppress(OSError):
                    file.unlink()

    @staticmethod
    def _file(folder: Path, number: int) -> Path:
        return folder / f"{number}.state"


def random_states() -> State:
    """Return the state of every random number generator that a training draws from."""
    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, np.asarray(keys).tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def set_random_states(states: State) -> None:
    """Go on with the random numbers where `random_states` was called."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    torch.cuda.set_rng_state_all(states["cuda"])


class Resume(Callback):  # type: ignore[misc]  # fastai is untyped
    """Saves the state of a network's training after its epochs, and goes on from one that was saved.

    Needs the callbacks History and Margins. `batch_size` is the one in force.
    """

    order = 80  # after all others

    def __init__(
        self, workplace: Workplace, *, number: int, batch_size: int, meter: Meter, begun: State | None
    ):
        super().__init__()
        self.workplace, self.part, self.batch_size = workplace, number, batch_size
        self.meter, self.begun = meter, begun

    def before_fit(self) -> None:
        """Put back, once, what the first fit needs to go on."""
        state, self.begun = self.begun, None
        if state is None:
            return
        if state["optimizer"] is not None:
            moments = to_device(state["optimizer"], self.dls.device)
            self.opt.load_state_dict({"state": moments, "hypers": self.opt.hypers})
            self.recorder.smooth_loss.count, self.recorder.smooth_loss.val = state["smooth_loss"]
        set_random_states(state["random"])

    def after_epoch(self) -> None:
        """Save, if that is due; a training without a place to save goes on."""
        if not self.workplace.due or not self.recorder.values[-1]:
            return
        try:
            self.workplace.save(self.part, self._state())
        except OSError as error:
            self.meter.remark("saving", note=unsaved(error))

    def _state(self) -> State:
        """Return everything on which the rest of this network's training depends.

        After the epoch in which only the new head learned, a fit of its own begins, with a fresh optimizer.
        """
        smooth = self.recorder.smooth_loss
        return {
            "batch_size": self.batch_size,
            "epochs": epochs_as_rows(self.history.figures),
            "margins": self.margins.table(),
            "network": self.learn.model.state_dict(),
            "optimizer": None if self.history.number == 1 else self.opt.state_dict()["state"],
            "smooth_loss": (smooth.count, smooth.val),
            "random": random_states(),
        }


def unsaved(error: OSError) -> str:
    """Say that a training goes on although it could not be resumed."""
    reason = error.strerror or error
    return f"The state of the training could not be saved ({reason}), so after a kill it would begin anew."


def epochs_as_rows(epochs: tuple[Epoch, ...]) -> list[tuple[int, float, float, float]]:
    """Turn figures into what a state may hold; `Epoch(*row)` turns one back."""
    return [(epoch.number, epoch.train_loss, epoch.valid_loss, epoch.error_rate) for epoch in epochs]
