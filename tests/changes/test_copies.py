"""A clean copy of the dataset in a folder of its own; the dataset is only read."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from cleaner.changes.cleaned import cleaned
from cleaner.changes.copies import write_folder, write_hugging_face
from cleaner.changes.names import folded
from cleaner.errors import InputError, Refused, Stopped


@pytest.fixture
def rows(new_world, decide, tmp_path):
    """One image is relabelled to a class that has its name, one is removed, one is held out."""
    world = new_world(tmp_path / "data")
    catalog = world.catalog()
    catalog.splits[list(catalog.ids).index("dog/4.jpg")] = "valid"
    decisions = [decide("cat/1.jpg", "relabel", "dog"), decide("owl/5.jpg", "delete")]
    return list(cleaned(catalog, {one.item: one for one in decisions}))


@pytest.fixture
def data(rows, tmp_path) -> Path:
    return tmp_path / "data"


def found(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("link", ["hard", "symbolic", "copy"])
def test_a_folder_per_class_holds_what_stays_under_the_labels_as_decided(rows, data, tmp_path, link):
    before = found(data)
    written = write_folder(rows, tmp_path / "clean", root=data, link=link)
    assert found(written) == {
        "cat/2.jpg": b"two is longer",
        "cat/3.jpg": b"three",
        "dog/1.jpg": b"a dog of the same name",
        "dog/1-2.jpg": b"one",
        "dog/4.jpg": b"four",
    }
    assert found(data) == before
    place = written / "dog/4.jpg"
    assert place.is_symlink() == (link == "symbolic")
    assert place.samefile(data / "dog/4.jpg") == (link != "copy")


def test_splits_stand_above_the_classes_if_asked(rows, data, tmp_path):
    written = write_folder(rows, tmp_path / "clean", root=data, splits=True)
    assert sorted(path.name for path in written.iterdir()) == ["train", "valid"]
    assert list(found(written / "valid")) == ["dog/4.jpg"]


def test_hugging_face_finds_its_splits_and_a_line_of_metadata_for_each_image(rows, data, tmp_path):
    written = write_hugging_face(rows, tmp_path / "clean", root=data, link="copy")
    assert sorted(path.name for path in written.iterdir()) == ["train", "validation"]
    images = {}
    for folder in written.iterdir():
        lines = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
        assert all((folder / line["file_name"]).is_file() for line in lines)
        images |= {line["id"]: line for line in lines}
    assert images["cat/1.jpg"]["label"] == "dog"
    assert images["cat/1.jpg"]["given_label"] == "cat"
    assert len(images) == 5


def test_names_that_some_disks_cannot_tell_apart_get_numbers(build, tmp_path):
    root = tmp_path / "data"
    for folder, name in (("a", "x.jpg"), ("a/deep", "X.jpg")):
        (root / folder).mkdir(parents=True)
        (root / folder / name).write_bytes(b"1")
    rows = list(cleaned(build(["a/x.jpg", "a/deep/X.jpg"]), {}))
    assert sorted(found(write_folder(rows, tmp_path / "clean", root=root))) == ["a/X-2.jpg", "a/x.jpg"]


def test_many_images_of_one_name_are_numbered_without_trying_each_name_again(build, tmp_path, monkeypatch):
    """As where each patient has a folder: 100,000 scan.png would take hours."""
    root, tried = tmp_path / "data", list[str]()
    paths = [f"a/{number:03d}/scan.png" for number in range(200)]
    for path in paths:
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(b"1")
    monkeypatch.setattr("cleaner.changes.copies.folded", lambda name: tried.append(name) or folded(name))
    made = found(write_folder(list(cleaned(build(paths), {})), tmp_path / "clean", root=root))
    assert sorted(made) == sorted(["a/scan.png", *(f"a/scan-{number}.png" for number in range(2, 201))])
    assert len(tried) <= 3 * len(paths)


def test_names_as_long_as_a_disk_takes_get_numbers_too(build, tmp_path):
    root, name = tmp_path / "data", "x" * 251 + ".jpg"
    for folder in ("a", "a/deep"):
        (root / folder).mkdir(parents=True)
        (root / folder / name).write_bytes(b"1")
    rows = list(cleaned(build([f"a/{name}", f"a/deep/{name}"]), {}))
    assert len(found(write_folder(rows, tmp_path / "clean", root=root))) == 2


def test_a_place_that_is_taken_or_in_the_dataset_is_refused(rows, data, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        write_folder(rows, tmp_path / "full", root=data)
    with pytest.raises(InputError, match="in the dataset itself"):
        write_folder(rows, data / "clean", root=data)
    with pytest.raises(InputError, match="'hart' is no way"):
        write_folder(rows, tmp_path / "clean", root=data, link="hart")
    (tmp_path / "bare").mkdir()
    assert found(write_folder(rows, tmp_path / "bare", root=data))


def test_a_file_that_is_gone_or_leads_outside_leaves_nothing_behind(rows, data, tmp_path):
    (data / "dog/4.jpg").rename(tmp_path / "4.jpg")
    (data / "dog/4.jpg").symlink_to(tmp_path / "4.jpg")
    with pytest.raises(Refused, match=r"dog/4.jpg is no longer there, or leads outside"):
        write_folder(rows, tmp_path / "clean", root=data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["4.jpg", "data"]


def test_a_stopped_or_failed_export_leaves_nothing_behind(rows, data, tmp_path, monkeypatch):
    with pytest.raises(Stopped):
        write_folder(rows, tmp_path / "clean", root=data, stopped=lambda: True)

    def other_disk(source, target):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", other_disk)
    with pytest.raises(InputError, match="pass link='copy'"):
        write_folder(rows, tmp_path / "clean", root=data)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("label", ["..", "a/b", ".hidden"])
def test_a_label_that_leads_elsewhere_is_refused(rows, data, tmp_path, label):
    with pytest.raises(Refused, match="can't be exported"):
        write_folder([replace(rows[0], label=label)], tmp_path / "clean", root=data)
