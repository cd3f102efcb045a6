"""What a finished model is unsure of is kept as a folder that opens as a project."""

from __future__ import annotations

import io
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cleaner import Project
from cleaner.app.keeper import Keeper
from cleaner.errors import InputError, UnreadableImage

CLASSES = ("cat", "dog")
UNSURE, SURE = (("cat", 0.55), ("dog", 0.45)), (("dog", 0.9), ("cat", 0.1))


def _picture(seed: int, *, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def _images(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).parts[0] for p in folder.glob("*/*") if p.suffix != ".json")


def test_only_what_is_unsure_or_disputed_is_kept_once_and_under_no_foreign_name(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "kept", classes=CLASSES, below=0.6)
    kept = keeper.keep(_picture(1), UNSURE)
    assert kept is not None
    assert (kept.parent.name, kept.suffix, kept.read_bytes()) == ("cat", ".png", _picture(1))
    told = json.loads(kept.with_suffix(".json").read_text())
    assert (told["because"], told["predictions"]) == ("unsure", [["cat", 0.55], ["dog", 0.45]])
    assert keeper.keep(bytearray(_picture(1)), UNSURE) is None  # once is enough
    assert keeper.keep(_picture(2), SURE) is None
    (tmp_path / "..hidden.jpg").write_bytes(_picture(3, kind="JPEG"))
    disputed = keeper.keep(tmp_path / "..hidden.jpg", SURE, disputed="cat")
    assert disputed is not None
    assert (disputed.parent.name, disputed.suffix, len(disputed.stem)) == ("cat", ".jpeg", 32)
    assert json.loads(disputed.with_suffix(".json").read_text())["because"] == "disputed"
    assert keeper.kept == 2


def test_what_was_kept_as_unsure_is_moved_by_a_dispute_unless_a_person_has_decided_on_it(
    tmp_path: Path,
) -> None:
    keeper = Keeper(tmp_path / "kept", classes=(*CLASSES, "bird"))
    unsure = keeper.keep(_picture(1), UNSURE)
    assert unsure is not None
    moved = keeper.keep(_picture(1), UNSURE, disputed="dog")
    assert moved == tmp_path / "kept" / "dog" / unsure.name
    told = json.loads(moved.with_suffix(".json").read_text())
    assert (told["because"], told["predictions"][0]) == ("disputed", ["cat", 0.55])
    assert not unsure.exists()
    assert not unsure.with_suffix(".json").exists()
    assert keeper.keep(_picture(1), UNSURE, disputed="bird") == moved  # the first who said so decides
    assert keeper.kept == 1

    another = keeper.keep(_picture(2), UNSURE)
    assert another is not None
    by_hand = another.rename(tmp_path / "kept" / "bird" / another.name)
    another.with_suffix(".json").rename(by_hand.with_suffix(".json"))
    assert keeper.keep(_picture(2), UNSURE, disputed="dog") == by_hand
    assert by_hand.read_bytes() == _picture(2)
    assert json.loads(by_hand.with_suffix(".json").read_text())["because"] == "unsure"

    alone = keeper.keep(_picture(3), UNSURE)
    assert alone is not None
    alone.with_suffix(".json").unlink()  # nothing says who decided
    assert keeper.keep(_picture(3), UNSURE, disputed="dog") == alone

    same = keeper.keep(_picture(4), UNSURE)
    assert same is not None
    assert keeper.keep(_picture(4), UNSURE, disputed="cat") == same
    assert json.loads(same.with_suffix(".json").read_text())["because"] == "disputed"


def test_what_was_kept_opens_as_a_project_with_all_classes(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "kept", classes=(*CLASSES, "bird"))
    for seed in range(3):
        keeper.keep(_picture(seed), UNSURE)
    project = Project.open(tmp_path / "kept")
    assert project.catalog.vocab == ("bird", "cat", "dog")
    assert len(project.catalog) == 3
    assert [finding.kind for finding in project.findings if finding.kind == "unreadable"] == []
    (first, *_) = project.catalog.ids
    project.decide([first], "relabel", label="bird")
    project.apply(project.plan(sidecars=True))
    assert sorted(path.suffix for path in (tmp_path / "kept" / "bird").iterdir()) == [".json", ".png"]
    assert (
        keeper.keep((tmp_path / "kept" / "bird").glob("*.png").__next__(), UNSURE) is None
    )  # known there too


@pytest.mark.parametrize("sidecars", [True, False])
def test_what_a_person_has_removed_does_not_come_back(tmp_path: Path, sidecars: bool) -> None:
    keeper = Keeper(tmp_path / "kept", classes=CLASSES)
    for seed in range(2):
        keeper.keep(_picture(seed), UNSURE)
    project = Project.open(tmp_path / "kept")
    (first, _) = project.catalog.ids
    removed = (tmp_path / "kept" / first).read_bytes()
    project.decide([first], "delete")
    project.apply(project.plan(sidecars=sidecars))
    assert keeper.keep(removed, UNSURE) is None
    trashed = keeper.keep(removed, UNSURE, disputed="dog")  # somebody has decided on it
    assert trashed is not None
    assert trashed.is_relative_to(tmp_path / "kept" / ".cleaner" / "trash")
    assert len(list((tmp_path / "kept").glob("*/*.png"))) == 1
    project.undo()
    assert (tmp_path / "kept" / first).read_bytes() == removed
    assert keeper.keep(_picture(2), UNSURE) is not None


def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "few", classes=CLASSES, most=3)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: keeper.keep(_picture(seed), UNSURE), range(12)))
    assert len(_images(tmp_path / "few")) == 3 == keeper.kept
    assert Keeper(tmp_path / "few", classes=CLASSES, most=3).keep(_picture(20), UNSURE) is None  # nor later
    assert "There is no room for more than 3" in keeper.sentence()
    small = Keeper(tmp_path / "small", classes=CLASSES, most_bytes=2 * len(_picture(0)))
    assert small.keep(_picture(0), UNSURE) is not None
    assert small.keep(_picture(1), UNSURE) is None
    held = sum(p.stat().st_size for p in (tmp_path / "small").glob("*/*"))
    assert held <= 2 * len(_picture(0))


def test_nothing_but_images_is_kept_and_no_name_leads_elsewhere(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "kept", classes=CLASSES)
    with pytest.raises(UnreadableImage):
        keeper.keep(b"#!/bin/sh", UNSURE)
    with pytest.raises(InputError, match=r"'\.\./x' is no class of the model"):
        keeper.keep(_picture(1), UNSURE, disputed="../x")
    assert keeper.keep(_picture(1), (("../x", 0.1), ("cat", 0.1))) is None
    assert _images(tmp_path / "kept") == []
    with pytest.raises(InputError, match="contains a slash"):
        Keeper(tmp_path / "kept", classes=("cat", "../x"))
    with pytest.raises(InputError, match="must be a probability"):
        Keeper(tmp_path / "kept", classes=CLASSES, below=60)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="can't be made"):
        Keeper(tmp_path / "file", classes=CLASSES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "kept"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk_leaves_nothing_half_kept(tmp_path: Path) -> None:
    import resource

    keeper, limits = Keeper(tmp_path / "kept", classes=CLASSES), resource.getrlimit(resource.RLIMIT_FSIZE)
    for most in (10, len(_picture(1)) - 1):  # while the sidecar is written, or the picture
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                keeper.keep(_picture(1), UNSURE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert list((tmp_path / "kept").glob("*/*")) == []
    assert keeper.keep(_picture(1), UNSURE) is not None


def test_a_folder_may_lie_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "ann"))
    monkeypatch.chdir(tmp_path)
    assert Keeper("~/unsure", classes=CLASSES).folder == tmp_path / "ann" / "unsure"
    assert not (tmp_path / "~").exists()
