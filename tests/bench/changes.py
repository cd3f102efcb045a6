"""Times the journal and the moving of files: decisions from four processes at once, an apply of 50,000 moves.

`python tests/bench/changes.py` makes its own data in a temporary folder and removes it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from cleaner.catalog.digest import digest_of
from cleaner.changes.apply import apply_plan
from cleaner.changes.ledger import Ledger
from cleaner.changes.undo import undo
from cleaner.review.database import open_database
from cleaner.review.journal import Journal
from cleaner.types import Operation, Plan

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.postgres import programs, server

WRITERS = 4

WRITER = """
import json, sys, time
from cleaner.review.database import open_database
from cleaner.review.journal import Journal
url, name, count = sys.argv[1:]
journal = Journal(open_database(url), by=name)
took = []
for number in range(int(count)):
    start = time.perf_counter()
    journal.decide([(f"{name} {number}", "keep", None)], round=1)
    took.append(time.perf_counter() - start)
print(json.dumps(took))
"""


def decisions(url: str, *, each: int) -> None:
    """Let four processes decide at once; say what it took and whether all is there."""
    start = time.perf_counter()
    command = [sys.executable, "-c", WRITER, url]
    writers = [
        subprocess.Popen([*command, f"writer {n}", str(each)], stdout=subprocess.PIPE) for n in range(WRITERS)
    ]
    took = np.concatenate([json.loads(writer.communicate()[0]) for writer in writers]) * 1000
    elapsed = time.perf_counter() - start
    events = Journal(open_database(url), by="reader").events()
    batches = [event.batch for event in events]
    whole = batches == sorted(set(batches)) and len({event.item for event in events}) == WRITERS * each
    median, late, worst = np.percentile(took, [50, 95, 100])
    print(
        f"{len(events):,} decisions of {WRITERS} processes in {elapsed:.0f} s, "
        f"{'none lost, none torn' if whole else 'SOME LOST'}; one durable decision: "
        f"median {median:.1f} ms, p95 {late:.1f} ms, longest {worst:.0f} ms"
    )


def moves(place: Path, *, count: int, size: int) -> None:
    """Move many files to another class and back; say how long it takes and what it needs."""
    root, home = place / "data", place / "data" / ".cleaner"
    home.mkdir(parents=True)
    operations = [_file(root, number, size=size) for number in range(count)]
    ledger = Ledger(open_database(f"sqlite:///{home / 'cleaner.db'}"))
    needs = {"root": root, "home": home, "ledger": ledger, "digest_of": digest_of, "by": "bench"}
    for verb, act in (
        ("apply", lambda: apply_plan(Plan(tuple(operations)), **needs)),
        ("undo", lambda: undo(**needs)),
    ):
        before, start = _memory(), time.perf_counter()
        receipt = act()
        elapsed = time.perf_counter() - start
        assert len(receipt.done) == count
        grown = (home / "cleaner.db").stat().st_size / 1e6
        print(
            f"{verb} of {count:,} files of {size:,} bytes: {elapsed:.0f} s "
            f"({elapsed / count * 1000:.2f} ms each), {_memory() - before:.0f} MB more memory at most, "
            f"database of {grown:.0f} MB"
        )


def _file(root: Path, number: int, *, size: int) -> Operation:
    name = f"{number:06d}.jpg"
    place = root / f"from {number % 10}" / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(number.to_bytes(4, "big") * (size // 4))
    return Operation(
        item=f"from {number % 10}/{name}",
        kind="move",
        source=f"from {number % 10}/{name}",
        target=f"to {number % 10}/{name}",
        label=f"from {number % 10}",
        new_label=f"to {number % 10}",
        digest=digest_of(place),
        bytes=size // 4 * 4,
    )


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    """Time everything, and print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--decisions", type=int, default=10_000)
    arguments.add_argument("--moves", type=int, default=50_000)
    arguments.add_argument("--bytes", type=int, default=20_000)
    asked = arguments.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    with tempfile.TemporaryDirectory() as place:
        print("SQLite:", end=" ", flush=True)
        decisions(f"sqlite:///{place}/journal.db", each=asked.decisions // WRITERS)
        if bin := programs():
            with server(bin, durable=True) as new_database:
                print("PostgreSQL:", end=" ", flush=True)
                decisions(new_database(), each=asked.decisions // WRITERS)
        moves(Path(place), count=asked.moves, size=asked.bytes)


if __name__ == "__main__":
    main()
