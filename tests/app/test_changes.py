"""What a project does to files and keeps of it: the trash, the history, several people, other places."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cleaner import Project
from cleaner.app.agenda import class_problem
from cleaner.app.rounds import save_round
from cleaner.errors import InputError, Refused
from cleaner.types import Predictions, Round, TrainConfig, strings
from tests.support.images import colour_fields


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and ".cleaner" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.fixture
def project(folder: Callable[..., Path]) -> Project:
    return Project.open(folder(each=4), by="ann")


def ranked_by_somebody(project: Project) -> None:
    """Keep a round in which a model believes that everything is a teddy."""
    catalog = project.catalog
    probs = np.tile(np.array([[0.01, 0.02, 0.97]], np.float32), (len(catalog), 1))
    losses, origins = np.ones(len(catalog), np.float32), strings(["held-out"] * len(catalog))
    said = Predictions(catalog.ids, catalog.vocab, catalog.labels, probs, losses, origins)
    done = Round(1, TrainConfig(), catalog.vocab, (), catalog.digest(), 1, 0.5, "CPU", (), 0.0, "")
    save_round(done, said, folder=project.home / "rounds", save_network=lambda path: None)


def test_an_image_taken_out_of_the_trash_is_not_planned_to_go_back(project: Project) -> None:
    before = tree(project.root)
    project.decide(["black/000.png", "black/001.png"], "delete")
    project.apply()
    assert {image.id for image in project.trash.list()} == {"black/000.png", "black/001.png"}
    assert all(project.picture(image.id) for image in project.trash.list())
    project.trash.restore(["black/000.png"])
    assert len(project.plan()) == 0
    assert "black/000.png" not in project.decisions()
    with pytest.raises(Refused, match=r"'black/000\.png' is not in the trash"):
        project.trash.restore(["black/000.png"])
    project.trash.restore(["black/001.png"])
    assert tree(project.root) == before
    assert project.trash.list() == ()


def test_undo_works_after_a_class_folder_was_renamed(project: Project) -> None:
    before = tree(project.root)
    project.decide(["black/000.png", "black/001.png"], "relabel", label="teddy")
    project.apply()
    (project.root / "teddy").rename(project.root / "toy")
    project.verify()
    receipt = project.undo()
    assert (len(receipt.done), receipt.failed) == (2, ())
    (project.root / "toy").rename(project.root / "teddy")
    assert tree(project.root) == before


def test_files_that_changed_places_under_one_size_and_time_are_told_apart_after_an_apply(folder) -> None:
    root = folder(each=2)
    one, two, aside = root / "black/000.bmp", root / "teddy/000.bmp", root / "aside.bmp"
    for place in (one, two):
        Image.open(place.with_suffix(".png")).save(place)
        os.utime(place, (10**9, 10**9))
    project = Project.open(root, by="ann")
    project.verify()
    project.decide(["black/000.bmp"], "delete")
    meant = one.read_bytes()
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    project.verify()
    assert "has changed" in project.apply().failed[0].reason
    [removed] = project.apply().done
    assert removed.source == "teddy/000.bmp"
    assert (root / removed.target).read_bytes() == meant


def test_emptying_the_trash_takes_its_word_and_leaves_the_rest(project: Project) -> None:
    project.decide(["black/000.png"], "delete")
    project.apply()
    with pytest.raises(Refused, match="give the word 'destroy'"):
        project.trash.empty("empty")
    assert len(project.trash.empty("destroy").done) == 1
    assert repr(project.trash) == "<Trash: 0 images, 0.0 MB>"
    assert not project.ledger.can_undo
    assert "black/000.png" not in set(project.catalog.ids)
    again = Project.open(project.root)
    assert again.notice is None
    assert len(again.catalog) == 11


def test_a_destroyed_picture_that_comes_back_from_a_copy_has_its_old_id(project: Project) -> None:
    kept = (project.root / "black/000.png").read_bytes()
    project.decide(["black/000.png"], "delete")
    project.apply()
    project.trash.empty("destroy")
    (project.root / "teddy/copy.png").write_bytes(kept)
    project.verify()
    assert project.catalog.item(project.catalog.positions()["black/000.png"]).path == "teddy/copy.png"


def test_what_was_kept_under_its_new_label_is_relabelled_again_when_that_is_undone(project: Project) -> None:
    project.decide(["black/000.png", "black/001.png"], "relabel", label="teddy")
    project.decide(["black/002.png"], "delete")
    project.apply()
    project.decide(["black/000.png"], "keep")  # a teddy, indeed
    project.undo()
    assert {(op.item, op.new_label) for op in project.plan().operations if op.kind == "move"} == {
        ("black/000.png", "teddy"),
        ("black/001.png", "teddy"),
    }


def test_the_history_of_an_image_says_what_was_done_by_whom_and_why(project: Project) -> None:
    ranked_by_somebody(project)
    project.decide(["black/000.png", "black/001.png"], "relabel", label="teddy", how="bulk")
    project.apply()
    bob = Project.open(project.root, by="bob")
    bob.undo(items=["black/000.png"])
    bob.decide(["black/000.png"], "keep")
    events = [(event.by, event.what, event.why) for event in project.history("black/000.png")]
    assert events == [
        ("ann", "relabelled teddy (round 1, with others at once)", "the model saw teddy (97%)"),
        ("ann", "moved black/000.png to teddy/000-2.png", "apply, number 1"),
        ("bob", "moved teddy/000-2.png to black/000.png", "undo, number 2"),
        ("bob", "fine as it is (round 1)", "the model saw teddy (97%)"),
    ]
    assert project.history("grizzly/000.png") == ()


def test_what_failed_is_in_the_history_with_its_reason(project: Project) -> None:
    project.decide(["black/000.png"], "delete")
    plan = project.plan()
    (project.root / "black/000.png").write_bytes(b"edited")
    project.apply(plan)
    last = project.history("black/000.png")[-1]
    assert last.what.startswith("not moved black/000.png to .cleaner/trash/1")
    assert "has changed" in last.why


def test_what_another_person_decides_shows_up_and_a_conflict_is_warned_of(project: Project) -> None:
    bob = Project.open(project.root, by="bob")
    project.decide(["black/000.png"], "keep")
    assert bob.decisions()["black/000.png"].by == "ann"
    bob.decide(["black/000.png"], "delete")
    assert project.plan().operations[0].item == "black/000.png"
    assert "People do not agree on 1 image" in project.plan().warnings[0]
    assert [conflict.item for conflict in project.journal.conflicts()] == ["black/000.png"]


def test_a_team_works_on_one_project_on_postgresql(
    folder: Callable[..., Path], postgres: Callable[[], str]
) -> None:
    root, url = folder(each=4), postgres()
    before = tree(root)
    ann, bob = (Project.open(root, database=url, by=name) for name in ("ann", "bob"))
    ann.decide(["black/000.png"], "relabel", label="teddy")
    bob.decide(["black/000.png", "black/001.png"], "delete", how="bulk")
    assert ann.decisions() == bob.decisions()
    assert [conflict.item for conflict in ann.journal.conflicts()] == ["black/000.png"]
    assert len(ann.apply().done) == 2
    bob.verify()
    assert {image.by for image in bob.trash.list()} == {"ann"}
    bob.trash.restore(["black/000.png"])
    assert [event.by for event in ann.history("black/000.png")] == ["ann", "bob", "ann", "bob", "bob"]
    ann.undo()
    assert tree(root) == before
    for project in (ann, bob):
        project.journal.engine.dispose()


def test_sidecars_are_no_images_and_go_along_if_asked(project: Project) -> None:
    for name in ("black/000.txt", "black/000.json", "grizzly/alone.txt"):
        (project.root / name).write_text("{}")
    found = project.verify()
    assert [finding.item for finding in found] == ["grizzly/alone.txt"]
    project.decide(["black/000.png"], "relabel", label="teddy")
    assert len(project.plan()) == 1
    receipt = project.apply(project.plan(sidecars=True))
    assert len(receipt.done) == 3
    assert (project.root / "teddy/000-2.json").read_text() == "{}"


def test_a_label_that_only_looks_like_a_class_is_named(tmp_path: Path) -> None:
    project = Project.open(colour_fields(tmp_path / "photos", classes=("caf\u00e9", "bar"), each=2))
    with pytest.raises(Refused, match="which only looks the same"):
        project.decide(["bar/000.png"], "relabel", label="cafe\u0301")


@pytest.mark.parametrize("name", ["test", "Val"])
def test_a_class_that_would_turn_the_class_folders_into_a_split_is_refused(tmp_path: Path, name: str) -> None:
    project = Project.open(colour_fields(tmp_path / "photos", classes=("bus", "train"), each=2))
    assert "into those of a split; choose another name" in class_problem(project.catalog, name)
    assert class_problem(project.catalog, "tram") is None
    project.journal.decide([("bus/000.png", "relabel", name)], round=0)
    assert [refusal.item for refusal in project.plan().refusals] == ["bus/000.png"]
    assert project.apply().done == ()


def test_below_split_folders_a_class_may_be_named_like_a_split(tmp_path: Path) -> None:
    for under in ("train", "valid"):
        root = colour_fields(tmp_path / "photos", classes=("bus", "train"), each=2, under=under)
    project = Project.open(root)
    assert class_problem(project.catalog, "test") is None
    project.journal.decide([("train/bus/000.png", "relabel", "test")], round=0)
    assert len(project.apply().done) == 1
    assert project.catalog.vocab == ("bus", "test", "train")


def test_a_project_kept_elsewhere_never_touches_the_dataset(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = folder(each=4)
    before = sorted(root.rglob("*"))
    project = Project.open(root, home=tmp_path / "elsewhere")
    assert "never written to. Export the cleaned dataset" in project.notice
    project.decide(["black/000.png"], "delete")
    project.decide(["black/001.png"], "relabel", label="teddy")
    assert project.picture("black/000.png")
    with pytest.raises(Refused, match="outside of the dataset, so no file of it is ever moved"):
        project.apply()
    for act in (project.undo, lambda: project.trash.empty("destroy")):
        with pytest.raises(Refused):
            act()
    written = project.export.folder(tmp_path / "clean")
    assert len(tree(written)) == 11
    assert (written / "teddy/001-2.png").samefile(root / "black/001.png")
    assert sorted(root.rglob("*")) == before
    again = Project.open(root, home=tmp_path / "elsewhere")
    assert again.decisions().keys() == {"black/000.png", "black/001.png"}


def test_a_home_that_is_a_link_to_another_disk_has_its_trash_there(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    root, disk = folder(each=4), tmp_path / "disk"
    before = tree(root)
    disk.mkdir()
    (root / ".cleaner").symlink_to(disk, target_is_directory=True)
    project = Project.open(root)
    assert project.notice is None
    project.decide(["black/000.png", "black/001.png"], "delete")
    project.decide(["black/002.png"], "relabel", label="teddy")
    assert project.apply().failed == ()
    assert len(list((disk / "trash").rglob("*.png"))) == 2
    assert project.picture("black/000.png")
    project.trash.restore(["black/000.png"])
    assert len(project.trash.empty("destroy").done) == 1
    project.undo()
    assert tree(root) == {name: data for name, data in before.items() if name != "black/001.png"}
    disk.rename(tmp_path / "unplugged")
    with pytest.raises(
        InputError, match=r"\.cleaner is a link to .*disk, which is not there; connect its disk"
    ):
        Project.open(root)


def test_a_project_is_not_kept_among_the_images(folder: Callable[..., Path]) -> None:
    root = folder(each=2)
    with pytest.raises(InputError, match="lies among the images"):
        Project.open(root, home=root / "black")


def as_an_ordinary_user(work: Callable[[], None]) -> None:
    """Run the work as somebody whom permissions bind."""
    child = os.fork()
    if not child:
        code = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - pytest must not go on in the child
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_read_only_dataset_is_reviewed_and_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = colour_fields(Path(place, "photos"), each=4)
        own = Path(place, "own")
        own.mkdir()
        for path in (Path(place), own):
            path.chmod(0o777)
        for path in (root, *root.rglob("*")):
            path.chmod(0o555)
        monkeypatch.setenv("XDG_DATA_HOME", str(own))

        def work() -> None:
            project = Project.open(root, by="ann")
            assert project.home.is_relative_to(own)
            assert "is never written to" in (project.notice or "")
            project.decide(["black/000.png"], "delete")
            with pytest.raises(Refused):
                project.apply()
            assert len(tree(project.export.folder(own / "clean", link="copy"))) == 11
            assert Project.open(root).decisions().keys() == {"black/000.png"}

        as_an_ordinary_user(work)
        assert not (root / ".cleaner").exists()
        for path in root.rglob("*"):
            path.chmod(0o777)
        root.chmod(0o777)


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a dataset in reach of everybody, whose person's own data lie beside it."""
    with tempfile.TemporaryDirectory() as place:
        root = colour_fields(Path(place, "photos"), each=4)
        monkeypatch.setenv("XDG_DATA_HOME", str(Path(place, "own")))
        allow(Path(place))
        yield root
        allow(Path(place))


def allow(folder: Path, mode: int = 0o777) -> None:
    """Set what everybody may do with a folder and all that is in it."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(mode)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_verdicts_on_a_read_only_dataset_are_there_when_it_can_be_written_to(lent: Path) -> None:
    def first() -> None:
        Project.open(lent).decide(["black/000.png"], "delete")

    def then() -> None:
        project = Project.open(lent)
        assert not (lent / ".cleaner").exists()
        assert project.decisions().keys() == {"black/000.png"}
        assert project.notice is not None
        assert f"This project is kept in {project.home};" in project.notice
        assert f"what lies there can be moved to {lent / '.cleaner'}" in project.notice
        project.home.rename(lent / ".cleaner")
        moved = Project.open(lent)
        assert moved.notice is None
        assert len(moved.apply().done) == 1

    allow(lent, 0o555)
    as_an_ordinary_user(first)
    allow(lent)
    as_an_ordinary_user(then)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_verdicts_that_lie_in_two_places_are_named_in_each(lent: Path, mode: int) -> None:
    def somebody() -> None:
        Project.open(lent).decide(["black/000.png"], "delete")

    def another() -> None:
        project = Project.open(lent)
        assert project.decisions() == {}
        assert project.notice is not None
        assert f"{lent / '.cleaner'} can't be written to, and verdicts in it" in project.notice
        project.decide(["black/001.png"], "delete")

    def then() -> None:
        project = Project.open(lent)
        assert project.decisions().keys() == {"black/000.png"}
        assert project.notice is not None
        other = project.notice.split(" lie in ")[1].split(";")[0]
        assert Project.open(lent, home=other).decisions().keys() == {"black/001.png"}

    as_an_ordinary_user(somebody)
    allow(lent / ".cleaner", 0o555)
    (lent / ".cleaner").chmod(mode)
    as_an_ordinary_user(another)
    (lent / ".cleaner").chmod(0o777)
    allow(lent)
    as_an_ordinary_user(then)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_home_that_can_not_be_written_to_is_refused(lent: Path) -> None:
    home = lent.with_name("kept")
    home.mkdir(0o555)

    def work() -> None:
        with pytest.raises(InputError, match=r"kept can't be written to \(Permission denied\); pass home="):
            Project.open(lent, home=home)

    as_an_ordinary_user(work)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_home_with_a_lock_of_somebody_else_is_refused(lent: Path) -> None:
    (lent / ".cleaner").mkdir()
    (lent / ".cleaner" / ".project.lock").touch(0o444)
    (lent / ".cleaner").chmod(0o777)

    def work() -> None:
        with pytest.raises(InputError, match=r"\.cleaner can't be written to \(Permission denied\)"):
            Project.open(lent)

    as_an_ordinary_user(work)


def test_a_fault_that_may_pass_does_not_begin_a_second_project(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("cleaner.app.home.TemporaryFile", full)
    with pytest.raises(InputError, match=r"\.cleaner can't be written to \(No space left on device\)"):
        Project.open(project.root)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("closed", ["black", "teddy", ".cleaner/trash"])
def test_a_folder_that_may_not_be_changed_fails_what_concerns_it_and_nothing_else(closed: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = colour_fields(Path(place, "photos"), each=4)
        before = tree(root)
        (root / ".cleaner" / "trash").mkdir(parents=True)
        for path in (Path(place), root, *root.rglob("*")):
            path.chmod(0o777)
        (root / closed).chmod(0o555)

        def work() -> None:
            project = Project.open(root, by="ann")
            project.decide(["black/000.png"], "relabel", label="teddy")
            project.decide(["grizzly/000.png"], "relabel", label="black")
            project.decide(["grizzly/001.png"], "delete")
            receipt = project.apply()
            assert (len(receipt.done), len(receipt.failed)) == {
                "black": (1, 2),
                "teddy": (2, 1),
                ".cleaner/trash": (2, 1),
            }[closed]
            assert all("permission denied" in failure.reason for failure in receipt.failed)
            assert project.ledger.open_batches() == ()
            held = [root / place for place in project.ledger.locations().values()]
            assert all(path.exists() for path in held)

        as_an_ordinary_user(work)
        (root / closed).chmod(0o777)
        assert Project.open(root).notice is None
        files = [path for path in root.rglob("*.png") if "thumbnails" not in path.parts]
        assert sorted(path.read_bytes() for path in files) == sorted(before.values())
        shutil.rmtree(root)


def test_the_cleaned_dataset_is_a_data_frame_and_fastais_data(project: Project) -> None:
    project.decide(["black/000.png"], "delete")
    project.decide(["black/001.png"], "relabel", label="teddy")
    frame = project.export.frame()
    assert list(frame.columns) == list(asdict(project.export.rows()[0]))
    assert len(frame) == 11
    assert frame.set_index("id").loc["black/001.png", "label"] == "teddy"
    loaders = project.export.dataloaders(size=32, batch_size=4)
    assert list(loaders.vocab) == ["black", "grizzly", "teddy"]
    held_out = int((frame["split"] == "valid").sum())
    assert (len(loaders.train_ds), len(loaders.valid_ds)) == (11 - held_out, held_out)
    names = [Path(name) for name in loaders.train_ds.items["path"]]
    labels = {str(name): label for name, label in zip(names, loaders.train_ds.items["label"], strict=True)}
    expected = frame[frame["split"] == "train"].set_index("path")["label"].to_dict()
    assert labels == expected


def test_fastai_reads_the_table_that_fastai_1_would(project: Project, tmp_path: Path) -> None:
    from fastai.vision.data import ImageDataLoaders

    project.decide(["black/001.png"], "relabel", label="teddy")
    project.export.fastai_csv(project.root / "cleaned.csv")
    loaders = ImageDataLoaders.from_csv(project.root, "cleaned.csv", delimiter=",", bs=4, num_workers=0)
    assert len(loaders.train_ds) + len(loaders.valid_ds) == 12
    assert list(loaders.vocab) == ["black", "grizzly", "teddy"]


def test_every_decision_ever_made_can_be_taken_along(project: Project, tmp_path: Path) -> None:
    project.decide(["black/000.png"], "keep")
    project.journal.undo(round=0)
    lines = project.export.decisions(tmp_path / "decisions.jsonl").read_text().splitlines()
    assert len(lines) == 2


@pytest.mark.parametrize("form", ["csv", "fastai_csv", "decisions"])
def test_a_table_is_never_written_over_an_image_or_what_the_project_keeps(
    project: Project, form: str, tmp_path: Path
) -> None:
    project.decide(["black/000.png"], "keep")
    (tmp_path / "link").symlink_to(project.root, target_is_directory=True)
    before, write = tree(project.root), getattr(project.export, form)
    for place, said in (
        (project.root / "black" / "001.png", "is an image of the dataset, which must stay as it is"),
        (tmp_path / "link" / "black" / "001.png", "is an image of the dataset"),
        (project.home / "cleaner.db", r"lies in .*\.cleaner, where this project is kept"),
        (project.home / "trash" / "new.csv", "where this project is kept"),
    ):
        with pytest.raises(InputError, match=said):
            write(place)
    assert tree(project.root) == before
    assert Project.open(project.root).decisions().keys() == {"black/000.png"}
    for place in (project.root / "cleaned.csv", project.home / "cleaned.csv"):
        assert write(write(place)) == place
