"""Downloads from a server on this machine that misbehaves: what becomes of each URL, and how fast it is.

`python tests/bench/downloads.py` needs no network and keeps nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cleaner import download
from cleaner.catalog.download import Manners
from cleaner.fetching import Limits
from tests.support.badserver import answer, bad_server, picture

SHORT = Limits(bytes=1_000_000, seconds=3.0, connect_seconds=2.0)


def misbehaviour(folder: Path) -> None:
    """Ask for everything that the server does wrong, one by one."""
    with bad_server() as server:
        for path in sorted(server.behaviours):
            start = time.perf_counter()
            done = download(
                {"bear": [server.url(path)]},
                to=folder,
                limits=SHORT,
                manners=Manners(tries=2, pause=0.1),
                allow_private=True,
            )
            took = time.perf_counter() - start
            (outcome,) = done.outcomes
            asked = server.asked[path]
            print(f"{path:20} {outcome.result:14} asked {asked:2} {took:5.1f} s  {outcome.detail}")


def throughput(folder: Path, *, files: int) -> None:
    """Ask for many good files, each of which the server takes a tenth of a second for."""
    with bad_server() as server:
        for number in range(files):
            body = answer(picture(number))
            server.behaviours[f"/{number}.jpg"] = lambda line, body=body: (
                time.sleep(0.1),
                line.sendall(body),
            )
        urls = [server.url(f"/{number}.jpg") for number in range(files)]
        for at_once in (1, 16):
            start = time.perf_counter()
            manners = Manners(at_once=at_once, per_host=at_once, gap=0)
            done = download({"bear": urls}, to=folder / str(at_once), manners=manners, allow_private=True)
            took = time.perf_counter() - start
            kept = sum(outcome.result == "kept" for outcome in done.outcomes)
            print(f"{at_once:2} at once: {kept} of {files} kept in {took:.1f} s, {files / took:.0f} files/s")


def main() -> None:
    """Do both."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--files", type=int, default=300)
    given = arguments.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        misbehaviour(Path(folder) / "bad")
        throughput(Path(folder) / "good", files=given.files)


if __name__ == "__main__":
    main()
