"""Long work does not keep what answers the browser waiting."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from cleaner.app.background import BEHIND, Task
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
