"""The commands of the finished model: export it, and ask it about images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from cleaner.app.answers import Answers, unkept_sentence
from cleaner.app.finished import Engine, FinishedModel, load_model
from cleaner.app.keeper import BELOW, MOST, Keeper
from cleaner.app.terminal import Folder, bar, opened, row, to_csv
from cleaner.app.words import count, plain
from cleaner.errors import InputError
from cleaner.types import percent

models = typer.Typer()


@models.command("export-model")
def export_model(
    folder: Folder,
    path: Annotated[Path, typer.Argument(help="The folder to write.")],
    *,
    number: Annotated[int | None, typer.Option(help="Which round; by default the last in full.")] = None,
    fastai: Annotated[bool, typer.Option("--fastai", help="With fastai's export.pkl too.")] = False,
) -> None:
    """Write the trained network as a finished model: weights, an ONNX graph and a description."""
    project = opened(folder)
    with bar() as report:
        written = project.export_model(path, number=number, fastai=fastai, report=report)
    typer.echo(plain(f"Wrote {written}; ask it with: cleaner predict {written} IMAGE"))


@models.command()
def predict(
    model: Annotated[Path, typer.Argument(help="The folder that export-model has written.")],
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of them.")],
    *,
    top: Annotated[int, typer.Option(help="How many classes to list for each.", min=1)] = 3,
    csv: Annotated[Path | None, typer.Option(help="Write a table with all probabilities here.")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep what the model is unsure of here, a folder per class.")
    ] = None,
    below: Annotated[float, typer.Option(help="Unsure: of less than this probability.")] = BELOW,
    most: Annotated[int, typer.Option(help="Keep at most so many images.")] = MOST,
    engine: Annotated[str, typer.Option(help="onnx; or torch, which is slower to start.")] = "onnx",
    threads: Annotated[int | None, typer.Option(help="Threads of onnx; by default all cores.")] = None,
) -> None:
    """Ask a finished model about images: their likeliest classes, the best first."""
    loaded = load_model(model, engine=cast(Engine, engine), threads=threads)
    keeper = Keeper(keep, classes=loaded.classes, below=below, most=most) if keep else None
    answers = _asked(loaded, images, keeper=keeper)
    if not len(answers):
        raise InputError(f"There are no images in {', '.join(map(str, images))}; give others.")
    for name, answer in zip(answers.names, answers, strict=True):
        if answer:
            row(name, *(f"{label} {percent(share)}" for label, share in answer[:top]))
    to_csv(csv, answers.columns, answers.rows())
    if keeper:
        typer.echo(plain(keeper.sentence()), err=True)
    if answers.unkept:
        typer.echo(plain(unkept_sentence(answers.unkept)), err=True)
    if answers.problems:
        typer.echo(plain(f"{count(len(answers.problems), 'file')} could not be read:"), err=True)
        for name, problem in answers.problems.items():
            typer.echo(plain(f"{name}: {problem}"), err=True)
    if answers.problems or answers.unkept:
        raise typer.Exit(1)


def _asked(model: FinishedModel, images: list[Path], *, keeper: Keeper | None) -> Answers:
    with bar() as report:
        asked = images[0] if len(images) == 1 else images
        return model.predict(asked, keep=keeper.keep if keeper else None, report=report)
