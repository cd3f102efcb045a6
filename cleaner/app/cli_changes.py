"""The commands that plan, move, take back, destroy and export: the last step of the loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cleaner.app.agenda import unknown_image
from cleaner.app.terminal import Folder, bar, opened, row, rows, say
from cleaner.app.words import count, plain, put_line
from cleaner.changes.copies import Link
from cleaner.changes.plan import summary
from cleaner.errors import InputError
from cleaner.types import Plan, Split

if TYPE_CHECKING:
    from cleaner.app.project import Project
    from cleaner.changes.records import Applied

changes = typer.Typer()
trash = typer.Typer(
    help="The removed images: list them, put some back, or destroy them.", no_args_is_help=True
)
changes.add_typer(trash, name="trash")
sides = typer.Typer(help="The sides of the split: put images on one of them.", no_args_is_help=True)
changes.add_typer(sides, name="sides")

Images = Annotated[list[str], typer.Argument(help="Images, by their ids.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
Sidecars = Annotated[bool, typer.Option("--sidecars", help="Move .txt, .xml, .json of the same stem along.")]


@changes.command()
def plan(folder: Folder, *, sidecars: Sidecars = False) -> None:
    """Show what apply would do; touches nothing."""
    planned = opened(folder).plan(sidecars=sidecars)
    typer.echo(summary(planned))
    for operation in planned.operations:
        row(operation.kind, operation.source, operation.target or "trash")
    for refusal in planned.refusals:
        row("refused", refusal.item, refusal.reason)
    _warn(planned)


@changes.command()
def apply(
    folder: Folder,
    *,
    yes: Yes = False,
    sidecars: Sidecars = False,
) -> None:
    """Move relabelled images to their class folder and removed ones to the project's trash."""
    project = opened(folder)
    planned = project.plan(sidecars=sidecars)
    typer.echo(summary(planned))
    _warn(planned)
    _apply(project, planned, yes=yes)


@changes.command()
def undo(
    folder: Folder,
    *,
    number: Annotated[int | None, typer.Option(help="Which apply; by default the last.")] = None,
    image: Annotated[list[str] | None, typer.Option(help="Only the last change of this image.")] = None,
) -> None:
    """Put the files of the last apply back where they were, or of any, or of single images."""
    project = opened(folder)
    with bar() as report:
        receipt = project.undo(number, items=image or None, report=report)
    say(receipt)


@changes.command()
def history(
    folder: Folder, image: Annotated[str | None, typer.Argument(help="An image, by its id.")] = None
) -> None:
    """List every apply, or what was decided on one image and done to it, by whom and why."""
    project = opened(folder)
    if image is None:
        rows(map(_line, project.ledger.applied()), none="Nothing was applied yet.")
    else:
        happened = project.history(image)
        if not happened and image not in project.catalog.positions():
            raise InputError(unknown_image(image, project.catalog))
        events = ((event.at, event.by, event.what, event.why) for event in happened)
        rows(events, none=f"Nothing was decided on {plain(image)} or done to it yet.")


def _line(applied: Applied) -> tuple[str, ...]:
    standing = f"{applied.standing} of {count(applied.batch.total, 'change')} stand"
    return str(applied.batch.id), applied.batch.at, applied.batch.by, standing


@changes.command()
def conflicts(folder: Folder) -> None:
    """List the images on which people do not agree, with what each of them said."""
    lines = (
        (conflict.item, *(f"{d.by}: {d.action}{f' {d.label}' if d.label else ''}" for d in conflict.verdicts))
        for conflict in opened(folder).journal.conflicts()
    )
    rows(lines, none="People agree on every image.")


@sides.command()
def put(
    folder: Folder,
    side: Annotated[str, typer.Argument(help="train, valid or test.")],
    images: Annotated[list[str] | None, typer.Argument(help="Images, by their ids.")] = None,
    *,
    leaks: Annotated[bool, typer.Option("--leaks", help="All that lies on both sides.")] = False,
    yes: Yes = False,
) -> None:
    """Put images and their copies on one side: moves files only where folders say the split."""
    from cleaner.app.sides import leaking  # `cleaner serve` needs none of it

    if not images and not leaks:
        raise InputError("Nothing was named: pass images by their ids, or --leaks.")
    project = opened(folder)
    if leaks:
        with bar() as report:
            project.verify(report=report)
    asked = [*(images or ()), *(leaking(project.findings) if leaks else ())]
    if not asked:
        typer.echo("Nothing lies on both sides of the split.")
        return
    planned = project.sides.put(asked, cast(Split, side))
    for operation in planned.operations:
        row(operation.kind, operation.source, operation.target)
    if planned.operations:
        typer.echo(summary(planned))
        _apply(project, planned, yes=yes)
    else:
        typer.echo(put_line(asked, side))


@sides.command("undo")
def undo_side(folder: Folder) -> None:
    """Take back the last choice of a side; files that were moved come back by undo."""
    done = opened(folder).sides.undo()
    typer.echo("The last choice of a side is taken back." if done else "No choice of a side stands.")


@trash.command("list")
def list_trash(folder: Folder) -> None:
    """List the removed images, the last removed first."""
    held = opened(folder).trash.list()
    lines = ((i.id, i.path, i.label, i.by, i.at, f"{i.bytes:,} bytes") for i in held)
    rows(lines, none="The trash is empty.")


@trash.command()
def restore(folder: Folder, images: Images) -> None:
    """Put removed images back where they lay."""
    project = opened(folder)
    with bar() as report:
        receipt = project.trash.restore(images, report=report)
    say(receipt, undecided=True)


@trash.command()
def empty(
    folder: Folder,
    images: Annotated[list[str] | None, typer.Argument(help="Only these, by their ids.")] = None,
    *,
    word: Annotated[str | None, typer.Option(help="The word that confirms it.")] = None,
) -> None:
    """Destroy the removed images for good: nothing brings them back."""
    project = opened(folder)
    held = len(images or project.trash.list())
    if not held:
        typer.echo("The trash is empty.")
        return
    typed = word or typer.prompt(f"Type destroy to remove {count(held, 'image')} for good")
    with bar() as report:
        receipt = project.trash.empty(typed, items=images or None, report=report)
    say(receipt)


@changes.command()
def export(
    folder: Folder,
    path: Annotated[Path, typer.Argument(help="The file or folder to write.")],
    *,
    form: Annotated[
        str,
        typer.Option(
            "--as",
            help="csv, fastai (its cleaned.csv), decisions (JSON Lines), folder, splits, hugging-face.",
        ),
    ] = "csv",
    link: Annotated[str, typer.Option(help="How folders hold images: hard, symbolic or copy.")] = "hard",
) -> None:
    """Write the dataset as the decisions leave it, applied or not."""
    written = _export(opened(folder), path, form=form, link=cast(Link, link))
    typer.echo(plain(f"Wrote {written}."))


def _export(project: Project, path: Path, *, form: str, link: Link) -> Path:
    tables = {
        "csv": project.export.csv,
        "fastai": project.export.fastai_csv,
        "decisions": project.export.decisions,
    }
    if form in tables:
        return tables[form](path)
    if form not in ("folder", "splits", "hugging-face"):
        names = ", ".join([*tables, "folder", "splits", "hugging-face"])
        raise InputError(f"{form!r} is no format; choose one of {names}.")
    with bar() as report:
        if form == "hugging-face":
            return project.export.hugging_face(path, link=link, report=report)
        return project.export.folder(path, link=link, splits=form == "splits", report=report)


def _apply(project: Project, planned: Plan, *, yes: bool) -> None:
    if planned.operations and (yes or typer.confirm("Apply?")):
        with bar() as report:
            receipt = project.apply(planned, report=report)
        say(receipt)


def _warn(planned: Plan) -> None:
    for warning in planned.warnings:
        typer.echo(plain(warning), err=True)
