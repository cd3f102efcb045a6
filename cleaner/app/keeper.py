"""Keeps pictures that a finished model is unsure of, or that somebody disputes, as a folder per class.

The folder opens as a project: what the model could not do teaches the next one. No client names a file.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock

from cleaner.catalog.digest import digest_of_bytes
from cleaner.catalog.pictures import kind_of
from cleaner.changes.names import folder_name_problem
from cleaner.errors import InputError
from cleaner.types import SIDECARS, percent
from cleaner.writing import whole

BELOW = 0.6  # probability of the best class
MOST = 1_000  # images
MOST_BYTES = 10**9
TOLD = 10  # classes in the sidecar
TRASH = ".cleaner/trash"  # of the project as which the folder is opened


class Keeper:
    """Keeps pictures in `folder`, up to `most` of them and `most_bytes`; any thread and process may use it.

    A picture lies in the folder of the class it is taken for, under its digest, and beside it a `.json` of
    that stem says what was predicted and when. Raises InputError for a folder that can't be made, and for
    classes that can't be folders.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        classes: Sequence[str],
        below: float = BELOW,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        if not 0 <= below <= 1:
            raise InputError(f"below is {below}, but must be a probability from 0 to 1.")
        if problem := next(filter(None, map(folder_name_problem, classes)), None):
            raise InputError(f"Pictures can't be kept in folders by class: {problem}.")
        self.folder = folder = Path(folder).expanduser()
        self.below, self.most, self.most_bytes = below, most, most_bytes
        self.kept, self.full = 0, False  # by this keeper; whether there was no room for another
        self._classes, self._thread = tuple(classes), threading.Lock()
        try:
            for name in classes:
                (folder / name).mkdir(parents=True, exist_ok=True)  # also those that a person may correct to
        except OSError as error:
            raise InputError(f"{folder} can't be made ({error.strerror}); choose another place.") from error

    def keep(
        self,
        picture: bytes | bytearray | Path,
        prediction: Sequence[tuple[str, float]],
        *,
        disputed: str | None = None,
    ) -> Path | None:
        """Keep a picture if its prediction, best class first, is unsure, or somebody says it is `disputed`.

        A disputed one goes to the folder of that class, also if it was kept as unsure before, but not if
        somebody has decided on it since, nor does one come back that was removed. Returns where it lies; None
        where it is sure enough or kept already and not disputed, and where there is no room. Raises
        InputError for a disputed class that is none, UnreadableImage for what is no image, OSError where the
        disk fails.
        """
        label, share = prediction[0]
        if disputed not in (None, *self._classes):
            raise InputError(f"{disputed!r} is no class of the model; it has: {', '.join(self._classes)}.")
        if label not in self._classes or (disputed is None and share >= self.below):
            return None
        data = picture.read_bytes() if isinstance(picture, Path) else bytes(picture)
        told = {
            "kept": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "because": "disputed" if disputed else "unsure",
            "predictions": [[name, round(float(value), 6)] for name, value in prediction[:TOLD]],
        }
        return self._put(data, told, label=disputed or label)

    def sentence(self) -> str:
        """Say how many were kept, and whether all found room."""
        full = (
            f" There is no room for more than {self.most:,}, or {self.most_bytes:,} bytes."
            if self.full
            else ""
        )
        images = "1 picture" if self.kept == 1 else f"{self.kept:,} pictures"
        return f"Kept {images} in {self.folder}, less than {percent(self.below)} sure.{full}"

    def _put(self, data: bytes, told: Mapping[str, object], *, label: str) -> Path | None:
        digest, sidecar = digest_of_bytes(data), json.dumps(told, ensure_ascii=False).encode()
        place = self.folder / label / f"{digest}{kind_of(data)}"
        with self._thread, FileLock(self.folder / ".keeper.lock"):
            held, size = self._held()
            if digest in held:
                return _corrected(held[digest], place, sidecar) if told["because"] == "disputed" else None
            if removed := self._removed(digest):
                return removed if told["because"] == "disputed" else None
            self.full = len(held) >= self.most or size + len(data) + len(sidecar) > self.most_bytes
            if self.full:
                return None
            place.parent.mkdir(exist_ok=True)  # a person may have removed it
            _write(place.with_suffix(".json"), sidecar)
            try:
                _write(place, data)
            except OSError:
                place.with_suffix(".json").unlink()
                raise
            self.kept += 1
        return place

    def _held(self) -> tuple[dict[str, Path], int]:
        """List what lies in the class folders: the pictures by their digests, and the bytes of everything."""
        held, size = {}, 0
        for home in os.scandir(self.folder):
            if home.is_dir(follow_symlinks=False) and not home.name.startswith("."):
                for entry in os.scandir(home):
                    size += entry.stat(follow_symlinks=False).st_size
                    if not entry.name.endswith((".json", ".part")):
                        held[Path(entry.name).stem] = Path(entry.path)
        return held, size

    def _removed(self, digest: str) -> Path | None:
        """Find a picture in the trash of the folder's project."""
        trashed = (self.folder / TRASH).rglob(f"{digest}.*")
        return next((path for path in trashed if path.suffix not in SIDECARS), None)


def _corrected(lies: Path, place: Path, sidecar: bytes) -> Path:
    """Bring a picture that was kept as unsure to another class; leave it where a person has put it."""
    before = lies.with_suffix(".json")
    try:
        told = json.loads(before.read_bytes())
        unsure = told["because"] == "unsure" and told["predictions"][0][0] == lies.parent.name
    except (OSError, ValueError, LookupError, TypeError):
        return lies
    if not unsure:
        return lies
    place.parent.mkdir(exist_ok=True)
    _write(place.with_suffix(".json"), sidecar)
    if place != lies:
        lies.replace(place)
        before.unlink()
    return place


def _write(path: Path, data: bytes) -> None:
    """Write whole or not at all; a leading dot hides what is not whole from a project."""
    with whole(path) as part:
        part.write_bytes(data)
