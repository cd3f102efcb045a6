"""Asks a model about many image files, in batches, with progress; and what it answered, as a table.

It knows nothing of how a model is made or stored.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cleaner.app.words import count
from cleaner.catalog.pixels import THREADS
from cleaner.errors import InputError, Stopped, UnreadableImage
from cleaner.progress import Progress, Report, Stop
from cleaner.serve.classifier import Prediction, best_first
from cleaner.types import SIDECARS, Floats

if TYPE_CHECKING:
    from pandas import DataFrame

Picture: TypeAlias = Path | Image.Image
Images: TypeAlias = "str | Picture | Sequence[str | Picture]"
Keep: TypeAlias = Callable[[Path, Prediction], object]


class Model(Protocol):
    """What can be asked."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The K classes, in the order of the probabilities."""

    def prepare(self, data: Picture, /) -> NDArray[np.uint8]:
        """Decode a picture, [S, S, 3]; raises UnreadableImage."""

    def probabilities(self, batch: NDArray[np.uint8], /) -> Floats:
        """Return the probabilities [B, K] of [B, S, S, 3]."""


@dataclass(frozen=True, slots=True)
class Found:
    """Pictures with the names to show them under; `single` if a person asked about just this one."""

    pictures: tuple[Picture, ...]
    names: tuple[str, ...]
    single: bool


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a model says of N images, in the order in which they were asked about.

    `answers[i]` are the classes with their probabilities, best first, empty where the image can't be read;
    `problems` say of those why, by name. `probs` [N, K] are in the order of `classes`, NaN for those.
    `unkept` says why images could not be kept, by name, where they were to be.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    probs: Floats
    problems: Mapping[str, str]
    unkept: Mapping[str, str]

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


def found(images: Any) -> Found:
    """List the pictures that are meant by a path, a folder, a PIL image or a list. Raises InputError."""
    if isinstance(images, Image.Image):
        return Found((images,), ("the picture",), single=True)
    if isinstance(images, bytes) or not isinstance(images, Iterable | Path):
        kind = type(images).__name__
        raise InputError(f"No image can be made of {kind}; pass a path, a folder, a PIL image, or a list.")
    if not isinstance(images, str | Path):
        pictures = tuple(picture for image in images for picture in found(image).pictures)
        names = (str(p) if isinstance(p, Path) else f"picture {at}" for at, p in enumerate(pictures, 1))
        return Found(pictures, tuple(names), single=False)
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
            if name.startswith(".") or path.suffix.lower() in SIDECARS or path.is_symlink():
                continue
            if path.is_file():  # a named pipe would keep who reads it waiting for ever
                yield path


def ask(
    model: Model, images: Found, *, batch_size: int, keep: Keep | None, report: Report, stopped: Stop
) -> Answers:
    """Ask a model about pictures, a batch at a time, decoded by threads. See FinishedModel.predict."""
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}, but must be at least 1.")
    if keep and not all(isinstance(picture, Path) for picture in images.pictures):
        raise InputError("Only files can be kept; pass their paths, or ask without keep=….")
    probs = np.full((len(images.pictures), len(model.classes)), np.nan, dtype=np.float32)
    problems: dict[str, str] = {}
    unkept: dict[str, str] = {}
    begun = time.monotonic()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="decoder") as pool:
        for start in range(0, len(images.pictures), batch_size):
            if stopped():
                raise Stopped(f"Stopped after {start:,} of {len(images.pictures):,} images.")
            rows = range(start, min(start + batch_size, len(images.pictures)))
            made = list(pool.map(lambda row: _tried(model, images.pictures[row]), rows))
            if images.single and isinstance(made[0], UnreadableImage):
                raise made[0]
            _answer(model, rows, made, probs=probs, problems=problems, names=images.names)
            if keep:
                unkept |= _offer(keep, rows, images=images, classes=model.classes, probs=probs)
            elapsed = time.monotonic() - begun
            note = unkept_sentence(unkept) or "asking the model"
            report(Progress("predicting", rows.stop, len(images.pictures), elapsed, note))
    return Answers(model.classes, images.names, probs, problems, unkept)


def unkept_sentence(unkept: Mapping[str, str]) -> str:
    """Say how many images could not be kept, and why the first of them; empty if there are none."""
    if not unkept:
        return ""
    name, why = next(iter(unkept.items()))
    return f"{count(len(unkept), 'image')} could not be kept; {name}: {why}."


def _tried(model: Model, picture: Picture) -> NDArray[np.uint8] | UnreadableImage:
    try:
        return model.prepare(picture)
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


def _offer(
    keep: Keep, rows: range, *, images: Found, classes: Sequence[str], probs: Floats
) -> dict[str, str]:
    """Offer the rows that were answered to be kept; return why some were not, by name."""
    unkept: dict[str, str] = {}
    for row in rows:
        picture = images.pictures[row]
        if isinstance(picture, Path) and not np.isnan(probs[row]).any():
            try:
                keep(picture, best_first(classes, probs[row]))
            except OSError as error:  # a full disk must not cost the answers
                unkept[images.names[row]] = error.strerror or str(error)
    return unkept
