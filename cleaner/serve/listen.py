"""Listens with uvicorn until it is told to end: patient neither with silent clients nor with slow ones.

Clients that are being answered are answered before it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable
from typing import Literal

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from cleaner.errors import CleanerError
from cleaner.serve.logs import Log, ServerRecords
from cleaner.serve.settings import Limits

HEAD_BYTES = 32_768
IDLE_SECONDS = 20  # an open connection between two requests
CONNECTIONS = 1000
GRACE_SECONDS = 5.0  # for the application to say itself what took too long
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def protocol(limits: Limits) -> type[H11Protocol]:
    """Return uvicorn's protocol with an end to waiting: for the head of a request, and for its body.

    Uvicorn itself waits for both without end; the application bounds the body only while it reads it.
    """

    patience = {"head": limits.head_seconds, "body": limits.upload_seconds + GRACE_SECONDS}

    class Patient(H11Protocol):
        _awaits: Literal["head", "body"] | None = None
        _timer: asyncio.TimerHandle | None = None
        _half_closed = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._await("head")

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._look()

        def eof_received(self) -> bool:  # type: ignore[override]
            self._half_closed = self._answering()  # else the connection ends at once
            return self._half_closed

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self._half_closed and not self._answering():
                self.transport.close()
            self._look()

        def connection_lost(self, exc: Exception | None) -> None:
            self._await(None)
            super().connection_lost(exc)

        def _answering(self) -> bool:
            cycle = self.cycle
            return cycle is not None and not cycle.more_body and not cycle.response_complete

        def _look(self) -> None:
            state = self.conn.their_state
            begun = state is h11.IDLE and bool(self.conn.trailing_data[0])
            self._await("body" if state is h11.SEND_BODY else "head" if begun else None)

        def _await(self, what: Literal["head", "body"] | None) -> None:
            if what == self._awaits:
                return
            if self._timer is not None:
                self._timer.cancel()
            self._awaits, self._timer = what, None
            if what is not None:
                self._timer = self.loop.call_later(patience[what], self._give_up)

        def _give_up(self) -> None:
            if self._awaits == "head" and self.conn.trailing_data[0]:
                self.transport.write(TOO_SLOW)
            self.transport.close()

    return Patient


def listening_socket(host: str, port: int) -> socket.socket:
    """Take the port, so that what is wrong with it is said before a model is loaded."""
    with contextlib.ExitStack() as closing:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, kind, proto, _, address = found[0]
            # only by the number of its protocol does asyncio know TCP, and send what is small at once
            taken = closing.enter_context(socket.socket(family, kind, proto))
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(address)
        except (OSError, OverflowError) as error:
            raise CleanerError(f"{host} port {port} can't be listened on ({error}); give another.") from error
        closing.pop_all()
    return taken


def server(
    app: ASGIApp, *, limits: Limits, log: Log, ready: Callable[[], object] = lambda: None
) -> uvicorn.Server:
    """Return a server that is yet to run; `ready` is called once it listens."""
    for name in ("uvicorn.error", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [ServerRecords(log)], False
    config = uvicorn.Config(
        app,
        http=protocol(limits),
        ws="none",
        lifespan="on",
        loop="asyncio",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=CONNECTIONS,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=int(limits.upload_seconds + GRACE_SECONDS),
    )
    return _Announcing(config, ready=ready)


def listen(running: uvicorn.Server, *, taken: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, answer who is still waiting, and return."""
    previous = {sign: signal.signal(sign, lambda *_: None) for sign in (signal.SIGTERM, signal.SIGINT)}
    try:
        running.run([taken])  # raises the signal anew when it is done
    except SystemExit as exit:
        raise CleanerError("The service did not start; its log says why.") from exit
    finally:
        for sign, handler in previous.items():
            signal.signal(sign, handler)


class _Announcing(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, *, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        self._ready()
