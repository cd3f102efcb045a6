"""What a service allows: frozen values, checked as they are made. It reads no environment."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass, field

from cleaner.errors import InputError

MIB = 2**20
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request, and all of them together, may take.

    `file_bytes` is one picture, `body_bytes` one request, `held_bytes` all requests that are being answered;
    `pixels` one picture once decoded; `files` the pictures of one request. `waiting` is how many pictures are
    decoded, waiting or being computed at once: one more is refused at once with status 503. `batch` is how
    many the network sees at once at most, `cores` how many batches are computed at once, and how many
    pictures decoded; `fetches` is how many addresses are fetched at once. `head_seconds` is the time for the
    head of a request to arrive, `upload_seconds` for its body, `fetch_seconds` for an address to be fetched,
    `answer_seconds` the time from there to the answer.
    """

    file_bytes: int = 16 * MIB
    body_bytes: int = 64 * MIB
    held_bytes: int = 256 * MIB
    pixels: int = 50_000_000
    files: int = 32
    waiting: int = 128
    batch: int = 8
    cores: int = 1
    fetches: int = 8
    head_seconds: float = 10
    upload_seconds: float = 30
    fetch_seconds: float = 10
    answer_seconds: float = 30

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; it must be a number above 0.")
        if self.files > self.waiting:
            raise InputError(f"{self.files} files in a request do not fit {self.waiting} waiting pictures.")
        if not self.file_bytes <= self.body_bytes <= self.held_bytes:
            raise InputError("One picture must fit a request, and a request what is held altogether.")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a service behaves. `token` None: nobody is asked for one; `hosts` None: any Host header will do.

    Of a token, whitespace around it is left out, and of a host its port. `urls` allows /classify-url.
    """

    token: str | None = None
    hosts: tuple[str, ...] | None = LOOPBACK_NAMES
    urls: bool = True
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token is not None:
            object.__setattr__(self, "token", self.token.strip())  # as is done to what clients send
        if self.hosts is not None:
            object.__setattr__(self, "hosts", tuple(map(name_of, self.hosts)))
        if self.token is not None and (len(self.token) < 16 or not self.token.isascii()):
            raise InputError(
                "The token must have at least 16 ASCII characters; leave it out to get a new one."
            )


def name_of(host: str) -> str:
    """Return a host as it is compared: in small letters, without port and brackets."""
    name = host.lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name if name.count(":") > 1 else name.partition(":")[0]  # an IPv6 address alone has no port


def is_loopback(host: str) -> bool:
    """Say whether what listens on this host is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
