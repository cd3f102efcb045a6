from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from PIL import Image

from cleaner import Project, TrainConfig
from cleaner.errors import CleanerError, InputError, Refused, Stopped
from cleaner.progress import Progress
from cleaner.ranking.order import LiveOrder
from tests.support.images import colour_fields, planted_error

QUICK = TrainConfig(weights="scratch", epochs=3, size=32)


def _bytes(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and ".cleaner" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A dataset with one planted error and one round done, to be copied by each test."""
    root = planted_error(tmp_path_factory.mktemp("data") / "photos", each=30)
    Project.open(root).train(QUICK)
    return root


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Project:
    return Project.open(shutil.copytree(trained, tmp_path / "photos"), by="tester")


def test_the_planted_error_comes_first_with_the_right_suggestion(project: Project) -> None:
    first = project.queue().candidate(0)
    assert (first.id, first.label, first.suggested) == ("teddy/planted.png", "teddy", "black")


def test_once_round_the_loop(project: Project) -> None:
    before = _bytes(project.root)
    project.decide(["teddy/planted.png"], "relabel", label="black")
    project.decide(["grizzly/001.png"], "delete")
    assert _bytes(project.root) == before  # nothing changes before apply
    plan = project.plan()
    assert {(op.kind, op.source) for op in plan.operations} == {
        ("move", "teddy/planted.png"),
        ("trash", "grizzly/001.png"),
    }
    project.apply(plan)
    assert (project.root / "black" / "planted.png").read_bytes() == before["teddy/planted.png"]
    assert not (project.root / "grizzly" / "001.png").exists()
    assert len(project.catalog) == 89
    assert len(project.plan()) == 0
    second = project.train(QUICK)
    assert second.number == 2
    comparison = project.compare()
    assert [rates.round for rates in comparison.rates] == [1, 2]
    assert comparison.images > 0
    assert "teddy/planted.png" not in set(project.queue().ids)  # decided in the round before
    project.undo()
    assert _bytes(project.root) == before


def test_a_round_survives_reopening(project: Project) -> None:
    again = Project.open(project.root)
    assert again.rounds == project.rounds
    assert (
        LiveOrder(again.predictions()).queue().scores.tobytes()
        == LiveOrder(project.predictions()).queue().scores.tobytes()
    )


def test_every_image_is_predicted_once_with_its_origin(project: Project) -> None:
    said = project.predictions()
    assert list(said.ids) == list(project.catalog.ids)
    held_out = project.catalog.held_out()
    assert all((said.origins == "held-out") == held_out)
    assert project.rounds[0].held_out == held_out.sum()


def test_what_was_decided_in_this_round_stays_in_its_place(project: Project) -> None:
    before = list(project.queue().ids)
    project.decide(before[:3], "keep")
    assert list(project.queue().ids) == before


def test_the_networks_answers_can_be_had_for_any_image(project: Project) -> None:
    (answer,) = project.predict([project.root / "grizzly" / "002.png"])
    assert answer[0][0] == "grizzly"
    assert sum(probability for _, probability in answer) == pytest.approx(1, abs=1e-5)


def test_a_stopped_training_leaves_the_rounds_as_they_were(project: Project) -> None:
    seen: list[Progress] = []
    with pytest.raises(Stopped):
        project.train(QUICK, report=seen.append, stopped=lambda: any(p.phase == "training" for p in seen))
    assert [r.number for r in project.rounds] == [1]
    assert not (project.home / "rounds" / ".draft").exists()


def test_a_training_killed_while_it_writes_leaves_the_rounds_as_they_were(project: Project) -> None:
    half = project.home / "rounds" / ".draft"
    half.mkdir()
    (half / "round.json").write_text('{"number": 2')
    assert [r.number for r in Project.open(project.root).rounds] == [1]
    assert project.train(QUICK).number == 2
    assert not half.exists()


def test_training_in_a_thread_does_not_hold_up_the_person(project: Project) -> None:
    thread = threading.Thread(target=lambda: project.train(QUICK))
    thread.start()
    while thread.is_alive():
        project.decide(["black/001.png"], "keep")
        assert project.picture("black/001.png")
    assert len(project.rounds) == 2


def test_an_apply_killed_before_it_could_look_again_is_seen_on_opening(project: Project) -> None:
    project.decide(["grizzly/001.png"], "delete")
    project.decide(["grizzly/002.png"], "relabel", label="teddy")
    before = (project.home / "catalog.npz").read_bytes()
    project.apply()
    (project.home / "catalog.npz").write_bytes(before)
    again = Project.open(project.root)
    assert len(again.catalog) == len(project.catalog) == 89
    assert len(again.plan()) == 0
    assert again.catalog.digest() == project.catalog.digest()
    after = (project.home / "catalog.npz").read_bytes()
    project.undo()
    (project.home / "catalog.npz").write_bytes(after)
    assert len(Project.open(project.root).catalog) == 90


def test_the_picture_of_a_removed_image_can_still_be_seen(project: Project) -> None:
    shutil.rmtree(project.home / "thumbnails", ignore_errors=True)
    project.decide(["grizzly/001.png"], "delete")
    project.apply()
    assert project.picture("grizzly/001.png").startswith(b"\xff\xd8")


def test_an_export_is_the_dataset_as_decided(project: Project, tmp_path: Path) -> None:
    project.decide(["teddy/planted.png"], "relabel", label="black")
    project.decide(["grizzly/001.png"], "delete")
    lines = project.export.csv(tmp_path / "cleaned.csv").read_text().splitlines()
    assert len(lines) == 1 + 89
    assert any(line.startswith("teddy/planted.png,black,teddy") for line in lines)


def test_an_export_may_go_home(folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project.open(folder(each=2))
    (home := tmp_path / "ann").mkdir()
    monkeypatch.setenv("HOME", str(home))
    export = project.export
    places = [export.csv("~/a.csv"), export.fastai_csv("~/b.csv"), export.decisions("~/c.jsonl")]
    places += [export.folder("~/d"), export.hugging_face("~/e")]
    assert sorted(places) == sorted(home.iterdir())


def test_new_images_join_the_next_round(project: Project) -> None:
    Image.new("RGB", (40, 40), "red").save(project.root / "black" / "new.png")
    project.train(QUICK)
    assert "black/new.png" in set(project.queue().ids)


def test_what_was_applied_leaves_the_queue_and_undo_brings_it_back(project: Project) -> None:
    project.decide(["teddy/planted.png"], "relabel", label="black")
    project.decide(["grizzly/001.png"], "delete")
    before = set(project.queue().ids)
    project.apply()
    assert before - set(project.queue().ids) == {"teddy/planted.png", "grizzly/001.png"}
    project.undo()
    assert set(project.queue().ids) == before


def test_a_class_folder_made_since_the_round_can_be_given_to_images(project: Project) -> None:
    (project.root / "polar").mkdir()
    project.verify()
    assert "polar" in project.queue().vocab
    project.decide(["black/001.png"], "relabel", label="polar")
    project.apply()
    assert (project.root / "polar" / "001.png").exists()


@pytest.mark.parametrize(
    ("items", "label", "sentence"),
    [
        ("black/001.png", "teddy", "Give a list"),
        (Path("black/001.png"), "teddy", "Give a list of ids, not 'black/001.png' alone"),
        (["nope.png"], "teddy", "no image of this dataset"),
        (["black/001.png"], "teddi", "no class here"),
        (["black/001.png"], "black", "already"),
    ],
)
def test_a_verdict_that_makes_no_sense_is_refused(project: Project, items, label: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        project.decide(items, "relabel", label=label)
    assert project.decisions() == {}


def test_a_thumbnail_is_of_the_picture_that_is_there_now(project: Project) -> None:
    project.picture("black/001.png")
    shown = project.picture("teddy/001.png")
    one, two, aside = (project.root / name for name in ("black/001.png", "teddy/001.png", "aside"))
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    assert project.picture("black/001.png") == shown
    project.verify()
    assert project.picture("teddy/001.png") == shown  # its id went with it


def test_one_database_holds_one_project(project: Project, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CLEANER_DATABASE", f"sqlite:///{tmp_path / 'team.db'}")
    mine = colour_fields(tmp_path / "mine", each=4)
    Project.open(mine).decide(["black/000.png"], "delete")
    assert len(Project.open(mine).plan()) == 1
    with pytest.raises(InputError, match="holds another project"):
        Project.open(colour_fields(tmp_path / "other", each=4))


@pytest.mark.parametrize("left", [None, b"", b"\0" * 32])
def test_a_project_whose_name_a_power_cut_took_is_the_one_of_its_own_database(folder, left: bytes) -> None:
    project = Project.open(folder(each=2))
    project.decide(["black/000.png"], "delete")
    name = project.home / "project.id"
    known = name.read_bytes()
    if left is None:
        name.unlink()
    else:
        name.write_bytes(left)
    assert Project.open(project.root).decisions().keys() == {"black/000.png"}
    assert name.read_bytes() == known


def test_a_damaged_round_is_named(project: Project) -> None:
    (project.home / "rounds" / "001" / "probs.npy").write_bytes(b"")
    with pytest.raises(InputError, match=r"Round 1 in .* is damaged"):
        project.queue()


def test_two_windows_do_not_train_at_once_and_one_can_stop_the_other(project: Project) -> None:
    other = Project.open(project.root)
    ended: list[Exception] = []

    def work() -> None:
        try:
            project.train(TrainConfig(weights="scratch", epochs=500, size=32))
        except Stopped as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while other.training_elsewhere is None and thread.is_alive():
        thread.join(0.01)
    with pytest.raises(Refused, match="running in another window"):
        other.train(QUICK)
    while thread.is_alive():
        other.stop_training()
        thread.join(0.05)
    assert len(ended) == 1
    assert other.training_elsewhere is None
    assert other.train(QUICK).number == 2


def test_a_folder_without_folders_is_left_as_it_was(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="holds no folders"):
        Project.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    root = colour_fields(tmp_path / "50% off? #1 «ü» 'x'; DROP", each=4)
    project = Project.open(root)
    project.verify()
    project.decide([project.catalog.ids[0]], "delete")
    assert len(project.apply().done) == 1
    assert len(Project.open(root).catalog) == 11


def test_without_a_round_there_is_nothing_to_rank(folder) -> None:
    with pytest.raises(InputError, match="train first"):
        Project.open(folder()).queue()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere is not a folder"):
        Project.open(tmp_path / "nowhere")


def test_a_file_that_is_no_database_is_refused_not_changed(project: Project) -> None:
    (project.home / "cleaner.db").write_bytes(b"this is no database, and was somebody's file" * 100)
    with pytest.raises(CleanerError):
        Project.open(project.root)
    assert (project.home / "cleaner.db").read_bytes().startswith(b"this is no database")
