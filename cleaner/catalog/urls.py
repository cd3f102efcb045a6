"""Reads lists of image URLs: one text file per class, as an image search exports them, or a table of both.

It fetches nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cleaner.catalog.manifest import one_line
from cleaner.errors import InputError

Lists: TypeAlias = str | Path | Sequence[str | Path] | Mapping[str, Iterable[str]]

LABEL_NAMES = ("label", "class", "category", "target", "y")
WEB = ("http://", "https://")
PREFIX = "urls_"  # as in fastai's lessons: urls_black.csv


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image to download, and the label it will carry."""

    url: str
    label: str


def read_lists(lists: Lists) -> tuple[Wanted, ...]:
    """Return what some lists ask for, each URL once per label, in their order.

    A list is a file of one URL per line, whose name is the label, or a CSV or TSV file with a column of URLs
    and one of labels; or all of it is a mapping from labels to URLs. Lines that are empty or begin with `#`
    are skipped. Raises InputError for a file that is not there or holds no URL.
    """
    if isinstance(lists, Mapping):
        found = [Wanted(url, label) for label, urls in lists.items() for url in urls]
    else:
        paths = [lists] if isinstance(lists, str | Path) else lists
        found = [wanted for path in paths for wanted in _read(Path(path).expanduser())]
    if not found:
        raise InputError("There is no URL in these lists; put one on each line.")
    return tuple(dict.fromkeys(Wanted(one_line(each.url), each.label.strip()) for each in found))


def _read(path: Path) -> list[Wanted]:
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); pass a file of URLs.") from error
    lines = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    delimiter = {".csv": ",", ".tsv": "\t"}.get(path.suffix.lower())
    table = list(csv.reader(lines, delimiter=delimiter)) if delimiter else []
    if table and max(map(len, table)) > 1:
        return _from_table(table, path)
    urls = [row[0] for row in table] if delimiter else lines
    headed = bool(delimiter and urls) and not urls[0].lower().startswith(WEB)
    urls = [url.strip() for url in urls[int(headed) :]]
    if not any(url.lower().startswith(WEB) for url in urls):
        raise InputError(f"{path} holds no URLs; put one on each line, beginning with http.")
    label = path.stem.removeprefix(PREFIX)
    return [Wanted(url, label) for url in urls]


def _from_table(table: list[list[str]], path: Path) -> list[Wanted]:
    """Find the column of URLs by what is in it, and the labels by their name, or because it is the other."""
    web = next((i for row in table for i, cell in enumerate(row) if cell.lower().startswith(WEB)), None)
    if web is None:
        raise InputError(f"{path} has no column of URLs.")
    headed = len(table[0]) <= web or not table[0][web].lower().startswith(WEB)
    names = [name.strip().lower() for name in table[0]] if headed else []
    named = [names.index(name) for name in LABEL_NAMES if name in names]
    others = [i for i in range(max(map(len, table))) if i != web]
    if not named and len(others) != 1:
        raise InputError(f"{path} has no column 'label'; it has: {', '.join(table[0])}. Rename one.")
    label = named[0] if named else others[0]
    rows = [row for row in table[int(headed) :] if len(row) > max(web, label)]
    return [Wanted(row[web], row[label]) for row in rows]
