"""Runs work in a child process that is killed, or whose disk fails it, at a step of one's choice."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine

from cleaner.errors import CleanerError

TOUCHES = frozenset(["os.rename", "os.remove", "os.mkdir", "open", "commit"])
ENDED, TOLD, HARMLESS = 0, 3, 4  # how a child ends: no fault met, a CleanerError after it, none

Tick = Callable[[str, tuple[object, ...]], None]


def killed_before(
    touch: int,
    work: Callable[[], object],
    *,
    engine: Engine,
    touches: frozenset[str] = TOUCHES,
    disks: int = 1,
) -> bool:
    """Run the work in a child that is killed before its n-th touch; False if it came to its end.

    With two disks, no file can be renamed into another folder.
    """
    left = touch

    def tick(name: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if name in touches:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        if disks > 1:
            _hold_apart(name, args)

    child = _start(work, engine=engine, tick=tick)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == ENDED
    return os.WIFSIGNALED(status)


def killed_after(seconds: float, work: Callable[[], object], *, engine: Engine) -> None:
    """Run the work, which never ends by itself, in a child that is killed after some time."""
    child = _start(work, engine=engine, tick=lambda *_: None)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


def failing(
    touch: int,
    work: Callable[[], object],
    *,
    engine: Engine,
    code: int,
    below: Path,
    lasting: bool = False,
    disks: int = 1,
) -> int:
    """Run the work in a child whose disk fails its n-th touch below a folder; return how it ended.

    With `lasting`, the disk is full from then on: nothing that needs room succeeds any more. With two disks,
    no file can be renamed into another folder.
    """
    left, met = touch, False

    def tick(name: str, args: tuple[object, ...]) -> None:
        nonlocal left, met
        if disks > 1:
            _hold_apart(name, args)
        if not _counts(name, args, below=below, writing=lasting):
            return
        left -= 1
        if not left or (lasting and left < 0):
            met = True
            if name == "commit":
                raise sqlite3.OperationalError("database or disk is full")
            raise OSError(code, os.strerror(code))

    def guarded() -> int:
        try:
            work()
        except CleanerError:
            return TOLD
        return HARMLESS if met else ENDED

    _, status = os.waitpid(_start(guarded, engine=engine, tick=tick), 0)
    assert os.WIFEXITED(status)
    return os.waitstatus_to_exitcode(status)


def _counts(name: str, args: tuple[object, ...], *, below: Path, writing: bool) -> bool:
    if name == "commit":
        return writing
    if name not in TOUCHES or not str(args[0]).startswith(str(below)):
        return False
    makes = name == "os.mkdir" or (name == "open" and bool(int(str(args[2])) & os.O_CREAT))
    return makes or not writing


def _start(work: Callable[[], object], *, engine: Engine, tick: Tick) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        engine.dispose(close=False)
        commit = engine.dialect.do_commit

        def do_commit(connection: object) -> None:
            tick("commit", ())
            commit(connection)
            tick("commit", ())

        engine.dialect.do_commit = do_commit
        sys.addaudithook(tick)
        result = work()
        code = result if isinstance(result, int) else ENDED
    finally:
        os._exit(code)


def _hold_apart(name: str, args: tuple[object, ...]) -> None:
    if name == "os.rename" and Path(str(args[0])).parent != Path(str(args[1])).parent:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
