"""Fetches one URL that someone else has named, without becoming their way into this network.

It never connects to an address that it has not checked, never reads more or longer than it was allowed to,
and knows nothing of images. Proxies and credentials of the environment are not used.
"""

from __future__ import annotations

import functools
import ssl
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import httpcore2
import httpx2

from cleaner.connecting import Clock, Network, too_slow
from cleaner.errors import FetchError
from cleaner.progress import Stop, never

AGENT = "Cleaner (image dataset cleaning)"
AGAIN_LATER = (408, 425, 429)  # and 500 and above: statuses that may be others next time
MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one fetch may take: bytes (also once decompressed), seconds in all and to connect, redirects.

    Only the system's own look-up of a name is bounded by the system's settings instead.
    """

    bytes: int = 20_000_000
    seconds: float = 30.0
    connect_seconds: float = 5.0
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back: the bytes, the URL they came from after redirects, and the type the server claims."""

    data: bytes
    url: str
    content_type: str
    status: int


def fetch(
    url: str,
    *,
    limits: Limits | None = None,
    allow_private: bool = False,
    agent: str = AGENT,
    stopped: Stop = never,
) -> Fetched:
    """Fetch an http or https URL; may be called from many threads at once.

    Every name on the way is resolved here, all its addresses are checked, and the connection goes to one of
    those. With `allow_private`, addresses of this machine and its network are taken too. Raises FetchError,
    and Stopped soon after `stopped` says so.
    """
    bounds = limits or Limits()
    clock = Clock(bounds.seconds, connect_seconds=bounds.connect_seconds, stopped=stopped)
    network = Network(clock, allow_private=allow_private)
    target = _checked(url)
    with httpcore2.ConnectionPool(ssl_context=_trust(), network_backend=network) as pool:
        for _ in range(bounds.redirects + 1):
            found = _ask(pool, target, limits=bounds, agent=agent)
            if isinstance(found, Fetched):
                return found
            target = found
    raise FetchError(f"{url} redirects more than {bounds.redirects} times.", problem="redirects")


# --- one request ---------------------------------------------------------------------------------


def _checked(url: str) -> httpx2.URL:
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
        raise FetchError(f"{url[:200]!r} is not a URL ({error}).", problem="url") from None
    shown = str(parsed.copy_with(username=None, password=None, query=None))[:200]
    if parsed.scheme not in ("http", "https"):
        raise FetchError(f"{shown} is neither http nor https; only these are fetched.", problem="url")
    if not parsed.host or not 0 < (parsed.port or 80) < 65536:
        raise FetchError(f"{shown} names no host, or no port that there is.", problem="url")
    if parsed.userinfo:
        raise FetchError(f"{shown} carries a user name or password; leave them out.", problem="url")
    return parsed


def _ask(
    pool: httpcore2.ConnectionPool, url: httpx2.URL, *, limits: Limits, agent: str
) -> Fetched | httpx2.URL:
    """Ask once; return what came back, or where it redirects to."""
    address = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    headers = [
        ("Host", url.netloc.decode("ascii")),
        ("User-Agent", agent),
        ("Accept", "image/*, */*;q=0.5"),
        ("Accept-Encoding", "identity"),
    ]
    try:
        with pool.stream("GET", address, headers=headers) as response:
            fields = {name.lower(): value for name, value in _text(response.headers)}
            if response.status in MOVED and fields.get("location"):
                return _next(url, fields["location"])
            if response.status != 200:
                raise _refusal(url, response.status, fields)
            data = _body(response.iter_stream(), fields, url=url, limit=limits.bytes)
            return Fetched(data, str(url), fields.get("content-type", ""), response.status)
    except httpcore2.TimeoutException:
        raise too_slow(url.host) from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        why = f" ({error})" if str(error) else ""
        raise FetchError(
            f"The connection to {url.host} broke{why}.", problem="connection", retry=True
        ) from None


def _text(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        yield name.decode("latin-1"), value.decode("latin-1").strip()


def _next(url: httpx2.URL, location: str) -> httpx2.URL:
    try:
        joined = url.join(location.encode("latin-1").decode("utf-8", "replace"))
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        raise FetchError(f"{url.host} redirects to what is not a URL.", problem="redirects") from None
    return _checked(str(joined))


def _refusal(url: httpx2.URL, status: int, fields: dict[str, str]) -> FetchError:
    return FetchError(
        f"{url.host} answered with status {status}.",
        problem="status",
        retry=status in AGAIN_LATER or status >= 500,
        wait=_seconds(fields.get("retry-after", "")),
        status=status,
    )


def _seconds(retry_after: str) -> float | None:
    """Read a Retry-After header: seconds, or a date; None for anything else."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        when = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())


def _body(parts: Iterable[bytes], fields: dict[str, str], *, url: httpx2.URL, limit: int) -> bytes:
    """Read a body up to the limit, decompressing no further than that; half a body is an error."""
    too_large = FetchError(f"{url.host} sent more than the {limit:,} bytes allowed.", problem="size")
    declared = fields.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:18]) > limit:
        raise too_large
    coding = fields.get("content-encoding", "").lower() or "identity"
    if coding not in ("identity", "gzip", "x-gzip", "deflate"):
        raise FetchError(f"{url.host} sent the encoding {coding[:40]!r}, unasked for.", problem="status")
    unpack = None if coding == "identity" else zlib.decompressobj(zlib.MAX_WBITS | 32)
    data = bytearray()
    try:
        for part in parts:
            data += unpack.decompress(part, limit + 1 - len(data)) if unpack else part
            if len(data) > limit:
                raise too_large
    except zlib.error:
        raise FetchError(f"{url.host} sent broken data.", problem="connection", retry=True) from None
    if unpack and not unpack.eof:
        raise FetchError(f"{url.host} sent half of the data.", problem="connection", retry=True)
    return bytes(data)


@functools.cache
def _trust() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)
