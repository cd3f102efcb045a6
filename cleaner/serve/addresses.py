"""Fetches the picture that a client names by its address, and says in HTTP's terms why it can't."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from cleaner.errors import FetchError
from cleaner.fetching import Limits as FetchLimits
from cleaner.fetching import fetch
from cleaner.serve.problems import Problem
from cleaner.serve.settings import Limits

Fetch: TypeAlias = Callable[..., bytes]  # as fetch_picture

STATUS = {
    "url": 422,
    "address": 422,
    "name": 502,
    "connection": 502,
    "status": 502,
    "redirects": 502,
    "size": 413,
    "time": 504,
}


def fetch_picture(url: str, *, limits: Limits) -> bytes:
    """Return the bytes behind a public address; raises a Problem where they can't or may not be had."""
    bounds = FetchLimits(bytes=limits.file_bytes, seconds=limits.fetch_seconds)
    try:
        return fetch(url, limits=bounds).data
    except FetchError as error:
        raise Problem(STATUS[error.problem], str(error)) from error
