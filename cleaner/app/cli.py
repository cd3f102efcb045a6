"""The `cleaner` command: the verbs of a project, one each, with progress on the terminal."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from operator import attrgetter
from pathlib import Path
from typing import Annotated, cast

import typer

import cleaner
from cleaner.app import server
from cleaner.app.cli_changes import changes
from cleaner.app.cli_model import models
from cleaner.app.cli_sources import sources
from cleaner.app.serving import serving
from cleaner.app.terminal import Csv, Folder, bar, opened, row, to_csv
from cleaner.app.words import count, one_of_each_group, plain, round_line
from cleaner.errors import CleanerError
from cleaner.types import Mode, TrainConfig

app = typer.Typer(
    help="Find and fix wrong labels in image folders: train first, clean second.",
    epilog="Exit status: 0 when it was done; 1 when it was not, or not for all, which a sentence on stderr "
    "says; 2 when the command was not understood; 130 after Ctrl+C.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Top = Annotated[int, typer.Option(help="How many to list.", min=1)]
Port = Annotated[int | None, typer.Option(help="Port; by default 8866 or a free one.", min=1, max=65535)]


def main() -> None:
    """Run the command; a problem is one sentence on stderr and exit status 1."""
    try:
        app()
    except CleanerError as error:
        typer.echo(plain(str(error)), err=True)
        sys.exit(1)
    except OSError as error:  # of what no verb asks for itself: the folder one is in, or the output
        place = error.filename or "The current folder or the output"
        typer.echo(plain(f"{place} can't be used ({error.strerror}); see to it and start again."), err=True)
        sys.exit(1)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"cleaner {cleaner.__version__}")
        raise typer.Exit


@app.callback()
def about(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Say the version and exit.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """Say what holds for all verbs."""


@app.command()
def demo(
    home: Annotated[Path, typer.Argument(help="Where to build it.")] = Path("demo"),
    *,
    check: Annotated[bool, typer.Option("--check", help="Do everything but serve.")] = False,
    port: Port = None,
) -> None:
    """Build a small dataset with planted label errors, train on it, rank it, and open the dashboard."""
    from cleaner.app import demo as demos  # what no other command should wait for

    started = time.monotonic()
    built = demos.build_demo(home)
    project = cleaner.Project.open(built.folder)
    if project.rounds:
        typer.echo(
            f"Reusing {home}, with {count(len(project.rounds), 'round')} done; delete it to start anew."
        )
    else:
        typer.echo(f"Training on {count(len(project.catalog), 'image')} in {built.folder} …")
        with bar() as report:
            project.train(demos.CONFIG, report=report)
    typer.echo(round_line(project.rounds[0]))
    typer.echo(demos.standing_of_planted(project, built))
    typer.echo(f"Ready after {time.monotonic() - started:.0f} s.")
    if not check:
        _serve(built.folder, port=port)


@app.command("app")
def serve_app(
    folder: Annotated[Path | None, typer.Argument(help="The dataset to open.")] = None,
    *,
    ip: Annotated[
        str | None, typer.Option(help="Address to listen on; by default this machine only.")
    ] = None,
    port: Port = None,
    theme: Annotated[str, typer.Option(help="light or dark.")] = "light",
) -> None:
    """Open the dashboard in the browser: on this machine only, or with a token on another address."""
    if folder is not None:
        cleaner.Project.open(folder)  # says at once what is wrong with it
    _serve(folder, ip=ip, port=port, theme=theme)


@app.command()
def verify(
    folder: Folder,
    *,
    csv: Csv = None,
    path_col: Annotated[str | None, typer.Option(help="The column of files, if it is a table.")] = None,
    label_col: Annotated[str | None, typer.Option(help="The column of labels.")] = None,
    split_col: Annotated[str | None, typer.Option(help="The column of train, valid and test.")] = None,
    root: Annotated[Path | None, typer.Option(help="The folder from which a table's paths count.")] = None,
) -> None:
    """Check every file and list what was found, worst first, each group of copies once.

    What is named of a table holds for all later commands, and in the dashboard.
    """
    named = any(given is not None for given in (path_col, label_col, split_col, root))
    table = cleaner.Table(folder, path_col=path_col, label_col=label_col, split_col=split_col, root=root)
    project = cleaner.Project.open(table if named else folder)
    with bar() as report:
        found = project.verify(report=report)
    classes = count(len(project.catalog.vocab), "class", "classes")
    nothing = "" if found else " Nothing was found."
    typer.echo(f"{count(len(project.catalog), 'image')} in {classes}.{nothing}")
    for finding in one_of_each_group(found):
        typer.echo(plain(f"{finding.kind}: {finding.detail}"))
    names = ("item", "kind", "severity", "detail", "group", "advice")
    to_csv(csv, names, map(attrgetter(*names), found))


@app.command()
def train(
    folder: Folder,
    *,
    mode: Annotated[
        str, typer.Option(help="quick: a first order in a fraction of the time; or full.")
    ] = "full",
    arch: Annotated[str, typer.Option(help="Architecture, by its torchvision or timm name.")] = "resnet34",
    weights: Annotated[str, typer.Option(help="pretrained, scratch, or the path of a file.")] = "pretrained",
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    batch_size: Annotated[int, typer.Option(help="Images learned from at once.")] = 64,
    size: Annotated[int | None, typer.Option(help="Side in pixels that the network sees.")] = None,
    flip: Annotated[bool, typer.Option(help="Mirror images at random while training.")] = True,
    folds: Annotated[
        int | None, typer.Option(help="Further networks for out-of-fold scores; 0: none.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Train on the images as they are and score every one of them."""
    config = TrainConfig(
        mode=cast(Mode, mode),
        arch=arch,
        weights=weights,
        epochs=epochs,
        lr=lr,
        batch_size=batch_size,
        size=size,
        flip=flip,
        folds=folds,
        seed=seed,
    )
    project = opened(folder)
    with bar() as report:
        done = project.train(config, report=report)
    for said in (*done.notes, *done.advice):
        typer.echo(plain(said))
    typer.echo(round_line(done))


@app.command("rank")
def show_ranking(folder: Folder, *, top: Top = 20, csv: Csv = None) -> None:
    """List the images to look at first, with the label each has and the one the model believes."""
    queue = opened(folder).queue()
    for place in range(min(top, len(queue))):
        candidate = queue.candidate(place)
        row(str(place + 1), candidate.id, candidate.reasons[0], candidate.origin)
    names = ("id", "score", "label", "suggested", "confidence", "origin")
    to_csv(csv, names, map(attrgetter(*names), queue))


@app.command()
def compare(folder: Folder) -> None:
    """Compare all rounds on the same held-out images."""
    comparison = opened(folder).compare()
    typer.echo(comparison.sentence())
    for rates in comparison.rates if comparison.images else ():
        typer.echo(f"round {rates.round}\tcleaned labels {rates.cleaned:.1%}\toriginal {rates.original:.1%}")


@app.command()
def report(
    folder: Folder,
    *,
    to: Annotated[
        Path | None, typer.Option(help="The file; by default the folder's name in this one.")
    ] = None,
) -> None:
    """Write one HTML page about the cleaning: what was wrong, what was done, what may remain."""
    project = opened(folder)
    written = project.report(to or Path(f"{project.root.name}-report.html"))
    typer.echo(f"Written to {plain(str(written))}.")


def _serve(folder: Path | None, *, port: int | None, ip: str | None = None, theme: str = "light") -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is ended too
    typer.echo("Starting the dashboard …")
    running = server.dashboard(folder, ip=ip, port=port, theme=theme)
    with contextlib.suppress(KeyboardInterrupt), running as served:
        typer.echo(f"The dashboard is at {served.address} (Ctrl+C ends it).")
        try:
            served.process.wait()
        finally:
            typer.echo("Ending the dashboard; every decision is kept …")


app.add_typer(sources)
app.add_typer(changes)
app.add_typer(models)
app.add_typer(serving)

if __name__ == "__main__":
    main()
