"""The pages for people: where one drops a picture, and the readable description. Files beside this module."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_STATIC = Path(__file__).with_name("static")
KINDS = {".html": "text/html", ".css": "text/css", ".mjs": "text/javascript", ".svg": "image/svg+xml"}
ASSETS = ("page.css", "page.mjs", "docs.mjs", "icon.svg")  # nothing else is ever read from the disk

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def page(name: str) -> Endpoint:
    """Return an endpoint that answers with one page."""

    async def answer(_: Request) -> Response:
        return _file(name)

    return answer


async def asset(request: Request) -> Response:
    """Answer with a style sheet or script of the pages."""
    if request.path_params["name"] not in ASSETS:
        raise HTTPException(404)
    return _file(request.path_params["name"])


def _file(name: str) -> Response:
    kind = KINDS[Path(name).suffix]
    return Response((_STATIC / name).read_bytes(), headers={"Content-Type": f"{kind}; charset=utf-8"})
