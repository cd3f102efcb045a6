"""A small real classifier, and a real server for it on this machine."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx2
import numpy as np
import pytest
from PIL import Image

from cleaner.errors import UnreadableImage
from cleaner.serve.addresses import Fetch, fetch_picture
from cleaner.serve.classifier import Keep
from cleaner.serve.listen import listening_socket, server
from cleaner.serve.logs import Log
from cleaner.serve.service import service
from cleaner.serve.settings import Settings
from cleaner.types import Floats


@dataclass
class Colours:
    """Tells pictures apart by their strongest colour; `gate` can hold the computing up."""

    classes: tuple[str, ...] = ("red", "green", "blue")
    size: int = 8
    gate: threading.Event = field(default_factory=threading.Event)
    batches: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def prepare(self, data: bytes) -> np.ndarray:
        try:
            with Image.open(io.BytesIO(data)) as image:
                return np.asarray(image.convert("RGB").resize((self.size, self.size)))
        except Exception as error:
            raise UnreadableImage("The picture is damaged or cut short.") from error

    def probabilities(self, batch: np.ndarray) -> Floats:
        assert self.gate.wait(timeout=60)
        self.batches.append(len(batch))
        strength = np.exp(batch.astype(np.float32).mean(axis=(1, 2)) / 32)
        return strength / strength.sum(axis=1, keepdims=True)


@dataclass
class Running:
    """A service that answers at `url`; `written` is its log."""

    url: str
    port: int
    model: Colours
    written: io.StringIO

    def client(self, **settings: object) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, trust_env=False, timeout=60, **settings)

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.written.getvalue().splitlines()]

    def alive(self) -> bool:
        """Classify one picture, as anybody would."""
        with self.client() as client:
            answer = client.post("/classify", content=picture("green"))
        return answer.status_code == 200 and answer.json()["predictions"][0][0] == "green"

    def raw(self, *pieces: bytes, seconds: float = 20) -> bytes:
        """Send bytes as they are, and return what comes back until the connection ends or nothing comes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            for piece in pieces:
                connection.sendall(piece)
            got = b""
            with contextlib.suppress(OSError):
                while chunk := connection.recv(65536):
                    got += chunk
            return got


Serve = Callable[..., contextlib.AbstractContextManager[Running]]


@contextlib.contextmanager
def serving(
    settings: Settings | None = None,
    *,
    model: Colours | None = None,
    fetch: Fetch = fetch_picture,
    keep: Keep | None = None,
) -> Iterator[Running]:
    """Run the service as it is run, but on a thread of this process."""
    settings = settings or Settings()
    model, written = model or Colours(), io.StringIO()
    log = Log(written)
    app = service(model, settings=settings, log=log, fetch=fetch, keep=keep)
    taken = listening_socket("127.0.0.1", 0)
    ready = threading.Event()
    running = server(app, limits=settings.limits, log=log, ready=ready.set)
    thread = threading.Thread(target=running.run, args=([taken],))
    thread.start()
    port = taken.getsockname()[1]
    try:
        assert ready.wait(timeout=60)
        yield Running(f"http://127.0.0.1:{port}", port, model, written)
    finally:
        model.gate.set()
        running.should_exit = True
        thread.join(timeout=60)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Return a service as it is by default, shared by the tests of a module."""
    with serving() as found:
        yield found


def picture(colour: str = "red", *, kind: str = "PNG", size: tuple[int, int] = (32, 24)) -> bytes:
    """Return a picture of one colour, as a file's bytes."""
    written = io.BytesIO()
    Image.new("RGB", size, colour).save(written, kind)
    return written.getvalue()


def until(condition: Callable[[], object]) -> None:
    """Wait for what must happen; the test fails if it doesn't."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
