from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pytest
from filelock import FileLock

from cleaner import Dashboard, Project
from cleaner.app.background import Task
from cleaner.app.finished import FinishedModel
from cleaner.app.panels.apply import Apply, plan_view
from cleaner.app.panels.check import Check, class_table, findings_view, samples_view
from cleaner.app.panels.choose import Choose, FolderChooser
from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.elsewhere import Elsewhere
from cleaner.app.panels.late import Late
from cleaner.app.panels.parts import button, figure, picture_of, sentence, table
from cleaner.app.panels.review import Review
from cleaner.app.panels.train import Train
from cleaner.app.panels.trash import TrashBox
from cleaner.app.panels.use import Use, answers_view, ask_uploads
from cleaner.app.server import dashboard as server
from cleaner.app.underway import told
from cleaner.app.words import duration, plain, receipt_line, time_left
from cleaner.catalog.scan import scan
from cleaner.errors import CleanerError, InputError, Stopped
from cleaner.progress import Progress, Report, Stop, quiet
from cleaner.types import Epoch, Finding, Operation, Plan, Receipt, Refusal, Round, TrainConfig
from tests.support.rounds import round_without_training

HOSTILE = "<img src=x onerror=alert(1)>'\"&"


def _texts(widget: widgets.Widget) -> str:
    inner = "".join(_texts(child) for child in getattr(widget, "children", ()))
    return inner + (widget.value if isinstance(widget, widgets.HTML) else "")


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
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
        findings_view((Finding("i", HOSTILE, 1.0, HOSTILE),)),
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
    _wait(lambda: "grizzly" in _texts(dashboard))  # the sentence is said before the panels are drawn anew


def test_the_other_steps_say_which_one_is_at_work() -> None:
    dashboard, end = Dashboard(), threading.Event()
    dashboard.go("Train")
    said = "Train is still at work"
    task = dashboard._desk.start(
        lambda _, __: end.wait(60), on_progress=quiet, on_end=lambda _: dashboard._desk.changed()
    )
    assert said not in _texts(dashboard)
    dashboard.go("Use")
    assert said in _texts(dashboard)
    end.set()
    task.wait(seconds=60)
    assert said not in _texts(dashboard)


def test_the_dashboard_says_what_is_wrong_with_a_folder(tmp_path: Path) -> None:
    assert "nowhere is not a folder" in _texts(Dashboard(tmp_path / "nowhere"))


def test_a_folder_can_be_opened_by_its_path_which_counts_from_where_one_begins_to_look(
    folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder()
    monkeypatch.setenv("CLEANER_START", str(root.parent))
    desk, gone = Desk(go=lambda step: gone.append(step)), list[str]()
    choose = Choose(desk)
    for typed, said in (("", "No folder was chosen"), ("nowhere", str(root.parent / "nowhere"))):
        _type_and_press(choose.view, "or its path", typed, press="Open this path")
        assert said in _texts(choose.view)
    assert not desk.is_open
    for typed in (f" {root} ", root.name):
        _type_and_press(choose.view, "or its path", typed, press="Open this path")
        assert desk.place == root
    assert gone == ["Check", "Check"]


def test_the_options_of_a_training_are_hidden_until_their_button_is_pressed() -> None:
    dashboard = Dashboard()
    dashboard.go("Train")
    for name, shown in (("Options", True), ("Hide the options", False)):
        next(made for made in _all(dashboard, widgets.Button) if made.description == name).click()
        fields = next(box for box in _all(dashboard, widgets.VBox) if _field(box, "epochs (0: auto)"))
        rate = next(each for each in _all(dashboard, widgets.Button) if "learning rate" in each.description)
        assert (fields.layout.display != "none") is shown
        assert (rate.layout.display != "none") is shown


def test_what_is_typed_is_sent_as_a_whole_so_that_no_click_overtakes_its_last_letters() -> None:
    dashboard = Dashboard()
    for step in ("Choose", "Train", "Use"):
        dashboard.go(step)
    typed = {made.description: made for made in _all(dashboard, widgets.Text) if made.description}
    assert typed.keys() >= {"you are", "or its path", "architecture", "weights", "folder", "write to"}
    assert [name for name, made in typed.items() if made.continuous_update] == []


def test_the_button_to_be_pressed_next_stands_out_and_the_demo_is_never_mirrored(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    desk = Desk(go=lambda _: None)
    train = Train(desk)
    desk.listen(train.refresh)

    def due() -> list[str]:
        return [made.description for made in _all(train.view, widgets.Button) if made.button_style]

    def mirrored() -> bool:
        return bool(next(made.value for made in _all(train.view, widgets.Checkbox)))

    root = folder(each=4)
    demo = Path(shutil.copytree(root, tmp_path / "demo" / "digits"))
    (demo.parent / "truth.csv").write_text("path,given,true\n")
    desk.open(Project.open(demo))
    assert not mirrored()
    desk.open(Project.open(root))
    assert mirrored()
    assert due() == ["Train round 1"]
    project = round_without_training(root)
    desk.open(project)
    assert due() == ["Next: review"]
    project.decide([project.catalog.ids[0]], "keep")
    desk.changed()
    assert due() == ["Train round 2"]


def _all(widget: widgets.Widget, kind: type[widgets.Widget]) -> list[widgets.Widget]:
    inner = [found for child in getattr(widget, "children", ()) for found in _all(child, kind)]
    return [*inner, widget] if isinstance(widget, kind) else inner


def _field(box: widgets.Widget, name: str) -> widgets.Widget | None:
    return next((child for child in box.children if getattr(child, "description", "") == name), None)


def _type_and_press(view: widgets.Widget, field: str, text: str, *, press: str) -> None:
    next(made for made in _all(view, widgets.Text) if made.description == field).value = text
    next(made for made in _all(view, widgets.Button) if made.description == press).click()


def test_every_step_can_be_visited_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEANER_FOLDER", raising=False)
    dashboard = Dashboard()
    for step in ("Check", "Train", "Review", "Apply", "Compare", "Use", "Choose"):
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


def test_what_is_wanted_back_from_the_trash_is_said_and_chosen(folder: Callable[..., Path]) -> None:
    project = Project.open(folder(each=4), by="ann")
    desk = Desk(go=lambda _: None)
    box = TrashBox(desk)
    desk.open(project)
    project.decide(["black/001.png"], "delete")
    project.decide(["black/000.png"], "delete")
    project.apply()
    project.journal.undo(round=0)
    box.refresh()
    assert "chosen below is what is no longer to be removed (1)" in _texts(box.view)
    assert box.view.children[0].children[1].value == ("black/000.png",)
    assert not box.view.children[1].children[0].children[0].disabled


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


def test_what_is_being_stopped_says_so_until_it_has_ended() -> None:
    runner, seen = Runner(Desk(go=lambda _: None), button("Go")), list[str]()

    def work(report: Report, stopped: Stop) -> None:
        while not stopped():
            time.sleep(0.005)
        report(Progress("working", 2, 2, 1.0, "still at the step under way"))
        seen.append(runner.line.value)

    runner.run(work, on_done=lambda _: ("Done.", "good"))
    runner.stop_button.click()
    _wait(lambda: "Done." in runner.line.value)
    (line,) = seen
    assert "Stopping …" in line


def test_the_plan_names_the_images_on_which_people_do_not_agree(folder: Callable[..., Path]) -> None:
    root = folder()
    for by, action, label in (("ann", "delete", None), ("bea", "keep", None), ("<b>cy", "relabel", "teddy")):
        project = Project.open(root, by=by)
        project.verify()
        project.decide(["black/000.png"], action, label=label)
    shown = plan_view(project, project.plan())
    assert "Where people do not agree" in shown
    assert "ann: remove · bea: fine · &lt;b&gt;cy: teddy" in shown
    for by in ("ann", "bea", "<b>cy"):
        Project.open(root, by=by).decide(["black/000.png"], "keep")
    assert "Where people do not agree" not in plan_view(project, project.plan())


def test_what_a_runner_said_of_one_project_goes_when_another_is_opened(folder: Callable[..., Path]) -> None:
    desk = Desk(go=lambda _: None)
    first = folder()
    second = shutil.copytree(first, first.with_name("others"))
    desk.open_folder(first)
    runner = Runner(desk, button("Go"))
    runner.run(lambda *_: None, on_done=lambda _: ("4 files moved.", "good"))
    _wait(lambda: "4 files moved." in runner.line.value and not desk.busy)
    desk.open_folder(first)
    assert "4 files moved." in runner.line.value
    desk.open_folder(second)
    assert runner.line.value == ""


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
    root = folder()
    with pytest.raises(InputError, match="still running"):
        desk.open_folder(root)
    assert not (root / ".cleaner").exists()  # nothing was written into it
    with pytest.raises(InputError, match="still running"):
        desk.open(Project.open(root))
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


def _shown(dashboard: Dashboard, **place: object) -> None:
    """Say what a page says when it appears, with what its browser has kept."""
    dashboard._page._handle_custom_msg({"kind": "shown", "place": place}, [])


def test_a_page_that_is_loaded_again_comes_back_to_its_folder_its_step_and_its_name(
    folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder()
    Project.open(root).verify()
    monkeypatch.delenv("CLEANER_FOLDER", raising=False)
    monkeypatch.setenv("VOILA_PREHEAT", "True")  # the cell has run, and nobody has come yet
    before = Dashboard(root)
    assert "grizzly" not in _texts(before)
    _shown(before)
    before.go("Apply")
    before._name.value = "bea"
    kept = dict(before._page.place)
    assert kept == {"folder": str(root), "step": "Apply", "name": "bea"}
    after = Dashboard()
    _shown(after, **kept)
    assert "No image would be changed" in _texts(after)
    assert after._desk.project.journal.by == "bea"
    after.go("Check")
    _shown(after, **kept)  # a second view of the same dashboard leaves it where it is
    assert after._page.place["step"] == "Check"


@pytest.mark.parametrize(
    "place",
    [
        {"folder": "/", "step": "Apply"},
        {"folder": ["odd"], "step": {"x": 1}, "name": 7},
        {"folder": "x" * 10_000},
        {"folder": "a\0b"},
        {"step": "<img src=x onerror=alert(1)>"},
    ],
)
def test_whatever_a_browser_has_kept_opens_nothing_that_may_not_be(
    place: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEANER_FOLDER", raising=False)
    monkeypatch.setenv("VOILA_PREHEAT", "True")
    monkeypatch.setenv("CLEANER_ROOT", str(tmp_path))
    dashboard = Dashboard()
    _shown(dashboard, **place)
    assert not dashboard._desk.is_open
    assert dashboard._page.place["step"] == "Choose"
    assert "<img" not in _texts(dashboard)


def test_any_apply_can_be_undone_from_the_list_and_who_may_not_sees_why(
    folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder()
    project = Project.open(root, by="ann")
    for item in ("black/000.png", "black/001.png"):
        project.decide([item], "delete")
        project.apply()
    desk = Desk(go=lambda _: None)
    panel = Apply(desk)
    desk.listen(panel.refresh)
    desk.open(Project.open(root))
    applies = panel._applies
    assert [label.split(", ", 1)[1] for label, _ in applies._chosen.options] == [
        "by ann: 1 change, 1 of them stand",
        "by ann: 1 change, 1 of them stand",
    ]
    applies._chosen.index = 1  # the older one
    applies._undo.click()
    _wait(lambda: "1 file put back" in _texts(applies.view) and not desk.busy)
    assert (root / "black" / "000.png").exists()
    assert not (root / "black" / "001.png").exists()
    monkeypatch.setenv("CLEANER_MAY_APPLY", "none")
    panel.refresh()
    assert panel._apply.disabled
    assert applies._undo.disabled
    assert "Nobody may change files here" in _texts(panel.view)


def test_a_training_in_another_window_is_shown_and_one_that_was_killed_can_go_on(
    folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.open(folder())
    desk, resumed = Desk(go=lambda _: None), list[TrainConfig]()
    elsewhere = Elsewhere(desk, resume=resumed.append)
    desk.open(project)
    far = Progress("training", 1, 3, 2.0, "epoch 2 of 3", (Epoch(1, 0.5, 0.4, 0.1),))
    config = TrainConfig(weights="scratch", epochs=3)
    with FileLock(project.home / "training.lock"), told(project.home, config=config, report=quiet) as report:
        elsewhere.refresh()  # it has begun
        report(far)
        monkeypatch.setattr("cleaner.app.underway.EVERY", 0.0)
        report(far)
        elsewhere.refresh()
        assert "is running in another window" in _texts(elsewhere.view)
        assert "epoch 2 of 3 · 4 s left" in _texts(elsewhere.view)
        kept = (project.home / "training.json").read_text()
    _wait(lambda: elsewhere._watched is None)  # it has seen the end
    elsewhere.refresh()
    assert elsewhere.view.layout.display == "none"
    (project.home / "training.json").write_text(kept)  # as a kill leaves it
    elsewhere.refresh()
    assert "was interrupted after 1 of its epochs" in _texts(elsewhere.view)
    elsewhere._go_on.click()
    assert resumed == [config]


def test_a_training_in_another_window_is_followed_on_under_another_name(
    folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cleaner.app.panels.elsewhere.EVERY", 0.5)  # longer than a folder takes to open
    monkeypatch.setattr("cleaner.app.underway.EVERY", 0.0)
    root = folder()
    desk = Desk(go=lambda _: None)
    elsewhere = Elsewhere(desk, resume=lambda _: None)
    desk.listen(elsewhere.refresh)
    home = Project.open(root).home
    with FileLock(home / "training.lock"), told(home, config=TrainConfig(), report=quiet) as report:
        desk.open_folder(root)
        watching = {each for each in threading.enumerate() if each.name == "cleaner-watch"}
        desk.rename("Berta")
        _wait(lambda: not any(each.is_alive() for each in watching))
        for said in ("epoch 1 of 3", "epoch 2 of 3", "epoch 3 of 3"):
            report(Progress("training", 1, 3, 2.0, said))
            _wait(lambda said=said: said in _texts(elsewhere.view))
    _wait(lambda: not elsewhere.running)  # it has seen the end


def test_the_model_is_asked_about_uploads_and_one_that_is_no_image_is_one_sentence(
    folder: Callable[..., Path],
) -> None:
    good = (folder() / "black" / "000.png").read_bytes()

    def sure(batch: np.ndarray) -> np.ndarray:
        return np.tile(np.array([0.75, 0.25], dtype=np.float32), (len(batch), 1))

    model = FinishedModel(("<b>bear", "wolf"), 32, {}, sure)
    uploads = [("../../x/good.png", good), (f"{HOSTILE}.jpg", b"nonsense"), ("again.png", good)]
    answers = ask_uploads(model, uploads, quiet, lambda: False)
    assert [answer.name for answer in answers] == ["good.png", f"{HOSTILE}.jpg", "again.png"]
    assert [bool(answer.picture) for answer in answers] == [True, False, True]
    assert answers[1].problem == f"{HOSTILE}.jpg is not an image of any kind known here."
    html = answers_view(answers)
    assert "75%" in html
    assert "<b>bear" not in html
    assert "<img src=x" not in html
    assert html.count("data:image/jpeg") == 2


def test_findings_are_counted_by_kind_and_shown_with_pictures(folder: Callable[..., Path]) -> None:
    root = folder()
    (root / "teddy" / "copy.png").write_bytes((root / "teddy" / "000.png").read_bytes())
    (root / "teddy" / "bad.png").write_bytes(b"nonsense")
    project = Project.open(root)
    html = findings_view(project.verify(), picture=lambda key: picture_of(project, key))
    assert "<summary>not an image: 1 <span class='cleaner-meaning'>The file is of another kind" in html
    assert "<summary>duplicate: 2 <span" in html
    assert html.count("data:image/jpeg") == 2
    assert "<details class='cleaner-fold'><summary>" in html  # folded away until asked for
    samples = samples_view(project.catalog, picture=lambda key: picture_of(project, key))
    assert samples.count("data:image/jpeg") == 18  # six of each class
    assert "teddy (9)" in samples


def test_what_is_drawn_late_never_takes_the_place_of_what_was_asked_for_after_it() -> None:
    late, gate = Late(), threading.Event()
    late.show("slow", lambda: f"{gate.wait(10)} slow")
    late.show("quick", lambda: "quick")
    _wait(lambda: late.view.value == "quick")
    gate.set()
    late.show("bad", lambda: f"{1 / 0}")
    _wait(lambda: "could not be drawn" in late.view.value)
    late.show("third", lambda: "third")
    _wait(lambda: late.view.value == "third")


def test_findings_can_be_looked_at_in_the_grid_before_any_training(folder: Callable[..., Path]) -> None:
    root = folder()
    (root / "grizzly" / "copy.png").write_bytes((root / "teddy" / "000.png").read_bytes())
    (root / "teddy" / "bad.png").write_bytes(b"nonsense")
    desk = Desk(go=lambda _: None)
    panel = Check(desk)
    project = Project.open(root)
    project.verify()
    desk.open(project)
    panel.refresh()
    assert panel._kinds.options == ("conflicting duplicate",)  # what can't be read is no picture to look at
    panel._look.click()
    (grid,) = panel._grid.children
    assert set(grid._pages.queue.ids) == {"grizzly/copy.png", "teddy/000.png"}
    grid.close()


def test_a_grid_over_findings_goes_with_its_project_and_with_an_apply(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    first = folder()
    (first / "grizzly" / "copy.png").write_bytes((first / "grizzly" / "000.png").read_bytes())
    second = Path(shutil.copytree(first, tmp_path / "second"))
    for root in (first, second):
        Project.open(root).verify()
    desk = Desk(go=lambda _: None)
    panel = Check(desk)
    desk.listen(panel.refresh)
    desk.open_folder(first)
    panel._look.click()
    desk.open_folder(second)
    assert not panel._grid.children
    panel._look.click()
    desk.project.decide(["black/000.png"], "keep")
    desk.changed()
    assert panel._grid.children  # nothing of what it shows has changed
    desk.project.decide(["grizzly/000.png"], "relabel", label="teddy")
    desk.project.apply()
    desk.changed()
    assert not panel._grid.children


def test_another_project_is_trained_with_options_of_its_own(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    first = folder(each=4)
    second = Path(shutil.copytree(first, tmp_path / "second"))
    desk = Desk(go=lambda _: None)
    train = Train(desk)
    desk.listen(train.refresh)
    desk.open_folder(first)
    fresh = train._options.configs()
    fields = {getattr(made, "description", ""): made for made in _all(train.view, widgets.DOMWidget)}
    for name, value in (("weights", "scratch"), ("size (0: auto)", 64), ("mode", "in full only")):
        fields[name].value = value
    train._options.take_rate(0.3)
    train._rates.value = "curve"
    train._runner.say("Round 1 is done")
    chosen = train._options.configs()
    desk.rename("Berta")
    assert train._options.configs() == chosen != fresh  # still the same project
    assert "Round 1 is done" in _texts(train.view)
    desk.open_folder(second)
    assert train._options.configs() == fresh
    assert "curve" not in _texts(train.view)
    assert "Round 1 is done" not in _texts(train.view)


def test_a_new_order_is_not_offered_where_nothing_was_trained(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = folder()
    untrained = Project.open(shutil.copytree(root, tmp_path / "untrained"))
    desk = Desk(go=lambda _: None)
    panel = Review(desk)
    desk.listen(panel.refresh)
    desk.open(round_without_training(root))
    round_without_training(root)
    desk.changed()
    assert panel._newer.layout.display == ""
    desk.open(untrained)
    assert panel._newer.layout.display == "none"


def test_another_project_has_its_own_place_for_the_model_and_no_answers_of_the_one_before(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    first = folder(each=4)
    second = Path(shutil.copytree(first, tmp_path / "second"))
    for root in (first, second):
        round_without_training(root)
    desk = Desk(go=lambda _: None)
    use = Use(desk)
    desk.listen(use.refresh)
    desk.open_folder(first)
    typed = {made.description: made for made in _all(use.view, widgets.Text)}
    assert typed["write to"].value == f"{first}-model"
    typed["folder"].value = str(first)
    use._shown.value, use._exporting.line.value = "black: 90 %", "Wrote the model"
    desk.rename("Berta")
    assert typed["folder"].value == str(first)  # still the same project
    desk.open_folder(second)
    assert typed["write to"].value == f"{second}-model"
    assert typed["folder"].value == ""
    assert "90 %" not in _texts(use.view)
    assert "Wrote the model" not in _texts(use.view)
