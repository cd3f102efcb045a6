"""Has files examined by worker processes, so that one that hangs or kills its decoder is one fault.

Threads could not be ended, and a pool that forks breaks in notebooks: each worker is a Python of its own,
started afresh. Only where the system lets no program be started at all are files examined here, unguarded.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from cleaner.catalog.examine import Seen, examine
from cleaner.catalog.faults import Fault
from cleaner.catalog.worker import READY
from cleaner.errors import CleanerError, Stopped
from cleaner.progress import INTERVAL, Stop, never

Keep: TypeAlias = Callable[[str, bytes], None]

SECONDS = 20.0  # that one file may take
WORKERS = min(16, os.cpu_count() or 1)
SHARE = 200  # files that are worth another worker, which takes a tenth of a second to start
TASK = 32  # files told to a worker at a time
PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from cleaner.catalog.worker import serve; serve()"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each would reserve memory for itself
GAVE_UP = 1  # exit status of a worker that ended itself over a file


def examine_all(
    root: Path,
    paths: Sequence[str],
    *,
    keep: Keep | None = None,
    report: Callable[[int], None] = lambda _: None,
    stopped: Stop = never,
    seconds: float = SECONDS,
    program: str = PROGRAM,
) -> list[Seen | Fault]:
    """Read and decode all files, each for `seconds` at most; return what was seen, in the order of `paths`.

    `keep` takes the digest and the sketch of each image as they come, on any thread; without it no sketch is
    made. `report` takes the number of files done. `program` is what a worker runs. Raises Stopped on request,
    and CleanerError if no worker can be started.
    """
    answers: list[Seen | Fault | None] = [None] * len(paths)
    tasks = deque(range(start, min(start + TASK, len(paths))) for start in range(0, len(paths), TASK))
    crew = [
        _Worker(root, paths, tasks=tasks, answers=answers, keep=keep, seconds=seconds, program=program)
        for _ in range(min(WORKERS, -(-len(paths) // SHARE)))
    ]
    with ThreadPoolExecutor(max(1, len(crew))) as pool:
        try:
            waiting = {pool.submit(worker.work) for worker in crew}
            while waiting:
                if stopped():
                    raise Stopped("The check was stopped; what was known before is unchanged.")
                ended, waiting = wait(waiting, timeout=INTERVAL, return_when=FIRST_EXCEPTION)
                for thread in ended:
                    thread.result()
                report(sum(worker.done for worker in crew))
        finally:
            for worker in crew:
                worker.end()
    return [answer for answer in answers if answer is not None]


class _Worker:
    """One worker process and the thread that talks to it; a process that dies is replaced."""

    def __init__(
        self,
        root: Path,
        paths: Sequence[str],
        *,
        tasks: deque[range],
        answers: list[Seen | Fault | None],
        keep: Keep | None,
        seconds: float,
        program: str,
    ) -> None:
        self._root, self._paths, self._tasks, self._answers = root, paths, tasks, answers
        self._keep, self._seconds, self._program = keep, seconds, program
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        self.done = 0

    def work(self) -> None:
        """Take tasks until there are none; a file over which the process died is a fault."""
        died_over = -1
        try:
            while not self._ended and (task := self._next()):
                left = deque(task)
                while left and not self._ended:
                    self._ask(left)
                    if left:
                        died_over = self._bury(left, before=died_over)
        finally:
            self.end()
            self._close()

    def end(self) -> None:
        """End the process, whatever it is doing, and take no more tasks."""
        self._ended = True
        if self._process is not None:
            self._process.kill()

    def _next(self) -> range | None:
        try:
            return self._tasks.popleft()
        except IndexError:
            return None

    def _ask(self, left: deque[int]) -> None:
        """Have the files `left` examined; those that it died before answering stay in there."""
        try:
            process = self._running()
        except OSError:
            self._examine_here(left)
            return
        assert process.stdin is not None
        assert process.stdout is not None
        task = [str(self._root), self._seconds, self._keep is not None, [self._paths[row] for row in left]]
        try:
            process.stdin.write(json.dumps(task).encode() + b"\n")
            process.stdin.flush()
        except OSError:  # it died between two tasks
            return
        while left and (line := process.stdout.readline()).endswith(b"\n"):
            self._take(left.popleft(), _read(json.loads(line)))

    def _examine_here(self, left: deque[int]) -> None:
        while left and not self._ended:
            seen = examine(self._root, self._paths[left[0]], sketched=self._keep is not None)
            self._take(left[0], seen)
            left.popleft()

    def _take(self, row: int, answer: Seen | Fault) -> None:
        if self._keep is not None and isinstance(answer, Seen):
            self._keep(answer.digest, answer.sketch)
            answer = replace(answer, sketch=b"")
        self._answers[row] = answer
        self.done += 1

    def _bury(self, left: deque[int], *, before: int) -> int:
        """Settle the file over which the process died, the first one `left`; return its row.

        If it did not end itself, the file is tried once more: the process may have been ended from outside.
        """
        status, row = self._close(), left[0]
        if self._ended or (status != GAVE_UP and row != before):
            return row
        path = self._paths[row]
        if status == GAVE_UP:
            detail = f"{path} was not decoded after {self._seconds:.0f} seconds; remove it or save it anew."
            fault = Fault("too slow", detail)
        else:
            detail = f"{path} crashes what decodes it (status {status}); remove it or save it anew."
            fault = Fault("decoder crashed", detail)
        self._take(left.popleft(), fault)
        return row

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = _started(self._program)
            if self._ended:  # meanwhile
                self._process.kill()
        return self._process

    def _close(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(OSError):  # a task that it died before reading
            process.communicate()
        return process.wait()


def _started(program: str) -> subprocess.Popen[bytes]:
    """Start a worker that looks for modules where this program does, and never in the dataset."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", program, *(entry or os.getcwd() for entry in sys.path)],  # noqa: PTH109
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | ONE_THREAD,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    assert process.stdout is not None
    if process.stdout.readline() != READY:
        process.communicate()
        raise CleanerError(
            f"The check can't start a worker with {sys.executable} (status {process.returncode}); "
            "start Cleaner from the Python that it is installed for."
        )
    return process


def _read(values: list[Any]) -> Seen | Fault:
    if len(values) == 2:
        return Fault(*values)
    digest, width, height, size, mtime, look, sketch = values
    return Seen(digest, width, height, size, mtime, bytes.fromhex(look), bytes.fromhex(sketch))
