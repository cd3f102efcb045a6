"""Fetching what someone else has named: what is refused, what ends, and what is worth another try."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from cleaner.connecting import is_private, is_public
from cleaner.errors import FetchError, Stopped
from cleaner.fetching import Limits, fetch
from tests.support.badserver import BadServer, answer, bad_server, picture

SHORT = Limits(bytes=100_000, seconds=0.6, connect_seconds=0.5, redirects=3)
ROOMY = Limits(bytes=100_000, seconds=20, redirects=3)


@pytest.fixture(scope="module")
def server() -> Iterator[BadServer]:
    with bad_server() as bad:
        yield bad


def _failure(url: str, *, limits: Limits = ROOMY, allow_private: bool = True) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(url, limits=limits, allow_private=allow_private)
    assert str(caught.value).endswith(".")
    return caught.value


def test_what_is_there_comes_back_whole_with_where_it_came_from(server) -> None:
    found = fetch(server.url("/moved"), allow_private=True)
    assert found.data == picture(1)
    assert (found.url, found.status) == (server.url("/good.jpg"), 200)
    assert found.content_type == "image/jpeg"


def test_a_body_is_decompressed_though_it_was_asked_for_plain(server) -> None:
    assert fetch(server.url("/gzip"), allow_private=True).data == picture(1)


@pytest.mark.parametrize(
    ("path", "problem", "retry"),
    [
        ("/endless", "size", False),
        ("/says-huge", "size", False),
        ("/bomb", "size", False),
        ("/bomb-in-a-bomb", "status", False),
        ("/endless-headers", "connection", True),
        ("/huge-header", "connection", True),
        ("/reset", "connection", True),
        ("/silent", "connection", True),
        ("/nonsense", "connection", True),
        ("/says-too-long", "connection", True),
        ("/two-lengths", "connection", True),
        ("/half-a-chunk", "connection", True),
        ("/half-a-gzip", "connection", True),
        ("/no-gzip", "connection", True),
        ("/loop", "redirects", False),
        ("/there", "redirects", False),
        ("/to-nowhere", "redirects", False),
        ("/to-a-file", "url", False),
        ("/gone", "status", False),
        ("/part", "status", False),
        ("/broken", "status", True),
        ("/not-there", "status", False),
    ],
)
def test_each_misbehaviour_ends_in_one_sentence_that_says_whether_to_try_again(
    server, path: str, problem: str, retry: bool
) -> None:
    failure = _failure(server.url(path))
    assert (failure.problem, failure.retry) == (problem, retry)


@pytest.mark.parametrize("path", ["/drip", "/drip-of-headers", "/hang", "/endless-interim"])
def test_what_takes_too_long_ends_and_may_be_tried_again(server, path: str) -> None:
    failure = _failure(server.url(path), limits=SHORT)
    assert (failure.problem, failure.retry) == ("time", True)


def test_a_stop_does_not_wait_for_a_server_that_says_nothing(server) -> None:
    asked = threading.Event()
    threading.Timer(0.2, asked.set).start()
    with pytest.raises(Stopped):
        fetch(server.url("/hang"), limits=Limits(seconds=60), allow_private=True, stopped=asked.is_set)


def test_a_server_may_say_when_to_come_back_in_seconds_or_as_a_date(server) -> None:
    later = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=100))
    said = {"7": 7.0, later: 100.0, "soon": None, "-3": None, "": None, "Wed, 99 Foo": None}
    for text, seconds in said.items():
        url = server.answer_in_turn("/again", answer(b"", status="429 Slowly", retry_after=text))
        failure = _failure(url)
        assert failure.retry
        assert failure.status == 429
        assert failure.wait == (None if seconds is None else pytest.approx(seconds, abs=30))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/a.jpg",
        "data:image/png;base64,AAAA",
        "//example.com/a.jpg",
        "photo.jpg",
        "http://",
        "http:///a.jpg",
        "http://user:secret@127.0.0.1/a.jpg",
        "http://[::1",
        "http://a\nb/",
        "",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
    ],
)
def test_only_plain_http_urls_are_fetched(url: str) -> None:
    failure = _failure(url)
    assert (failure.problem, failure.retry) == ("url", False)
    assert "secret" not in str(failure)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "10.0.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "[fe80::1]",
    ],
)
def test_this_machine_and_its_network_are_refused_however_they_are_written(server, host: str) -> None:
    before = server.asked.total()
    failure = _failure(server.url("/good.jpg", host=host), allow_private=False)
    assert (failure.problem, failure.retry) in (("address", False), ("name", False))
    assert server.asked.total() == before


def test_a_clouds_service_of_keys_is_refused_even_where_private_addresses_are_allowed(server) -> None:
    for url in (server.url("/to-the-metadata"), "http://[::ffff:169.254.169.254]/", "http://[fe80::1]/"):
        assert _failure(url).problem == "address"
    assert _failure("http://224.0.0.1/").problem == "address"
    assert not is_private("fd00:ec2::254")


def test_a_redirect_into_the_private_network_is_refused_too(server, monkeypatch) -> None:
    _name_to(monkeypatch, {"public.example": ["127.0.0.1"]})
    monkeypatch.setattr("cleaner.connecting.is_public", lambda address: address == "127.0.0.1")
    failure = _failure(server.url("/to-the-metadata", host="public.example"), allow_private=False)
    assert failure.problem == "address"


def test_a_name_with_one_private_address_among_public_ones_is_refused(server, monkeypatch) -> None:
    _name_to(monkeypatch, {"mixed.example": ["93.184.216.34", "127.0.0.1"]})
    assert _failure(server.url("/good.jpg", host="mixed.example"), allow_private=False).problem == "address"


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(server, monkeypatch) -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])  # a name that changes between check and use
    asked = _name_to(monkeypatch, {"rebinding.example": answers})
    monkeypatch.setattr("cleaner.connecting.is_public", lambda address: address == "127.0.0.1")
    assert fetch(server.url("/good.jpg", host="rebinding.example"), limits=ROOMY).data == picture(1)
    assert asked == ["rebinding.example"]
    assert server.heads[-1].split("\r\n")[1].lower() == f"host: rebinding.example:{server.port}"


def test_another_address_of_the_name_is_tried_where_the_first_does_not_answer(server, monkeypatch) -> None:
    _name_to(monkeypatch, {"two.example": ["127.0.0.9", "127.0.0.1"]})
    assert fetch(server.url("/good.jpg", host="two.example"), allow_private=True).data == picture(1)


def test_a_host_that_nobody_knows_is_said_to_be_so(monkeypatch) -> None:
    _name_to(monkeypatch, {})
    failure = _failure("http://nowhere.example/a.jpg")
    assert (failure.problem, failure.retry) == ("name", False)


def test_a_port_that_nobody_listens_on_may_be_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    failure = _failure(f"http://127.0.0.1:{port}/")
    assert (failure.problem, failure.retry) == ("connection", True)


def test_proxies_and_credentials_of_the_environment_are_not_used(server, monkeypatch, tmp_path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert fetch(server.url("/good.jpg"), allow_private=True).status == 200
    assert "authorization" not in server.heads[-1].lower()
    assert "Cleaner" in server.heads[-1]


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "192.0.1.1"],
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "192.0.0.8",
        "64:ff9b:1::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2002:808:808::",
        "2001:0:1::1",
        "224.0.0.1",
        "255.255.255.255",
        "100.64.0.1",
        "198.18.0.1",
        "203.0.113.9",
        "0.1.2.3",
        "::",
        "::1",
        "fc00::1",
        "fe80::1%1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "::7f00:1",
        "5f00::1",
        "3fff::1",
    ],
)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_many_threads_may_fetch_at_once(server) -> None:
    url = server.serve_late("/slow", b"x", seconds=0.2)
    found: list[bytes] = []
    work = [
        threading.Thread(target=lambda: found.append(fetch(url, allow_private=True).data)) for _ in range(8)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert found == [b"x"] * 8
    assert server.busiest > 1


def _name_to(monkeypatch, names: dict[str, object]) -> list[str]:
    """Stand in for the name service, which a test has none of; return the names it is asked for."""
    asked: list[str] = []

    real = socket.getaddrinfo

    def look_up(host, port, family=0, type=0):
        if host[0].isdigit():
            return real(host, port, family, type)
        asked.append(host)
        if host not in names:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        found = names[host]
        addresses = found if isinstance(found, list) else next(found)
        return [(socket.AF_INET, type, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr("cleaner.connecting.socket.getaddrinfo", look_up)
    return asked
