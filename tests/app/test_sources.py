"""Projects on tables and on datasets of other libraries: opened, decided on, exported, opened again."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cleaner import Dashboard, Project, Table
from cleaner.app.bridges import from_fastai
from cleaner.app.recent import recent
from cleaner.errors import InputError, Refused
from tests.support.images import colour_fields


def _frame(root: Path) -> pd.DataFrame:
    rows = [[p.relative_to(root).as_posix(), p.parent.name] for p in sorted(root.rglob("*.png"))]
    return pd.DataFrame(rows, columns=["file", "breed"])


@pytest.fixture
def table(folder) -> Path:
    root = folder()
    _frame(root).to_csv(root / "labels.csv", index=False)
    return root / "labels.csv"


def _tree(root: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in root.rglob("*") if p.is_file() and ".cleaner" not in str(p)}


def test_a_table_is_reviewed_and_leaves_as_a_table_and_no_file_is_touched(table, tmp_path) -> None:
    before = _tree(table.parent)
    project = Project.open(table)
    assert len(project.catalog) == 24
    project.decide(["black/000.png"], "relabel", label="teddy")
    project.decide(["black/001.png"], "delete")
    plan = project.plan()
    assert plan.operations == ()
    assert len(plan.refusals) == 2
    for act in (lambda: project.apply(), lambda: project.apply(plan)):
        with pytest.raises(Refused, match=r"project\.export\.csv"):
            act()
    written = project.export.csv(tmp_path / "cleaned.csv")
    assert _tree(table.parent) == before
    with written.open() as file:
        rows = {row["file"]: row["breed"] for row in csv.DictReader(file)}
    assert rows["black/000.png"] == "teddy"
    assert "black/001.png" not in rows
    assert len(rows) == 23


def test_decisions_on_a_table_are_there_again_and_the_cleaned_one_goes_on_with_them(table, tmp_path) -> None:
    Project.open(table).decide(["black/000.png"], "relabel", label="teddy")
    again = Project.open(str(table))
    assert set(again.decisions()) == {"black/000.png"}
    cleaned = again.export.csv(tmp_path / "cleaned.csv")
    on = Project.open(Table(cleaned, root=table.parent), home=again.home)
    on.verify()
    assert on.catalog.item(on.catalog.positions()["black/000.png"]).label == "teddy"
    assert set(on.decisions()) == {"black/000.png"}
    on.decide(["black/000.png"], "keep")


def test_the_columns_of_a_table_stay_in_their_order_with_ours_after_them(folder, tmp_path: Path) -> None:
    root = folder()
    frame = _frame(root)[::-1].assign(age=range(24), id=[f"no. {row}" for row in range(24)])
    frame.insert(0, "by", ["ann", None] * 12)
    frame["is_valid"] = [row % 3 == 0 for row in range(24)]
    project = Project.open(Table(frame, label_col="breed", root=root), home=tmp_path / "kept")
    project.decide(["black/000.png"], "relabel", label="teddy")
    project.decide(["black/001.png"], "delete")
    cleaned = project.export.frame()
    added = ["given_label", "decision", "cleaner_id"]
    assert list(cleaned) == ["by", "file", "breed", "age", "id", "is_valid", *added]
    kept = frame[frame["file"] != "black/001.png"].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        cleaned[["by", "file", "age", "id", "is_valid"]], kept.drop(columns="breed")
    )
    changed = cleaned[cleaned["breed"] != kept["breed"]]
    assert changed[["breed", *added]].values.tolist() == [["teddy", "black", "relabel", "black/000.png"]]
    written = pd.read_csv(project.export.csv(tmp_path / "cleaned.csv"))
    assert written["by"].isna().sum() == kept["by"].isna().sum()


def test_a_cleaned_table_is_opened_and_exported_again_without_growing(folder, tmp_path: Path) -> None:
    root = folder()
    _frame(root).to_csv(root / "labels.csv")  # with the index of pandas, and a label column of no usual name
    project = Project.open(root / "labels.csv")
    project.decide(["black/000.png"], "relabel", label="teddy")
    first = project.export.csv(tmp_path / "cleaned.csv")
    names = ["", "file", "breed", "split", "given_label", "decision", "id"]
    assert first.read_text().splitlines()[0] == ",".join(names)
    again = Project.open(Table(first, root=root), home=project.home)
    again.verify()
    assert list(again.catalog.splits) == list(project.catalog.splits)
    second = again.export.csv(tmp_path / "again.csv")
    with first.open() as one, second.open() as other:
        of_first, of_second = list(csv.DictReader(one)), list(csv.DictReader(other))
    assert list(of_second[0]) == names
    assert [row["breed"] for row in of_first] == [row["breed"] for row in of_second]


def test_a_table_that_has_lost_a_row_since_the_check_is_not_exported(table: Path, tmp_path: Path) -> None:
    project = Project.open(table)
    project.verify()
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(Refused, match=r"teddy/007\.png is no longer in labels\.csv; check again"):
        project.export.csv(tmp_path / "cleaned.csv")
    project.verify()
    assert len(project.export.frame()) == 23


def test_labels_that_are_numbers_stay_numbers(folder, tmp_path: Path) -> None:
    root = folder()
    frame = _frame(root)
    frame["breed"] = frame["breed"].map({"black": 0, "grizzly": 1, "teddy": 2})
    project = Project.open(Table(frame, label_col="breed", root=root), home=tmp_path / "kept")
    project.decide(["black/000.png"], "relabel", label="2")
    assert project.export.frame()["breed"].tolist() == [2, *frame["breed"].tolist()[1:]]


def test_the_ids_stay_when_rows_come_that_lie_elsewhere(table, tmp_path) -> None:
    was = Project.open(table).catalog.ids
    (tmp_path / "far.png").write_bytes((table.parent / "black" / "000.png").read_bytes())
    with table.open("a") as file:
        file.write(f"{tmp_path / 'far.png'},black\n")
    project = Project.open(table)
    findings = project.verify()
    assert list(project.catalog.ids) == list(was)
    assert "outside" in {finding.kind for finding in findings}


def test_an_export_never_takes_the_place_of_the_table(table, monkeypatch) -> None:
    monkeypatch.chdir(table.parent)
    frame = _frame(table.parent).assign(bbox="1 2 3 4").rename(columns={"breed": "label"})
    frame.to_csv(table, index=False)
    project = Project.open("labels.csv")
    for place in ("labels.csv", table, table.parent / "black" / ".." / "labels.csv"):
        with pytest.raises(InputError, match=r"labels\.csv is the table of this project"):
            project.export.csv(place)
    assert list(pd.read_csv(table).columns) == ["file", "label", "bbox"]


def _awkward(place: Path) -> Path:
    """Write a table that can't be understood by its path alone: of two columns of labels the other, and
    paths that count from another folder.
    """
    root = colour_fields(place / "set" / "photos", each=8)
    frame = _frame(root).assign(label=["a", "b"] * 12, part=["train", "test", "valid"] * 8)
    frame.to_csv(root.parent / "list.csv", index=False)
    return root.parent / "list.csv"


@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_named_of_a_table_once_holds_for_its_path_alone(tmp_path, monkeypatch, *, read_only) -> None:
    table = _awkward(tmp_path)
    if read_only:
        monkeypatch.setattr("cleaner.app.home._unless_read_only", lambda _: None)
    with pytest.raises(InputError, match=r"cleaner verify --root"):
        Project.open(table)
    named = Table(table, label_col="breed", split_col="part", root=table.parent / "photos")
    Project.open(named).verify()
    again = Project.open(table)
    again.verify()
    assert again.catalog.vocab == ("black", "grizzly", "teddy")
    assert list(again.catalog.splits).count("test") == 8
    other = Project.open(Table(table, label_col="label"))
    other.verify()
    assert other.catalog.vocab == ("a", "b")
    assert Project.open(table).source.table.label_col == "label"


def test_what_is_named_goes_along_with_the_folder_of_the_table(tmp_path) -> None:
    table = _awkward(tmp_path)
    Project.open(Table(table, label_col="breed", root=table.parent / "photos")).verify()
    table.parent.rename(tmp_path / "moved")
    again = Project.open(tmp_path / "moved" / "list.csv")
    again.verify()
    assert again.root == tmp_path / "moved" / "photos"
    assert again.catalog.vocab == ("black", "grizzly", "teddy")


def test_a_column_that_is_not_there_is_not_kept_nor_what_was_named_for_another_home(table, tmp_path) -> None:
    Project.open(table).verify()
    with pytest.raises(InputError, match="no column 'genus'"):
        Project.open(Table(table, label_col="genus")).verify()
    Project.open(Table(table, label_col="file"), home=tmp_path / "another").verify()
    again = Project.open(table)
    again.verify()
    assert again.catalog.vocab == ("black", "grizzly", "teddy")


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("inside", [".", "lists", "lists/new"])
def test_a_table_moved_or_copied_with_its_images_finds_them(
    folder, tmp_path, inside: str, *, old: bool
) -> None:
    root = folder()
    (root / inside).mkdir(parents=True, exist_ok=True)
    frame = _frame(root)
    frame["file"] = [os.path.relpath(root / name, root / inside) for name in frame["file"]]
    frame.to_csv(root / inside / "labels.csv", index=False)
    project = Project.open(root / inside / "labels.csv")
    project.decide(["black/000.png"], "relabel", label="teddy")
    if old:  # what was written before
        (project.home / "root.txt").write_text(str(root))
    for moved in (shutil.copytree, os.rename):
        there = tmp_path / moved.__name__
        moved(root, there)
        for _ in range(2):
            again = Project.open(there / inside / "labels.csv")
            again.verify()
            assert again.root == there
            assert list(again.catalog.ids) == list(project.catalog.ids)
            assert again.decisions().keys() == {"black/000.png"}
            assert [finding.kind for finding in again.findings] == ["columns"]


def test_a_table_whose_images_all_lie_elsewhere_by_now_is_refused(table, tmp_path) -> None:
    project = Project.open(table)
    known = project.catalog
    far = colour_fields(tmp_path / "far", each=1)
    rows = [[str(path), path.parent.name] for path in sorted(far.rglob("*.png"))]
    pd.DataFrame(rows, columns=["file", "breed"]).to_csv(table, index=False)
    with pytest.raises(InputError, match=r"None of the 3 files in the column 'file' of labels\.csv lies in"):
        Project.open(table).verify()
    assert list(Project.open(table).catalog.ids) == list(known.ids)
    other = shutil.copy(table, tmp_path / "other.csv")
    with pytest.raises(InputError, match=f"lies in {table.parent}, the folder of this project"):
        Project.open(other, home=project.home).verify()


@pytest.mark.parametrize("text", ["black/000.png,black\n", "a,b\nc,d\n", "path,label\nno.png,x\n"])
def test_a_table_that_is_refused_leaves_nothing_behind(folder, text: str) -> None:
    root = folder()
    (root / "labels.csv").write_text(text)
    with pytest.raises(InputError):
        Project.open(root / "labels.csv")
    assert [path.name for path in root.glob(".*")] == []


def test_a_folder_of_classes_and_a_table_in_it_are_two_projects(table) -> None:
    one, other = Project.open(table), Project.open(table.parent)
    one.decide(["black/000.png"], "delete")
    assert other.decisions() == {}
    assert len(other.catalog) == 24


def test_what_is_only_in_memory_needs_a_home_and_is_kept_there(folder, tmp_path) -> None:
    root = folder()
    source = Table(_frame(root), root=root)
    with pytest.raises(InputError, match="pass home="):
        Project.open(source)
    Project.open(source, home=tmp_path / "kept").decide(["black/000.png"], "keep")
    assert len(Project.open(source, home=tmp_path / "kept").decisions()) == 1
    frame = _frame(root).assign(file=lambda it: [str(root / name) for name in it["file"]])
    assert len(Project.open(frame, home=tmp_path / "other").catalog) == 24


@pytest.mark.parametrize("given", [7, None, object(), [1, 2]])
def test_what_is_no_dataset_is_refused_with_what_is(given: Any, tmp_path) -> None:
    with pytest.raises(InputError, match="no dataset that is known here"):
        Project.open(given, home=tmp_path / "kept")


def test_the_dashboard_opens_a_table_and_comes_back_to_it(table, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CLEANER_RECENT", str(tmp_path / "recent"))
    Project.open(table).verify()
    Dashboard(table)
    assert recent() == (table,)


def test_the_commands_take_a_table(table, tmp_path) -> None:
    words = [sys.executable, "-m", "cleaner.app.cli"]
    done = subprocess.run([*words, "verify", str(table)], capture_output=True, text=True, check=True)
    assert "24 images in 3 classes" in done.stdout
    assert "columns: labels.csv: files in the column 'file', labels in 'breed'." in done.stdout


def test_an_image_folder_opens_as_its_folder_and_is_told_of_what_torchvision_makes_of_that(
    folder, tmp_path: Path
) -> None:
    from torchvision.datasets import ImageFolder

    root = folder()
    found = ImageFolder(str(root))
    elsewhere = Project.open(found, home=tmp_path / "kept")
    assert "torchvision" not in str(elsewhere.notice)
    ImageFolder(str(root))
    project = Project.open(found)
    assert project.root == root
    assert len(project.catalog) == 24
    assert f"torchvision takes {root / '.cleaner'} for a class" in str(project.notice)
    with pytest.raises(FileNotFoundError, match=r"\.cleaner"):
        ImageFolder(str(root))
    assert len(ImageFolder(str(project.export.folder(tmp_path / "clean")))) == 24


def test_a_learner_opens_with_its_files_labels_and_split(folder, tmp_path) -> None:
    from fastai.vision.all import ImageDataLoaders, Resize, vision_learner

    root = folder()
    settings = {"valid_pct": 0.25, "seed": 1, "item_tfms": Resize(32), "bs": 4, "num_workers": 0}
    by_folder = ImageDataLoaders.from_folder(root, **settings)
    by_frame = ImageDataLoaders.from_df(_frame(root), path=root, **settings)
    learner = vision_learner(by_folder, "resnet18", pretrained=False)
    for number, source in enumerate((learner, by_folder, by_frame)):
        catalog = Project.open(source, home=tmp_path / f"kept{number}").catalog
        assert len(catalog) == 24
        assert catalog.vocab == ("black", "grizzly", "teddy")
        assert all(item.label in item.path for item in map(catalog.item, range(24)))
        assert (catalog.splits == "valid").sum() == 6
    several = _frame(root).assign(breed="a|b")
    both = ImageDataLoaders.from_df(several, path=root, label_delim="|", **settings)
    with pytest.raises(InputError, match="several labels"):
        from_fastai(both)


def test_a_hugging_face_dataset_opens_with_or_without_files(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    root = folder()
    frame = _frame(root)
    files = [str(root / name) for name in frame["file"]]
    names = ["black", "grizzly", "teddy"]
    features = datasets.Features({"image": datasets.Image(), "y": datasets.ClassLabel(names=names)})
    codes = [names.index(breed) for breed in frame["breed"]]
    on_disk = datasets.Dataset.from_dict({"image": files, "y": codes}, features=features)
    catalog = Project.open(on_disk, home=tmp_path / "kept").catalog
    assert len(catalog) == 24
    assert all(item.label in item.path for item in map(catalog.item, range(24)))
    rows = [{"bytes": Path(file).read_bytes(), "path": None} for file in files]
    in_memory = datasets.Dataset.from_dict({"image": rows, "y": codes}, features=features)
    parts = datasets.DatasetDict({"train": in_memory, "validation": in_memory.select(range(3))})
    project = Project.open(parts, home=tmp_path / "written")
    assert len(project.catalog) == 27
    assert set(project.catalog.digests) == set(catalog.digests)
    assert (project.catalog.splits == "valid").sum() == 3
    assert list(Project.open(parts, home=tmp_path / "written").catalog.ids) == list(project.catalog.ids)
    for bad, said in (
        (on_disk.remove_columns("y"), "no column of labels"),
        (on_disk.remove_columns("image"), "no column of images"),
        (on_disk.to_iterable_dataset(), "without streaming"),
        (on_disk.remove_columns("y").add_column("labels", [[0, 1]] * 24), "several labels"),
    ):
        with pytest.raises(InputError, match=said):
            Project.open(bad, home=tmp_path / "bad")


def test_a_parquet_file_of_pictures_is_opened_reviewed_and_exported(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CLEANER_RECENT", str(tmp_path / "recent"))
    root = folder()
    frame = _frame(root)
    pictures = [{"bytes": (root / name).read_bytes(), "path": name} for name in frame["file"]]
    file = tmp_path / "birds.parquet"
    more = {"weight": [n / 2 for n in range(24)], "thumb": [b"x"] * 24, "seen by": [["ann"]] * 24}
    pd.DataFrame({"image": pictures, "label": frame["breed"]} | more).to_parquet(file)
    before = file.read_bytes()
    project = Project.open(file)
    assert len(project.catalog) == 24
    assert set(project.catalog.digests) == set(Project.open(root).catalog.digests)
    item = str(project.catalog.ids[0])
    project.decide([item], "delete")
    assert project.picture(item)
    again = Project.open(file)
    again.verify()
    assert set(again.decisions()) == {item}
    cleaned = again.export.frame()
    assert list(cleaned.columns) == [
        *("image", "label", "weight", "seen by"),
        *("split", "given_label", "decision", "id"),
    ]
    assert cleaned["weight"].tolist() == [n / 2 for n in range(1, 24)]
    assert len(again.export.csv(tmp_path / "cleaned.csv").read_text().splitlines()) == 24
    with pytest.raises(Refused, match=r"project\.export\.csv"):
        again.apply()
    assert file.read_bytes() == before
    pd.DataFrame({"image": pictures[3:], "label": frame["breed"][3:]}).to_parquet(file)
    again.verify()  # a new file of the same name
    assert len(again.catalog) == 21
    Dashboard(file)
    assert recent() == (file,)
