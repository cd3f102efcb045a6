"""The cleaned dataset in the formats of others: `project.export`. The dataset itself is only read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleaner.changes.cleaned import Row, cleaned
from cleaner.changes.copies import Link, write_folder, write_hugging_face
from cleaner.changes.export import write_csv, write_decisions, write_fastai_csv
from cleaner.progress import Report, Stop, never, quiet
from cleaner.review.journal import Journal
from cleaner.types import Catalog

if TYPE_CHECKING:
    from pandas import DataFrame


class Export:
    """Everything that leaves a project: labels as the decisions make them, applied or not.

    Deleted images are left out. Files are written whole, or not at all.
    """

    def __init__(self, catalog: Callable[[], Catalog], *, journal: Journal) -> None:
        self._catalog, self._journal = catalog, journal

    def rows(self) -> list[Row]:
        """Return the cleaned dataset, a row for each image, in the order of their ids."""
        return list(cleaned(self._catalog(), self._journal.standing()))

    def frame(self) -> DataFrame:
        """Return the cleaned dataset as a pandas DataFrame, columns as in a Row; paths are relative."""
        from pandas import DataFrame

        return DataFrame(self.rows(), columns=list(Row.__dataclass_fields__))

    def dataloaders(self, *, size: int = 224, batch_size: int = 64) -> Any:
        """Return fastai DataLoaders of the cleaned dataset: held-out images validate, test images stay out.

        Images are read from their files, cropped to `size` pixels a side, and augmented as fastai does.
        """
        from cleaner.model.loaders import file_loaders

        return file_loaders(self.frame(), root=self._catalog().root, size=size, batch_size=batch_size)

    def csv(self, path: str | Path) -> Path:
        """Write the cleaned dataset as a CSV file, columns as in a Row. Raises InputError."""
        return write_csv(self.rows(), Path(path))

    def fastai_csv(self, path: str | Path) -> Path:
        """Write `cleaned.csv` as fastai v1's cleaner did, columns `name` and `label`. Raises InputError."""
        return write_fastai_csv(self.rows(), Path(path))

    def decisions(self, path: str | Path) -> Path:
        """Write every decision ever made as JSON Lines, oldest first. Raises InputError."""
        return write_decisions(self._journal.events(), Path(path))

    def folder(
        self,
        path: str | Path,
        *,
        link: Link = "hard",
        splits: bool = False,
        report: Report = quiet,
        stopped: Stop = never,
    ) -> Path:
        """Write a clean copy as class folders, below `train`, `valid` and `test` if `splits`.

        `link` is "hard" (takes no room; what edits a picture in place edits both), "symbolic" or "copy".
        Raises InputError for a place that is taken or can't be written, Refused if the dataset has changed.
        """
        root = self._catalog().root
        return write_folder(
            self.rows(), Path(path), root=root, link=link, splits=splits, report=report, stopped=stopped
        )

    def hugging_face(
        self, path: str | Path, *, link: Link = "hard", report: Report = quiet, stopped: Stop = never
    ) -> Path:
        """Write a clean copy, as `folder` does, for `datasets.load_dataset("imagefolder", data_dir=path)`."""
        root = self._catalog().root
        return write_hugging_face(
            self.rows(), Path(path), root=root, link=link, report=report, stopped=stopped
        )
