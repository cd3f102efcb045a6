"""Downloads images into class folders, politely, so that it can be stopped or killed and go on later.

A file appears under its name only when a worker process has decoded it whole, which may hang or crash over
it; nothing there is ever overwritten.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from re import sub
from urllib.parse import unquote, urlsplit

import numpy as np
from filelock import FileLock, Timeout

from cleaner.catalog.examine import Seen
from cleaner.catalog.faults import Fault
from cleaner.catalog.guard import examine_all
from cleaner.catalog.manifest import Manifest, Outcome
from cleaner.catalog.politeness import Job, Turns
from cleaner.catalog.quality import LOOK
from cleaner.catalog.together import ExamineAll, Together
from cleaner.catalog.urls import Wanted
from cleaner.errors import FetchError, InputError, Refused, Stopped
from cleaner.fetching import AGENT, Fetched, Limits, fetch
from cleaner.progress import INTERVAL, Progress, Report, Stop, never, quiet

OVERLOADED = (429, 503)  # a host that says so is left alone altogether for a while
LONGEST_WAIT = 120.0  # seconds; who wants more is asked at the next run
SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}
NAME_LENGTH = 60
PARTIAL = ".cleaner/partial"


@dataclass(frozen=True, slots=True)
class Manners:
    """How a download behaves: how many at once in all and per host, seconds between two starts at one host.

    A URL is tried `tries` times, with twice the pause each time, beginning with `pause` seconds; what a host
    asks for in Retry-After counts instead. `agent` is how it introduces itself.
    """

    at_once: int = 16
    per_host: int = 2
    gap: float = 0.1
    tries: int = 4
    pause: float = 1.0
    agent: str = AGENT


def download(
    wanted: Iterable[Wanted],
    *,
    to: Path,
    limits: Limits | None = None,
    manners: Manners | None = None,
    allow_private: bool = False,
    examine_all: ExamineAll = examine_all,
    report: Report = quiet,
    stopped: Stop = never,
) -> tuple[Outcome, ...]:
    """Fetch images into `to/<label>/`, and return what became of each URL, in the order asked for.

    What an earlier run has settled is not asked for again; what failed for a passing reason is. Where each
    file came from is in `to/.cleaner/downloads.csv`. The labels have to be names of folders. Raises Stopped
    on a stop, InputError for a folder that can't be written to, Refused while another download fills it.
    """
    asked = tuple(dict.fromkeys(wanted))
    home = to / ".cleaner"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".downloads.lock", timeout=0), Manifest(home / "downloads.csv") as manifest:
            run = _Run(
                to, manifest, limits or Limits(), manners or Manners(), allow_private, stopped, examine_all
            )
            run.through(asked, report=report)
    except Timeout:
        raise Refused(f"Another download into {to} is running; wait for it or stop it.") from None
    except OSError as error:
        raise InputError(f"{to} can't be written to ({error.strerror or error}).") from error
    if stopped():
        raise Stopped("The download was stopped; what is there is kept, and the same call goes on from it.")
    return tuple(manifest.last[each.url, each.label] for each in asked)


class _Run:
    """One download into one folder; threads share it."""

    def __init__(
        self,
        to: Path,
        manifest: Manifest,
        limits: Limits,
        manners: Manners,
        allow_private: bool,
        stopped: Stop,
        examine_all: ExamineAll,
    ) -> None:
        self._to, self._manifest, self._manners, self._asked_to_stop = to, manifest, manners, stopped
        self._over = threading.Event()  # set however this ends, so that no thread goes on after Ctrl+C
        self._fetch: Callable[[str], Fetched] = partial(
            fetch, limits=limits, allow_private=allow_private, agent=manners.agent, stopped=self._stopped
        )
        self._come = Together(to / PARTIAL, stopped=self._stopped, examine_all=examine_all)

    def _stopped(self) -> bool:
        return self._over.is_set() or self._asked_to_stop()

    def through(self, asked: tuple[Wanted, ...], *, report: Report) -> None:
        """Do all that is not settled, with as many threads as allowed; report from this one."""
        manners = self._manners
        shutil.rmtree(self._to / PARTIAL, ignore_errors=True)  # left by a kill
        (self._to / PARTIAL).mkdir()
        left = [each for each in asked if not self._manifest.settled(each.url, each.label)]
        jobs = [Job(each, host=_host(each.url)) for each in left]
        turns = Turns(jobs, per_host=manners.per_host, gap=manners.gap, stopped=self._stopped)
        started = time.monotonic()
        with ThreadPoolExecutor(manners.at_once) as pool:
            running = [pool.submit(self._work, turns) for _ in range(min(manners.at_once, len(jobs)))]
            pending = bool(running)
            try:
                while pending:
                    pending = bool(wait(running, timeout=INTERVAL).not_done)
                    done, elapsed = len(asked) - turns.left, time.monotonic() - started
                    report(Progress("downloading", done, len(asked), elapsed, self._manifest.sentence()))
            finally:
                self._over.set()
            for worker in running:
                worker.result()

    def _work(self, turns: Turns[Wanted]) -> None:
        """Do jobs until there are none; a fault of the disk ends all of it."""
        try:
            while job := turns.take():
                self._do(job, turns)
        except Stopped:
            pass
        finally:
            if turns.left:
                turns.end()

    def _do(self, job: Job[Wanted], turns: Turns[Wanted]) -> None:
        job.tries += 1
        try:
            fetched = self._fetch(job.what.url)
        except FetchError as error:
            pause = self._pause(error, tries=job.tries)
            if pause is None:
                self._manifest.add(_lost(job.what, error))
            turns.done(job, again_in=pause, pause=_for_all(error, pause))
            return
        turns.done(job)  # its host need not wait for what is done here
        self._manifest.add(self._keep(job.what, fetched))

    def _pause(self, error: FetchError, *, tries: int) -> float | None:
        """Say in how many seconds to try again; None for not at all."""
        if not error.retry or tries >= self._manners.tries:
            return None
        longer = self._manners.pause * 2 ** (tries - 1) * random.uniform(1.0, 1.5)
        pause = longer if error.wait is None else error.wait
        return pause if pause <= LONGEST_WAIT else None

    def _keep(self, wanted: Wanted, fetched: Fetched) -> Outcome:
        """Write an image under a name made of the URL and its content: the same twice is the same file."""
        digest = blake2b(fetched.data, digest_size=16).hexdigest()
        said = partial(Outcome, wanted.url, wanted.label, source=fetched.url, bytes=len(fetched.data))
        part = self._to / PARTIAL / f"{digest}-{threading.get_ident()}"
        try:
            _write(part, fetched.data)
            seen = self._come.examine(part.name)
            if isinstance(seen, Fault):
                what = f" ({fetched.content_type[:60]})" if fetched.content_type else ""
                return said("no image", detail=seen.detail.replace(part.name, f"What came{what}"))
            suffix = _suffix(seen)
            path = f"{wanted.label}/{_stem(fetched.url)}-{digest[:10]}{suffix}"
            if there := self._manifest.claim(wanted.label, digest, path):
                return said("twice", path=there, digest=digest, detail="The same file has come before.")
            (self._to / wanted.label).mkdir(exist_ok=True)
            if not (self._to / path).exists():  # a kill may have come just before its line in the manifest
                part.replace(self._to / path)
        finally:
            part.unlink(missing_ok=True)
        return said("kept", path=path, digest=digest)


def _lost(wanted: Wanted, error: FetchError) -> Outcome:
    return Outcome(wanted.url, wanted.label, "failed" if error.retry else "not to be had", detail=str(error))


def _for_all(error: FetchError, pause: float | None) -> float:
    return pause or 0.0 if error.status in OVERLOADED else 0.0


def _host(url: str) -> str:
    with contextlib.suppress(ValueError):
        return urlsplit(url).netloc.lower()
    return ""


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _suffix(seen: Seen) -> str:
    """Name the suffix of a file by its content."""
    kind = np.frombuffer(seen.look, dtype=LOOK)["format"][0].decode()
    return SUFFIXES.get(kind, f".{kind.lower()}")


def _stem(url: str) -> str:
    """Make a plain name of the last part of a URL's path: letters, digits, - and _ only."""
    name = PurePosixPath(unquote(urlsplit(url).path)).stem
    plain = sub(r"[^\w-]+", "-", name).strip("-_")
    return plain.encode()[:NAME_LENGTH].decode(errors="ignore") or "image"
