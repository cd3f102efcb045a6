"""Pictures by their address: what is fetched, and every way to be led into the network behind the service."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from cleaner.serve.settings import Limits, Settings
from tests.serve.conftest import Running, picture, serving, until
from tests.support.badserver import BadServer, bad_server

FORGED = [
    *(
        "http://127.0.0.1{port}/",
        "http://127.1{port}/",
        "http://2130706433{port}/",
        "http://0x7f000001{port}/",
    ),
    *(
        "http://0177.0.0.1{port}/",
        "http://0x7f.0.0.1{port}/",
        "http://017700000001{port}/",
        "http://0{port}/",
    ),
    *(
        "http://0.0.0.0{port}/",
        "http://localhost{port}/",
        "http://localhost.{port}/",
        "http://LOCALHOST{port}/",
    ),
    *(
        "http://[::1]{port}/",
        "http://[::]{port}/",
        "http://[::ffff:127.0.0.1]{port}/",
        "http://[::ffff:7f00:1]{port}/",
    ),
    *("http://[::127.0.0.1]{port}/", "http://[64:ff9b::7f00:1]{port}/", "http://[2002:7f00:1::]{port}/"),
    *("http://[fe80::1%25lo]{port}/", "http://[fc00::1]{port}/", "http://[::1%251]{port}/"),
    *("http://①②⑦.0.0.1{port}/", "http://127。0。0。1{port}/", "http://127.0.0.1.{port}/"),
    *(
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://172.16.0.1/",
    ),
    *("http://100.64.0.1/", "http://224.0.0.1/", "http://255.255.255.255/", "http://198.18.0.1/"),
    *(
        "http://user:secret@127.0.0.1{port}/",
        "http://example.org@127.0.0.1{port}/",
        "http://127.0.0.1{port}#@example.org/",
    ),
    *(
        "http://example.org\\@127.0.0.1{port}/",
        "https://127.0.0.1{port}/",
        "http:127.0.0.1{port}",
        "//127.0.0.1{port}/",
    ),
    *(
        "file:///etc/passwd",
        "gopher://127.0.0.1:70/_x",
        "ftp://127.0.0.1/",
        "dict://127.0.0.1:11211/",
        "data:image/png;base64,AA",
    ),
    *(
        "jar:http://127.0.0.1!/",
        "javascript:alert(1)",
        "/etc/passwd",
        "C:\\x.png",
        "\\\\server\\share",
        "http://",
        "http:///x",
    ),
    *(
        "http://127.0.0.1{port}/\r\nX: y",
        "http://127.0.0.1{port}/%0d%0aX:%20y",
        "http://\r\n127.0.0.1{port}/",
        "\x00",
        " ",
    ),
    *(
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:-1/",
        "http://127.0.0.1:x/",
        "http://[::1",
        "http://" + "a" * 5000,
    ),
]


@pytest.fixture(scope="module")
def bad() -> Iterator[BadServer]:
    with bad_server() as found:
        yield found


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Iterator[str]]:
    """Return what names resolve to, one look-up after the other; addresses resolve to themselves."""
    known: dict[str, Iterator[str]] = {}
    real = socket.getaddrinfo

    def resolve(host, port, *args, **settings):
        return real(next(known[host]) if host in known else host, port, *args, **settings)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.fixture
def one_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take 127.0.0.1, where the server of the tests listens, for a public address; no other private one."""
    monkeypatch.setattr("cleaner.connecting.is_public", lambda address: address == "127.0.0.1")


def _ask(running: Running, url: str):
    with running.client() as client:
        return client.get("/classify-url", params={"url": url})


@pytest.mark.parametrize("url", FORGED)
def test_no_way_of_writing_an_address_leads_into_the_private_network(running: Running, bad, url: str) -> None:
    before = bad.asked.total()
    answer = _ask(running, url.replace("{port}", f":{bad.port}"))
    assert answer.status_code in (422, 502), answer.text  # 502 where the name is nobody's
    sentence = answer.json()["error"]
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "secret" not in sentence
    assert bad.asked.total() == before
    assert running.alive()


@pytest.mark.usefixtures("one_public")
@pytest.mark.parametrize(
    "target", ["http://127.0.0.2/", "http://169.254.169.254/", "http://[::1]/", "file:///etc/passwd"]
)
def test_nor_does_a_redirect(running: Running, bad: BadServer, target: str) -> None:
    url = bad.serve("/away", b"", location=target)
    bad.answer_in_turn(
        "/away", b"HTTP/1.1 302 Found\r\nLocation: " + target.encode() + b"\r\nContent-Length: 0\r\n\r\n"
    )
    assert _ask(running, url).status_code == 422
    assert running.alive()


@pytest.mark.usefixtures("one_public")
def test_nor_does_a_name_that_changes_between_check_and_use(running: Running, bad: BadServer, names) -> None:
    bad.serve("/a.png", picture("blue"))
    names["rebinding.example"] = iter(["127.0.0.1", "127.0.0.2", "169.254.169.254"])
    answer = _ask(running, bad.url("/a.png", host="rebinding.example"))
    assert answer.json()["predictions"][0][0] == "blue"  # from the address that was checked
    assert _ask(running, bad.url("/a.png", host="rebinding.example")).status_code == 422
    assert next(names["rebinding.example"]) == "169.254.169.254"  # one look-up for each fetch


@pytest.mark.usefixtures("one_public")
def test_what_cannot_be_had_says_why_with_a_status(bad: BadServer) -> None:
    limits = Limits(file_bytes=100_000, fetch_seconds=0.5)
    bad.serve("/text", b"no picture")
    bad.serve("/giant", b"x" * 110_000)
    expected = {
        "/text": 415,
        "/giant": 413,
        "/endless": 413,
        "/gone": 502,
        "/reset": 502,
        "/loop": 502,
        "/hang": 504,
        "/drip": 504,
    }
    with serving(Settings(limits=limits)) as running:
        for path, status in expected.items():
            answer = _ask(running, bad.url(path))
            assert answer.status_code == status, (path, answer.text)
            assert answer.json()["error"].endswith(".")
        assert running.alive()


@pytest.mark.usefixtures("one_public")
def test_few_addresses_are_fetched_at_once_and_uploads_go_on(bad: BadServer) -> None:
    import threading

    with serving(Settings(limits=Limits(fetches=2, fetch_seconds=3))) as running:
        before = bad.asked["/hang"]
        slow = [threading.Thread(target=_ask, args=(running, bad.url("/hang"))) for _ in range(2)]
        for asked in slow:
            asked.start()
        until(lambda: bad.asked["/hang"] == before + 2)
        refused = _ask(running, bad.url("/hang"))
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert running.alive()
        for asked in slow:
            asked.join()


def test_a_service_that_may_not_fetch_says_so_and_does_not_offer_it() -> None:
    with serving(Settings(urls=False)) as running, running.client() as client:
        answer = client.get("/classify-url", params={"url": "http://127.0.0.1/"})
        assert answer.status_code == 403
        assert "switched off" in answer.json()["error"]
        assert "/classify-url" not in client.get("/openapi.json").json()["paths"]


def test_an_address_must_be_given(running: Running) -> None:
    with running.client() as client:
        for query in ("", "?url=", "?uri=http://example.org", "?url=http://a.example&url=http://b.example"):
            assert client.get(f"/classify-url{query}").status_code == 400
