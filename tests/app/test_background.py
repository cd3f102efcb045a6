"""Long work does not keep what answers the browser waiting."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from cleaner.app.background import Task
from cleaner.app.priority import BEHIND, SESSION
from cleaner.progress import quiet


@pytest.mark.skipif(sys.platform != "linux", reason="only there has each thread a priority of its own")
def test_work_and_all_that_it_starts_stand_back_and_nobody_else_does() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)

    def work(*_: object) -> tuple[int, int]:
        with ThreadPoolExecutor(1) as pool:
            started = pool.submit(os.getpriority, os.PRIO_PROCESS, 0).result()
        return os.getpriority(os.PRIO_PROCESS, 0), started

    task = Task(work, on_progress=quiet, on_end=lambda _: None)
    assert task.wait(seconds=60)
    assert task.result == (BEHIND, BEHIND)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_a_system_that_refuses_a_priority_does_the_work_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "setpriority", refuse)
    task = Task(lambda *_: "done", on_progress=quiet, on_end=lambda _: None)
    assert task.wait(seconds=60)
    assert task.result == "done"


ALONE = """
import time
from threading import Event
from cleaner.app.background import Task
from cleaner.app.priority import SESSION

seen, ended, go = [], [], Event()

def look(*_):
    seen.append(SESSION.read_text().split()[-1])

def wait_and_look(*_):
    go.wait(60)
    look()

look()
Task(look, on_progress=print, on_end=lambda _: Task(wait_and_look, on_progress=print, on_end=ended.append))
while len(seen) < 2:
    time.sleep(0.01)
time.sleep(0.5)  # the first has ended, and has begun the second
look()
go.set()
while not ended or SESSION.read_text().split()[-1] != seen[0]:
    time.sleep(0.01)
look()
print(*seen)
"""


@pytest.mark.skipif(not SESSION.exists(), reason="only Linux has priorities between sessions, and not always")
def test_a_session_of_its_own_stands_back_from_the_first_work_to_the_last() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", ALONE],
        start_new_session=True,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert shown.stdout.split() == ["0", str(BEHIND), str(BEHIND), str(BEHIND), "0"]


@pytest.mark.skipif(not SESSION.exists(), reason="only Linux has priorities between sessions, and not always")
def test_a_session_that_others_live_in_too_is_left_alone() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
    shown = subprocess.run(
        [sys.executable, "-c", code, ALONE],
        start_new_session=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == ["0"] * 5
