from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

from cleaner.catalog import pixels as module
from cleaner.catalog.pixels import pixels
from cleaner.catalog.scan import scan
from cleaner.errors import CleanerError, Stopped, UnreadableImage
from cleaner.progress import Progress


def _decoded(catalog, cache, **options) -> tuple[np.ndarray, int]:
    reports: list[Progress] = []
    array = pixels(catalog, side=16, cache=cache, report=reports.append, **options)
    return array, len(reports)


def test_rows_follow_the_catalog(folder, tmp_path) -> None:
    catalog, _ = scan(folder())
    array, _ = _decoded(catalog, tmp_path / "cache")
    assert (array.shape, array.dtype) == ((24, 16, 16, 3), np.uint8)
    brightest = array.mean(axis=(1, 2)).argmax(axis=1)  # the class's colour channel
    assert np.array_equal(brightest, catalog.labels)


def test_nothing_is_decoded_twice(folder, tmp_path) -> None:
    root = folder()
    catalog, _ = scan(root)
    assert _decoded(catalog, tmp_path / "cache")[1] == 24
    assert _decoded(catalog, tmp_path / "cache")[1] == 0
    (root / "black" / "000.png").rename(root / "teddy" / "relabelled.png")
    moved, _ = scan(root, known=catalog)
    assert _decoded(moved, tmp_path / "cache")[1] == 0
    Image.new("RGB", (20, 20)).save(root / "black" / "new.png")
    grown, _ = scan(root, known=moved)
    array, decoded = _decoded(grown, tmp_path / "cache")
    assert (decoded, len(array)) == (1, 25)
    assert np.array_equal(array[grown.positions()["teddy/007.png"]], _fresh(grown, tmp_path)["teddy/007.png"])


def _fresh(catalog, tmp_path) -> dict[str, np.ndarray]:
    return dict(zip(catalog.ids, pixels(catalog, side=16, cache=tmp_path / "fresh"), strict=True))


def test_only_the_newest_array_is_kept(folder, tmp_path) -> None:
    root = folder()
    catalog, _ = scan(root)
    _decoded(catalog, tmp_path / "cache")
    (root / "black" / "000.png").unlink()
    _decoded(scan(root)[0], tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 1


def test_stop_leaves_no_half_cache(folder, tmp_path) -> None:
    catalog, _ = scan(folder())
    with pytest.raises(Stopped):
        _decoded(catalog, tmp_path / "cache", stopped=lambda: True)
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {".lock"}


def test_a_vanished_image_is_named(folder, tmp_path) -> None:
    root = folder()
    catalog, _ = scan(root)
    (root / "black" / "003.png").unlink()
    with pytest.raises(UnreadableImage, match=r"003\.png is gone"):
        _decoded(catalog, tmp_path / "cache")


def test_a_disk_too_small_is_said_before_anything_is_built(folder, tmp_path, monkeypatch) -> None:
    catalog, _ = scan(folder())
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(CleanerError, match="free some space"):
        _decoded(catalog, tmp_path / "cache")


def test_a_damaged_cache_is_made_again(folder, tmp_path) -> None:
    catalog, _ = scan(folder())
    whole = np.array(_decoded(catalog, tmp_path / "cache")[0])
    (cut,) = (tmp_path / "cache").glob("*.npy")
    cut.write_bytes(cut.read_bytes()[:-5000])
    again, decoded = _decoded(catalog, tmp_path / "cache")
    assert decoded == 24
    assert np.array_equal(again, whole)
    cut.write_bytes(b"")
    (catalog.root / "black" / "000.png").unlink()
    assert len(_decoded(scan(catalog.root)[0], tmp_path / "cache")[0]) == 23


def test_two_windows_that_build_at_once_get_the_same_array(folder, tmp_path) -> None:
    catalog, _ = scan(folder(each=40))
    arrays: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: arrays.append(np.array(_decoded(catalog, tmp_path / "cache")[0])))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arrays) == 4
    assert all(np.array_equal(array, arrays[0]) for array in arrays)
