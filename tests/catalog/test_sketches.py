from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFilter

from cleaner.catalog.digest import split_of
from cleaner.catalog.scan import scan
from cleaner.catalog.sides import follows_content, sides, with_sides
from cleaner.catalog.sketches import Sketches
from cleaner.errors import Stopped
from cleaner.types import strings
from tests.support.images import scene


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "photos" / "birds"
    place.mkdir(parents=True)
    scene(1).save(place / "a.png")
    scene(1).save(place / "b.tiff")
    scene(1).filter(ImageFilter.GaussianBlur(2)).save(place / "c.png")
    scene(2).save(place / "d.png")
    return place.parent


def test_the_same_pixels_look_the_same_in_every_container(root: Path, tmp_path: Path) -> None:
    catalog, _ = scan(root)
    seen = Sketches(tmp_path / "sketches").of(catalog)
    assert len(set(catalog.digests)) == 4
    assert seen.looks[0] == seen.looks[1]
    assert len(set(seen.looks)) == 3
    assert seen.sharpness[2] < 0.8 * seen.sharpness[0] == 0.8 * seen.sharpness[1]
    assert np.abs(seen.grey[0].astype(int) - seen.grey[2]).mean() < 15
    assert np.abs(seen.grey[0].astype(int) - seen.grey[3]).mean() > 30


def test_what_was_looked_at_once_is_not_decoded_again(root: Path, tmp_path: Path) -> None:
    catalog, _ = scan(root)
    seen = Sketches(tmp_path / "sketches").of(catalog)
    for path in catalog.paths:
        (root / path).unlink()
    again = Sketches(tmp_path / "sketches").of(catalog)
    assert again.grey.std(axis=(1, 2)).min() > 10
    np.testing.assert_array_equal(seen.grey, again.grey)


def test_what_has_vanished_since_has_a_blank_sketch(root: Path, tmp_path: Path) -> None:
    catalog, _ = scan(root)
    (root / "birds" / "d.png").unlink()
    deviations = Sketches(tmp_path / "sketches").of(catalog).grey.std(axis=(1, 2))
    assert (deviations == 0).tolist() == [False, False, False, True]


def test_blank_sketches_do_not_look_alike(root: Path, tmp_path: Path) -> None:
    catalog, _ = scan(root)
    for path in catalog.paths:
        (root / path).unlink()
    assert len(set(Sketches(tmp_path / "sketches").of(catalog).looks)) == len(catalog)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe is what hangs")
def test_a_stop_keeps_the_sketches_made_so_far(root: Path, tmp_path: Path) -> None:
    catalog, _ = scan(root)
    hangs = root / "birds" / "d.png"
    hangs.unlink()
    os.mkfifo(hangs)
    done = [0]
    with pytest.raises(Stopped):
        Sketches(tmp_path / "sketches").of(
            catalog, report=lambda progress: done.append(progress.done), stopped=lambda: done[-1] == 3
        )
    for path in catalog.paths:
        (root / path).unlink()
    deviations = Sketches(tmp_path / "sketches").of(catalog).grey.std(axis=(1, 2))
    assert (deviations > 10).tolist() == [True, True, True, False]


def test_a_scan_that_keeps_sketches_leaves_nothing_to_decode(root: Path, tmp_path: Path) -> None:
    sketches = Sketches(tmp_path / "sketches")
    catalog, _ = scan(root, keep=sketches.keep)
    for path in catalog.paths:
        (root / path).unlink()
    kept = sketches.of(catalog)
    assert kept.grey.std(axis=(1, 2)).min() > 10
    assert kept.looks[0] == kept.looks[1]


LOW, HIGH = "00" * 16, "ff" * 16  # held out, and not


def test_a_group_falls_on_the_side_of_its_lowest_digest_in_whatever_order() -> None:
    digests, groups = strings([HIGH, LOW, "ee" * 16]), np.array([0, 0, 2], dtype=np.int32)
    assert (split_of(LOW), split_of(HIGH)) == ("valid", "train")
    assert sides(digests, groups, chosen={}).tolist() == ["valid", "valid", "train"]
    assert sides(digests[::-1], groups[::-1], chosen={}).tolist() == ["train", "valid", "valid"]


def test_a_choice_holds_for_the_whole_group() -> None:
    digests, groups = strings([HIGH, LOW, "ee" * 16]), np.array([0, 0, 2], dtype=np.int32)
    assert sides(digests, groups, chosen={HIGH: "test"}).tolist() == ["test", "test", "train"]
    assert sides(digests, groups, chosen={HIGH: "test", LOW: "train"}).tolist() == ["train", "train", "train"]


def test_a_given_split_is_left_as_it_is(folder) -> None:
    for split in ("train", "valid"):
        root = folder(classes=("a",), each=2, under=split)
    catalog, _ = scan(root)
    assert not follows_content(catalog)
    together = np.zeros(len(catalog), dtype=np.int32)
    assert with_sides(catalog, together, chosen={}).splits.tolist() == catalog.splits.tolist()
