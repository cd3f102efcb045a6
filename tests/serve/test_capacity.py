"""Under more load than it can bear, from slow clients, and when it is told to end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import numpy as np
import pytest

from cleaner.serve import listen
from cleaner.serve.settings import MIB, Limits, Settings
from tests.serve.conftest import Colours, Running, picture, serving, until

TOP = Path(__file__).parents[2]


def _waiting(running: Running) -> int:
    with running.client() as client:
        text = client.get("/metrics").text
    return int(float(text.split("\ncleaner_waiting_pictures ")[1].split("\n")[0]))


def _post(running: Running, colour: str = "red") -> httpx2.Response:
    with running.client() as client:
        return client.post("/classify", content=picture(colour))


def test_what_is_too_much_is_refused_at_once_and_what_was_taken_is_answered() -> None:
    model = Colours()
    with serving(Settings(limits=Limits(waiting=4, files=2)), model=model) as running:
        model.gate.clear()
        with ThreadPoolExecutor(4) as pool:
            taken = [pool.submit(_post, running, colour) for colour in ("red", "green", "blue", "red")]
            until(lambda: _waiting(running) == 4)
            refused = _post(running)
            assert refused.status_code == 503  # while nothing is computed at all: nobody waited
            assert refused.headers["retry-after"] == "1"
            assert refused.json() == {"error": "Too many pictures are waiting; try again shortly."}
            assert not any(asked.done() for asked in taken)
            with running.client() as client:
                assert client.get("/health").status_code == 200
            model.gate.set()
            assert [asked.result().json()["predictions"][0][0] for asked in taken] == [
                "red",
                "green",
                "blue",
                "red",
            ]
        assert running.alive()


def test_several_files_get_all_their_places_or_none() -> None:
    model = Colours()
    with serving(Settings(limits=Limits(waiting=3, files=3)), model=model) as running:
        model.gate.clear()
        with ThreadPoolExecutor(1) as pool, running.client() as client:
            asked = pool.submit(_post, running)
            until(lambda: _waiting(running) == 1)
            files = [("files", (f"{n}.png", picture())) for n in range(3)]
            assert client.post("/classify", files=files).status_code == 503
            assert _waiting(running) == 1
            model.gate.set()
            assert asked.result().status_code == 200
            assert len(client.post("/classify", files=files).json()["results"]) == 3


def test_pictures_that_wait_are_computed_together_and_each_gets_its_own_answer() -> None:
    model = Colours()
    colours = ["red", "green", "blue", "green", "blue", "red", "red", "green", "blue"]
    with serving(Settings(limits=Limits(batch=4)), model=model) as running:
        model.batches.clear()
        model.gate.clear()
        with ThreadPoolExecutor(9) as pool:
            asked = [pool.submit(_post, running, colour) for colour in colours]
            until(lambda: _waiting(running) == 9)
            time.sleep(0.2)  # all are decoded by now, or the batches are smaller, which harms nothing
            model.gate.set()
            assert [got.result().json()["predictions"][0][0] for got in asked] == colours
        assert sum(model.batches) == 9
        assert max(model.batches) <= 4
        assert len(model.batches) < 9


def test_an_answer_that_takes_too_long_is_given_up_with_a_sentence() -> None:
    model = Colours()
    with serving(Settings(limits=Limits(answer_seconds=0.2)), model=model) as running:
        model.gate.clear()
        answer = _post(running)
        assert answer.status_code == 503
        assert answer.json() == {"error": "There was no answer within 0.2 seconds; try again later."}
        model.gate.set()
        until(lambda: _waiting(running) == 0)
        assert running.alive()


def test_while_all_decoders_are_busy_a_form_has_its_place_and_its_time_like_any_picture() -> None:
    model, going_on = Colours(), threading.Event()
    prepare = model.prepare

    def slowly(data: bytes) -> np.ndarray:
        assert going_on.wait(timeout=60)
        return prepare(data)

    model.prepare = slowly  # type: ignore[method-assign]
    limits = Limits(answer_seconds=2, waiting=2, files=1)
    with serving(Settings(limits=limits), model=model) as running, ThreadPoolExecutor(2) as pool:
        try:
            asked = [pool.submit(_post, running)]
            until(lambda: _waiting(running) == 1)
            asked.append(pool.submit(_post, running))
            until(lambda: _waiting(running) == 2)
            assert _post(running).json() == {"error": "Too many pictures are waiting; try again shortly."}
            sentence = "There was no answer within 2 seconds; try again later."
            assert [got.result(timeout=30).json() for got in asked] == [{"error": sentence}] * 2
        finally:
            going_on.set()
        assert running.alive()


def test_bodies_longer_than_allowed_are_refused_whether_they_say_so_or_not() -> None:
    limits = Limits(file_bytes=1000, body_bytes=2000)
    with serving(Settings(limits=limits)) as running, running.client() as client:
        assert client.post("/classify", content=b"x" * 1500).status_code == 413
        assert client.post("/classify", content=b"x" * 2500).status_code == 413
        assert client.post("/classify", content=(b"x" * 500 for _ in range(100))).status_code == 413
        head = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        assert b" 413 " in running.raw(
            head + b"Content-Length: 99999999999\r\n\r\n"
        )  # before a byte of it came
        assert client.post("/classify", files={"f": ("a.png", b"x" * 1200)}).status_code == 413
        assert running.alive()


def test_what_all_uploads_hold_together_is_bounded() -> None:
    limits = Limits(file_bytes=MIB, body_bytes=MIB, held_bytes=MIB, upload_seconds=30)
    head = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n"
    with serving(Settings(limits=limits)) as running, running.client() as client:
        with socket.create_connection(("127.0.0.1", running.port)) as slow:
            slow.sendall(head + b"x" * 800_000)
            until(lambda: "cleaner_held_bytes 800000.0" in client.get("/metrics").text)
            refused = client.post("/classify", content=b"x" * 500_000)
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            assert running.alive()  # small ones still fit
        until(lambda: "cleaner_held_bytes 0.0" in client.get("/metrics").text)


def test_slow_bodies_end_with_408_and_take_nobodys_place() -> None:
    limits = Limits(upload_seconds=1, waiting=2, files=1)
    head = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
    with serving(Settings(limits=limits)) as running:
        slow = [socket.create_connection(("127.0.0.1", running.port), timeout=30) for _ in range(20)]
        for connection in slow:
            connection.sendall(head + b"x")
        assert running.alive()
        for connection in slow:
            got = b""
            while chunk := connection.recv(4096):
                got += chunk
            assert got.startswith(b"HTTP/1.1 408 ")
            assert b"longer than 1 seconds" in got
            connection.close()
        assert running.alive()


def test_heads_that_never_end_are_hung_up_on() -> None:
    with serving(Settings(limits=Limits(head_seconds=0.3))) as running:
        assert running.raw() == b""
        assert running.raw(b"GET /classes HTTP/1.1\r\nHost: local").startswith(b"HTTP/1.1 408 ")
        again = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        got = running.raw(again + b"GET /hea")
        assert got.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in got
        assert running.alive()


def test_a_refused_body_that_goes_on_for_ever_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listen, "GRACE_SECONDS", 0.3)
    head = b"POST /classes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
    with serving(Settings(limits=Limits(upload_seconds=0.3))) as running:
        assert running.raw(head + b"x").startswith(b"HTTP/1.1 405 ")  # and the connection ends
        assert running.alive()


def test_clients_that_leave_early_leave_nothing_behind() -> None:
    head = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
    with serving() as running:
        for sent in (
            b"",
            b"GET",
            head,
            head + b"x" * 100,
            b"GET /classes HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", running.port)) as connection:
                connection.sendall(sent)
        with running.client() as client:
            until(lambda: "cleaner_held_bytes 0.0" in client.get("/metrics").text)
        assert running.alive()


@pytest.mark.parametrize("kept", ["close", "keep-alive"])
def test_who_sends_no_more_after_whole_requests_is_answered_and_then_hung_up_on(kept: str) -> None:
    body = picture("green")
    head = f"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    first = b"GET /classes HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving() as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
            connection.sendall(first + head.encode() + f"Connection: {kept}\r\n\r\n".encode() + body)
            connection.shutdown(socket.SHUT_WR)
            got = b""
            while chunk := connection.recv(65536):
                got += chunk
        assert got.count(b"HTTP/1.1 200 ") == 2
        assert b'{"predictions":[["green",' in got
        assert running.alive()


SERVER = """
import sys, threading
from cleaner.serve.listen import listen, listening_socket, server
from cleaner.serve.logs import Log
from cleaner.serve.service import service
from cleaner.serve.settings import Limits, Settings
from tests.serve.conftest import Colours
class Slow(Colours):
    def probabilities(self, batch):
        if self.batches:
            print("computing", flush=True)
            sys.stdin.readline()
        return super().probabilities(batch)
log = Log(sys.stderr)
taken = listening_socket("127.0.0.1", 0)
app = service(Slow(), settings=Settings(), log=log)
say = lambda: print(taken.getsockname()[1], flush=True)
listen(server(app, limits=Limits(), log=log, ready=say), taken=taken)
print("ended", flush=True)
"""


def test_told_to_end_it_answers_whom_it_has_taken_and_ends() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=TOP,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdin
        assert process.stdout
        port = int(process.stdout.readline())
        running = Running(f"http://127.0.0.1:{port}", port, Colours(), None)  # type: ignore[arg-type]
        answers: list[httpx2.Response] = []
        asking = threading.Thread(target=lambda: answers.append(_post(running)))
        idle = socket.create_connection(("127.0.0.1", port))
        asking.start()
        assert process.stdout.readline() == "computing\n"
        process.send_signal(signal.SIGTERM)

        def refuses() -> bool:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionError:
                return True
            return False

        until(refuses)
        assert process.poll() is None
        process.stdin.write("go on\n")
        process.stdin.flush()
        asking.join(timeout=60)
        assert answers[0].json()["predictions"][0][0] == "red"
        assert process.stdout.readline() == "ended\n"
        assert process.wait(timeout=60) == 0
        idle.close()
    finally:
        process.kill()
        process.communicate()
