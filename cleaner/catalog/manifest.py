"""Keeps where each downloaded file came from, one line of a CSV file for each URL, written as it happens.

A line that a kill has cut off is dropped at the next opening; it downloads nothing.
"""

from __future__ import annotations

import csv
import threading
from collections import Counter
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, TypeAlias, get_args

Result: TypeAlias = Literal["kept", "twice", "no image", "not to be had", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one URL: `path` is the file in the dataset, `source` where it came from in the end.

    `result` is "kept"; "twice" for a file that is there already, under `path`; "no image" for anything else
    that came; "not to be had", also at another time; or "failed" for a passing reason, to be tried again.
    """

    url: str
    label: str
    result: Result
    path: str = ""
    source: str = ""
    bytes: int = 0
    digest: str = ""
    detail: str = ""


RESULTS: tuple[Result, ...] = get_args(Result)
COLUMNS = [field.name for field in fields(Outcome)]


class Manifest:
    """The outcomes of all runs into one folder; `last` holds the last one of each URL and label."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: IO[str] | None = None
        self._claimed: dict[tuple[str, str], str] = {}
        self.last: dict[tuple[str, str], Outcome] = {}

    def __enter__(self) -> Manifest:
        text = self._path.read_bytes() if self._path.exists() else b""
        whole = text[: text.rfind(b"\r\n") + 2] if b"\r\n" in text else b""
        for row in csv.reader(whole.decode("utf-8", "replace").splitlines()[1:]):
            if len(row) == len(COLUMNS) and row[2] in RESULTS and row[5].isdigit():
                self._remember(_outcome(row))
        self._file = self._path.open("r+" if text else "w", encoding="utf-8", newline="")
        self._file.seek(len(whole))
        self._file.truncate()
        if not whole:
            csv.writer(self._file).writerow(COLUMNS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, outcome: Outcome) -> None:
        """Write down what became of a URL."""
        with self._lock:
            assert self._file is not None
            csv.writer(self._file).writerow(one_line(str(cell)) for cell in astuple(outcome))
            self._file.flush()
            self._remember(outcome)

    def settled(self, url: str, label: str) -> bool:
        """Say whether a URL need not be asked again."""
        known = self.last.get((url, label))
        return known is not None and known.result != "failed"

    def claim(self, label: str, digest: str, path: str) -> str | None:
        """Take a place for a file of some content; or name the one that this content has under this label."""
        with self._lock:
            there = self._claimed.get((label, digest))
            self._claimed.setdefault((label, digest), path)
            return there

    def sentence(self) -> str:
        """Say how many there are of each result."""
        with self._lock:
            tally = Counter(outcome.result for outcome in self.last.values())
        return ", ".join(f"{tally[name]:,} {name}" for name in RESULTS if tally[name])

    def _remember(self, outcome: Outcome) -> None:
        self.last[outcome.url, outcome.label] = outcome
        if outcome.result == "kept":
            self._claimed[outcome.label, outcome.digest] = outcome.path


def one_line(text: str) -> str:
    """Return a text without line ends, and without what CSV files can't hold."""
    return " ".join(text.replace("\0", "").split())


def _outcome(row: list[str]) -> Outcome:
    url, label, result, path, source, size, digest, detail = row
    return Outcome(url, label, RESULTS[RESULTS.index(result)], path, source, int(size), digest, detail)
