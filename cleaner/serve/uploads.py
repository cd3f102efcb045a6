"""Reads the body of a request within its limits, and takes the files out of a form. It decodes no picture."""

from __future__ import annotations

import asyncio
import contextlib
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from cleaner.serve.capacity import Capacity
from cleaner.serve.problems import Problem
from cleaner.serve.settings import MIB, Limits

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELDS = 16  # parts of a form that are no files, and are ignored
NAME = 200  # characters of a file's name that are echoed
RAW = ("application/octet-stream", "image/", "application/x-www-form-urlencoded")  # the last is curl's


@dataclass(slots=True)
class Upload:
    """One file as it was sent. `name` has no control characters and no folders."""

    name: str
    data: bytearray | bytes


@contextlib.asynccontextmanager
async def body_of(request: Request, *, limits: Limits, held: Capacity) -> AsyncIterator[bytes]:
    """Read a whole body, and count its bytes as held while the block runs.

    Raises a Problem: 413 too long, 408 too slow, 503 too much is held already.
    """
    with contextlib.ExitStack() as taken:
        reading = _read(request, limits=limits, held=held, taken=taken)
        try:
            body = await asyncio.wait_for(reading, limits.upload_seconds)
        except asyncio.TimeoutError:
            sentence = f"The upload took longer than {limits.upload_seconds:g} seconds; send it faster."
            raise Problem(408, sentence, headers={"Connection": "close"}) from None
        except ClientDisconnect:
            raise Problem(400, "The connection ended before the upload did.") from None
        yield body


async def _read(request: Request, *, limits: Limits, held: Capacity, taken: contextlib.ExitStack) -> bytes:
    chunks: list[bytes] = []
    length = 0
    declared = request.headers.get("content-length", "0")
    _check_length(int(declared) if declared.isdecimal() else 0, limits=limits)
    async for chunk in request.stream():
        length += len(chunk)
        _check_length(length, limits=limits)
        taken.enter_context(held.taking(len(chunk)))
        chunks.append(chunk)
    return b"".join(chunks)


def _check_length(length: int, *, limits: Limits) -> None:
    if length > limits.body_bytes:
        raise Problem(413, f"The request is larger than {limits.body_bytes / MIB:g} MiB; send less at once.")


def uploads_in(body: bytes, *, content_type: str, limits: Limits) -> list[Upload]:
    """Return the files of a form, or the body itself as the one file.

    Raises a Problem: 400 a broken form or none, 413 too many or too large files, 415 another type.
    """
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        files = _files(body, boundary=options.get(b"boundary", b""), limits=limits)
    elif not kind or kind.decode("latin-1").startswith(RAW):
        files = [Upload("", body)]
    else:
        raise Problem(415, "Send a picture as the body, or files as multipart/form-data.")
    for file in files:
        if not file.data:
            raise Problem(400, "There is no picture in the request; send one as the body or as a file.")
        if len(file.data) > limits.file_bytes:
            raise Problem(413, f"A picture is larger than {limits.file_bytes / MIB:g} MiB; make it smaller.")
    return files


def _files(body: bytes, *, boundary: bytes, limits: Limits) -> list[Upload]:
    if not boundary:
        raise Problem(400, "The form has no boundary in its Content-Type.")
    reader = _Reader(limits=limits)
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise Problem(400, "The form is broken: it is no valid multipart/form-data.") from None
    if not reader.ended:
        raise Problem(400, "The form is cut short: its last boundary is missing.")
    if not reader.files:
        raise Problem(400, "The form holds no file; send one or more pictures as files.")
    return reader.files


@dataclass(slots=True)
class _Reader:
    """Collects the parts of a form as the parser finds them."""

    limits: Limits
    files: list[Upload] = field(default_factory=list)
    fields: int = 0
    ended: bool = False
    _name: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""
    _into: bytearray | None = None

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._disposition, self._into = b"", None

    def _header_end(self) -> None:
        if bytes(self._name).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"filename" not in options:
            self.fields += 1
        else:
            self._into = bytearray()
            self.files.append(Upload(safe_name(options[b"filename"].decode("utf-8", "replace")), self._into))
        if len(self.files) > self.limits.files:
            raise Problem(413, f"There are more than {self.limits.files} files; send fewer at once.")
        if self.fields > FIELDS:
            raise Problem(413, f"There are more than {FIELDS} fields that are no files; leave them out.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._into is not None:
            self._into += memoryview(data)[start:end]

    def _end(self) -> None:
        self.ended = True


def safe_name(name: str) -> str:
    """Return the last part of a file's name without control and direction characters, cut to a length."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(sign for sign in last if unicodedata.category(sign)[0] != "C")[:NAME]
