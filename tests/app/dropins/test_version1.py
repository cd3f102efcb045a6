"""What fastai 1 documented of its widgets, on a Learner of today; and that passes add up."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cleaner import DatasetFormatter, FileDeleter, ImageCleaner, PredictionsCorrector
from cleaner.app.dropins.formatter import LabelledImages
from cleaner.errors import InputError
from tests.support.stage import HeardGrid


class HeardImageCleaner(HeardGrid, ImageCleaner):
    """An image cleaner whose messages go to the test."""


@pytest.fixture
def images(tmp_path: Path) -> LabelledImages:
    """Ten files, of which the model believes each odd one to be a dog."""
    (tmp_path / "cat").mkdir()
    paths = [tmp_path / "cat" / f"{number}.png" for number in range(10)]
    for number, path in enumerate(paths):
        Image.new("RGB", (20, 20), (25 * number, 90, 40)).save(path)
    probs = np.array([[0.8, 0.2], [0.1, 0.9]] * 5, dtype=np.float32)
    return LabelledImages(tuple(paths), ("cat",) * 10, ("cat", "dog"), probs)


def rows(folder: Path) -> dict[str, str]:
    with (folder / "cleaned.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["name", "label"]
    assert len({row["name"] for row in table}) == len(table)
    return {row["name"]: row["label"] for row in table}


def test_top_losses_come_in_the_order_of_fastais_own(bears) -> None:
    with bears.learn.no_bar():
        items = bears.learn.dls.train_ds.items
        dl = bears.learn.dls.test_dl(items, with_labels=True)
        *_, losses = bears.learn.get_preds(dl=dl, with_loss=True)
    ds, idxs = DatasetFormatter().from_toplosses(bears.learn)
    assert list(ds.items) == list(items)
    assert len(idxs) == len(ds)
    assert np.allclose(losses.numpy()[idxs], sorted(losses.tolist(), reverse=True), atol=1e-4)
    few, some = DatasetFormatter.from_toplosses(bears.learn, 3, ds_type="valid")
    assert (len(some), len(few)) == (3, len(bears.learn.dls.valid_ds))
    with pytest.raises(InputError, match="ds_type is 'test'"):
        DatasetFormatter.from_toplosses(bears.learn, ds_type="test")


def test_each_side_of_the_split_is_whole_also_where_images_are_on_both(bears) -> None:
    dls = bears.learn.dls
    bears.learn.dls = type(dls)(dls.train, dls.train, path=bears.path)
    ds, idxs = DatasetFormatter.from_toplosses(bears.learn, ds_type="valid")
    assert len(ds) == len(idxs) == len(dls.train_ds)
    bears.learn.dls = type(dls)(dls.train, path=bears.path)
    with pytest.raises(InputError, match="no valid images with labels; ask for the other side"):
        DatasetFormatter.from_toplosses(bears.learn, ds_type="valid")


def test_similar_images_come_in_pairs_the_most_alike_first(bears) -> None:
    twin = bears.learn.dls.train_ds.items[5]
    shutil.copy(bears.learn.dls.train_ds.items[9], twin)
    for layers in (None, [0, 7, 1]):
        ds, idxs = DatasetFormatter().from_similars(bears.learn, layers)
        assert set(idxs[:2]) == {5, 9}
        assert len(idxs) % 2 == 0
        assert max(idxs) < len(ds)
    with pytest.raises(InputError, match=r"no layer \[0, 99\]"):
        DatasetFormatter.from_similars(bears.learn, [0, 99])
    assert not any(module._forward_hooks for module in bears.learn.model.modules())


def test_the_test_images_that_the_model_can_hardly_decide_come_first_and_are_corrected(
    bears, verdict, tmp_path: Path
) -> None:
    files = sorted((bears.path / "black").iterdir())
    with pytest.raises(InputError, match="has no test set; pass dl="):
        DatasetFormatter.from_most_unsure(bears.learn)
    found = DatasetFormatter.from_most_unsure(bears.learn, num=4, dl=bears.learn.dls.test_dl(files))
    ds, idxs, classes, labels = found
    two = np.sort(ds.probs, axis=1)[:, -2:]
    assert idxs == np.argsort(two[:, 1] - two[:, 0], kind="stable")[:4].tolist()
    assert (classes, len(labels)) == (["black", "grizzly", "teddy"], len(files))
    corrector = PredictionsCorrector(*found, keep_in=tmp_path / "kept.db")
    assert corrector.corrected_labels() == labels
    wanted = next(name for name in classes if name != labels[idxs[1]])
    verdict(corrector, ds.items[idxs[1]], "relabel", wanted)
    verdict(corrector, ds.items[idxs[2]], "keep")
    assert corrector.corrections == {idxs[1]: wanted}
    again = PredictionsCorrector(*found, keep_in=tmp_path / "kept.db")
    assert again.corrected_labels() == [
        wanted if row == idxs[1] else label for row, label in enumerate(labels)
    ]


def test_the_table_is_there_at_once_and_follows_every_verdict(images, verdict, tmp_path: Path) -> None:
    cleaner = ImageCleaner(images, [3, 1, 0], tmp_path)
    assert rows(tmp_path) == {f"cat/{number}.png": "cat" for number in range(10)}
    verdict(cleaner, images.items[3], "relabel", "dog")
    verdict(cleaner, images.items[1], "delete")
    kept = rows(tmp_path)
    assert (kept["cat/3.png"], "cat/1.png" in kept, len(kept)) == ("dog", False, 9)
    cleaner._handle_custom_msg({"kind": "undo", "request": 2}, [])
    assert len(rows(tmp_path)) == 10
    assert all(path.exists() for path in images.items)


def test_a_second_pass_does_not_overwrite_the_first(images, verdict, tmp_path: Path) -> None:
    first = ImageCleaner(images, range(10), tmp_path)
    verdict(first, images.items[3], "relabel", "dog")
    verdict(first, images.items[1], "delete")
    second = ImageCleaner(images, [8, 9], tmp_path, duplicates=True)
    verdict(second, images.items[8], "delete")
    kept = rows(tmp_path)
    assert (len(kept), kept["cat/3.png"]) == (8, "dog")


def test_a_pass_over_other_images_leaves_the_rows_of_the_first_alone(images, verdict, tmp_path: Path) -> None:
    half = [
        LabelledImages(images.items[some], images.labels[some], images.classes, images.probs[some])
        for some in (slice(0, 5), slice(5, 10))
    ]
    verdict(ImageCleaner(half[0], range(5), tmp_path), images.items[0], "relabel", "dog")
    verdict(ImageCleaner(half[1], range(5), tmp_path), images.items[9], "delete")
    kept = rows(tmp_path)
    assert (len(kept), kept["cat/0.png"]) == (9, "dog")


def test_the_table_is_what_fastai_reads_the_dataset_from(bears, verdict) -> None:
    from fastai.vision.all import ImageDataLoaders, Resize

    ds, idxs = DatasetFormatter.from_toplosses(bears.learn)
    cleaner = ImageCleaner(ds, idxs, bears.path)
    verdict(cleaner, ds.items[idxs[0]], "relabel", "polar")
    dls = ImageDataLoaders.from_csv(
        bears.path, "cleaned.csv", delimiter=",", item_tfms=Resize(32), num_workers=0
    )
    assert "polar" in dls.vocab
    assert len(dls.train_ds) + len(dls.valid_ds) == len(ds)


def test_a_foreign_table_is_not_overwritten(images, tmp_path: Path) -> None:
    (tmp_path / "cleaned.csv").write_text("file,breed\na.png,cat\n")
    with pytest.raises(InputError, match="other columns than name and label; move it away"):
        ImageCleaner(images, [0], tmp_path)
    assert (tmp_path / "cleaned.csv").read_text() == "file,breed\na.png,cat\n"


def test_further_columns_of_the_table_stay_with_their_images(images, verdict, tmp_path: Path) -> None:
    table = tmp_path / "cleaned.csv"
    before = "box,name,label\n1 2,cat/1.png,cat\n3 4,cat/1.png,cat\n5 6,cat/3.png,cat\n7,z.png,dog\n"
    table.write_text(before)
    cleaner = ImageCleaner(images, [1, 3], tmp_path)
    verdict(cleaner, images.items[1], "delete")
    verdict(cleaner, images.items[3], "relabel", "dog")
    lines = table.read_text().splitlines()
    assert (lines[0], len(lines)) == ("box,name,label", 11)
    assert {",cat/0.png,cat", "5 6,cat/3.png,dog", "7,z.png,dog"} <= set(lines)
    cleaner._handle_custom_msg({"kind": "undo", "request": 2}, [])
    cleaner._handle_custom_msg({"kind": "undo", "request": 3}, [])
    assert set(before.splitlines()) <= set(table.read_text().splitlines())


def test_the_table_stays_where_it_is_when_the_current_folder_changes(
    images, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    items = tuple(Path(path.relative_to(tmp_path)) for path in images.items)
    cleaner = HeardImageCleaner(LabelledImages(items, images.labels, images.classes, images.probs), [1], ".")
    monkeypatch.chdir(tmp_path / "cat")
    assert cleaner.ask("page", page=0)[0]["tiles"][0]["sentence"] is None
    cleaner.decide([items[1]], "delete")
    assert list(rows(tmp_path)) == [f"cat/{number}.png" for number in range(10) if number != 1]
    assert not (tmp_path / "cat" / "cleaned.csv").exists()


def test_a_second_pass_finds_the_first_however_the_paths_are_written(
    images, tmp_path: Path, monkeypatch
) -> None:
    for folder, back in ((tmp_path, "."), (tmp_path / "cat", ".."), (tmp_path.parent, tmp_path.name)):
        monkeypatch.chdir(folder)
        items = tuple(Path(back) / path.relative_to(tmp_path) for path in images.items)
        ds = LabelledImages(items, images.labels, images.classes, images.probs)
        cleaner = ImageCleaner(ds, [1], back)
        cleaner.decide([items[1]], "delete")
        assert (len(rows(tmp_path)), len(cleaner.decisions)) == (9, 1)
        ImageCleaner(images, [2], tmp_path)
        assert len(rows(tmp_path)) == 9


def test_duplicates_are_shown_in_pairs_each_beside_its_partner(images, tmp_path: Path) -> None:
    cleaner = HeardImageCleaner(images, [4, 7, 4, 2, 0, 1], tmp_path, duplicates=True)
    pages = [cleaner.ask("page", page=number)[0]["tiles"] for number in range(3)]
    shown = [[Path(tile["id"]).stem for tile in page] for page in pages]
    assert shown == [["4", "7"], ["2", "0"], ["1"]]
    seen, _ = cleaner.ask("evidence", id=str(images.items[4]))
    assert [Path(tile["id"]).stem for tile in seen["given"]] == ["7", "2"]
    assert seen["reasons"] == ["looks like 7.png", "looks like 2.png"]


def test_what_the_model_believes_is_suggested_and_all_classes_are_offered(images, tmp_path: Path) -> None:
    cleaner = HeardImageCleaner(images, [0, 1], tmp_path)
    first, second = cleaner.ask("page", page=0)[0]["tiles"]
    assert (first["suggested"], second["suggested"]) == (None, "dog")
    assert cleaner.state["vocab"] == ["cat", "dog"]


def test_marked_files_go_to_the_trash_when_it_is_confirmed_and_come_back(
    images, verdict, tmp_path: Path
) -> None:
    deleter = FileDeleter(file_paths=list(images.items))
    verdict(deleter.grid, images.items[2], "delete")
    verdict(deleter.grid, images.items[5], "delete")
    assert all(path.exists() for path in images.items)
    _, button, said = deleter.children
    assert (button.description, button.disabled) == ("Move 2 files to the trash", False)
    before = images.items[2].read_bytes()
    button.click()
    assert said.value == f"2 moved to {tmp_path / 'cat' / '.cleaner' / 'trash'}."
    assert [path.exists() for path in images.items].count(False) == 2
    assert sorted(path.name for path in deleter.trash.rglob("*.png")) == ["2.png", "5.png"]
    assert deleter.confirm().done == ()  # again does no harm
    deleter.undo()
    assert images.items[2].read_bytes() == before
    assert len(FileDeleter(file_paths=list(images.items)).grid.decisions) == 2


def test_pictures_that_had_one_name_all_come_back(images, verdict) -> None:
    place, contents = images.items[2], []
    for color in ("red", "green", "red"):  # the third is the first again, as another file
        Image.new("RGB", (20, 20), color).save(place)
        contents.append(place.read_bytes())
        deleter = FileDeleter(file_paths=list(images.items))
        verdict(deleter.grid, place, "delete")
        assert len(deleter.confirm().done) == 1
    assert deleter.undo().failed == ()
    assert place.read_bytes() == contents[2]
    place.unlink()
    assert deleter.undo().failed == ()
    assert place.read_bytes() == contents[1]
    assert deleter.undo().done[0].target == "2-2.png"
    assert place.with_name("2-2.png").read_bytes() == contents[0]
    assert deleter.children[2].value == "1 put back. 2.png is taken, so the file is now 2-2.png."
    assert not list(deleter.trash.rglob("*.png"))


def test_a_file_that_has_changed_since_it_was_shown_stays(images, verdict) -> None:
    deleter = FileDeleter(file_paths=[str(path) for path in images.items])
    verdict(deleter.grid, images.items[2], "delete")
    shutil.copy(images.items[7], images.items[2])
    receipt = deleter.confirm()
    assert (len(receipt.done), images.items[2].exists()) == (0, True)
    assert "has changed since" in receipt.failed[0].reason


def test_files_outside_of_the_root_or_gone_are_refused_in_a_sentence(images, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="None of the 1 files is there"):
        FileDeleter(file_paths=[tmp_path / "none.png"])
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(InputError, match="does not lie in"):
        FileDeleter(file_paths=images.items, root=tmp_path / "elsewhere")


def test_paths_may_lead_up_and_down_again(images, verdict, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    Image.new("RGB", (20, 20)).save("0.png")
    files = ["0.png", "../cat/0.png", images.items[0], "../cat/1.png"]
    for root in (None, "..", tmp_path):
        deleter = FileDeleter(file_paths=files, root=root)
        assert deleter.root == tmp_path
        assert deleter.grid.queue.ids.tolist() == [
            str(tmp_path / "notebooks" / "0.png"),
            str(images.items[0]),
            str(images.items[1]),
        ]
        verdict(deleter.grid, images.items[0], "delete")
        assert len(deleter.confirm().done) == len(deleter.undo().done) == 1


def test_files_that_are_gone_are_not_shown_and_their_rows_stay(images, tmp_path: Path) -> None:
    images.items[3].unlink()
    cleaner = HeardImageCleaner(images, [3, 4], tmp_path)
    assert [tile["id"] for tile in cleaner.ask("page", page=0)[0]["tiles"]] == [str(images.items[4])]
    assert len(rows(tmp_path)) == 10
    assert PredictionsCorrector(images, [3, 4], images.classes, images.labels, keep_in=tmp_path / "k.db")
