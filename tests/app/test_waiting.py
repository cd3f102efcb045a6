"""Whoever waits for a verb sees how far it is: in a notebook's cell and on a terminal, nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import nbformat
import pytest
from nbclient import NotebookClient

from cleaner import Project
from cleaner.app import waiting
from cleaner.app.waiting import line, shown, watched
from cleaner.progress import Progress, Report, quiet
from tests.support.jupyter import kernel_in

VERB = """
import time
from cleaner.app.waiting import shown, watched
from cleaner.progress import Progress, quiet

@watched
def verb(seconds, *, report=shown):
    report(Progress("counting", 1, 4, elapsed=2, note="counting <b>birds</b>"))
    time.sleep(seconds)
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookClient]:
    with kernel_in(tmp_path_factory.mktemp("kernel")) as client:
        run(client, VERB)
        yield client


def run(client: NotebookClient, code: str) -> list[nbformat.NotebookNode]:
    """Run a cell, and return what is left below it."""
    client.nb.cells = [nbformat.v4.new_code_cell(code)]
    return list(client.execute_cell(client.nb.cells[0], 0).outputs)


def test_a_cell_shows_one_line_which_says_in_the_end_how_long_it_took(kernel: NotebookClient) -> None:
    (output,) = run(kernel, "verb(1.2)")
    assert output.data["text/plain"] == "Took 1 s."


def test_a_line_that_is_up_is_redrawn_and_never_written_as_html_of_others(kernel: NotebookClient) -> None:
    told = "told, shell = [], get_ipython()\npublish = shell.display_pub.publish\n"
    spy = "shell.display_pub.publish = lambda **message: (told.append(message), publish(**message))\n"
    (output,) = run(kernel, f"{told}{spy}verb(1)\ndel shell.display_pub.publish\nprint(told)")[1:]
    first, last = eval(output.text)
    assert first["data"]["text/plain"] == "counting <b>birds</b> · 6 s left"
    assert first["data"]["text/html"].startswith("<progress max='4' value='1'></progress> counting &lt;b&gt;")
    assert (first["update"], last["update"]) == (False, True)
    assert first["transient"] == last["transient"]


@pytest.mark.parametrize(
    "code",
    [
        "verb(0.1)",
        "verb(1, report=quiet)",
        "import threading; other = threading.Thread(target=verb, args=(1,)); other.start(); other.join()",
    ],
    ids=["short work", "quiet", "in a thread"],
)
def test_a_cell_shows_nothing_of(kernel: NotebookClient, code: str) -> None:
    assert run(kernel, code) == []


def test_a_click_on_a_widget_shows_no_line_in_the_cell_that_made_it(kernel: NotebookClient) -> None:
    code = """
    from cleaner.app import waiting
    shell = get_ipython()
    request, click = shell.get_parent(), {"header": {"msg_type": "comm_msg"}}
    in_cell = waiting._place()
    shell.set_parent(click)
    on_click = waiting._place()
    shell.set_parent(request)
    print(in_cell is None, on_click is None)
    """
    (output,) = run(kernel, dedent(code))
    assert output.text == "False True\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_a_terminal_shows_a_line_that_is_gone_in_the_end_and_stdout_stays_clean() -> None:
    import pty

    ours, theirs = pty.openpty()
    code = f"{VERB}\nprint('before')\nverb(0.9)\nprint('after')"
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    work = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, env=env, text=True
    )
    os.close(theirs)
    seen = os.read(ours, 100_000).decode()
    os.close(ours)
    assert work.stdout == "before\nafter\n"
    assert "counting <b>birds</b>" in seen
    assert "6 s left" in seen
    assert seen.rstrip().endswith("\x1b[2K")  # the line is erased


def test_a_pipe_gets_nothing() -> None:
    code = f"{VERB}\nverb(1)"
    work = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert (work.stdout, work.stderr) == ("", "")


class Noted:
    """A place that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def draw(self, progress: Progress) -> None:
        self.told.append(progress.phase)

    def end(self, seconds: float) -> None:
        self.told.append(round(seconds, 1) > 0)


def test_what_was_reported_before_the_work_got_stuck_is_shown(monkeypatch) -> None:
    monkeypatch.setattr(waiting, "UNSEEN", 0.05)
    noted = Noted()
    with line(lambda: noted) as report:
        report(Progress("loading", 0, 0))
        time.sleep(0.3)
    assert noted.told == ["loading", True]


def test_a_line_ends_with_work_that_fails(monkeypatch) -> None:
    monkeypatch.setattr(waiting, "UNSEEN", 0.01)
    noted = Noted()

    def work() -> None:
        with line(lambda: noted) as report:
            report(Progress("loading", 0, 0))
            time.sleep(0.2)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        work()
    assert noted.told[-1] is True
    assert "cleaner-line" not in [thread.name for thread in threading.enumerate()]


def test_a_verb_within_a_verb_shares_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Noted] = []

    def place() -> Noted:
        made.append(Noted())
        return made[-1]

    @watched
    def inner(*, report: Report = shown) -> None:
        report(Progress("inner", 0, 0))
        time.sleep(0.1)

    @watched
    def outer(*, report: Report = shown) -> None:
        inner()

    monkeypatch.setattr(waiting, "_place", lambda: place)
    monkeypatch.setattr(waiting, "UNSEEN", 0.01)
    outer()
    assert [noted.told for noted in made] == [["inner", True]]
    inner(report=quiet)
    assert len(made) == 1


def test_the_verbs_of_a_project_show_a_line_and_those_who_pass_a_report_get_it(folder, monkeypatch) -> None:
    lines: list[str] = []
    told: list[Progress] = []
    project = Project.open(folder(each=12))
    monkeypatch.setattr(waiting, "_place", lambda: lines.append("line"))
    project.verify()
    assert lines == ["line"]
    project.verify(report=told.append)
    assert lines == ["line"]
    assert told
    project.decide([project.catalog.ids[0]], "delete")
    project.apply()
    project.undo()
    project.export.folder(Path(project.root).with_name("clean"))
    assert lines == ["line"] * 4
