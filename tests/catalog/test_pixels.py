from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cleaner.catalog import pixels as module
from cleaner.catalog.pixels import pixels, square
from cleaner.catalog.scan import scan
from cleaner.catalog.store import save_catalog
from cleaner.errors import CleanerError, Stopped, UnreadableImage
from cleaner.progress import Progress
from cleaner.types import Catalog, Pixels

SIDE = 16
ROW = SIDE * SIDE * 3
BLOCK = 64  # images added at a time, here


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch) -> None:
    monkeypatch.setattr(module, "BLOCK", BLOCK * ROW)


def _decoded(catalog: Catalog, cache: Path, *, side: int = SIDE, **options) -> tuple[Pixels, int]:
    """Return the images, and how many had to be decoded for them."""
    reports: list[Progress] = []
    images = pixels(catalog, side=side, cache=cache, report=reports.append, **options)
    return images, max((one.done for one in reports), default=0)


def _right(images: Pixels, catalog: Catalog, *, side: int = SIDE) -> bool:
    expected = np.stack([square(catalog.root / path, side=side) for path in catalog.paths])
    return np.array_equal(images[:], expected)


def _sides(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir() if path.is_dir()}


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("rows-*"))


def test_rows_follow_the_catalog(folder, tmp_path) -> None:
    catalog, _ = scan(folder())
    images, _ = _decoded(catalog, tmp_path / "cache")
    assert (images.shape, images.dtype, len(images)) == ((24, SIDE, SIDE, 3), np.uint8, 24)
    assert _right(images, catalog)
    brightest = images[:].mean(axis=(1, 2)).argmax(axis=1)  # the class's colour channel
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
    images, decoded = _decoded(grown, tmp_path / "cache")
    assert (decoded, len(images)) == (1, 25)
    assert _right(images, grown)


def test_files_of_equal_bytes_are_decoded_once(folder, tmp_path) -> None:
    root = folder()
    for name in ("copy.png", "again.png"):
        shutil.copy(root / "black" / "000.png", root / "teddy" / name)
    catalog, _ = scan(root)
    images, decoded = _decoded(catalog, tmp_path / "cache")
    assert (len(images), decoded, _bytes(tmp_path / "cache")) == (26, 24, 24 * ROW)
    assert _right(images, catalog)


def test_what_it_will_take_is_said_before_anything_is_decoded(folder, tmp_path) -> None:
    catalog, _ = scan(folder(each=200, side=4))
    reports: list[Progress] = []
    with pytest.raises(Stopped):
        pixels(catalog, side=256, cache=tmp_path, report=reports.append, stopped=lambda: len(reports) > 1)
    assert (reports[0].done, reports[0].total) == (0, 600)
    assert reports[0].note == "decoding 600 images into 0.1 GB"
    assert [one.done for one in reports] == [0, 1]
    assert reports[1].seconds_left > 0
    pixels(catalog, side=8, cache=tmp_path, report=reports.append)
    assert reports[-1].note == "decoding 600 images into 1 MB"
    assert [one.done for one in reports[2:]] == list(range(601))


def test_stop_keeps_what_was_decoded(folder, tmp_path) -> None:
    catalog, _ = scan(folder(each=60))
    for before, done in ((0, 5), (5, BLOCK), (5 + BLOCK, BLOCK + 1)):
        left = iter(range(done - 1))
        with pytest.raises(Stopped, match="are kept"):
            _decoded(catalog, tmp_path, stopped=lambda left=left: next(left, None) is None)
        assert _bytes(tmp_path) == (before + done) * ROW
    images, decoded = _decoded(catalog, tmp_path)
    assert decoded == 180 - 5 - BLOCK - BLOCK - 1
    assert _right(images, catalog)


def test_a_vanished_image_is_named_and_what_was_decoded_before_it_is_kept(folder, tmp_path) -> None:
    root = folder()
    catalog, _ = scan(root)
    (root / "grizzly" / "003.png").unlink()
    with pytest.raises(UnreadableImage, match=r"003\.png is gone"):
        _decoded(catalog, tmp_path / "cache")
    healed, _ = scan(root, known=catalog)
    images, decoded = _decoded(healed, tmp_path / "cache")
    assert decoded == 23 - 11  # eight black ones and three grizzlies came before it
    assert _right(images, healed)


def test_another_picture_is_never_kept_under_the_old_ones_content(folder, tmp_path) -> None:
    root = folder()
    catalog, _ = scan(root)
    original = (root / "black" / "002.png").read_bytes()
    shutil.copy(root / "teddy" / "002.png", root / "black" / "002.png")
    with pytest.raises(UnreadableImage, match=r"002\.png has changed since the folder was checked"):
        _decoded(catalog, tmp_path / "cache")
    (root / "black" / "002.png").write_bytes(original)  # the same content again, only newer
    assert _right(_decoded(catalog, tmp_path / "cache")[0], catalog)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from cleaner.catalog import pixels as module
from cleaner.catalog.store import load_catalog
module.BLOCK = 64 * 16 * 16 * 3
catalog, _ = load_catalog(Path(sys.argv[2]), root=Path(sys.argv[3]))
def report(progress):
    if progress.done == int(sys.argv[5]):
        os.kill(os.getpid(), signal.SIGKILL)
    print(progress.done)
module.pixels(catalog, side=16, cache=Path(sys.argv[4]), report=report)
"""


def _process(catalog: Catalog, tmp_path: Path, *, die_at: int = -1) -> subprocess.Popen[str]:
    save_catalog(catalog, (), tmp_path / "catalog.npz")
    repository = Path(__file__).parents[2]
    arguments = [repository, tmp_path / "catalog.npz", catalog.root, tmp_path / "cache", die_at]
    command = [sys.executable, "-c", KILLED, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_after_a_kill_only_what_was_not_kept_is_decoded(folder, tmp_path) -> None:
    catalog, _ = scan(folder(each=60))
    killed = _process(catalog, tmp_path, die_at=2 * BLOCK + 30)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    for path in catalog.paths[: 2 * BLOCK]:  # to decode one of these again would fail
        (catalog.root / path).unlink()
    images, decoded = _decoded(catalog, tmp_path / "cache")
    assert decoded == 180 - 2 * BLOCK
    assert images[: 2 * BLOCK].mean(axis=(1, 2)).argmax(axis=1).tolist() == [0] * 60 + [1] * 60 + [2] * 8


def test_two_processes_at_once_decode_everything_once(folder, tmp_path) -> None:
    catalog, _ = scan(folder(each=60))
    running = [_process(catalog, tmp_path) for _ in range(2)]
    said = [list(map(int, process.communicate()[0].split())) for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sorted(max(numbers, default=0) for numbers in said) == [0, 180]
    images, decoded = _decoded(catalog, tmp_path / "cache")
    assert decoded == 0
    assert _right(images, catalog)


def test_threads_that_ask_at_once_get_the_same_images(folder, tmp_path) -> None:
    catalog, _ = scan(folder(each=40))
    found: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: found.append(_decoded(catalog, tmp_path / "cache")[0][:]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(images, found[0]) for images in found)


def test_a_damaged_or_deleted_cache_is_made_again(folder, tmp_path) -> None:
    catalog, _ = scan(folder())
    _decoded(catalog, tmp_path / "cache")
    (data,) = (tmp_path / "cache" / str(SIDE)).glob("rows-*")
    data.write_bytes(data.read_bytes()[: 10 * ROW + 100])
    images, decoded = _decoded(catalog, tmp_path / "cache")
    assert decoded == 14
    assert _right(images, catalog)
    (tmp_path / "cache" / str(SIDE) / "digests").write_bytes(os.urandom(5000))
    assert _decoded(catalog, tmp_path / "cache")[1] == 24
    shutil.rmtree(tmp_path / "cache")
    images, decoded = _decoded(catalog, tmp_path / "cache")
    assert decoded == 24
    assert _right(images, catalog)


def test_the_side_not_used_for_longest_makes_room_first(folder, tmp_path) -> None:
    catalog, _ = scan(folder())
    cache = tmp_path / "cache"
    for side in (8, 12, 16, 20):
        _decoded(catalog, cache, side=side)
    _decoded(catalog, cache, side=8)  # now 12 is the oldest
    sizes = {side: _bytes(cache / str(side)) for side in (8, 12, 16, 20)}
    assert sizes[8] == 24 * 8 * 8 * 3
    slack = 4000  # for the indexes
    room = sum(sizes.values()) - sizes[12] - sizes[16] + 24 * 10 * 10 * 3
    images, decoded = _decoded(catalog, cache, side=10, limit=room + slack)
    assert (decoded, _sides(cache)) == (24, {"8", "10", "20"})
    assert _right(images, catalog, side=10)
    assert _decoded(catalog, cache, side=8, limit=sizes[8] + slack)[1] == 0
    assert _sides(cache) == {"8"}


def test_only_sides_are_removed_to_make_room(folder, tmp_path) -> None:
    catalog, _ = scan(folder())
    cache = tmp_path / "cache"
    for name in ("notes", "7.txt"):
        (cache / name).mkdir(parents=True)
        (cache / name / "big").write_bytes(bytes(10**6))
    _decoded(catalog, cache, limit=24 * ROW)
    assert _sides(cache) == {"notes", "7.txt", str(SIDE)}


def test_images_still_read_in_another_window_outlive_their_side(folder, tmp_path) -> None:
    catalog, _ = scan(folder())
    images, _ = _decoded(catalog, tmp_path / "cache")
    _decoded(catalog, tmp_path / "cache", side=8, limit=24 * 8 * 8 * 3)
    assert _right(images, catalog)


def test_a_side_that_alone_is_over_the_limit_is_refused_with_the_remedy(folder, tmp_path) -> None:
    catalog, _ = scan(folder())
    _decoded(catalog, tmp_path / "cache", side=8)
    with pytest.raises(CleanerError) as refused:
        _decoded(catalog, tmp_path / "cache", side=7000, limit=2 * 10**9)
    assert str(refused.value) == (
        "The decoded images take 3.5 GB, but the cache may take no more than 2.0 GB; train with a smaller "
        "size, or set CLEANER_CACHE_GB=4."
    )
    assert "8" in _sides(tmp_path / "cache")
    assert _decoded(catalog, tmp_path / "cache", limit=24 * ROW)[1] == 24
    with pytest.raises(CleanerError, match="CLEANER_CACHE_GB=1"):
        _decoded(catalog, tmp_path / "cache", limit=24 * ROW - 1)


def test_images_no_longer_asked_for_leave_when_they_outgrow_the_others(folder, tmp_path) -> None:
    root = folder()
    catalog, _ = scan(root)
    _decoded(catalog, tmp_path / "cache")
    for label in ("black", "grizzly"):
        for path in sorted((root / label).glob("*.png"))[: 6 if label == "black" else 5]:
            path.unlink()
    fewer, _ = scan(root)  # 13 of 24
    assert _decoded(fewer, tmp_path / "cache")[1] == 0
    assert _bytes(tmp_path / "cache") == 24 * ROW
    for path in sorted((root / "teddy").glob("*.png"))[:2]:
        path.unlink()
    fewest, _ = scan(root)
    images, decoded = _decoded(fewest, tmp_path / "cache")
    assert (decoded, _bytes(tmp_path / "cache")) == (0, 11 * ROW)
    assert _right(images, fewest)


def test_images_no_longer_asked_for_leave_before_the_limit_is_passed(folder, tmp_path) -> None:
    root = folder()
    _decoded(scan(root)[0], tmp_path / "cache")
    (root / "black" / "000.png").unlink()
    fewer, _ = scan(root)
    assert _decoded(fewer, tmp_path / "cache", limit=23 * ROW)[1] == 0
    assert _bytes(tmp_path / "cache") == 23 * ROW


def test_a_disk_too_small_is_said_before_anything_is_decoded(folder, tmp_path, monkeypatch) -> None:
    catalog, _ = scan(folder())
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 24 * ROW - 1}))
    with pytest.raises(CleanerError, match="free some space or train with a smaller size"):
        _decoded(catalog, tmp_path / "cache")
    assert _bytes(tmp_path / "cache") == 0
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 24 * ROW}))
    _decoded(catalog, tmp_path / "cache")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0}))
    assert _decoded(catalog, tmp_path / "cache")[1] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_disk_that_fills_up_while_decoding_keeps_what_it_holds(folder, tmp_path) -> None:
    import resource

    catalog, _ = scan(folder(each=60))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((BLOCK + 30) * ROW, before[1]))
    try:
        with pytest.raises(CleanerError, match="can't be used"):
            _decoded(catalog, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    images, decoded = _decoded(catalog, tmp_path / "cache")
    assert decoded == 180 - BLOCK
    assert _right(images, catalog)


def test_no_images_at_all_are_an_empty_array(folder, tmp_path) -> None:
    root = folder(each=1)
    known, _ = scan(root)
    for path in root.rglob("*.png"):
        path.unlink()
    images, decoded = _decoded(scan(root, known=known)[0], tmp_path / "cache")
    assert (images[:].shape, decoded) == ((0, SIDE, SIDE, 3), 0)
