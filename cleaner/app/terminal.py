"""What the commands share: a project opened with its notice, lines of a table, progress as bars on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

import cleaner
from cleaner.app.words import plain, receipt_line, time_left
from cleaner.changes.export import write_table
from cleaner.progress import Progress, Report
from cleaner.types import Receipt

if TYPE_CHECKING:
    from cleaner.app.project import Project

OF_A_CHECK = ("listing", "looking", "checking", "sketching", "comparing")  # its phases; it is kept at its end
Folder = Annotated[Path, typer.Argument(help="The dataset: a folder with one folder per class, or a table.")]

Csv = Annotated[Path | None, typer.Option(help="Write a table of it here.")]


def opened(folder: Path) -> Project:
    """Open a project, and say what is to be known of it."""
    project = cleaner.Project.open(folder)  # loaded now only: `cleaner serve` needs none of it
    if project.notice:
        typer.echo(plain(project.notice), err=True)
    return project


def row(*cells: str) -> None:
    """Write one line of a table."""
    typer.echo("\t".join(plain(cell) for cell in cells))


def rows(lines: Iterable[tuple[str, ...]], *, none: str) -> None:
    """Write a table; if it has no lines, say so on stderr, and stdout stays empty for programs."""
    there = False
    for cells in lines:
        row(*cells)
        there = True
    if not there:
        typer.echo(none, err=True)


def to_csv(place: Path | None, names: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    """Write a table where one was asked for, and say so."""
    if place:
        typer.echo(plain(f"Wrote {write_table(names, lines, place.expanduser())}."), err=True)


def say(receipt: Receipt, *, undecided: bool = False) -> None:
    """Say what was done; what failed makes the status 1."""
    typer.echo(plain(receipt_line(receipt, undecided=undecided)), err=bool(receipt.failed))
    if receipt.failed:
        raise typer.Exit(1)


@contextlib.contextmanager
def bar() -> Iterator[Report]:
    """Show progress as one bar per phase on stderr."""
    phases: dict[str, TaskID] = {}
    with _interruptible(phases), bars() as shown:

        def report(progress: Progress) -> None:
            if progress.phase not in phases:
                phases[progress.phase] = shown.add_task(progress.phase, total=None, left="")
            shown.update(phases[progress.phase], **fields(progress))

        yield report


def bars(*, passing: bool = False) -> Bar:
    """Return bars on stderr, each with what is done and the time left.

    Those that are `passing` leave nothing behind, and leave what the work prints to where it goes.
    """
    words = (TextColumn(f"{{task.{name}}}", markup=False) for name in ("description", "fields[left]"))
    return Bar(
        *(next(words), BarColumn(), next(words)),
        console=Console(stderr=True),
        transient=passing,
        redirect_stdout=not passing,
        redirect_stderr=not passing,
    )


def fields(progress: Progress) -> dict[str, Any]:
    """Return how far work is, as a bar takes it."""
    return {
        "completed": progress.done,
        "total": progress.total or None,
        "description": plain(progress.note or progress.phase),
        "left": time_left(progress),
    }


@contextlib.contextmanager
def _interruptible(phases: Mapping[str, TaskID]) -> Iterator[None]:
    """End on Ctrl+C with a sentence, which depends on the last phase that was begun, and the usual status."""
    try:
        yield
    except KeyboardInterrupt:
        again = next(reversed([*phases]), "") in OF_A_CHECK
        said = "the check begins anew next time" if again else "what was finished before is kept"
        typer.echo(f"Interrupted; {said}.", err=True)
        raise typer.Exit(130) from None
