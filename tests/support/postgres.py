"""A PostgreSQL server for the tests: started in a bare folder, reached through a socket in it, then gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

PATIENCE = 30  # seconds for the server to start


def programs() -> Path | None:
    """Find the folder of the server's programs: Debian's, the newest, or what the path knows."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    known = found[-1] if found else shutil.which("initdb")
    return Path(known).parent if known else None


@contextmanager
def server(bin: Path, *, durable: bool = False) -> Iterator[Callable[[], str]]:
    """Run a server; yield a function that makes a new, empty database and returns its address."""
    import pwd  # not on every system

    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) and not durable else None
    with tempfile.TemporaryDirectory(prefix="cleaner-pg-", dir=memory, ignore_cleanup_errors=True) as place:
        if user is not None:
            os.chown(place, pwd.getpwnam(user).pw_uid, -1)
        data = f"{place}/data"
        make = [
            bin / "initdb",
            "-D",
            data,
            "-U",
            "tester",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]
        subprocess.run(make, user=user, check=True, capture_output=True, cwd=place)
        speed = [] if durable else ["-c", "fsync=off", "-c", "synchronous_commit=off"]
        run = [bin / "postgres", "-D", data, "-k", place, "-c", "listen_addresses=", *speed]
        with Path(place, "log").open("wb") as log:
            process = subprocess.Popen(run, user=user, cwd=place, stdout=log, stderr=log)
        try:
            yield _databases(bin, place=place)
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _databases(bin: Path, *, place: str) -> Callable[[], str]:
    numbers = count(1)
    _await(bin, place=place)

    def new() -> str:
        name = f"project{next(numbers)}"
        subprocess.run([bin / "createdb", "-h", place, "-U", "tester", name], check=True, capture_output=True)
        return f"postgresql+psycopg://tester@/{name}?host={place}"

    return new


def _await(bin: Path, *, place: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while subprocess.run([bin / "pg_isready", "-h", place, "-q"], check=False).returncode:
        assert time.monotonic() < deadline, Path(place, "log").read_text()
        time.sleep(0.05)
