"""The commands that bring images in from elsewhere: before there is a folder to open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cleaner.app.terminal import bar, row
from cleaner.app.words import plain

sources = typer.Typer()


@sources.command("download")
def download_lists(
    lists: Annotated[
        list[Path], typer.Argument(help="Text files of URLs, one per class; or CSV with url and label.")
    ],
    *,
    to: Annotated[Path, typer.Option(help="The folder for the images.")],
    at_once: Annotated[int, typer.Option(help="Downloads at once.", min=1)] = 16,
    per_host: Annotated[int, typer.Option(help="Downloads at once from one host.", min=1)] = 2,
    gap: Annotated[float, typer.Option(help="Seconds between two of one host.", min=0)] = 0.1,
    tries: Annotated[int, typer.Option(help="Attempts for each URL.", min=1)] = 4,
    megabytes: Annotated[float, typer.Option(help="Largest file taken.")] = 20,
    seconds: Annotated[float, typer.Option(help="Longest time for one file.")] = 30,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Take private addresses too, and this machine's.")
    ] = False,
) -> None:
    """Download lists of image URLs into class folders; the same again goes on where it was."""
    from cleaner.app.download import download  # what no other command should wait for
    from cleaner.catalog.download import Manners
    from cleaner.fetching import Limits

    with bar() as report:
        done = download(
            list(lists),
            to=to,
            limits=Limits(bytes=int(megabytes * 1e6), seconds=seconds),
            manners=Manners(at_once=at_once, per_host=per_host, gap=gap, tries=tries),
            allow_private=allow_private,
            report=report,
        )
    for outcome in done.outcomes:
        row(outcome.result, outcome.label, outcome.url, outcome.path or outcome.detail)
    typer.echo(plain(done.sentence()), err=True)
    results = {outcome.result for outcome in done.outcomes}
    if "failed" in results or not results & {"kept", "twice"}:
        raise typer.Exit(1)
