"""The command that serves a finished model over HTTP: its settings come from options and the environment.

What a service is lies in `cleaner.serve`; here it is given its model, its port and its token.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cleaner.app.finished import load_model
from cleaner.app.keeper import BELOW, Keeper
from cleaner.app.words import plain
from cleaner.errors import CleanerError, InputError
from cleaner.serve.classifier import Classifier, Keep
from cleaner.serve.lanes import Lanes
from cleaner.serve.settings import LOOPBACK_NAMES, MIB, Limits, Settings, is_loopback

serving = typer.Typer()

DEFAULT = Limits()
ENV = "CLEANER_SERVE_"  # what each option is called in the environment, before its name


@serving.command()
def serve(
    model: Annotated[Path, typer.Argument(help="A model that was exported.", envvar=f"{ENV}MODEL")],
    *,
    host: Annotated[str, typer.Option(help="Where to listen.", envvar=f"{ENV}HOST")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="0 takes a free one.", envvar=f"{ENV}PORT", min=0, max=65535)
    ] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            help="What clients must send; for other hosts than this one is made up if there is none.",
            envvar=f"{ENV}TOKEN",
        ),
    ] = None,
    no_token: Annotated[bool, typer.Option("--no-token", help="Ask nobody for a token.")] = False,
    allow_urls: Annotated[
        bool | None,
        typer.Option(
            help="Fetch pictures by their address; by default only for this machine.",
            envvar=f"{ENV}ALLOW_URLS",
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="A name that clients may use for the service.", envvar=f"{ENV}ALLOWED_HOST"),
    ] = None,
    max_mib: Annotated[
        float, typer.Option(help="Size of a picture's file.", envvar=f"{ENV}MAX_MIB", min=0.001)
    ] = DEFAULT.file_bytes / MIB,
    max_megapixels: Annotated[
        float, typer.Option(help="Pixels of a picture.", envvar=f"{ENV}MAX_MEGAPIXELS", min=0.001)
    ] = DEFAULT.pixels / 1e6,
    max_files: Annotated[
        int, typer.Option(help="Pictures in a request.", envvar=f"{ENV}MAX_FILES", min=1)
    ] = DEFAULT.files,
    waiting: Annotated[
        int, typer.Option(help="Pictures waiting at once; more get 503.", envvar=f"{ENV}WAITING", min=1)
    ] = DEFAULT.waiting,
    batch: Annotated[
        int, typer.Option(help="Pictures computed at once.", envvar=f"{ENV}BATCH", min=1)
    ] = DEFAULT.batch,
    upload_seconds: Annotated[
        float, typer.Option(help="For a request to arrive.", envvar=f"{ENV}UPLOAD_SECONDS", min=0.001)
    ] = DEFAULT.upload_seconds,
    answer_seconds: Annotated[
        float, typer.Option(help="From there to the answer.", envvar=f"{ENV}ANSWER_SECONDS", min=0.001)
    ] = DEFAULT.answer_seconds,
    threads: Annotated[
        int | None,
        typer.Option(help="Of the network; by default one a core.", envvar=f"{ENV}THREADS", min=1),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Keep what the model is unsure of here, a folder per class.", envvar=f"{ENV}KEEP"),
    ] = None,
    below: Annotated[
        float, typer.Option(help="Unsure: of less than this probability.", envvar=f"{ENV}BELOW")
    ] = BELOW,
) -> None:
    """Serve an exported model over HTTP, with a page where one drops a picture; the log goes to stdout."""
    from cleaner.serve.listen import listening_socket  # what no other command should wait for

    local, cores = is_loopback(host), threads or usable_cores()
    file_bytes = _whole(max_mib * MIB, option="--max-mib")
    body_bytes = max(DEFAULT.body_bytes, file_bytes)
    limits = Limits(
        file_bytes=file_bytes,
        body_bytes=body_bytes,
        held_bytes=max(DEFAULT.held_bytes, 4 * body_bytes),
        pixels=_whole(max_megapixels * 1e6, option="--max-megapixels"),
        files=min(max_files, waiting),
        waiting=waiting,
        batch=batch,
        cores=cores,
        upload_seconds=upload_seconds,
        answer_seconds=answer_seconds,
    )
    names = tuple(allowed_host or ())
    settings = Settings(
        token=_token(token, needed=not (local or no_token)),
        hosts=(*LOOPBACK_NAMES, host, *names) if local else names or None,
        urls=local if allow_urls is None else allow_urls,
        limits=limits,
    )
    with listening_socket(host, port) as taken:
        loaded = _loaded(model, cores=cores)
        keeper = Keeper(keep, classes=loaded.classes, below=below) if keep else None
        served = Served(loaded, named=model.name, keep=keeper.keep if keeper else None)
        _listen(served, settings, taken=taken, told=bool(token))


@dataclass(frozen=True, slots=True)
class Served:
    """What is served: a model, the name to show it under, and what keeps pictures, if anything does."""

    model: Classifier
    named: str
    keep: Keep | None


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return how many cores this process may use: a container may have less than the machine shows."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # Linux alone says it; «max 100000» is no limit
        time, period = map(int, quota.read_text().split())
        cores = min(cores, math.ceil(time / period))
    return cores


def _loaded(model: Path, *, cores: int) -> Classifier:
    whole = load_model(model, threads=cores)
    if cores == 1:
        return whole
    narrow = load_model(model, threads=1)
    if narrow.info != whole.info:
        raise CleanerError(f"{model} was exported anew just now; start the service again.")
    return Lanes(whole, narrow)


def _whole(given: float, *, option: str) -> int:
    if not math.isfinite(given):
        raise InputError(f"{option} is no number that can be counted to; give one above 0.")
    return int(given)


def _token(given: str | None, *, needed: bool) -> str | None:
    return given or (secrets.token_urlsafe(24) if needed else None)


def _listen(served: Served, settings: Settings, *, taken: socket.socket, told: bool) -> None:
    """Listen until told to end; `told` says whether whoever started it knows the token."""
    from cleaner.serve.listen import listen, server
    from cleaner.serve.logs import Log
    from cleaner.serve.service import service

    log = Log(sys.stdout)

    def announce() -> None:
        what = f"{served.named} ({len(served.model.classes)} classes)"
        typer.echo(plain(f"Serving {what} at {_address(taken)}; Ctrl+C ends it."), err=True)
        if settings.token and not told:
            typer.echo(f"The page with its token: {_address(taken)}#token={settings.token}", err=True)
            typer.echo(f"Programs send: Authorization: Bearer {settings.token}", err=True)

    app = service(served.model, settings=settings, log=log, keep=served.keep)
    listen(server(app, limits=settings.limits, log=log, ready=announce), taken=taken)


def _address(taken: socket.socket) -> str:
    """Say under which address a browser on this machine finds the service."""
    host, port = taken.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
