"""Asks a model about many image files, in batches, with progress; and what it answered, as a table.

It knows nothing of how a model is made or stored.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cleaner.catalog.pixels import THREADS
from cleaner.errors import InputError, Stopped, UnreadableImage
from cleaner.progress import Progress, Report, Stop
from cleaner.serve.classifier import Prediction, best_first
from cleaner.types import SIDECARS, Floats

if TYPE_CHECKING:
    from pandas import DataFrame

Images: TypeAlias = "str | Path | Sequence[str | Path]"
Keep: TypeAlias = Callable[[Path, Prediction], object]


class Model(Protocol):
    """What can be asked."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The K classes, in the order of the probabilities."""

    def prepare(self, data: Path, /) -> NDArray[np.uint8]:
        """Decode a file, [S, S, 3]; raises UnreadableImage."""

    def probabilities(self, batch: NDArray[np.uint8], /) -> Floats:
        """Return the probabilities [B, K] of [B, S, S, 3]."""


@dataclass(frozen=True, slots=True)
class Found:
    """Image files with the names to show them under; `single` if a person asked about just this one."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    single: bool


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a model says of N images, in the order in which they were asked about.

    `answers[i]` are the classes with their probabilities, best first, empty where the image can't be read;
    `problems` say of those why, by name. `probs` [N, K] are in the order of `classes`, NaN for those.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    probs: Floats
    problems: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Prediction]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, row: int) -> Prediction:
        return () if np.isnan(self.probs[row]).any() else best_first(self.classes, self.probs[row])

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the columns of `rows`: image, label, confidence, problem, and p(…) of each class."""
        return ("image", "label", "confidence", "problem", *(f"p({name})" for name in self.classes))

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Yield a row for each image; what is not known of one that can't be read is None."""
        for name, answer, probs in zip(self.names, self, self.probs.tolist(), strict=True):
            if answer:
                yield (name, *answer[0], None, *probs)
            else:
                yield (name, None, None, self.problems.get(name), *(None for _ in self.classes))

    def frame(self) -> DataFrame:
        """Return the rows as a pandas DataFrame."""
        from pandas import DataFrame

        return DataFrame(self.rows(), columns=list(self.columns))

    def _repr_html_(self) -> str:
        html: str = self.frame()._repr_html_()
        return html


def found(images: Images) -> Found:
    """List the files that are meant by a path, a folder or a list of both. Raises InputError."""
    if not isinstance(images, str | Path):
        each = [found(image) for image in images]
        paths = tuple(path for one in each for path in one.paths)
        return Found(paths, tuple(map(str, paths)), single=False)
    path = Path(images).expanduser()
    if path.is_dir():
        below = tuple(sorted(_below(path)))
        return Found(below, tuple(file.relative_to(path).as_posix() for file in below), single=False)
    if not path.exists():
        raise InputError(f"There is no image or folder {path}; give the path of one.")
    return Found((path,), (str(images),), single=True)


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that may be images: neither hidden ones, links, nor sidecars of images."""
    for home, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(home, name)
            if not name.startswith(".") and path.suffix.lower() not in SIDECARS and not path.is_symlink():
                yield path


def ask(
    model: Model, images: Found, *, batch_size: int, keep: Keep | None, report: Report, stopped: Stop
) -> Answers:
    """Ask a model about files, a batch at a time, decoded by threads. See FinishedModel.predict."""
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}, but must be at least 1.")
    probs = np.full((len(images.paths), len(model.classes)), np.nan, dtype=np.float32)
    problems: dict[str, str] = {}
    begun = time.monotonic()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="decoder") as pool:
        for start in range(0, len(images.paths), batch_size):
            if stopped():
                raise Stopped(f"Stopped after {start:,} of {len(images.paths):,} images.")
            rows = range(start, min(start + batch_size, len(images.paths)))
            made = list(pool.map(lambda row: _tried(model, images.paths[row]), rows))
            if images.single and isinstance(made[0], UnreadableImage):
                raise made[0]
            _answer(model, rows, made, probs=probs, problems=problems, names=images.names)
            if keep:
                _offer(keep, rows, images=images, classes=model.classes, probs=probs)
            elapsed = time.monotonic() - begun
            report(Progress("predicting", rows.stop, len(images.paths), elapsed, "asking the model"))
    return Answers(model.classes, images.names, probs, problems)


def _tried(model: Model, path: Path) -> NDArray[np.uint8] | UnreadableImage:
    try:
        return model.prepare(path)
    except UnreadableImage as error:
        return error


def _answer(
    model: Model,
    rows: range,
    made: Sequence[NDArray[np.uint8] | UnreadableImage],
    *,
    probs: Floats,
    problems: dict[str, str],
    names: Sequence[str],
) -> None:
    """Fill in what the model says of the rows that could be read, and why the others could not."""
    read = {row: one for row, one in zip(rows, made, strict=True) if not isinstance(one, UnreadableImage)}
    problems |= {names[row]: str(one) for row, one in zip(rows, made, strict=True) if row not in read}
    if read:
        probs[list(read)] = model.probabilities(np.stack(list(read.values())))


def _offer(keep: Keep, rows: range, *, images: Found, classes: Sequence[str], probs: Floats) -> None:
    for row in rows:
        if not np.isnan(probs[row]).any():
            keep(images.paths[row], best_first(classes, probs[row]))
