"""Two people, or two windows of one, at work on the same folder: neither loses what the other has said."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from cleaner import Project


@pytest.fixture
def ann(folder: Callable[..., Path]) -> Project:
    project = Project.open(folder(each=4), by="ann")
    project.verify()
    return project


@pytest.fixture
def bob(ann: Project) -> Project:
    return Project.open(ann.root, by="bob")


def _newcomer(root: Path, colour: tuple[int, int, int] = (1, 2, 3)) -> Path:
    path = root / "black" / "new.png"
    Image.new("RGB", (9, 9), colour).save(path)
    return path


def test_a_check_goes_on_from_the_last_one_whoever_made_it(ann: Project, bob: Project) -> None:
    came = _newcomer(bob.root)
    bob.verify()
    bob.decide(["black/new.png"], "relabel", label="teddy")
    came.rename(came.with_name("renamed.png"))
    bob.verify()
    ann.verify()
    assert [(op.item, op.source) for op in ann.plan().operations] == [("black/new.png", "black/renamed.png")]
    assert ann.catalog.digest() == bob.catalog.digest()


def test_a_check_by_a_window_that_was_left_open_gives_no_verdict_to_another_picture(
    ann: Project, bob: Project
) -> None:
    came = _newcomer(bob.root)
    bob.verify()
    bob.decide(["black/new.png"], "delete")
    came.unlink()
    _newcomer(bob.root, colour=(7, 8, 9))
    bob.verify()
    ann.verify()
    assert len(Project.open(ann.root, by="carol").plan()) == 0


def test_two_windows_that_check_at_once_agree(ann: Project, bob: Project) -> None:
    def check(project: Project) -> None:
        for number in range(10):
            path = project.root / "teddy" / f"{project.journal.by}{number}.png"
            Image.new("RGB", (9, 9 + number), "red").save(path)
            project.verify()

    with ThreadPoolExecutor(2) as both:
        list(both.map(check, (ann, bob)))
    ann.verify()
    bob.verify()
    assert ann.catalog.digest() == bob.catalog.digest()
    assert list(ann.home.glob("*draft*")) == []


def test_a_plan_that_was_overtaken_moves_nothing_against_a_newer_verdict(ann: Project, bob: Project) -> None:
    ann.decide(["black/000.png", "black/001.png"], "delete")
    ann.decide(["black/002.png", "black/003.png"], "relabel", label="teddy")
    on_screen = ann.plan()
    bob.decide(["black/000.png"], "keep")
    bob.decide(["black/002.png"], "relabel", label="grizzly")
    receipt = ann.apply(on_screen)
    assert {operation.source for operation in receipt.done} == {"black/001.png", "black/003.png"}
    assert [refusal.item for refusal in receipt.failed] == ["black/000.png", "black/002.png"]
    assert receipt.failed[0].reason == "black/000.png was decided otherwise after this was planned."
    assert [(op.item, op.new_label) for op in ann.plan().operations] == [("black/002.png", "grizzly")]


def test_what_somebody_wants_to_keep_is_not_destroyed_with_the_trash(ann: Project, bob: Project) -> None:
    ann.decide(["black/000.png", "black/001.png"], "delete")
    ann.apply()
    bob.decide(["black/000.png"], "keep")
    assert [image.id for image in ann.trash.wanted()] == ["black/000.png"]
    assert ann.plan().warnings[-1].startswith("1 image in the trash is no longer to be removed")
    receipt = ann.trash.empty("destroy")
    assert [operation.item for operation in receipt.done] == ["black/001.png"]
    assert [refusal.item for refusal in receipt.failed] == ["black/000.png"]
    ann.trash.restore(["black/000.png"])
    assert (ann.root / "black" / "000.png").exists()
    assert ann.decisions()["black/000.png"].action == "keep"


def test_who_names_what_is_wanted_can_destroy_it_all_the_same(ann: Project) -> None:
    ann.decide(["black/000.png"], "delete")
    ann.apply()
    ann.journal.undo(round=0)
    assert [image.id for image in ann.trash.wanted()] == ["black/000.png"]
    assert len(ann.trash.empty("destroy", items=["black/000.png"]).done) == 1
    assert ann.trash.list() == ()
