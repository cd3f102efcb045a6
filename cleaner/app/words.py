"""Numbers said as a person would say them, for the terminal and the dashboard alike. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from cleaner.progress import Progress
from cleaner.types import Finding, Receipt, Round

NAMED = 5  # of a long list, before the rest is counted


def duration(seconds: float) -> str:
    """Say a length of time: «8 s», «2 min 05 s», «1 h 10 min»."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def moment(at: str) -> str:
    """Say a time of ISO 8601 to the minute, as it is on this machine's clock."""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")


def time_left(progress: Progress) -> str:
    """Say how much longer it takes, or nothing before that can be known."""
    left = progress.seconds_left
    return "" if left is None or progress.done >= progress.total else f"{duration(left)} left"


def progress_line(progress: Progress) -> str:
    """Say what is done just now, and how much longer it takes where that is known."""
    left = time_left(progress)
    return f"{progress.note or progress.phase}{f' · {left}' if left else ''}"


def count(number: int, noun: str, nouns: str = "") -> str:
    """Say a number of things: «1 image», «1,797 images»; `nouns` where that is not the noun and an s."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def round_line(result: Round) -> str:
    """Say in one sentence how a round went."""
    images = count(result.held_out, "held-out image")
    how = {
        "quick": f"{images}, each left out in turn; a quick look",
        "full": f"{images}, trained",
    }[result.config.mode]
    return (
        f"Round {result.number}: error rate {result.error_rate:.1%} on {how} at {result.config.size} pixels "
        f"in {duration(result.seconds)}. {result.device}."
    )


def order_line(result: Round) -> str:
    """Say in one sentence where an order comes from."""
    how = {
        "quick": "the quick look, a simple model on ready-made features",
        "full": "the full training",
    }[result.config.mode]
    return f"This order comes from {how} (round {result.number})."


def receipt_line(receipt: Receipt, *, undecided: bool = False) -> str:
    """Say what an apply, an undo or an emptying did, which files were renamed, and what failed and why.

    With `undecided`, the decisions behind what was undone are taken back too.
    """
    verb = {
        "apply": "moved; nothing was deleted",
        "undo": f"put back; the decisions {'are taken back too' if undecided else 'stay'}",
        "empty": "destroyed",
    }[receipt.verb]
    early = " Stopped before the end." if receipt.stopped else ""
    renamed = [d for d in receipt.done if receipt.verb == "apply" and _name(d.source) != _name(d.target)]
    names = "".join(f" {d.source} is now {d.target}, because its name was taken." for d in renamed[:NAMED])
    failed = "".join(f" {failure.reason}" for failure in receipt.failed[:NAMED])
    more = max(0, len(renamed) - NAMED) + max(0, len(receipt.failed) - NAMED)
    rest = f" And {more:,} more such." if more else ""
    return f"{count(len(receipt.done), 'file')} {verb}.{early}{names}{failed}{rest}"


def put_line(items: Sequence[str], side: str) -> str:
    """Say that images are on one side of the split, where no file has to move for it."""
    copies = "its copies are" if len(items) == 1 else "their copies are"
    return f"{count(len(items), 'image')} and {copies} on the side {side} now."


def one_of_each_group(findings: Iterable[Finding]) -> list[Finding]:
    """Leave out of findings what only repeats another of its group from the other side."""
    first: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        first.setdefault((finding.kind, finding.group or finding.detail), finding)
    return list(first.values())


def plain(text: str) -> str:
    """Escape what a terminal would obey or a table break on: control characters, newlines, bidi marks."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _name(path: str) -> str:
    return PurePosixPath(path).name
