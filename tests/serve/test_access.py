"""Who may ask, from where, and under which name."""

from __future__ import annotations

import pytest

from cleaner.errors import InputError
from cleaner.serve.settings import Limits, Settings, is_loopback
from tests.serve.conftest import Running, picture, serving

TOKEN = "correct-horse-battery-staple"
PRIVATE = ("/classes", "/metrics", "/classify-url?url=https://example.org/", "/nowhere")


@pytest.mark.parametrize(
    "given",
    [
        *(None, "", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x"),
        *(
            f"Bearer {TOKEN.upper()}",
            f"Bearer {TOKEN}, Bearer {TOKEN}",
            "Bearer \xff\xfe",
            "Bearer " + "x" * 9000,
        ),
    ],
)
def test_without_the_right_token_there_is_no_answer(given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given.encode("latin-1")}
    with serving(Settings(token=TOKEN)) as running, running.client(headers=headers) as client:
        for path in PRIVATE:
            answer = client.get(path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert client.post("/classify", content=picture()).status_code == 401
        assert running.model.batches == [1]  # the one at the start


def test_with_the_right_token_there_is_and_what_tells_nothing_needs_none() -> None:
    with serving(Settings(token=TOKEN)) as running, running.client() as client:
        for path in ("/", "/docs", "/openapi.json", "/health", "/assets/page.mjs", "/assets/page.css"):
            assert client.get(path).status_code == 200
        client.headers["Authorization"] = f"bearer {TOKEN}"
        assert client.post("/classify", content=picture()).status_code == 200
        assert client.get("/metrics").status_code == 200


def test_whitespace_around_a_token_locks_nobody_out() -> None:
    for token in (f"{TOKEN}\n", f" {TOKEN} "):
        with serving(Settings(token=token)) as running, running.client() as client:
            answer = client.get("/classes", headers={"Authorization": f"Bearer {TOKEN}"})
            assert answer.status_code == 200


def test_hosts_are_named_with_or_without_their_port() -> None:
    settings = Settings(hosts=("Example.org:8000", "[::2]:80", "::3", "10.1.2.3"))
    assert settings.hosts == ("example.org", "::2", "::3", "10.1.2.3")
    with serving(settings) as running, running.client() as client:
        for name in ("example.org", "EXAMPLE.org:99", "[::2]", "[::3]:99", "10.1.2.3:8000"):
            assert client.get("/classes", headers={"Host": name}).status_code == 200, name


def test_a_service_of_this_machine_answers_to_its_own_names_only(running: Running) -> None:
    with running.client() as client:
        for name in ("127.0.0.1", "localhost", "LOCALHOST:99", "[::1]:80", f"127.0.0.1:{running.port}"):
            assert client.get("/classes", headers={"Host": name}).status_code == 200, name
        for name in (
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "localhost.",
            "[::2]",
        ):
            for path in ("/classes", "/", "/assets/page.mjs"):
                assert client.get(path, headers={"Host": name}).status_code == 421, name
        assert client.get("/health", headers={"Host": "10.1.2.3"}).status_code == 200  # by a load balancer
    assert b" 421 " in running.raw(b"GET /classes HTTP/1.0\r\n\r\n")


def test_pages_of_other_sites_may_not_ask(running: Running) -> None:
    own = running.url
    with running.client() as client:
        for site, status in (("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)):
            assert client.get("/classes", headers={"Sec-Fetch-Site": site}).status_code == status
        for origin, status in (
            *((own, 200), ("https://evil.example", 403), ("null", 403), ("http://127.0.0.1:1", 403)),
            *(("http://[", 403), ("", 403)),
        ):
            asked = client.post("/classify", content=picture(), headers={"Origin": origin})
            assert asked.status_code == status, origin
        answer = client.get("/classes", headers={"Origin": own})
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_every_answer_carries_the_headers_that_protect_a_browser(running: Running) -> None:
    with running.client() as client:
        answers = [
            *(
                client.get(path)
                for path in ("/", "/docs", "/classes", "/nowhere", "/metrics", "/assets/page.css")
            ),
            client.post("/classify", content=b"broken"),
            client.delete("/classify"),
            client.get("/", headers={"Host": "evil.example"}),
        ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "path", ["page", "index.html", "..%2fservice.py", "%2e%2e/guard.py", "page.css%00", ""]
)
def test_nothing_but_the_pages_own_files_is_read_from_the_disk(running: Running, path: str) -> None:
    with running.client() as client:
        assert client.get(f"/assets/{path}").status_code == 404


def test_settings_that_make_no_sense_are_refused_with_a_sentence() -> None:
    with pytest.raises(InputError, match="at least 16"):
        Settings(token="short")
    with pytest.raises(InputError, match="pixels is 0"):
        Limits(pixels=0)
    with pytest.raises(InputError, match="do not fit"):
        Limits(files=10, waiting=5)
    with pytest.raises(InputError, match="must fit"):
        Limits(file_bytes=10, body_bytes=5)


def test_only_loopback_addresses_count_as_this_machine() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "")))
