"""What nobody should send: the right status, one sentence, and the service alive afterwards."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from cleaner.serve.settings import Limits, Settings
from tests.serve.conftest import Running, picture, serving

HEAD = b"Host: localhost\r\nConnection: close\r\n"


def _png(width: int, height: int) -> bytes:
    """Return a PNG whose header promises so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 10)), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _file(image: Image.Image, kind: str) -> bytes:
    written = io.BytesIO()
    image.save(written, kind)
    return written.getvalue()


JPEG = picture(kind="JPEG", size=(64, 64))
CORPUS: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "text": (b"hello", 415),
    "zeros": (bytes(5000), 415),
    "html": (b"<html><script>alert(1)</script></html>", 415),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', 415),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n", 415),
    "pdf": (b"%PDF-1.7\n", 415),
    "zip": (b"PK\x03\x04" + bytes(100), 415),
    "pickle": (b"\x80\x04cos\nsystem\n(S'true'\ntR.", 415),
    "JPEG's first bytes": (JPEG[:20], 415),
    "half a JPEG": (JPEG[: len(JPEG) // 2], 422),
    "half a PNG": (picture(size=(64, 64))[:60], 422),
    "half a GIF": (picture(kind="GIF", size=(64, 64))[:30], 415),
    "JPEG with noise in it": (JPEG[:300] + bytes(range(256)) * 2, 422),
    "PNG of 10^10 pixels": (_png(100_000, 100_000), 413),
    "PNG of 10^8 pixels": (_png(10_000, 10_000), 413),
    "PNG of 2^62 pixels": (_png(2**31 - 1, 2**31 - 1), 413),
    "PNG without pixels": (_png(0, 0), 415),
    "JPEG of a thousand scans": (JPEG[:-2] + b"\xff\xda\0\x08\1\1\0\0\x3f\0" * 1000 + b"\xff\xd9", 422),
    "PGM of text, all comments": (b"P2 100 100 255\n" + b"#\n" * 500_000, 422),
    "PBM of text": (b"P1\n2 2\n1 0 0 1\n", 422),
    "BMP of 2^60 pixels": (
        b"BM" + struct.pack("<IHHIIiiHH", 99, 0, 0, 54, 40, 2**30, 2**30, 1, 24) + bytes(24),
        413,
    ),
}


@pytest.mark.parametrize("name", CORPUS)
def test_what_is_no_good_picture_gets_its_status_and_one_sentence(running: Running, name: str) -> None:
    data, status = CORPUS[name]
    with running.client() as client:
        answer = client.post("/classify", content=data)
        form = client.post("/classify", files={"f": ("a.jpg", data)})
    assert (answer.status_code, form.status_code) == (status, status), answer.text
    sentence = answer.json()["error"]
    assert sentence.endswith((".", "."))
    assert "\n" not in sentence
    assert len(sentence) < 200
    assert running.alive()


ODD = {
    "16 bits": Image.fromarray(np.full((9, 9), 40_000, np.uint16)),
    "CMYK": Image.new("CMYK", (9, 9)),
    "palette": Image.new("P", (9, 9)),
    "one bit": Image.new("1", (9, 9)),
    "transparent": Image.new("RGBA", (9, 9)),
    "float": Image.fromarray(np.full((9, 9), 0.5, np.float32)),
    "one pixel": Image.new("RGB", (1, 1)),
    "one row": Image.new("L", (4000, 1)),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_but_good_pictures_are_answered(running: Running, name: str) -> None:
    with running.client() as client:
        answer = client.post("/classify", content=_file(ODD[name], "TIFF"))
    assert answer.status_code == 200


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_the_binary_kinds_of_ppm_are_answered(running: Running, mode: str) -> None:
    with running.client() as client:
        answer = client.post("/classify", content=_file(Image.new(mode, (9, 9)), "PPM"))
    assert answer.status_code == 200


def _form(*parts: bytes, boundary: bytes = b"b") -> bytes:
    return (
        b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    )


def _part(data: bytes, *, name: bytes = b"f", extra: bytes = b"") -> bytes:
    head = b'Content-Disposition: form-data; name="' + name + b'"; filename="a.png"\r\n'
    return head + extra + b"\r\n" + data


FORMS: dict[str, tuple[bytes, bytes, int]] = {
    "no boundary": (b"multipart/form-data", _form(_part(picture())), 400),
    "empty boundary": (b"multipart/form-data; boundary=", _form(_part(picture())), 400),
    "long boundary": (b"multipart/form-data; boundary=" + b"b" * 5000, b"x", 400),
    "another boundary": (b"multipart/form-data; boundary=c", _form(_part(picture())), 400),
    "no last boundary": (b"multipart/form-data; boundary=b", _form(_part(picture()))[:-6], 400),
    "nothing": (b"multipart/form-data; boundary=b", b"", 400),
    "no parts": (b"multipart/form-data; boundary=b", b"--b--\r\n", 400),
    "noise": (b"multipart/form-data; boundary=b", bytes(range(256)) * 40, 400),
    "no disposition": (b"multipart/form-data; boundary=b", _form(b"\r\n" + picture()), 400),
    "fields only": (
        b"multipart/form-data; boundary=b",
        _form(b'Content-Disposition: form-data; name="a"\r\n\r\nx'),
        400,
    ),
    "an empty file": (b"multipart/form-data; boundary=b", _form(_part(b"")), 400),
    "10,000 files": (b"multipart/form-data; boundary=b", _form(*[_part(b"x")] * 10_000), 413),
    "10,000 fields": (
        b"multipart/form-data; boundary=b",
        _form(*[b'Content-Disposition: form-data; name="a"\r\n\r\nx'] * 10_000),
        413,
    ),
    "10,000 headers": (
        b"multipart/form-data; boundary=b",
        _form(_part(b"x", extra=b"A: b\r\n" * 10_000)),
        400,
    ),
    "an endless header": (b"multipart/form-data; boundary=b", b"--b\r\nA: " + b"x" * 5_000_000, 400),
    "an endless header name": (b"multipart/form-data; boundary=b", b"--b\r\n" + b"x" * 5_000_000, 400),
    "a huge field name": (
        b"multipart/form-data; boundary=b",
        _form(_part(picture(), name=b"n" * 10**6)),
        400,
    ),
    "a colon too few": (b"multipart/form-data; boundary=b", _form(b"Content-Disposition\r\n\r\nx"), 400),
    "another kind of multipart": (b"multipart/mixed; boundary=b", _form(_part(picture())), 415),
    "a form of fields": (b"application/x-www-form-urlencoded", b"f=" + b"x" * 1000, 415),
    "JSON": (b"application/json", b'{"a":' * 100_000, 415),
    "no type that is one": (b"\xff\xfe;;;=", picture(), 415),
}


@pytest.mark.parametrize("name", FORMS)
def test_broken_forms_and_other_types_get_their_status_and_one_sentence(running: Running, name: str) -> None:
    kind, body, status = FORMS[name]
    with running.client() as client:
        answer = client.post("/classify", content=body, headers={b"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"].endswith(".")
    assert running.alive()


def test_a_form_may_say_more_than_it_must(running: Running) -> None:
    body = b"a preamble\r\n" + _form(_part(picture("blue"), extra=b"Content-Type: image/png\r\nX: y\r\n"))
    kind = {"Content-Type": 'multipart/form-data; charset=nonsense; boundary="b"'}
    with running.client() as client:
        answer = client.post("/classify", content=body, headers=kind)
    assert answer.status_code in (200, 400)  # whether a preamble is taken is the parser's to say
    assert running.alive()


def test_pixels_are_counted_before_they_are_decoded() -> None:
    with serving(Settings(limits=Limits(pixels=1000))) as running, running.client() as client:
        assert client.post("/classify", content=picture(size=(40, 25))).status_code == 200
        answer = client.post("/classify", content=picture(size=(40, 26)))
    assert answer.status_code == 413
    assert "0.001 million pixels" in answer.json()["error"]


@pytest.mark.parametrize(
    "method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "HEAD", "BREW"]
)
@pytest.mark.parametrize("path", ["/classify", "/classes", "/health", "/", "/assets/page.css"])
def test_other_methods_are_refused_with_the_right_ones_named(
    running: Running, method: str, path: str
) -> None:
    if method in ("GET", "HEAD") and path != "/classify":
        return
    got = running.raw(f"{method} {path} HTTP/1.1\r\n".encode() + HEAD + b"\r\n")
    assert b" 405 " in got.split(b"\r\n")[0]
    assert (b"allow: POST" if path == "/classify" else b"allow: ") in got.lower().replace(b"post", b"POST")


BODY = b"5\r\nhello\r\n0\r\n\r\n"
RAW: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "nonsense": (b"\x16\x03\x01\x02\0 nothing of HTTP\r\n\r\n", (400,)),
    "length and chunks": (
        b"POST /classify HTTP/1.1\r\n"
        + HEAD
        + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        + BODY,
        (400, 415),
    ),
    "two lengths": (
        b"POST /classify HTTP/1.1\r\n" + HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nhello",
        (400,),
    ),
    "a length of two": (b"POST /classify HTTP/1.1\r\n" + HEAD + b"Content-Length: 4, 5\r\n\r\nhello", (400,)),
    "a length below 0": (b"POST /classify HTTP/1.1\r\n" + HEAD + b"Content-Length: -5\r\n\r\nhello", (400,)),
    "a length with a sign": (
        b"POST /classify HTTP/1.1\r\n" + HEAD + b"Content-Length: +5\r\n\r\nhello",
        (400,),
    ),
    "a length without end": (
        b"POST /classify HTTP/1.1\r\n" + HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
        (400, 413),
    ),
    "unknown encoding": (
        b"POST /classify HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + BODY,
        (400, 501),
    ),
    "twice encoded": (
        b"POST /classify HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + BODY,
        (400, 501),
    ),
    "a space before the colon": (
        b"POST /classify HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding : chunked\r\n\r\n" + BODY,
        (400,),
    ),
    "a broken chunk": (
        b"POST /classify HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n",
        (400,),
    ),
    "a huge chunk": (
        b"POST /classify HTTP/1.1\r\n"
        + HEAD
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"F" * 40
        + b"\r\nhello",
        (400, 408),
    ),
    "two hosts": (b"GET /classes HTTP/1.1\r\nHost: localhost\r\n" + HEAD + b"\r\n", (400,)),
    "no host": (b"GET /classes HTTP/1.1\r\nConnection: close\r\n\r\n", (400,)),
    "an endless head": (b"GET /classes HTTP/1.1\r\n" + HEAD + b"X: " + b"x" * 200_000, (400, 431)),
    "ten thousand headers": (
        b"GET /classes HTTP/1.1\r\n" + HEAD + b"X: y\r\n" * 10_000 + b"\r\n",
        (200, 400),
    ),
    "an endless path": (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", (400, 414)),
    "a whole address": (b"GET http://169.254.169.254/ HTTP/1.1\r\n" + HEAD + b"\r\n", (404,)),
    "line ends within": (b"GET /classes%0d%0aX:%20y HTTP/1.1\r\n" + HEAD + b"\r\n", (404,)),
    "a version to come": (b"GET /classes HTTP/9.9\r\n" + HEAD + b"\r\n", (200, 505)),
    "an upgrade": (
        b"GET /classes HTTP/1.1\r\nHost: localhost\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
        (200, 400),
    ),
    "two slashes": (b"GET //evil.example/ HTTP/1.1\r\n" + HEAD + b"\r\n", (404,)),
    "a path that climbs": (b"GET /assets/../../settings.py HTTP/1.1\r\n" + HEAD + b"\r\n", (404,)),
    "a slash too many": (b"POST /classify/ HTTP/1.1\r\n" + HEAD + b"Content-Length: 0\r\n\r\n", (404,)),
}


@pytest.mark.parametrize("name", RAW)
def test_oddities_of_http_are_refused_and_smuggle_nothing(running: Running, name: str) -> None:
    sent, statuses = RAW[name]
    got = running.raw(sent)
    assert got.count(b"HTTP/1.1 ") == 1, got  # one request, one answer
    assert int(got.split(b" ")[1]) in statuses, got
    assert running.alive()


def test_a_request_hidden_in_a_body_is_no_request(running: Running) -> None:
    hidden = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    after = b"GET /health HTTP/1.1\r\n" + HEAD + b"\r\n"
    got = running.raw(head % len(hidden) + hidden + after)
    assert got.count(b"HTTP/1.1 ") == 2
    assert b"cleaner_requests" not in got


@pytest.mark.parametrize("change", [lambda d, r: d[: r.integers(1, len(d))], lambda d, r: _flipped(d, r)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000"])
def test_cut_and_flipped_files_never_fail_within(
    running: Running, kind: str, change: Callable[[bytes, np.random.Generator], bytes]
) -> None:
    whole = _file(Image.effect_noise((40, 30), 80).convert("RGB"), kind)
    with running.client() as client:
        for seed in range(12):
            broken = change(whole, np.random.default_rng(seed))
            answer = client.post("/classify", content=broken)
            assert answer.status_code in (200, 413, 415, 422), answer.text
    assert running.alive()


def _flipped(data: bytes, random: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for at in random.integers(0, len(data), 10):
        changed[at] ^= int(random.integers(1, 256))
    return bytes(changed)
