"""Connects to addresses that have been checked, and to no other, for as long as a clock allows.

What it connects for, and what is said on the line, is not its business.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore2

from cleaner.errors import FetchError, Stopped
from cleaner.progress import Stop

TICK = 0.5  # seconds after which a wait looks whether it should stop

# The IANA registries of special addresses, and multicast; Python's is_global lets some of these through.
_CLOSED: tuple[IPv4Network | IPv6Network, ...] = (
    *map(IPv4Network, ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16")),
    *map(IPv4Network, ("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16")),
    *map(IPv4Network, ("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")),
    *map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")),
)
_UNICAST = IPv6Network("2000::/3")  # outside of it no IPv6 address is public
_NAT64 = IPv6Network("64:ff9b::/96")  # an IPv4 address as an IPv6-only network writes it


def is_public(address: str) -> bool:
    """Say whether an IP address belongs to the public internet, not to this machine, its network or no one.

    IPv4 addresses within IPv6 ones (mapped, NAT64) count as themselves; 6to4 and Teredo are never public.
    """
    found: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found in _NAT64:
            found = IPv4Address(int(found) & 0xFFFFFFFF)
        elif found not in _UNICAST or found.scope_id:
            return False
    return not any(found in block for block in _CLOSED if block.version == found.version)


def too_slow(host: str) -> FetchError:
    """Say that a host took longer than it may."""
    return FetchError(f"{host} took too long.", problem="time", retry=True)


class Clock:
    """Counts down the seconds of one fetch, and looks whether it should stop."""

    def __init__(self, seconds: float, *, connect_seconds: float, stopped: Stop) -> None:
        self.connect_seconds, self._stopped = connect_seconds, stopped
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left, more than 0. Raises Stopped, and a timeout at the end."""
        if self._stopped():
            raise Stopped("The download was stopped.")
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("no time left")
        return left


class Network(httpcore2.NetworkBackend):
    """Resolves a name, checks all its addresses, and connects to one of just these: no second look-up."""

    def __init__(self, clock: Clock, *, allow_private: bool) -> None:
        self._clock, self._allow_private = clock, allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address of a host that answers."""
        failure: Exception = too_slow(host)
        until = time.monotonic() + self._clock.connect_seconds
        for address in self._addresses(host, port):
            seconds = min(self._clock.left(), until - time.monotonic())
            if seconds <= 0:
                break
            try:
                made = httpcore2.SyncBackend().connect_tcp(
                    address, port, timeout=seconds, socket_options=socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(made, self._clock)
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            passing = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            raise FetchError(f"The host {host} was not found.", problem="name", retry=passing) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self._allow_private and not all(map(is_public, addresses)):
            raise FetchError(
                f"{host} lies in a private network or on this machine; such addresses are not fetched from.",
                problem="address",
            )
        return addresses


class _Stream(httpcore2.NetworkStream):
    """A connection on which nothing waits past the end of the clock, nor long after a stop."""

    def __init__(self, stream: httpcore2.NetworkStream, clock: Clock) -> None:
        self._stream, self._clock = stream, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Read what has come, waiting as long as the clock allows."""
        while True:
            try:
                return self._stream.read(max_bytes, timeout=min(TICK, self._clock.left()))
            except httpcore2.ReadTimeout:
                self._clock.left()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Send a request, which is small."""
        self._stream.write(buffer, timeout=self._clock.left())

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        """Prove who the server is, by the name in the URL."""
        seconds = min(self._clock.left(), self._clock.connect_seconds)
        return _Stream(
            self._stream.start_tls(ssl_context, server_hostname=server_hostname, timeout=seconds), self._clock
        )

    def get_extra_info(self, info: str) -> Any:
        """Pass on what the connection knows of itself."""
        return self._stream.get_extra_info(info)
