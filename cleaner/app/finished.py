"""A finished model, ready to be asked about images: `load_model(path).predict(image)`.

It runs on ONNX Runtime without importing torch, unless told otherwise, and never unpickles anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cleaner.app.answers import Answers, Images, Keep, ask, found
from cleaner.app.exported import GRAPH, WEIGHTS, About, check_file, read_about
from cleaner.app.waiting import shown, watched
from cleaner.catalog.pixels import square
from cleaner.errors import InputError
from cleaner.progress import Report, Stop, never
from cleaner.types import Floats

Engine: TypeAlias = Literal["onnx", "torch"]
Ask: TypeAlias = Callable[[NDArray[np.uint8]], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class FinishedModel:
    """A classifier into `classes`, from files or bytes of images; all its methods may be called by threads.

    `size` is the side in pixels of the squares that it takes, scaling them down within to what its network
    sees; `info` is what its export says of it: metrics, round, provenance, how pictures are made.
    """

    classes: tuple[str, ...]
    size: int
    info: Mapping[str, Any]
    ask: Ask

    def prepare(self, data: bytes | bytearray | str | Path | Image.Image) -> NDArray[np.uint8]:
        """Decode the bytes of an image, a file, or a PIL image as uint8 [S, S, 3], just as for training.

        Raises UnreadableImage with the reason.
        """
        if not isinstance(data, Image.Image):
            data = Path(data) if isinstance(data, str | Path) else bytes(data)
        return square(data, side=self.size)

    def probabilities(self, batch: NDArray[np.uint8]) -> Floats:
        """Return the probabilities [B, K], float32, of prepared images [B, S, S, 3]; else InputError."""
        wanted = (self.size, self.size, 3)
        if batch.ndim != 4 or batch.shape[1:] != wanted or batch.dtype != np.uint8:
            raise InputError(f"The model takes uint8 [B, {self.size}, {self.size}, 3], not {_kind(batch)}.")
        return self.ask(batch) if len(batch) else np.empty((0, len(self.classes)), dtype=np.float32)

    @watched
    def predict(
        self,
        images: Images,
        *,
        batch_size: int = 32,
        keep: Keep | None = None,
        report: Report = shown,
        stopped: Stop = never,
    ) -> Answers:
        """Ask about an image file, a folder with all that lies below it, a PIL image, or a list of these.

        As the last line of a notebook cell it is a table, and `frame()` makes a DataFrame. A single image
        that can't be read raises UnreadableImage; of several, the answers say which and why. `keep` is
        called with each image's path and prediction, best class first (see Keeper); where it fails for want
        of room or rights, the answers' `unkept` says so. Raises InputError for
        what isn't there, Stopped.
        """
        return ask(self, found(images), batch_size=batch_size, keep=keep, report=report, stopped=stopped)


def load_model(path: str | Path, *, engine: Engine = "onnx", threads: int | None = None) -> FinishedModel:
    """Load what `project.export_model` has written, to be asked on the CPU within a second.

    `engine` "torch" takes the same weights to PyTorch, and to the GPU if there is one. `threads` is how many
    ONNX Runtime uses for one answer, None for all cores. Raises InputError, one sentence, for a folder that
    holds no such model, for a damaged one, and for classes or a size that don't fit the weights.
    """
    if engine not in ENGINES:
        raise InputError(f"engine is {engine!r}, but must be {' or '.join(map(repr, ENGINES))}.")
    folder = Path(path).expanduser()
    about = read_about(folder)
    classes, size, ask = ENGINES[engine](folder, about, threads)
    if classes != about.classes:
        raise InputError(
            f"The weights in {folder} are for the classes {_some(classes)}, but its model.json names "
            f"{_some(about.classes)}; export the model again."
        )
    if size != about.size:
        raise InputError(
            f"The weights in {folder} take squares of {size} px, but its model.json says {about.size}; "
            "export the model again."
        )
    return FinishedModel(classes, size, about.info, ask)


def _onnx(folder: Path, about: About, threads: int | None) -> tuple[tuple[str, ...], int, Ask]:
    from cleaner.model.session import Session

    if threads is not None and threads < 1:
        raise InputError(f"threads is {threads}, but must be at least 1; leave it out to use all cores.")
    session = Session(check_file(folder / GRAPH, about), threads=threads)
    return session.classes, session.size, session


def _torch(folder: Path, about: About, threads: int | None) -> tuple[tuple[str, ...], int, Ask]:
    if threads is not None:
        raise InputError(
            'PyTorch has one number of threads for all: set OMP_NUM_THREADS, or use engine="onnx".'
        )
    from cleaner.app.engine import asked_of, quiet_import

    with quiet_import():
        from cleaner.model.store import load_network

        network = load_network(check_file(folder / WEIGHTS, about))
    return asked_of(network)


ENGINES: Mapping[Engine, Callable[[Path, About, int | None], tuple[tuple[str, ...], int, Ask]]] = {
    "onnx": _onnx,
    "torch": _torch,
}


def _some(classes: Sequence[str]) -> str:
    more = f" and {len(classes) - 5:,} more" if len(classes) > 5 else ""
    return ", ".join(classes[:5]) + more


def _kind(batch: NDArray[Any]) -> str:
    return f"{batch.dtype} {list(batch.shape)}"
