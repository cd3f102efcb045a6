"""A web server on this machine that misbehaves in every way a test asks for, by the path of the URL."""

from __future__ import annotations

import contextlib
import gzip
import io
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from socket import SO_LINGER, SOL_SOCKET, socket
from typing import Any

import numpy as np
from PIL import Image


def picture(seed: int, *, kind: str = "JPEG", side: int = 24) -> bytes:
    """Return a small image of noise, another one for each seed, as the bytes of a file."""
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def answer(body: bytes, *, status: str = "200 OK", length: int | None = None, **headers: str) -> bytes:
    """Return a whole answer; `length` is what it claims to be long."""
    fields = {"content-length": str(len(body) if length is None else length), "connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


class BadServer:
    """The server: `behaviours` by path, `asked` counts requests by path, `busiest` is the most at once.

    Only requests answered late are counted, and only until the answer begins: whoever has an answer is not.
    """

    def __init__(self) -> None:
        self.behaviours: dict[str, Callable[[socket], Any]] = dict(_BEHAVIOURS)
        self.asked: Counter[str] = Counter()
        self.times: list[float] = []
        self.heads: list[str] = []
        self.busy = self.busiest = 0
        self.port = 0
        self.lock = threading.Lock()

    def url(self, path: str, *, host: str = "127.0.0.1") -> str:
        """Return the address of a path."""
        return f"http://{host}:{self.port}{path}"

    def serve(self, path: str, body: bytes, **headers: str) -> str:
        """Answer a path properly; return its URL."""
        self.behaviours[path] = lambda line: line.sendall(answer(body, **headers))
        return self.url(path)

    def serve_late(self, path: str, body: bytes, *, seconds: float) -> str:
        """Answer a path properly after a while; return its URL."""

        def late(line: socket) -> None:
            with self._counted():
                time.sleep(seconds)
            line.sendall(answer(body))

        self.behaviours[path] = late
        return self.url(path)

    def answer_in_turn(self, path: str, *answers: bytes) -> str:
        """Give one answer after the other, the last one for ever; return the URL."""
        left = list(answers)
        self.behaviours[path] = lambda line: line.sendall(left.pop(0) if len(left) > 1 else left[0])
        return self.url(path)

    def handle(self, line: socket) -> None:
        """Read one request and misbehave."""
        head = b""
        while b"\r\n\r\n" not in head:
            if not (part := line.recv(4096)):
                return
            head += part
        path = head.split()[1].decode().split("?")[0]
        with self.lock:
            self.asked[path] += 1
            self.times.append(time.monotonic())
            self.heads.append(head.decode())
        with contextlib.suppress(OSError):
            self.behaviours.get(path, lambda it: it.sendall(answer(b"", status="404 No")))(line)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self.lock:
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
        try:
            yield
        finally:
            with self.lock:
                self.busy -= 1


@contextlib.contextmanager
def bad_server() -> Iterator[BadServer]:
    """Run the server on a free port of 127.0.0.1."""
    bad = BadServer()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            bad.handle(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        bad.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield bad
        finally:
            server.shutdown()
            thread.join()


def _slowly(data: bytes, *, first: int = 0) -> Callable[[socket], None]:
    def send(line: socket) -> None:
        line.sendall(data[:first])
        for position in range(first, len(data)):
            line.sendall(data[position : position + 1])
            time.sleep(0.05)

    return send


def _endless(line: socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\n\r\n")
    while True:
        line.sendall(bytes(65536))


def _endless_headers(line: socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        line.sendall(b"x-more: " + b"y" * 1000 + b"\r\n")


def _endless_interim(line: socket) -> None:
    while True:
        line.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def _hang(line: socket) -> None:
    line.recv(1)


def _reset(line: socket) -> None:
    line.sendall(answer(picture(0), length=100_000))
    time.sleep(0.05)
    line.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


def _redirect(target: str, status: str = "302 Found") -> Callable[[socket], None]:
    return lambda line: line.sendall(answer(b"elsewhere", status=status, location=target))


def _say(data: bytes) -> Callable[[socket], None]:
    return lambda line: line.sendall(data)


_BOMB = gzip.compress(bytes(50_000_000), 9)
_JPEG = picture(1)

_BEHAVIOURS: dict[str, Callable[[socket], Any]] = {
    "/good.jpg": _say(answer(_JPEG, content_type="image/jpeg")),
    "/drip": _slowly(answer(_JPEG), first=60),
    "/drip-of-headers": _slowly(answer(_JPEG), first=10),
    "/endless": _endless,
    "/endless-headers": _endless_headers,
    "/endless-interim": _endless_interim,
    "/hang": _hang,
    "/reset": _reset,
    "/silent": lambda line: line.close(),
    "/nonsense": _say(b"\x00\x01 this is not http\r\n\r\n"),
    "/huge-header": _say(answer(_JPEG, x_long="y" * 200_000)),
    "/says-too-long": _say(answer(_JPEG, length=len(_JPEG) + 10)),
    "/says-too-short": _say(answer(_JPEG, length=len(_JPEG) - 100)),
    "/says-huge": _say(answer(b"", length=10**12)),
    "/two-lengths": _say(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 7\r\n\r\n1234567"),
    "/half-a-chunk": _say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\n12345"),
    "/gzip": _say(answer(gzip.compress(_JPEG), content_encoding="gzip")),
    "/half-a-gzip": _say(answer(gzip.compress(_JPEG)[:-30], content_encoding="gzip")),
    "/no-gzip": _say(answer(_JPEG, content_encoding="gzip")),
    "/bomb": _say(answer(_BOMB, content_encoding="gzip")),
    "/bomb-in-a-bomb": _say(answer(gzip.compress(_BOMB), content_encoding="gzip, gzip")),
    "/loop": _redirect("/loop"),
    "/there": _redirect("/and-back"),
    "/and-back": _redirect("/there"),
    "/moved": _redirect("/good.jpg", "301 Moved"),
    "/to-a-file": _redirect("file:///etc/passwd"),
    "/to-the-metadata": _redirect("http://169.254.169.254/latest/meta-data/"),
    "/to-nowhere": _redirect("http://a:b/"),
    "/gone": _say(answer(b"", status="410 Gone")),
    "/broken": _say(answer(b"", status="503 Busy", retry_after="0")),
    "/empty": _say(answer(b"")),
    "/page.jpg": _say(answer(b"<html><body>Not here any more</body></html>", content_type="image/jpeg")),
    "/part": _say(answer(_JPEG[:300], status="206 Partial")),
}
