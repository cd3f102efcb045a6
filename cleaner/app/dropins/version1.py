"""fastai 1's ImageCleaner and PredictionsCorrector on the grid. They write tables and touch no image."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from cleaner.app.contents import tied
from cleaner.app.dropins.formatter import LabelledImages
from cleaner.app.filegrid import FileGrid, any_class, in_full, journal_in
from cleaner.app.home import home_of
from cleaner.app.reviewgrid import queue_of
from cleaner.changes.export import write_table
from cleaner.errors import InputError
from cleaner.review.packing import Evidence
from cleaner.types import Queue, Standing

KEPT_IN = "image-cleaner.db"  # in the folder `.cleaner` of the path
COLUMNS = ("name", "label")

Rows: TypeAlias = dict[str, list[dict[str, str]]]  # of a table, by the name of their image


class ImageCleaner(FileGrid):
    """Show images of a dataset, in the order of `fns_idxs`, and keep `cleaned.csv` in `path` up to date.

    `ds` and `fns_idxs` are what `DatasetFormatter` returns; with `duplicates` two pictures are on a page, and
    the evidence (`E`) shows what each was paired with. After every verdict the table holds a row `name,label`
    for each image that stays, names relative to `path`. Passes add up: verdicts are kept in
    `path/.cleaner/`, found again by the next pass, and rows of images that are not in `ds` stay as they are,
    as do further columns of all. Raises InputError for a table without `name` and `label`.
    """

    def __init__(
        self,
        ds: LabelledImages,
        fns_idxs: Iterable[int],
        path: str | Path,
        batch_size: int = 5,
        duplicates: bool = False,
        *,
        by: str | None = None,
    ) -> None:
        order = [int(row) for row in fns_idxs]
        self._path = Path(path).absolute()
        self._ds = ds = replace(ds, items=tuple(Path(in_full(file)) for file in ds.items))
        self._names = [_name(file, root=self._path) for file in ds.items]
        self._lines: Rows = {}  # rows of the images, also those that a verdict took out
        journal = journal_in(home_of(self._path.resolve()) / KEPT_IN, by=by)
        tied([path for path in ds.items if path.is_file()], journal=journal)
        super().__init__(
            _queue(ds, order),
            journal=journal,
            class_problem=any_class,
            evidence=_partners(ds, order) if duplicates else None,
            page_size=2 if duplicates else batch_size,
        )
        self.observe(lambda _: self.write_csv(), "revision")
        self.write_csv()

    def write_csv(self) -> Path:
        """Write `cleaned.csv` as the verdicts make it, whole or not at all, and return its path."""
        place = self._path / "cleaned.csv"
        columns, found = _table(place)
        self._lines |= found
        kept = _labels(self._names, self._ds, self._journal.standing())
        own = [
            row | {"name": name, "label": label}
            for name, label in kept
            for row in self._lines.get(name, [{}])
        ]
        mine = set(self._names)
        others = [row for name, some in found.items() if name not in mine for row in some]
        rows = ([row.get(column, "") for column in columns] for row in own + others)
        return write_table(columns, rows, place)


class PredictionsCorrector(FileGrid):
    """Show test images with their predicted labels, in the order of `fns_idxs`, to correct them.

    `PredictionsCorrector(*DatasetFormatter.from_most_unsure(learn))`, as in fastai 1. Verdicts are kept in
    the SQLite file `keep_in` and found there again.
    """

    def __init__(
        self,
        ds: LabelledImages,
        fns_idxs: Iterable[int],
        classes: Sequence[str],
        labels: Sequence[str],
        batch_size: int = 5,
        *,
        keep_in: str | Path = "cleaner-corrections.db",
        by: str | None = None,
    ) -> None:
        if len(labels) != len(ds):
            raise InputError(f"There are {len(ds):,} images but {len(labels):,} labels; pass one for each.")
        self._labels = tuple(labels)
        self._at = {str(path): row for row, path in enumerate(ds.items)}
        journal = journal_in(keep_in, by=by)
        tied([path for path in ds.items if path.is_file()], journal=journal)
        shown = LabelledImages(ds.items, self._labels, tuple(classes), ds.probs)
        super().__init__(
            _queue(shown, [int(row) for row in fns_idxs]),
            journal=journal,
            class_problem=any_class,
            page_size=batch_size,
        )

    @property
    def corrections(self) -> dict[int, str]:
        """The new labels, by the position of the image in the dataset."""
        kept = self._journal.standing().items()
        found = {self._at[item]: decision.label for item, decision in kept if item in self._at}
        return {row: label for row, label in sorted(found.items()) if label is not None}

    def corrected_labels(self) -> list[str]:
        """Return the labels of the whole test set, with the corrections in them."""
        corrections = self.corrections
        return [corrections.get(row, label) for row, label in enumerate(self._labels)]


def _queue(ds: LabelledImages, order: Sequence[int]) -> Queue:
    """Return the chosen images in their order, each once, those that are gone left out."""
    rows = [row for row in dict.fromkeys(order) if ds.items[row].is_file()]
    believed = ds.suggested
    return queue_of(
        [ds.items[row] for row in rows],
        [ds.labels[row] for row in rows],
        None,
        suggested=[believed[row] for row in rows],
        confidence=[float(ds.probs[row].max()) for row in rows],
        classes=ds.classes,
    )


def _partners(ds: LabelledImages, order: Sequence[int]) -> Callable[[str], Evidence]:
    """Return what tells which images one was paired with: order[0] and order[1] are a pair, and so on."""
    of: dict[str, dict[str, None]] = {}
    for one, other in zip(order[::2], order[1::2], strict=False):
        for mine, partner in ((one, other), (other, one)):
            of.setdefault(str(ds.items[mine]), {})[str(ds.items[partner])] = None

    def evidence(identity: str) -> Evidence:
        partners = tuple(of.get(identity, ()))
        return Evidence(given=partners, reasons=tuple(f"looks like {Path(name).name}" for name in partners))

    return evidence


def _labels(names: Sequence[str], ds: LabelledImages, standing: Standing) -> Iterator[tuple[str, str]]:
    """Yield the name of each image that stays, with its label as decided."""
    for name, path, given in zip(names, ds.items, ds.labels, strict=True):
        decision = standing.get(str(path))
        if decision is None or decision.action != "delete":
            yield name, decision.label if decision and decision.label else given


def _table(place: Path) -> tuple[Sequence[str], Rows]:
    """Return the columns of a table and its rows: an earlier pass put them there, or somebody else."""
    if not place.exists():
        return COLUMNS, {}
    with place.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        reader = csv.DictReader(file, restval="")
        columns, rows = reader.fieldnames or COLUMNS, list(reader)
    if not set(COLUMNS).issubset(columns) or any(None in row for row in rows):
        raise InputError(f"{place} has other columns than name and label; move it away.")
    of: Rows = {}
    for row in rows:
        of.setdefault(row["name"], []).append(row)
    return columns, of


def _name(path: Path, *, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()
