"""Stands before every route: who may ask, from which page, under which name; and what every answer carries.

It logs and measures each request; it reads no body.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cleaner.serve.logs import Log
from cleaner.serve.measures import Measures
from cleaner.serve.problems import Problem
from cleaner.serve.settings import Settings, name_of

OPEN = ("/", "/docs", "/openapi.json", "/health")  # need no token: they tell nothing of the model
ASSETS = "/assets/"
ANSWERED_WITH = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Wraps the application; `paths` are those that have a line of their own in the metrics."""

    def __init__(
        self, app: ASGIApp, *, settings: Settings, measures: Measures, log: Log, paths: Collection[str]
    ) -> None:
        self._app, self._settings = app, settings
        self._measures, self._log, self._paths = measures, log, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(ANSWERED_WITH)
            await send(message)

        try:
            await self._handle(scope, receive, sending)
        except Exception as error:  # noqa: BLE001  it was answered with 500; the service goes on
            self._log.error("failure", error)
        finally:
            self._note(scope, status=status, seconds=time.perf_counter() - started)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _admit(scope["path"], Headers(scope=scope), settings=self._settings)
        except Problem as problem:
            await problem.response()(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _note(self, scope: Scope, *, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._measures.requests.labels(path, status).inc()
        self._measures.seconds.labels(path).observe(seconds)
        client = (scope.get("client") or ("",))[0]
        method = scope["method"][:16]
        self._log.say(
            "request", client=client, method=method, path=path, status=status, seconds=round(seconds, 4)
        )


def _admit(path: str, headers: Headers, *, settings: Settings) -> None:
    """Raise a Problem for who may not ask: 421 another host's name, 403 another site's page, 401 no token."""
    if path == "/health":
        return  # load balancers ask by address
    host = headers.get("host", "")
    # a browser may have been led here under another name
    if settings.hosts is not None and name_of(host) not in settings.hosts:
        raise Problem(421, "This service does not go by that name; ask it by its own address.")
    if path in OPEN or path.startswith(ASSETS):
        return
    if _foreign(headers, host=host):
        raise Problem(403, "A page of another site may not use this service.")
    if settings.token is not None and not _bears(headers.get("authorization", ""), token=settings.token):
        sentence = "This needs the token of the service; send it as «Authorization: Bearer …»."
        raise Problem(401, sentence, headers={"WWW-Authenticate": "Bearer"})


def _foreign(headers: Headers, *, host: str) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc.lower() != host.lower()
    except ValueError:
        return True


def _bears(authorization: str, *, token: str) -> bool:
    scheme, _, given = authorization.partition(" ")
    same = hmac.compare_digest(given.strip().encode(), token.encode())  # takes the same time for any guess
    return scheme.lower() == "bearer" and same
