"""What is there twice, from the check to the grid, the split and the files."""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageOps
from typer.testing import CliRunner

from cleaner import Project
from cleaner.app.checking import by_features, known_copies
from cleaner.app.cli import app
from cleaner.app.features import Features
from cleaner.app.panels.desk import Desk
from cleaner.app.panels.leaks import Leaks
from cleaner.catalog.digest import split_of
from cleaner.catalog.rowcache import RowCache
from cleaner.errors import InputError
from cleaner.types import Finding
from tests.support.images import scene


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve different pictures of two classes, and copies of four of them."""
    place = tmp_path / "photos"
    for label in ("owl", "jay"):
        (place / label).mkdir(parents=True)
    for number in range(12):
        scene(number).save(place / ("owl", "jay")[number % 2] / f"{number:02d}.png")
    scene(0).save(place / "owl" / "same pixels.tiff")
    scene(2).resize((72, 54)).save(place / "owl" / "small.png")
    ImageOps.mirror(scene(4)).save(place / "owl" / "mirrored.png")
    scene(6).crop((6, 4, 92, 70)).save(place / "jay" / "another label.png")
    return place


def _kinds(findings: tuple[Finding, ...]) -> dict[str, set[str]]:
    found = defaultdict(set)
    for finding in findings:
        found[finding.kind].add(finding.item)
    return dict(found)


def test_copies_are_found_those_of_two_labels_first(root: Path) -> None:
    findings = Project.open(root).verify()
    assert _kinds(findings) == {
        "conflicting near duplicate": {"owl/06.png", "jay/another label.png"},
        "duplicate": {"owl/00.png", "owl/same pixels.tiff"},
        "near duplicate": {"owl/02.png", "owl/small.png", "owl/04.png", "owl/mirrored.png"},
    }
    assert [finding.severity for finding in findings] == sorted((f.severity for f in findings), reverse=True)
    groups = [finding.group for finding in findings]
    assert [groups.index(group) for group in groups] == [0, 0, 2, 2, 4, 4, 6, 6]  # side by side


def test_a_copy_is_found_among_the_same_pixels_in_many_files(root: Path) -> None:
    for name in ("02", "small"):
        data = (root / "owl" / f"{name}.png").read_bytes()
        for number in range(25):
            (root / "owl" / f"{name} {number:02d}.png").write_bytes(data + bytes([number]))
    Project.open(root).verify()
    project = Project.open(root)
    groups = dict(zip(project.catalog.ids, known_copies(project.home, project.catalog.digests), strict=True))
    assert len({group for item, group in groups.items() if item.startswith(("owl/02", "owl/small"))}) == 1
    assert groups["owl/02.png"] != groups["owl/04.png"]


def test_what_a_failing_disk_no_longer_shows_is_not_taken_for_copies(root: Path) -> None:
    project = Project.open(root)
    project.verify()
    shutil.rmtree(project.home / "sketches")
    (project.home / "copies.json").unlink()
    for name in ("08.png", "10.png"):
        file = root / "owl" / name
        stamp = file.stat()
        file.write_bytes(bytes(stamp.st_size))
        os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    told = {finding.item for finding in project.verify()}
    assert "owl/00.png" in told
    assert not told & {"owl/08.png", "owl/10.png"}


def test_the_largest_of_several_copies_is_the_one_to_keep(root: Path) -> None:
    by_item = {finding.item: finding for finding in Project.open(root).verify()}
    large, small = by_item["owl/02.png"], by_item["owl/small.png"]
    assert (large.advice, small.advice) == ("keep", "delete")
    assert small.detail == (
        "owl/small.png is nearly the same picture as owl/02.png: all labelled owl; owl/02.png is the largest."
    )
    assert by_item["owl/06.png"].advice == ""  # of two labels one is wrong: nothing to advise
    assert "pixel for pixel" in by_item["owl/00.png"].detail


def test_an_unchanged_folder_is_not_compared_again_and_a_new_copy_is_found(root: Path) -> None:
    project = Project.open(root)
    first = project.verify()
    phases: list[str] = []
    assert project.verify(report=lambda progress: phases.append(progress.phase)) == first
    assert "comparing" not in phases
    assert "sketching" not in phases
    (root / "owl" / "mirrored.png").unlink()
    phases.clear()
    project.verify(report=lambda progress: phases.append(progress.phase))
    assert "comparing" not in phases  # nothing new to compare
    assert "owl/04.png" not in {finding.item for finding in project.findings}
    scene(8).rotate(180).save(root / "owl" / "turned.png")
    assert {"owl/08.png", "owl/turned.png"} < _kinds(project.verify())["near duplicate"]


def test_copies_are_on_one_side_of_the_split_and_stay_there(root: Path, tmp_path: Path) -> None:
    project = Project.open(root)
    catalog = project.catalog
    groups = known_copies(project.home, catalog.digests)
    for group in np.unique(groups):
        rows = groups == group
        assert set(catalog.splits[rows]) == {split_of(min(catalog.digests[rows]))}
    assert Project.open(root).catalog.splits.tolist() == catalog.splits.tolist()
    assert "near duplicate leak" not in _kinds(project.findings)


def test_a_person_puts_copies_on_one_side_and_takes_it_back(root: Path) -> None:
    project = Project.open(root)
    before = dict(zip(project.catalog.ids, project.catalog.splits, strict=True))
    files = sorted(path for path in root.rglob("*.*") if ".cleaner" not in path.parts)
    other = "train" if before["owl/04.png"] == "valid" else "valid"
    assert len(project.sides.put(["owl/04.png"], other)) == 0
    after = dict(zip(project.catalog.ids, project.catalog.splits, strict=True))
    assert after == before | {"owl/04.png": other, "owl/mirrored.png": other}
    assert sorted(path for path in root.rglob("*.*") if ".cleaner" not in path.parts) == files
    again = Project.open(root)
    again.verify()
    assert again.catalog.splits.tolist() == project.catalog.splits.tolist()
    assert again.sides.undo()
    assert dict(zip(again.catalog.ids, again.catalog.splits, strict=True)) == before
    assert not again.sides.undo()
    with pytest.raises(InputError, match="'left' is no side"):
        project.sides.put(["owl/04.png"], "left")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"'owl/99\.png' is no image"):
        project.sides.put(["owl/99.png"], "train")


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """Eight different pictures in split folders, and a mirrored copy of one on the other side."""
    root = tmp_path / "photos"
    for number in range(8):
        place = root / ("train", "valid")[number % 2] / "owl"
        place.mkdir(parents=True, exist_ok=True)
        scene(number).save(place / f"{number}.png")
    ImageOps.mirror(scene(0)).save(root / "valid" / "owl" / "0.png")
    return root


LEAK = {"train/owl/0.png", "valid/owl/0.png"}


def test_a_leak_across_given_folders_is_told_and_moved_to_one_side_by_a_plan(split: Path) -> None:
    project = Project.open(split)
    assert _kinds(project.verify()) == {"near duplicate leak": LEAK}
    plan = project.sides.put(["valid/owl/0.png"], "train")
    assert [(op.source, op.target) for op in plan.operations] == [("valid/owl/0.png", "train/owl/0-2.png")]
    project.apply(plan)
    assert _kinds(project.findings) == {"near duplicate": LEAK}
    project.undo()
    assert (split / "valid" / "owl" / "0.png").exists()
    assert _kinds(project.findings) == {"near duplicate leak": LEAK}


def _here(*words: object) -> Any:
    return CliRunner().invoke(app, list(map(str, words)))


def test_leaks_are_moved_to_one_side_on_the_command_line_and_back(split: Path) -> None:
    nothing = _here("sides", "put", split, "train")
    assert "pass images by their ids, or --leaks" in str(nothing.exception)
    asked = _here("sides", "put", split, "train", "--leaks").stdout  # asks, and nobody says yes
    assert "move\tvalid/owl/0.png\ttrain/owl/0-2.png" in asked
    assert (split / "valid" / "owl" / "0.png").exists()
    assert "1 file moved" in _here("sides", "put", split, "train", "--leaks", "--yes").stdout
    assert (split / "train" / "owl" / "0-2.png").exists()
    assert "Nothing lies on both sides" in _here("sides", "put", split, "train", "--leaks").stdout
    assert "1 file put back" in _here("undo", split).stdout
    assert _kinds(Project.open(split).verify()) == {"near duplicate leak": LEAK}


def test_a_side_is_chosen_on_the_command_line_and_taken_back(root: Path) -> None:
    before = Project.open(root).catalog.splits.tolist()
    other = "train" if _side(root, "owl/04.png") == "valid" else "valid"
    put = _here("sides", "put", root, other, "owl/04.png").stdout
    assert put == f"1 image and its copies are on the side {other} now.\n"
    assert _side(root, "owl/mirrored.png") == other
    assert "taken back" in _here("sides", "undo", root).stdout
    assert Project.open(root).catalog.splits.tolist() == before
    assert _here("sides", "undo", root).stdout == "No choice of a side stands.\n"


def _side(root: Path, item: str) -> str:
    catalog = Project.open(root).catalog
    return catalog.splits[catalog.positions()[item]]


def _ended(desk: Desk, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while desk.busy or not done():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def test_leaks_are_moved_to_one_side_by_buttons_after_the_moves_are_shown(split: Path, monkeypatch) -> None:
    project = Project.open(split)
    project.verify()
    desk = Desk(go=lambda _: None)
    panel = Leaks(desk)
    desk.listen(panel.refresh)
    desk.open(project)
    assert "2 images of groups that lie on both sides" in panel._said.value
    assert panel._side.options == ("train", "valid")
    assert panel._move.layout.display == panel._undo.layout.display == "none"
    panel._put.click()
    _ended(desk, lambda: panel._move.layout.display == "")
    assert "1 image changes folder" in panel._runner.line.value
    assert "train/owl/0-2.png" in panel._moves.value
    assert (split / "valid" / "owl" / "0.png").exists()
    monkeypatch.setenv("CLEANER_MAY_APPLY", "none")
    panel.refresh()
    assert panel._move.disabled
    assert "Nobody may change files here" in panel._moves.value
    monkeypatch.delenv("CLEANER_MAY_APPLY")
    panel.refresh()
    panel._move.click()
    _ended(desk, lambda: panel._put.layout.display == "none")
    assert "1 file moved" in panel._runner.line.value
    assert _kinds(project.findings) == {"near duplicate": LEAK}
    project.undo()
    desk.changed()
    assert panel.view.layout.display == ""
    assert panel._move.layout.display == "none"  # what was planned before is no longer so


def test_a_choice_of_a_side_is_taken_back_by_a_button(root: Path) -> None:
    project = Project.open(root)
    project.verify()
    before = project.catalog.splits.tolist()
    project.sides.put(["owl/04.png"], "train" if _side(root, "owl/04.png") == "valid" else "valid")
    desk = Desk(go=lambda _: None)
    panel = Leaks(desk)
    desk.listen(panel.refresh)
    desk.open(project)
    assert panel._put.layout.display == "none"
    panel._undo.click()
    _ended(desk, lambda: panel._undo.layout.display == "none")
    assert "taken back" in panel._runner.line.value
    assert project.catalog.splits.tolist() == before
    desk.open(Project.open(root))
    assert panel.view.layout.display == "none"


def test_findings_are_reviewed_before_any_training_what_belongs_together_side_by_side(root: Path) -> None:
    project = Project.open(root)
    project.verify()
    grid = project.review(findings="near duplicate")
    sent: list[dict] = []
    grid.send = lambda content, buffers=None: sent.append(content)  # type: ignore[method-assign]
    grid._send_page(grid._pages, grid._pages, 1, 0)
    tiles = [(tile["id"], tile["issues"], tile["advice"]) for tile in sent[0]["tiles"]]
    assert tiles == [
        ("owl/02.png", ["near duplicate"], "keep"),
        ("owl/small.png", ["near duplicate"], "delete"),
        ("owl/04.png", ["near duplicate"], tiles[2][2]),
        ("owl/mirrored.png", ["near duplicate"], tiles[3][2]),
    ]
    assert {tiles[2][2], tiles[3][2]} == {"keep", "delete"}
    grid.close()
    everything = project.review(findings="all")
    assert everything.state["total"] == 8
    everything.close()
    with pytest.raises(InputError, match="'blurred' was found; choose one of: conflicting near duplicate, d"):
        project.review(findings="blurred")


def test_the_command_line_tells_each_group_once(root: Path) -> None:
    told = CliRunner().invoke(app, ["verify", str(root)]).stdout.splitlines()
    assert [line.split(":")[0] for line in told if "picture as" in line] == [
        "conflicting near duplicate",
        "duplicate",
        "near duplicate",
        "near duplicate",
    ]


def test_too_many_images_to_compare_are_said_and_equal_files_are_still_found(root: Path, monkeypatch) -> None:
    monkeypatch.setattr("cleaner.app.checking.LIMIT", 10)
    shutil.copy(root / "owl" / "00.png", root / "owl" / "equal.png")
    kinds = _kinds(Project.open(root).verify())
    assert kinds == {"duplicate": {"owl/00.png", "owl/equal.png"}, "not compared": {""}}


def test_the_features_of_a_round_add_lookalikes_and_outliers(root: Path) -> None:
    project = Project.open(root)
    catalog = project.catalog
    count, home = len(catalog), project.home
    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 64))
    sides = np.where(np.arange(count) % 2, 1, -1)[:, None]
    embeddings = (sides * one + 0.1 * random.normal(size=(count, 64))).astype(np.float16)
    row = catalog.positions()
    embeddings[row["jay/11.png"]] = other
    RowCache(home / "embeddings" / "body", shape=(64,), dtype="float16").add(catalog.digests, embeddings)
    groups = known_copies(home, catalog.digests).astype(np.int32)
    groups[row["jay/01.png"]] = groups[row["owl/10.png"]]
    near = np.argsort(-(embeddings.astype(np.float32) @ embeddings.T.astype(np.float32)), axis=1)[:, 1:]
    features = Features("body", 64, catalog.digests, near.astype(np.int32), groups, unlike=0.6)
    found = by_features(home, catalog, features)
    assert _kinds(tuple(found)) == {
        "conflicting lookalike": {"jay/01.png", "owl/10.png"},
        "outlier": {"jay/11.png"},
    }
