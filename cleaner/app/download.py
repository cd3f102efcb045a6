"""Downloads lists of image URLs into a folder that then opens as a project."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from cleaner.app.waiting import shown, watched
from cleaner.app.words import count
from cleaner.catalog.download import Manners
from cleaner.catalog.download import download as fetch_all
from cleaner.catalog.manifest import COLUMNS, RESULTS, Outcome
from cleaner.catalog.urls import Lists, read_lists
from cleaner.changes.names import folder_name_problem
from cleaner.errors import InputError
from cleaner.fetching import Limits
from cleaner.progress import Report, Stop, never


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What became of some lists of URLs; `Project.open(downloaded.folder)` opens the images."""

    folder: Path
    outcomes: tuple[Outcome, ...]

    def __repr__(self) -> str:
        return f"<Downloaded: {self.sentence()}>"

    def sentence(self) -> str:
        """Say how many URLs came to what."""
        tally = Counter(outcome.result for outcome in self.outcomes)
        parts = ", ".join(f"{tally[name]:,} {name}" for name in RESULTS if tally[name])
        return f"{count(len(self.outcomes), 'URL')} into {self.folder}: {parts}."

    def frame(self) -> Any:
        """Return a pandas DataFrame, a row for each URL, in columns named as in Outcome."""
        from pandas import DataFrame

        return DataFrame([astuple(outcome) for outcome in self.outcomes], columns=COLUMNS)


@watched
def download(
    lists: Lists,
    *,
    to: str | Path,
    limits: Limits | None = None,
    manners: Manners | None = None,
    allow_private: bool = False,
    report: Report = shown,
    stopped: Stop = never,
) -> Downloaded:
    """Download lists of image URLs into class folders in `to`; the same call again goes on where it was.

    `lists` are text files of URLs, one for each class and named like it, or CSV files with columns of URLs
    and labels, or a mapping from labels to URLs. Every file is opened before it is kept; where it came from
    is written to `.cleaner/downloads.csv`. Addresses in private networks and on this machine are refused
    unless allowed. Raises InputError for lists that can't be read and labels that can't name a folder.
    """
    wanted = read_lists(lists)
    for label in dict.fromkeys(each.label for each in wanted):
        if problem := folder_name_problem(label):
            raise InputError(f"The label {label!r} can't name a folder: {problem}. Rename the list.")
    folder = Path(to).expanduser().resolve()
    outcomes = fetch_all(
        wanted,
        to=folder,
        limits=limits,
        manners=manners,
        allow_private=allow_private,
        report=report,
        stopped=stopped,
    )
    return Downloaded(folder, outcomes)
