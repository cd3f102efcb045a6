"""The cleaned dataset in the formats of others: `project.export`. The dataset itself is only read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleaner.app.owncolumns import in_own_columns
from cleaner.app.sources import Source
from cleaner.app.waiting import shown, watched
from cleaner.changes.cleaned import Row, cleaned
from cleaner.changes.copies import Link, write_folder, write_hugging_face
from cleaner.changes.export import write_csv, write_decisions, write_fastai_csv, write_table
from cleaner.errors import InputError
from cleaner.progress import Report, Stop, never
from cleaner.review.journal import Journal
from cleaner.types import Catalog

if TYPE_CHECKING:
    from pandas import DataFrame


OWN = "cleaned.csv"  # the one name in a project's own folder that an export may take


class Export:
    """Everything that leaves a project: labels as the decisions make them, applied or not.

    Deleted images are left out. Files are written whole, or not at all, and never over what is only read.
    """

    def __init__(self, catalog: Callable[[], Catalog], *, journal: Journal, source: Source) -> None:
        self._catalog, self._journal, self._source = catalog, journal, source

    def rows(self) -> list[Row]:
        """Return the cleaned dataset, a row for each image, in the order of their ids."""
        return list(cleaned(self._catalog(), self._journal.standing()))

    def frame(self) -> DataFrame:
        """Return the cleaned dataset as a pandas DataFrame, columns as in `csv`."""
        from pandas import DataFrame

        table = self._source.written()
        if table is None:
            return self._plain_frame()
        names, lines = in_own_columns(self.rows(), table)
        return DataFrame(lines, columns=names)

    def dataloaders(self, *, size: int = 224, batch_size: int = 64) -> Any:
        """Return fastai DataLoaders of the cleaned dataset: held-out images validate, test images stay out.

        Images are read from their files, cropped to `size` pixels a side, and augmented as fastai does.
        """
        from cleaner.model.loaders import file_loaders

        root = self._catalog().root
        return file_loaders(self._plain_frame(), root=root, size=size, batch_size=batch_size)

    def csv(self, path: str | Path) -> Path:
        """Write the cleaned dataset as a CSV file; columns as in a Row, paths relative to the dataset.

        Of a table, its own columns and rows in their order, the label as cleaned, and after them the split,
        where it has none, `given_label`, `decision` and `id`. Raises InputError, Refused where the table has
        changed since the last check.
        """
        table = self._source.written()
        if table is None:
            return write_csv(self.rows(), self.free(path))
        return write_table(*in_own_columns(self.rows(), table), self.free(path))

    def fastai_csv(self, path: str | Path) -> Path:
        """Write `cleaned.csv` as fastai v1's cleaner did, columns `name` and `label`. Raises InputError."""
        return write_fastai_csv(self.rows(), self.free(path))

    def decisions(self, path: str | Path) -> Path:
        """Write every decision ever made as JSON Lines, oldest first. Raises InputError."""
        return write_decisions(self._journal.events(), self.free(path))

    @watched
    def folder(
        self,
        path: str | Path,
        *,
        link: Link = "hard",
        splits: bool = False,
        report: Report = shown,
        stopped: Stop = never,
    ) -> Path:
        """Write a clean copy as class folders, below `train`, `valid` and `test` if `splits`.

        `link` is "hard" (takes no room; what edits a picture in place edits both), "symbolic" or "copy".
        Raises InputError for a place that is taken or can't be written, Refused if the dataset has changed.
        """
        root = self._catalog().root
        place = Path(path).expanduser()
        return write_folder(
            self.rows(), place, root=root, link=link, splits=splits, report=report, stopped=stopped
        )

    @watched
    def hugging_face(
        self, path: str | Path, *, link: Link = "hard", report: Report = shown, stopped: Stop = never
    ) -> Path:
        """Write a clean copy, as `folder` does, for `datasets.load_dataset("imagefolder", data_dir=path)`."""
        root = self._catalog().root
        place = Path(path).expanduser()
        return write_hugging_face(self.rows(), place, root=root, link=link, report=report, stopped=stopped)

    def _plain_frame(self) -> DataFrame:
        """Return a row for each image, columns as in a Row."""
        from pandas import DataFrame

        return DataFrame(self.rows(), columns=[field.name for field in fields(Row)])

    def free(self, path: str | Path) -> Path:
        """Return the place for a file, with `~` followed. Raises InputError for one that is only read."""
        place = Path(path).expanduser()
        target = place.resolve()
        home, source = self._source.home.resolve(), self._source.place
        if target.is_relative_to(home) and target != home / OWN:
            what = f"lies in {home}, where this project is kept"
        elif target.is_file() and source is not None and target.samefile(source):
            what = "is the table of this project"
        elif target.is_file() and self._is_image(target):
            what = "is an image of the dataset"
        else:
            return place
        raise InputError(f"{path} {what}, which must stay as it is; choose another place.")

    def _is_image(self, file: Path) -> bool:
        catalog, name = self._catalog(), file.name.casefold()  # on some disks one file has many spellings
        alike = (path for path in catalog.paths if path.casefold().endswith(name))
        return any(place.exists() and place.samefile(file) for place in map(catalog.root.joinpath, alike))
