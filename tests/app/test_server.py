"""The dashboard as a web page: who gets to see it, and what of the machine it serves."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from cleaner.app.server import dashboard
from cleaner.errors import CleanerError, InputError, Refused

ID = "11111111-2222-3333-4444-555555555555"
PATHS = (
    "",
    "?token=wrong",
    "voila/render/app.ipynb",
    "voila/files/app.ipynb",
    "voila/files/.voila.log",
    f"api/kernels/{ID}",
    f"api/kernels/{ID}/channels",
    "api/contents/app.ipynb",
)


def _page(address: str) -> tuple[int, str, str]:
    """Return status, where one ended, and the text."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    try:
        with opener.open(address, timeout=60) as answer:
            return answer.status, answer.url, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, str(error.url), ""


def _listening(process: psutil.Process) -> set[str]:
    own = (process, *process.children(recursive=True))
    return {c.laddr.ip for p in own if "voila" in " ".join(p.cmdline()) for c in p.net_connections("tcp")}


def test_on_another_address_nothing_is_served_without_the_token(folder: Callable[..., Path]) -> None:
    with dashboard(folder(), ip="0.0.0.0") as served:
        parts = urlsplit(served.address)
        token = parts.query.removeprefix("token=")
        assert len(token) >= 32
        here = f"http://127.0.0.1:{parts.port}/"
        for path in PATHS:
            status, ended, text = _page(here + path)
            assert status in (403, 404) or "/login" in ended, path
            assert "widget-view" not in text
        assert "0.0.0.0" in _listening(psutil.Process(served.process.pid))
        assert token not in " ".join(psutil.Process(served.process.pid).cmdline())  # for all to read
        status, _, text = _page(f"{here}?{parts.query}")
        assert status == 200
        assert "application/vnd.jupyter.widget-view+json" in text


def test_this_machine_alone_is_served_by_default_and_no_file(folder: Callable[..., Path]) -> None:
    root = folder()
    with dashboard(root) as served:
        assert "token" not in served.address
        assert _listening(psutil.Process(served.process.pid)) <= {"127.0.0.1"}
        for path in ("app.ipynb", ".voila.log", f"..{root}/black/000.png", f"%2e%2e{root}/black/000.png"):
            assert _page(f"{served.address}voila/files/{path}")[0] in (403, 404)


def test_what_is_set_wrong_is_said_before_anything_is_served(
    folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder()
    monkeypatch.setenv("CLEANER_PORT", "http")
    with pytest.raises(InputError, match="'http', but must be a number"), dashboard(root):
        pass
    monkeypatch.delenv("CLEANER_PORT")
    with pytest.raises(CleanerError, match=r"198\.51\.100\.1"), dashboard(root, ip="198.51.100.1"):
        pass
    with pytest.raises(InputError, match="theme is 'pink', but must be"), dashboard(root, theme="pink"):
        pass
    monkeypatch.setenv("CLEANER_ROOT", str(tmp_path / "elsewhere"))
    with pytest.raises(Refused, match="can't be opened here"), dashboard(root):
        pass
