from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import ipywidgets as widgets
import pytest

from cleaner import Dashboard, Project
from cleaner.app.background import Task
from cleaner.app.panels.apply import plan_view
from cleaner.app.panels.check import class_table, findings_table
from cleaner.app.panels.choose import FolderChooser
from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.parts import button, figure, sentence, table
from cleaner.app.panels.trash import TrashBox
from cleaner.app.server import dashboard as server
from cleaner.app.words import duration, plain, receipt_line, time_left
from cleaner.catalog.scan import scan
from cleaner.errors import CleanerError, InputError, Stopped
from cleaner.progress import Progress, quiet
from cleaner.types import Finding, Operation, Plan, Receipt, Refusal, Round, TrainConfig

HOSTILE = "<img src=x onerror=alert(1)>'\"&"


def _texts(widget: widgets.Widget) -> str:
    inner = "".join(_texts(child) for child in getattr(widget, "children", ()))
    return inner + (widget.value if isinstance(widget, widgets.HTML) else "")


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def test_names_from_a_dataset_are_never_read_as_html(folder: Callable[..., Path]) -> None:
    operation = Operation("i", "move", HOSTILE, HOSTILE, HOSTILE, HOSTILE, "", 1)
    catalog, _ = scan(folder(classes=("<b>x<i>", "plain"), each=1))
    shown = [
        sentence(HOSTILE),
        table([HOSTILE], [[HOSTILE]]),
        figure(None, caption=HOSTILE),
        findings_table((Finding("i", HOSTILE, 1.0, HOSTILE),)),
        class_table(catalog),
        plan_view(Project.open(catalog.root), Plan(operations=(operation,), warnings=(HOSTILE,))),
    ]
    for html in shown:
        assert "<img src=x" not in html
        assert "<b>" not in html
        assert "onerror=alert(1)>" not in html


def test_the_dashboard_opens_the_folder_that_it_is_given(folder: Callable[..., Path]) -> None:
    root = folder()
    dashboard = Dashboard(root)
    _wait(lambda: "Checked: 24 images" in _texts(dashboard))
    assert str(root) in _texts(dashboard)
    assert "grizzly" in _texts(dashboard)


def test_the_dashboard_says_what_is_wrong_with_a_folder(tmp_path: Path) -> None:
    assert "nowhere is not a folder" in _texts(Dashboard(tmp_path / "nowhere"))


def test_every_step_can_be_visited_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEANER_FOLDER", raising=False)
    dashboard = Dashboard()
    for step in ("Check", "Train", "Review", "Apply", "Compare", "Choose"):
        dashboard.go(step)
    assert "train first" in _texts(dashboard)


def test_the_trash_shows_what_was_removed_puts_it_back_and_is_emptied_by_a_word(
    folder: Callable[..., Path],
) -> None:
    project = Project.open(folder(each=4), by="ann")
    desk = Desk(go=lambda _: None)
    box = TrashBox(desk)
    desk.listen(box.refresh)
    desk.open(project)
    chosen, word = (box.view.children[0].children[place] for place in (1, 2))
    restore, empty = box.view.children[1].children[0].children[:2]
    assert empty.layout.display == "none"
    project.decide(["black/000.png", "black/001.png"], "delete")
    project.apply()
    box.refresh()
    assert "2 images" in _texts(box.view)
    assert "<img alt=''" in _texts(box.view)
    assert restore.disabled
    assert empty.disabled
    chosen.value = ("black/000.png",)
    restore.click()
    _wait(lambda: "1 file put back; the decisions are taken back too" in _texts(box.view))
    _wait(lambda: not desk.busy and chosen.options == ("black/001.png",))
    word.value = "destro"
    assert empty.disabled
    word.value = "destroy"
    empty.click()
    _wait(lambda: "1 file destroyed" in _texts(box.view))
    assert project.trash.list() == ()
    assert len(project.catalog) == 11


def test_a_runner_shows_progress_and_the_sentence_at_the_end() -> None:
    runner = Runner(Desk(go=lambda _: None), button("Go"))
    runner.run(
        lambda report, _: report(Progress("working", 1, 2, 1.0, "half-way")),
        on_done=lambda _: ("All done.", "good"),
    )
    _wait(lambda: "All done." in runner.line.value)
    assert not runner.starts[0].disabled
    assert runner.stop_button.layout.display == "none"


def test_a_runner_stops_on_request_and_says_so() -> None:
    runner = Runner(Desk(go=lambda _: None), button("Go"))

    def work(_: object, stopped: Callable[[], bool]) -> None:
        while not stopped():
            time.sleep(0.005)
        raise Stopped("Stopped; nothing was changed.")

    runner.run(work, on_done=lambda _: ("never", "good"))
    runner.stop_button.click()
    _wait(lambda: "nothing was changed" in runner.line.value)


def test_one_long_task_at_a_time() -> None:
    desk, gate = Desk(go=lambda _: None), threading.Event()
    first, second = Runner(desk, button("One")), Runner(desk, button("Two"))
    first.run(lambda *_: gate.wait(10), on_done=lambda _: ("first", "good"))
    second.run(lambda *_: None, on_done=lambda _: ("second", "good"))
    assert "still running" in second.line.value
    assert not second.starts[0].disabled
    gate.set()
    _wait(lambda: "first" in first.line.value)


def test_an_unexpected_error_becomes_a_sentence() -> None:
    ended: list[Task[None]] = []
    Task(lambda *_: 1 / 0, on_progress=quiet, on_end=ended.append).wait(seconds=10)
    _wait(lambda: bool(ended))
    assert isinstance(ended[0].failure, CleanerError)
    assert "division by zero" in str(ended[0].failure)


def test_another_folder_waits_until_the_work_has_ended(folder: Callable[..., Path]) -> None:
    desk, gate = Desk(go=lambda _: None), threading.Event()
    task = desk.start(lambda *_: gate.wait(10), on_progress=quiet, on_end=lambda _: None)
    with pytest.raises(InputError, match="still running"):
        desk.open(Project.open(folder()))
    gate.set()
    assert task.wait(seconds=10)


@pytest.mark.parametrize(
    ("seconds", "said"), [(7.6, "8 s"), (59.9, "1 min 00 s"), (125, "2 min 05 s"), (4200, "1 h 10 min")]
)
def test_durations_are_said_as_a_person_would(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_time_left_is_said_once_there_is_a_pace_and_until_the_end() -> None:
    assert time_left(Progress("x", 0, 10, 5.0)) == ""
    assert time_left(Progress("x", 5, 10, 5.0)) == "5 s left"
    assert time_left(Progress("x", 10, 10, 5.0)) == ""


def test_the_chooser_shows_folder_names_as_text() -> None:
    assert "&lt;img" in FolderChooser._LBL_TEMPLATE.format("/x/<img src=x>", "green")
    assert "&lt;img" not in str(FolderChooser._LBL_TEMPLATE)


def test_a_damaged_round_does_not_hide_the_rest_of_the_dashboard(folder: Callable[..., Path]) -> None:
    root = folder()
    (root / ".cleaner" / "rounds" / "001").mkdir(parents=True)
    Project.open(root).verify()
    config = asdict(TrainConfig(size=32))
    about = Round(1, TrainConfig(), ("black",), (), "", 1, 0.5, "CPU", (), 1.0, "")  # type: ignore[arg-type]
    text = json.dumps(asdict(about) | {"config": config})
    (root / ".cleaner" / "rounds" / "001" / "round.json").write_text(text)
    dashboard = Dashboard(root)
    dashboard.go("Compare")
    assert "Round 1 in" in _texts(dashboard)
    dashboard.go("Check")
    assert "grizzly" in _texts(dashboard)


def test_an_undo_and_an_apply_say_what_they_did() -> None:
    moved = Operation("i", "move", "a/1.png", "b/1-2.png", "a", "b", "", 1)
    back = Operation("i", "move", "b/1-2.png", "a/1.png", "b", "a", "", 1)
    assert "a/1.png is now b/1-2.png" in receipt_line(Receipt(1, "apply", done=(moved,)))
    assert receipt_line(Receipt(2, "undo", done=(back,))) == "1 file put back; the decisions stay."
    failed = tuple(Refusal("i", f"{n} failed.") for n in range(9))
    assert receipt_line(Receipt(3, "apply", failed=failed)).endswith("4 failed. And 4 more such.")


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert plain("a\n\x1b[31mb\u202ec") == "a\\n\\x1b[31mb\\u202ec"
    assert plain("grün 🐻 [/x]") == "grün 🐻 [/x]"


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CleanerError, match="can't be used"), server(None, port=taken.getsockname()[1]):
            pass


def test_a_reload_comes_back_to_the_folder(folder: Callable[..., Path], tmp_path: Path, monkeypatch) -> None:
    root = folder()
    monkeypatch.delenv("CLEANER_FOLDER", raising=False)
    monkeypatch.setenv("CLEANER_RECENT", str(tmp_path / "recent"))
    Dashboard(root)
    assert str(root) in _texts(Dashboard())
