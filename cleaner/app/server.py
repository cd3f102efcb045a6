"""Starts the dashboard as a web page: Voila in an empty directory, for this machine only unless asked.

Voila serves files under its root, so it never gets to see the dataset as one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
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

from cleaner.app.settings import LOOPBACK, confined, exported, served_to_others, setting
from cleaner.errors import CleanerError, InputError

PORT = 8866
THEMES = ("light", "dark")
LISTENS = "is running at"  # what Voila logs once it listens
PATIENCE = 60  # seconds for the server to start
FORGOTTEN = 1200  # seconds without a page after which an idle kernel is ended
LARGEST = 100 * 1024 * 1024  # bytes that a page may send at once
UNUSED = ["@jupyter-notebook/lab-extension", "jupyterlab_pygments"]  # a page would load them for nothing
EVERYWHERE = ("0.0.0.0", "::", "*", "")  # addresses that stand for all of the machine's own
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
def dashboard(
    folder: Path | None,
    *,
    ip: str | None = None,
    port: int | None = None,
    token: str | None = None,
    theme: str = "light",
) -> Iterator[Served]:
    """Serve the dashboard until the block ends; yield its address once it answers.

    What is not given is as it is set (`cleaner.app.settings`): without an `ip` only this machine is served;
    for another there is a token, made up unless one is given or set, "off" for none. Without a `port` the
    usual one is taken, or a free one if that is in use. `theme` is one of THEMES. Raises InputError for what
    can't be used, and CleanerError with the server's own words if it does not start.
    """
    if theme not in THEMES:
        raise InputError(f"theme is {theme!r}, but must be {' or '.join(map(repr, THEMES))}.")
    ip = ip or setting("ip") or LOOPBACK
    opened = {"CLEANER_START": str(Path.cwd())} | exported() | {"CLEANER_IP": ip}
    if folder is not None:
        opened["CLEANER_FOLDER"] = str(confined(folder))
    number = _number(setting("port")) if port is None else port
    with tempfile.TemporaryDirectory(prefix="cleaner-app-", ignore_cleanup_errors=True) as place:
        served = Path(shutil.copy(notebook(), place))
        number = free_port(prefer=PORT, ip=ip) if number is None else _checked(number, ip=ip)
        secret = _token(token or setting("token"), needed=served_to_others(ip))
        with serve(
            served, ip=ip, port=number, token=secret, theme=theme, ahead=True, environment=opened
        ) as running:
            yield running


@contextlib.contextmanager
def serve(
    page: Path,
    *,
    port: int,
    ip: str = LOOPBACK,
    token: str = "",
    theme: str = "light",
    ahead: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """Serve one notebook with Voila; a page can reach the notebook's folder, so keep it bare.

    Without the `token`, if there is one, nothing of it is served. `ahead` runs the notebook before somebody
    comes, so that the page is there at once.
    """
    log = page.with_name(".voila.log")
    own = dict(environment or {}) | ({"JUPYTER_TOKEN": token} if token else {})
    process = _start(
        page, ip=ip, port=port, asks=bool(token), ahead=ahead, theme=theme, environment=own, log=log
    )
    near = LOOPBACK if ip in EVERYWHERE else ip
    far = socket.gethostname() if ip in EVERYWHERE else ip
    try:
        _await_answer(f"http://{_in_address(near)}:{port}/", process=process, log=log)
        yield Served(f"http://{_in_address(far)}:{port}/{f'?token={token}' if token else ''}", process)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        process.kill()


def free_port(*, prefer: int = 0, ip: str = LOOPBACK) -> int:
    """Return a port that nothing listens on. Raises CleanerError if there is none."""
    for wanted in (prefer, 0):
        with contextlib.suppress(OSError), _bound(ip, wanted) as probe:
            return int(probe.getsockname()[1])
    raise CleanerError(f"No port is free on {ip}, or that is no address of this machine; pass --ip, --port.")


def _checked(port: int, *, ip: str) -> int:
    """Refuse a port that somebody listens on: the address would lead to their server, not to ours."""
    try:
        with _bound(ip, port, again=True):
            return port
    except (OSError, OverflowError) as error:
        raise CleanerError(f"Port {port} can't be used ({error}); give another, or none.") from error


@contextlib.contextmanager
def _bound(ip: str, port: int, *, again: bool = False) -> Iterator[socket.socket]:
    address = "0.0.0.0" if ip in ("", "*") else ip
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        if again:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
        yield probe


def _number(text: str | None) -> int | None:
    if text is None or text.isdigit():
        return int(text) if text else None
    raise InputError(f"The port is set to {text!r}, but must be a number.")


def _token(given: str | None, *, needed: bool) -> str:
    """Return the token to ask for, empty for none."""
    if given == "off":
        return ""
    return given or (secrets.token_urlsafe(24) if needed else "")


def _in_address(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _start(
    page: Path,
    *,
    ip: str,
    port: int,
    asks: bool,
    ahead: bool,
    theme: str,
    environment: Mapping[str, str],
    log: Path,
) -> subprocess.Popen[bytes]:
    header = environment.get("CLEANER_USER_HEADER")  # what was started ahead has none
    options = {
        "Voila.ip": ip,
        "Voila.port": port,
        "Voila.port_retries": 0,
        "Voila.auto_token": asks,  # that is, the one in JUPYTER_TOKEN: a command line is for all to read
        "Voila.kernel_websocket_connection_class": "cleaner.app.prompt.PromptConnection",
        "Voila.tornado_settings": {"websocket_max_message_size": LARGEST},
        "VoilaConfiguration.theme": theme,
        "VoilaConfiguration.file_allowlist": [],
        "VoilaConfiguration.extension_denylist": UNUSED,
        "VoilaConfiguration.preheat_kernel": ahead and not header,
        "VoilaConfiguration.http_header_envs": [header] if header else [],
        "MappingKernelManager.cull_idle_timeout": FORGOTTEN,
        "MappingKernelManager.cull_interval": 60,
    }
    command = [sys.executable, "-m", "voila", page.name, "--no-browser"]
    command += [f"--{name}={value}" for name, value in options.items()]
    surroundings = {**os.environ, **_private_folders(page.parent), **environment}
    with log.open("wb") as out:
        return subprocess.Popen(command, cwd=page.parent, env=surroundings, stdout=out, stderr=out)


def _private_folders(place: Path) -> dict[str, str]:
    """Keep Jupyter's own files out of the person's home."""
    names = ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")
    return {name: str(place / f".{name.lower()}") for name in names}


def _await_answer(address: str, *, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until our own server answers anything at all; asking for the page itself would start a kernel.

    Somebody else's may answer on the same port, and ours end a moment later: ours says that it listens.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CleanerError(f"The dashboard did not start: {_last_words(log)}")
        if LISTENS in log.read_text(encoding="utf-8", errors="replace") and _answers(address):
            return
        time.sleep(0.1)
    raise CleanerError(f"The dashboard did not answer within {PATIENCE} s: {_last_words(log)}")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}voila/static/none", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing."
