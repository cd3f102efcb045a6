"""fastai 1's ImageCleaner and PredictionsCorrector on the grid. They write tables and touch no image."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from cleaner.app.contents import tied
from cleaner.app.dropins.formatter import LabelledImages
from cleaner.app.filegrid import FileGrid, any_class, journal_in
from cleaner.app.home import home_of
from cleaner.app.imagegrid import queue_of
from cleaner.changes.cleaned import Row
from cleaner.changes.export import write_fastai_csv
from cleaner.errors import InputError
from cleaner.review.packing import Evidence
from cleaner.types import Queue, Standing

KEPT_IN = "image-cleaner.db"  # in the folder `.cleaner` of the path


class ImageCleaner(FileGrid):
    """Show images of a dataset, in the order of `fns_idxs`, and keep `cleaned.csv` in `path` up to date.

    `ds` and `fns_idxs` are what `DatasetFormatter` returns; with `duplicates` two pictures are on a page, and
    the evidence (`E`) shows what each was paired with. After every verdict the table holds a row `name,label`
    for each image that stays, names relative to `path`. Passes add up: verdicts are kept in
    `path/.cleaner/`, found again by the next pass, and rows of images that are not in `ds` stay as they are.
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
        self._path, self._ds = Path(path), ds
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
        rows = [*_rows(self._ds, self._journal.standing(), root=self._path), *self._others(place)]
        return write_fastai_csv(rows, place)

    def _others(self, place: Path) -> Iterator[Row]:
        """Yield what is in the table of images that are not in this dataset: an earlier pass put it there."""
        if not place.exists():
            return
        own = {_name(path, root=self._path) for path in self._ds.items}
        with place.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            for row in csv.DictReader(file):
                if row.get("name") is None or row.get("label") is None:
                    raise InputError(f"{place} has other columns than name and label; move it away.")
                if row["name"] not in own:
                    yield _row(row["name"], row["label"])


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


def _rows(ds: LabelledImages, standing: Standing, *, root: Path) -> Iterator[Row]:
    """Yield a row for each image that stays, with its label as decided."""
    for path, given in zip(ds.items, ds.labels, strict=True):
        decision = standing.get(str(path))
        if decision is None or decision.action != "delete":
            label = decision.label if decision and decision.label else given
            yield _row(_name(path, root=root), label)


def _row(name: str, label: str) -> Row:
    return Row(name, label, label, "train", "", name)


def _name(path: Path, *, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()
