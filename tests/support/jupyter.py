"""A real JupyterLab for the browser tests, and a real kernel: started for the tests, stopped after them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from cleaner.app.server import free_port

TOKEN = "for-this-test"
OPTIONS = ("--no-browser", "--ip=127.0.0.1", "--ServerApp.port_retries=0", "--allow-root")


@contextmanager
def kernel_in(folder: Path) -> Iterator[NotebookClient]:
    """Start a kernel that keeps its files in a folder, and yield what runs cells in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        client = NotebookClient(nbformat.v4.new_notebook(), timeout=300)
        with client.setup_kernel():
            yield client


@contextmanager
def jupyterlab(notebook: Path, *, environment: Mapping[str, str]) -> Iterator[str]:
    """Open one notebook in JupyterLab and yield its address."""
    port, folder = free_port(), notebook.parent
    own = {f"JUPYTER_{name}_DIR": str(folder / f".{name}") for name in ("RUNTIME", "CONFIG", "DATA")}
    command = [sys.executable, "-m", "jupyterlab", *OPTIONS, f"--port={port}"]
    command += [f"--IdentityProvider.token={TOKEN}"]
    with (folder / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **own, **environment}, stdout=log, stderr=log
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={TOKEN}", server=server)
        yield f"http://127.0.0.1:{port}/lab/tree/{notebook.name}?token={TOKEN}"
    finally:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=20)
        server.kill()


def _wait_for(address: str, *, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.2)
    raise RuntimeError("JupyterLab did not start")
