"""What a project can be opened on (folders, tables, datasets of other libraries), and where it is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cleaner.app.bridges import from_fastai, from_hugging_face, kind_of
from cleaner.app.home import HOME, kept_elsewhere, kept_for, made, prepare
from cleaner.app.tables import as_named, keep_names, root_kept
from cleaner.catalog.listing import Listing
from cleaner.catalog.packed import is_packed, unpack
from cleaner.catalog.table import Table, Written, is_table, list_table, written
from cleaner.errors import InputError

TAKEN_FOR_A_CLASS = (
    "torchvision takes {} for a class when an ImageFolder is made again: open the project with home=… "
    "elsewhere, or make it of the folder that project.export.folder writes."
)


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset that is to be cleaned: its root, the project's own folder, and its table if there is one.

    `place` opens the same again; None for what is only in memory. The pictures of a `packed` table lie in it
    as bytes, and are unpacked into the root. A table of which one `remembers` what was named needs only its
    path from then on. `said` is what to know of other places of its verdicts.
    """

    root: Path
    home: Path
    table: Table | None
    place: Path | None
    packed: bool = False
    remembers: bool = False
    said: str = ""

    @property
    def notice(self) -> str | None:
        """What to know of the place in which this project is kept; None for nothing."""
        elsewhere = kept_elsewhere(self.root, home=self.home)
        return " ".join(filter(None, (elsewhere, self.said))) or None

    def list(self) -> Listing | None:
        """Read the table as it is now, and keep what was named of it; None for class folders."""
        if self.table is None:
            return None
        listing = list_table(self._of_files(self.table), root=self.root)
        if self.remembers:
            keep_names(self.table, home=self.home)
        return listing

    def written(self) -> Written | None:
        """Return the table as it is written now; None for class folders."""
        return None if self.table is None else written(self._of_files(self.table), root=self.root)

    def _of_files(self, table: Table) -> Table:
        return unpack(table, folder=self.root) if self.packed else table


def source_of(given: Any, *, home: str | Path | None) -> Source:
    """Find out what was passed in, and prepare the project's own folder. Raises InputError."""
    kind = kind_of(given)
    if kind == "torchvision.ImageFolder":
        given = given.root
    elif kind.startswith("datasets.Iterable"):
        raise InputError(
            "A streamed dataset can't be looked through in any order; load it without streaming."
        )
    elif kind:
        own = made(Path(_required(home)).expanduser().resolve())
        if kind.startswith("datasets."):
            return _of_table(from_hugging_face(given, folder=own / "images"), home=own)
        return _of_table(from_fastai(given.dls if kind == "fastai.Learner" else given), home=own)
    if isinstance(given, Table) or is_table(given):
        return _of_table(given if isinstance(given, Table) else Table(given), home=home)
    if not isinstance(given, str | Path):
        raise InputError(
            f"A {type(given).__name__} is no dataset that is known here; pass a folder, a table, a "
            "DataFrame, a fastai Learner, an ImageFolder or a Hugging Face dataset."
        )
    root, own, said = prepare(given, home=home)
    if kind == "torchvision.ImageFolder" and own.parent == root:
        said = " ".join(filter(None, (said, TAKEN_FOR_A_CLASS.format(own))))
    return Source(root, own, None, root, said=said)


def _required(home: str | Path | None) -> str | Path:
    if home is None:
        raise InputError("What is only in memory has no place for verdicts and rounds: pass home=… as well.")
    return home


def _of_table(table: Table, *, home: str | Path | None) -> Source:
    file, said, remembers = table.file, "", home is None
    if file is None or home is not None:
        own = made(Path(_required(home)).expanduser().resolve())
    elif not file.is_file():
        raise InputError(f"{file} is no file; pass the path of a CSV, TSV or Parquet file.")
    else:
        own, said = kept_for(file, usual=file.with_name(f"{HOME}-{file.name}"))
        table = as_named(table, home=own)
    if is_packed(table):
        return Source(own / "images", own, table, file, packed=True, remembers=remembers, said=said)
    root = root_kept(table, home=own)
    fixed = replace(table, root=table.base)  # wherever Python runs by the next check
    return Source(root, own, fixed, file, remembers=remembers, said=said)
