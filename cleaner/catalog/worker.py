"""The process in which files are examined: a line for each, and its own end when one takes too long.

Started by `guard`; it writes no file, and what a decoder prints goes nowhere.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import sys
import time
import warnings
from pathlib import Path

from cleaner.catalog.examine import examine
from cleaner.catalog.faults import Fault

MEMORY = 4 * 2**30  # bytes of address space, where the system can hold a process to it (not on Windows)
READY = b"ready\n"


def serve() -> None:
    """Examine the files of one task after the other from standard input, until it is closed.

    A task is a line of JSON: a folder, the seconds that one file may take, whether sketches are wanted, and
    paths in the folder. The answer to each path is a line: a Fault's two texts or a Seen's seven values, its
    bytes as hexadecimal.
    """
    with os.fdopen(os.dup(1), "wb") as out, Path(os.devnull).open("w") as nowhere:
        os.dup2(2, 1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the check's own, and it ends this one
        warnings.simplefilter("ignore")
        _limit()
        out.write(READY)
        out.flush()
        for line in sys.stdin.buffer:
            root, seconds, sketched, paths = json.loads(line)
            armed = -seconds
            for path in paths:
                if (now := time.monotonic()) > armed + seconds / 20:  # arming takes longer than a small file
                    armed = now
                    # a thread of C: it ends even a decoder that never gives the interpreter back
                    faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
                out.write(_answer(Path(root), path, sketched=sketched))
                out.flush()
            faulthandler.cancel_dump_traceback_later()


def _answer(root: Path, path: str, *, sketched: bool) -> bytes:
    found = examine(root, path, sketched=sketched)
    if isinstance(found, Fault):
        values: list[str | int] = [found.kind, found.detail]
    else:
        seen = (found.digest, found.widths, found.heights, found.bytes, found.mtimes)
        values = [*seen, found.look.hex(), found.sketch.hex()]
    return json.dumps(values).encode() + b"\n"


def _limit() -> None:
    """Bound what this process may take, and leave no image of its memory behind when it crashes."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
