"""fastai 2's cleaner, as its users know it: the book's cells, and what they complained of."""

from __future__ import annotations

import os
import random
import shutil
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from cleaner import FileDeleter, ImageClassifierCleaner, ImagesCleaner, ReviewGrid
from cleaner.errors import InputError
from tests.support.stage import HeardGrid

BOOK = [  # chapter 2, «Training Your Model, and Using It to Clean Your Data»; but for the import, as printed
    "from fastai.vision.all import *\nfrom cleaner import ImageClassifierCleaner",
    """bears = DataBlock(
    blocks=(ImageBlock, CategoryBlock),
    get_items=get_image_files,
    splitter=RandomSplitter(valid_pct=0.2, seed=42),
    get_y=parent_label,
    item_tfms=Resize(128))""",
    """bears = bears.new(
    item_tfms=RandomResizedCrop(32, min_scale=0.5),
    batch_tfms=aug_transforms())
dls = bears.dataloaders(path)""",
    "learn = vision_learner(dls, resnet18, metrics=error_rate, pretrained=False)",
    "cleaner = ImageClassifierCleaner(learn)\ncleaner",
]
DELETE = "for idx in cleaner.delete(): cleaner.fns[idx].unlink()"
CHANGE = "for idx,cat in cleaner.change(): shutil.move(str(cleaner.fns[idx]), path/cat)"


class HeardCleaner(HeardGrid, ImageClassifierCleaner):
    """A cleaner whose messages go to the test."""


def tiles(cleaner: HeardCleaner) -> list[dict[str, Any]]:
    return [t for page in range(cleaner.state["pages"]) for t in cleaner.ask("page", page=page)[0]["tiles"]]


def test_the_cells_of_the_book_run_as_printed(bears, verdict, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    cells: dict[str, Any] = {"path": Path("bears")}
    for cell in BOOK:
        exec(cell, cells)
    cleaner, path = cells["cleaner"], cells["path"]
    verdict(cleaner, path / "teddy" / "planted.png", "relabel", "black")
    verdict(cleaner, path / "grizzly" / "003.png", "delete")
    before = list(cleaner.fns)
    for _ in range(2):  # run twice, the cells do no harm
        exec(DELETE, cells)
        exec(CHANGE, cells)
    assert (path / "black" / "planted.png").exists()
    assert not (path / "grizzly" / "003.png").exists()
    assert len(list(path.rglob("*.png"))) == 47
    assert (cleaner.fns, cleaner.delete(), cleaner.change()) == (before, [], [])


def test_every_image_of_both_splits_is_reached_however_small_the_page(bears) -> None:
    cleaner = HeardCleaner(bears.learn, max_n=7, by="ann")
    shown = [tile["id"] for tile in tiles(cleaner)]
    assert len(cleaner.ask("page", page=0)[0]["tiles"]) == 7
    assert sorted(shown) == sorted(map(str, cleaner.fns)) == sorted(map(str, bears.path.rglob("*.png")))
    assert {tile["origin"] for tile in tiles(cleaner)} == {"in-sample", "held-out"}
    assert tiles(cleaner)[0]["reasons"][0].startswith("the model ")


def test_the_planted_error_is_among_the_first(bears) -> None:
    cleaner = HeardCleaner(bears.learn, max_n=10)
    first = {t["id"]: t["suggested"] for t in cleaner.ask("page", page=0)[0]["tiles"]}
    assert first[str(bears.path / "teddy" / "planted.png")] == "black"


def test_nothing_is_lost_when_the_kernel_or_the_learner_is_new(bears, verdict) -> None:
    one = ImageClassifierCleaner(bears.learn)
    for row, action, label in ((3, "delete", None), (40, "delete", None), (7, "relabel", other(one, 7))):
        verdict(one, one.fns[row], action, label)
    again = ImageClassifierCleaner(bears.learn)
    assert again.delete() == one.delete() == [3, 40]
    assert again.change() == [(7, other(one, 7))]
    assert [v for v in again.values() if v != "<Keep>"] == ["<Delete>", other(one, 7), "<Delete>"]
    assert (bears.path / ".cleaner" / "learner.db").exists()


def other(cleaner: ImageClassifierCleaner, row: int) -> str:
    return next(name for name in ("black", "teddy") if name != cleaner.fns[row].parent.name)


def test_a_file_that_takes_the_name_of_a_decided_one_is_not_taken_for_it(bears, verdict) -> None:
    path = bears.path
    cleaner = ImageClassifierCleaner(bears.learn)
    verdict(cleaner, path / "black" / "005.png", "relabel", "grizzly")
    (path / "grizzly" / "005.png").unlink()
    shutil.move(path / "black" / "005.png", path / "grizzly" / "005.png")
    shutil.move(path / "teddy" / "005.png", path / "black" / "005.png")
    assert cleaner.change() == []
    again = ImageClassifierCleaner(bears.learn)
    assert (path / "black" / "005.png") in again.fns
    assert (again.change(), len(again.decisions)) == ([], 0)
    again._handle_custom_msg({"kind": "undo", "request": 2}, [])
    assert (again.change(), len(again.decisions)) == ([], 0)


def test_a_learner_is_left_as_it_was_found(bears) -> None:
    learn = bears.learn
    learn.model.train()
    learn.model[0].eval()
    next(iter(learn.dls.train))
    before = state(learn)
    ImageClassifierCleaner(learn)
    after = state(learn)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []


def state(learn: Any) -> dict[str, Any]:
    weights = {name: value.numpy().tobytes() for name, value in learn.model.state_dict().items()}
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in learn.model.modules()]
    return {
        "weights": weights,
        "modes": [m.training for m in learn.model.modules()],
        "hooks": hooks,
        "callbacks": [id(callback) for callback in learn.cbs],
        "loaders": [
            (id(dl), id(dl.dataset), dl.after_batch.split_idx, dl.shuffle) for dl in learn.dls.loaders
        ],
        "items": [list(map(str, dl.dataset.items)) for dl in learn.dls.loaders],
        "attributes": sorted(vars(learn)),
        "device": (str(learn.dls.device), str(next(learn.model.parameters()).device)),
        "random": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),
        "loaders' random": [dl.rng.getstate() for dl in learn.dls.loaders],
    }


def test_two_looks_see_the_same_order_for_nothing_is_augmented(bears, tmp_path: Path) -> None:
    from cleaner.model.borrowed import ask

    one, two = (ask(bears.learn, readable=lambda _: True).predictions for _ in range(2))
    assert np.array_equal(one.probs, two.probs)
    assert one.ids.tolist() == two.ids.tolist()


def test_the_probabilities_are_those_of_fastai_without_augmentation(bears) -> None:
    from cleaner.model.borrowed import ask

    said = ask(bears.learn, readable=lambda _: True).predictions
    items = [item for dl in bears.learn.dls.loaders for item in dl.dataset.items]
    with bears.learn.no_bar():
        probs, targets = bears.learn.get_preds(dl=bears.learn.dls.test_dl(items, with_labels=True))
    assert [str(item) for item in items] == said.ids.tolist()
    assert np.allclose(said.probs, probs.numpy(), atol=1e-5)
    assert said.labels.tolist() == targets.tolist()


def learner_of(dls: Any, like: Any) -> Any:
    from fastai.vision.all import Learner

    return Learner(dls, like.model, loss_func=like.loss_func)


def from_frame(path: Path, **settings: Any) -> Any:
    from fastai.vision.all import ImageDataLoaders

    return ImageDataLoaders.from_df(table(path), path=path, **settings)


def from_csv(path: Path, **settings: Any) -> Any:
    from fastai.vision.all import ImageDataLoaders

    table(path).to_csv(path / "labels.csv", index=False)
    return ImageDataLoaders.from_csv(path, delimiter=",", **settings)


def from_functions(path: Path, **settings: Any) -> Any:
    from fastai.vision.all import CategoryBlock, DataBlock, ImageBlock, RandomSplitter

    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=lambda folder: list(range(len(table(folder)))),
        get_x=lambda number: path / table(path)["name"][number],
        get_y=lambda number: table(path)["label"][number],
        splitter=RandomSplitter(seed=1),
        item_tfms=settings.pop("item_tfms"),
    )
    return block.dataloaders(path, path=path, **settings)


def from_names(path: Path, **settings: Any) -> Any:
    from fastai.vision.all import ImageDataLoaders, get_image_files

    return ImageDataLoaders.from_path_func(
        path, get_image_files(path), lambda file: file.parent.name, **settings
    )


def without_validation(path: Path, **settings: Any) -> Any:
    from fastai.vision.all import CategoryBlock, DataBlock, ImageBlock, get_image_files, parent_label

    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=get_image_files,
        get_y=parent_label,
        splitter=lambda items: (list(range(len(items))), []),
        item_tfms=settings.pop("item_tfms"),
    )
    return block.dataloaders(path, path=path, **settings)


def table(path: Path) -> pd.DataFrame:
    files = sorted(path.rglob("*.png"))
    return pd.DataFrame(
        {"name": [str(f.relative_to(path)) for f in files], "label": [f.parent.name for f in files]}
    )


@pytest.mark.parametrize(
    "loaders",
    [from_frame, from_csv, from_functions, from_names, without_validation],
    ids=lambda f: f.__name__,
)
def test_learners_of_every_making_are_understood(bears, verdict, loaders) -> None:
    from fastai.vision.all import Resize

    dls = loaders(bears.path, item_tfms=Resize(32), bs=16, num_workers=0)
    cleaner = ImageClassifierCleaner(learner_of(dls, bears.learn))
    assert sorted(cleaner.fns) == sorted(bears.path.rglob("*.png"))
    verdict(cleaner, bears.path / "teddy" / "planted.png", "relabel", "black")
    assert [(cleaner.fns[row], label) for row, label in cleaner.change()] == [
        (bears.path / "teddy" / "planted.png", "black")
    ]


def multi_label(path: Path) -> Any:
    from fastai.vision.all import ImageDataLoaders, Resize

    frame = table(path)
    return ImageDataLoaders.from_df(frame, path=path, label_delim=" ", item_tfms=Resize(32), num_workers=0)


def regression(path: Path) -> Any:
    from fastai.vision.all import ImageDataLoaders, RegressionBlock, Resize

    frame = table(path).assign(label=0.5)
    return ImageDataLoaders.from_df(
        frame, path=path, y_block=RegressionBlock, item_tfms=Resize(32), num_workers=0
    )


@pytest.mark.parametrize(
    ("loaders", "sentence"), [(multi_label, "several labels"), (regression, "predicts no classes")]
)
def test_learners_without_one_class_for_each_image_are_refused(bears, loaders, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        ImageClassifierCleaner(learner_of(loaders(bears.path), bears.learn))


def test_a_test_set_without_labels_is_left_out(bears) -> None:
    dls = bears.learn.dls
    test = dls.test_dl(sorted((bears.path / "black").iterdir()))
    bears.learn.dls = type(dls)(dls.train, dls.valid, test, path=bears.path)
    assert len(ImageClassifierCleaner(bears.learn).fns) == 48


def test_a_learner_that_was_exported_is_refused_in_a_sentence(bears) -> None:
    bears.learn.dls = bears.learn.dls.new_empty()
    with pytest.raises(InputError, match="an exported one carries none"):
        ImageClassifierCleaner(bears.learn)


def test_what_is_no_learner_is_refused() -> None:
    with pytest.raises(InputError, match="no fastai Learner but a str"):
        ImageClassifierCleaner("bears")


def test_files_that_are_gone_are_left_out_and_damaged_ones_hide_no_others(bears) -> None:
    (bears.path / "black" / "003.png").unlink()
    (bears.path / "grizzly" / "004.png").write_bytes(b"no picture")
    cleaner = HeardCleaner(bears.learn, max_n=100)
    shown = {tile["id"]: tile["sentence"] for tile in tiles(cleaner)}
    assert len(shown) == len(cleaner.fns) == 47
    assert [Path(path).name for path, sentence in shown.items() if sentence] == ["004.png"]


def test_a_file_that_announces_too_many_pixels_hides_no_others(bears) -> None:
    huge = bears.path / "grizzly" / "004.png"
    data = bytearray(huge.read_bytes())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    huge.write_bytes(data)
    cleaner = HeardCleaner(bears.learn, max_n=100)
    assert [Path(tile["id"]).name for tile in tiles(cleaner) if tile["sentence"]] == ["004.png"]
    assert len(cleaner.fns) == 48


def test_a_learner_none_of_whose_images_can_be_read_is_refused_in_a_sentence(bears) -> None:
    for file in bears.path.rglob("*.png"):
        file.write_bytes(b"no picture")
    with pytest.raises(InputError, match="None of this Learner's images can be read"):
        ImageClassifierCleaner(bears.learn)


@pytest.mark.skipif(sys.platform != "linux", reason="other disks take valid text only")
def test_a_name_that_is_no_text_is_refused_in_a_sentence(bears, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path(os.fsdecode(os.fsencode(bears.path) + b"/black/caf\xe9.png"))
    shutil.copy(bears.path / "black" / "003.png", file)
    for show in (
        lambda: ImagesCleaner(("cat",)).set_fns([file]),
        lambda: FileDeleter([file]),
        lambda: ReviewGrid([file], ["black"]),
    ):
        with pytest.raises(InputError, match=r"caf\\udce9\.png is not valid text; rename the file"):
            show()


def test_further_classes_can_be_offered(bears, verdict) -> None:
    cleaner = ImageClassifierCleaner(bears.learn, ("panda",))
    verdict(cleaner, cleaner.fns[0], "relabel", "panda")
    assert cleaner.change() == [(0, "panda")]


def test_plain_files_can_be_sorted_into_classes(tmp_path: Path, bears, verdict, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    cleaner = ImagesCleaner(("<Delete>", "cat"), max_n=5)  # a class may be called like a command
    cleaner.set_fns(sorted((bears.path / "black").iterdir()))
    assert cleaner.state["vocab"][:2] == ["<Delete>", "cat"]
    verdict(cleaner, cleaner.fns[2], "relabel", "<Delete>")
    verdict(cleaner, cleaner.fns[4], "delete")
    assert (cleaner.delete(), cleaner.change()) == ([4], [(2, "<Delete>")])


def test_positions_are_those_of_the_list_that_was_given(bears, verdict, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    files = sorted((bears.path / "black").iterdir())
    given = [files[3], files[0], files[3], *files[4:8]]
    files[0].unlink()
    cleaner = ImagesCleaner(("cat",))
    cleaner.set_fns(given)
    verdict(cleaner, given[0], "relabel", "cat")
    verdict(cleaner, given[5], "delete")
    assert (cleaner.fns, cleaner.change(), cleaner.delete()) == (given, [(0, "cat")], [5])
    assert (cleaner.state["total"], cleaner.values().count("<Keep>")) == (5, 5)


def test_classes_may_be_numbers(bears, verdict, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    cleaner = ImagesCleaner((0, 1))
    cleaner.set_fns(sorted((bears.path / "black").iterdir()))
    verdict(cleaner, cleaner.fns[2], "relabel", "1")
    assert cleaner.change() == [(2, "1")]
