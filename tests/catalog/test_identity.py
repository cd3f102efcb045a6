from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image

from cleaner.catalog.identity import identities
from cleaner.catalog.scan import scan
from cleaner.types import Catalog


def _again(root: Path, known: Catalog) -> dict[str, str]:
    """Scan again and map ids to digests."""
    catalog, _ = scan(root, known=known)
    return dict(zip(catalog.ids, catalog.digests, strict=True))


def test_another_picture_moved_to_an_old_path_keeps_its_own_id(folder) -> None:
    root = folder()
    first, _ = scan(root)
    was = dict(zip(first.ids, first.digests, strict=True))
    (root / "black" / "000.png").unlink()
    (root / "black" / "001.png").rename(root / "black" / "000.png")
    now = _again(root, first)
    assert now["black/001.png"] == was["black/001.png"]
    assert "black/000.png" not in now


def test_two_pictures_that_changed_places_keep_their_ids(folder) -> None:
    root = folder()
    first, _ = scan(root)
    one, two, aside = root / "black" / "000.png", root / "teddy" / "000.png", root / "aside"
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    assert _again(root, first) == dict(zip(first.ids, first.digests, strict=True))


def test_a_newcomer_under_the_name_of_one_long_gone_gets_an_id_of_its_own(folder) -> None:
    root = folder()
    first, _ = scan(root)
    (root / "black" / "000.png").unlink()
    second, _ = scan(root, known=first)
    Image.new("RGB", (7, 7)).save(root / "black" / "000.png")
    now = _again(root, second)
    assert "black/000.png" not in now
    assert "black/000.png#2" in now


def test_a_picture_that_was_away_for_a_while_comes_back_under_its_id(folder, tmp_path: Path) -> None:
    root = folder()
    first, _ = scan(root)
    shutil.move(root / "black" / "000.png", tmp_path / "away.png")
    second, _ = scan(root, known=first)
    assert second.departed.keys() == {"black/000.png"}
    shutil.move(tmp_path / "away.png", root / "teddy" / "back.png")
    third, _ = scan(root, known=second)
    assert third.paths[third.positions()["black/000.png"]] == "teddy/back.png"
    assert third.departed == {}


def test_a_picture_edited_in_place_is_another_picture(folder) -> None:
    root = folder()
    first, _ = scan(root)
    Image.new("RGB", (7, 7)).save(root / "black" / "000.png")
    assert "black/000.png#2" in _again(root, first)


def test_copies_of_one_picture_never_share_an_id(folder) -> None:
    root = folder()
    first, _ = scan(root)
    for name in ("x.png", "y.png"):
        shutil.copy(root / "black" / "000.png", root / "teddy" / name)
    now = _again(root, first)
    assert len(now) == len(first) + 2


def _with_a_copy(folder) -> Path:
    """A folder in which black/copy.png is the same file as teddy/000.png."""
    root = folder()
    shutil.copy(root / "teddy" / "000.png", root / "black" / "copy.png")
    return root


def test_the_id_of_a_copy_long_gone_stays_away_from_one_that_moves_now(folder) -> None:
    root = _with_a_copy(folder)
    first, _ = scan(root)
    (root / "black" / "copy.png").unlink()
    second, _ = scan(root, known=first)
    (root / "teddy" / "good").mkdir()
    (root / "teddy" / "000.png").rename(root / "teddy" / "good" / "renamed.png")
    third, _ = scan(root, known=second)
    assert third.paths[third.positions()["teddy/000.png"]] == "teddy/good/renamed.png"
    assert third.departed.keys() == {"black/copy.png"}


def test_copies_in_two_folders_that_are_renamed_keep_each_its_own_id(folder) -> None:
    root = _with_a_copy(folder)
    (root / "teddy" / "000.png").rename(root / "teddy" / "copy.png")  # not even the names differ
    first, _ = scan(root)
    (root / "black").rename(root / "z-black")
    (root / "teddy").rename(root / "a-teddy")
    second, _ = scan(root, known=first)
    now = dict(zip(second.ids, second.paths, strict=True))
    assert now["black/copy.png"] == "z-black/copy.png"
    assert now["teddy/copy.png"] == "a-teddy/copy.png"
    assert not second.departed


def test_copies_that_are_renamed_each_in_its_folder_keep_each_its_own_id(folder) -> None:
    root = _with_a_copy(folder)
    first, _ = scan(root)
    (root / "teddy" / "000.png").rename(root / "teddy" / "x.png")
    (root / "black" / "copy.png").rename(root / "black" / "y.png")
    second, _ = scan(root, known=first)
    now = dict(zip(second.ids, second.paths, strict=True))
    assert (now["teddy/000.png"], now["black/copy.png"]) == ("teddy/x.png", "black/y.png")


def test_a_folder_that_was_away_for_one_check_comes_back_with_its_own_ids(folder, tmp_path: Path) -> None:
    root = _with_a_copy(folder)
    first, _ = scan(root)
    (root / "black" / "copy.png").unlink()
    second, _ = scan(root, known=first)
    (root / "teddy").rename(tmp_path / "away")
    third, _ = scan(root, known=second)
    (tmp_path / "away").rename(root / "toys")
    fourth, _ = scan(root, known=third)
    assert fourth.paths[fourth.positions()["teddy/000.png"]] == "toys/000.png"
    assert fourth.departed.keys() == {"black/copy.png"}


def test_without_any_record_the_path_is_the_id() -> None:
    assert identities({"a/1.png": "d"}, known=None, moved={}) == {"a/1.png": "a/1.png"}


def test_the_programs_own_record_is_enough_where_the_last_scan_is_lost() -> None:
    moved = {"a/1.png": "b/1.png", "a/2.png": ".cleaner/trash/1/a/2.png"}
    present = {"b/1.png": "d", "a/2.png": "e"}
    assert identities(present, known=None, moved=moved) == {"b/1.png": "a/1.png", "a/2.png": "a/2.png#2"}
