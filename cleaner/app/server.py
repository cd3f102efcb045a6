"""Starts the dashboard as a web page: Voila on this machine only, in an empty directory of its own.

Voila serves files under its root, so it never gets to see the dataset as one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cleaner.errors import CleanerError

FOLDER = "CLEANER_FOLDER"  # tells the dashboard which project to open
START = "CLEANER_START"  # where the chooser begins
RECENT = "CLEANER_RECENT"  # the file that names the folder last opened, so that a reload comes back to it
PORT = 8866
PATIENCE = 60  # seconds for the server to start
_HERE = Path(__file__).parent


def notebook() -> Path:
    """Find the dashboard's notebook: beside this module when installed, in `notebooks/` in a checkout."""
    for place in (_HERE / "app.ipynb", _HERE.parents[1] / "notebooks" / "app.ipynb"):
        if place.exists():
            return place
    raise CleanerError("The dashboard's notebook app.ipynb is missing; install cleaner again.")


class Served(NamedTuple):
    """A server that runs: its address, and the process to wait for."""

    address: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def dashboard(folder: Path | None, *, port: int | None = None, theme: str = "light") -> Iterator[Served]:
    """Serve the dashboard on this machine until the block ends; yield its address once it answers.

    Without `port` the usual one is taken, or a free one if that is in use. Raises CleanerError with the
    server's own words if it does not start.
    """
    opened = {START: str(Path.cwd())} | ({} if folder is None else {FOLDER: str(folder.resolve())})
    with tempfile.TemporaryDirectory(prefix="cleaner-app-", ignore_cleanup_errors=True) as place:
        served = Path(shutil.copy(notebook(), place))
        number = free_port(prefer=PORT) if port is None else _checked(port)
        opened[RECENT] = str(Path(place, ".recent"))
        with serve(served, port=number, theme=theme, environment=opened) as running:
            yield running


@contextlib.contextmanager
def serve(
    page: Path, *, port: int, theme: str = "light", environment: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """Serve one notebook with Voila on 127.0.0.1; a page can reach the notebook's folder, so keep it bare."""
    log = page.with_name(".voila.log")
    process = _start(page, port=port, theme=theme, environment=environment or {}, log=log)
    try:
        _await_answer(port, process=process, log=log)
        yield Served(f"http://127.0.0.1:{port}/", process)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        process.kill()


def free_port(*, prefer: int = 0) -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    for wanted in (prefer, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", wanted))
            return int(probe.getsockname()[1])
    raise CleanerError("No port is free on 127.0.0.1; end another server or pass --port.")


def _checked(port: int) -> int:
    """Refuse a port that somebody listens on: the address would lead to their server, not to ours."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise CleanerError(f"Port {port} can't be used ({error}); give another, or none.") from error
    return port


def _start(
    page: Path, *, port: int, theme: str, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        *("-m", "voila", page.name, "--no-browser", f"--port={port}", f"--theme={theme}"),
        *("--Voila.ip=127.0.0.1", "--Voila.port_retries=0", "--VoilaConfiguration.file_allowlist=[]"),
    ]
    surroundings = {**os.environ, **_private_folders(page.parent), **environment}
    with log.open("wb") as out:
        return subprocess.Popen(command, cwd=page.parent, env=surroundings, stdout=out, stderr=out)


def _private_folders(place: Path) -> dict[str, str]:
    """Keep Jupyter's own files out of the person's home."""
    names = ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")
    return {name: str(place / f".{name.lower()}") for name in names}


def _await_answer(port: int, *, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers anything at all; asking for the page itself would start a kernel."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CleanerError(f"The dashboard did not start: {_last_words(log)}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/none", timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise CleanerError(f"The dashboard did not answer within {PATIENCE} s: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing."
