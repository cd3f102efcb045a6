from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from cleaner.catalog import rowcache as module
from cleaner.catalog.rowcache import RowCache, alone
from cleaner.errors import CleanerError, InputError, Stopped
from cleaner.progress import Progress

SHAPE = (2, 3)


def _cache(folder: Path) -> RowCache:
    return RowCache(folder, shape=SHAPE, dtype="uint8")


def _row(digest: str) -> np.ndarray:
    """Return the one row that this digest may ever have."""
    return np.random.default_rng(list(digest.encode())).integers(1, 256, SHAPE, dtype=np.uint8)


def _rows(digests: list[str]) -> np.ndarray:
    return np.stack([_row(digest) for digest in digests])


def _names(start: int, stop: int) -> list[str]:
    return [f"image{number}" for number in range(start, stop)]


def _filled(folder: Path, digests: list[str]) -> RowCache:
    cache = _cache(folder)
    cache.add(digests, _rows(digests))
    return cache


def _data(folder: Path) -> Path:
    (path,) = folder.glob("rows-*")
    return path


def _whole(folder: Path, asked: list[str]) -> list[str]:
    """Return which digests a fresh reader finds, having checked that each has its own row."""
    cache = _cache(folder)
    lacking = cache.missing(asked)
    found = [digest for position, digest in enumerate(asked) if position not in lacking]
    if found:
        assert np.array_equal(cache.take(found)[:], _rows(found))
    return found


def test_rows_come_back_in_the_order_asked_for(tmp_path) -> None:
    _filled(tmp_path / "cache", ["a", "b", "c"])
    taken = _cache(tmp_path / "cache").take(["c", "a", "c"])
    assert np.array_equal(taken[:], _rows(["c", "a", "c"]))
    assert (len(taken), taken.shape, taken.dtype) == (3, (3, *SHAPE), np.uint8)


def test_each_missing_digest_is_named_once(tmp_path) -> None:
    cache = _filled(tmp_path, ["b"])
    assert cache.missing(["a", "b", "c", "a", "c", "d"]) == [0, 2, 5]
    assert cache.missing([]) == []


def test_a_view_is_indexed_as_numpy_indexes_the_array(tmp_path) -> None:
    names = _names(0, 20)
    shuffled = [names[number] for number in np.random.default_rng(0).permutation(20)] + ["image3"]
    view, array = _filled(tmp_path, names).take(shuffled), _rows(shuffled)
    mask = np.arange(21) % 3 == 0
    for index in (
        0,
        -1,
        np.int64(5),
        slice(None),
        slice(4, 1, -1),
        slice(30, 40),
        [],
        [3, 3, -2],
        np.array([7, 0, 20]),
        np.array([[1, 2], [3, 4]]),
        np.array([], dtype=np.intp),
        mask,
        ~mask,
        ...,
    ):
        assert np.array_equal(view[index], array[index]), index
        assert type(view[index]) is np.ndarray
    for wrong in (21, -22, [0, 21], np.ones(20, dtype=bool), "a", 1.5):
        with pytest.raises(IndexError):
            view[wrong]
    assert [row.tolist() for row in view] == array.tolist()


def test_a_view_of_nothing_is_an_empty_array(tmp_path) -> None:
    assert _cache(tmp_path).take([])[:].shape == (0, *SHAPE)
    assert _filled(tmp_path, ["a"]).take([])[:].shape == (0, *SHAPE)


def test_a_view_cannot_be_written_through(tmp_path) -> None:
    taken = _filled(tmp_path, ["a"]).take(["a"])
    with pytest.raises(ValueError, match="read-only"):
        taken[0][0, 0] = 7


def test_half_floats_are_kept_bit_by_bit(tmp_path) -> None:
    rows = np.array([[1.5, -2.25, np.inf], [6e-8, 0.1, -0.0]], dtype=np.float16)
    RowCache(tmp_path, shape=(3,), dtype="float16").add(["a", "b"], rows)
    again = RowCache(tmp_path, shape=(3,), dtype="float16").take(["a", "b"])[:]
    assert again.tobytes() == rows.tobytes()


def test_a_digest_keeps_its_first_row(tmp_path) -> None:
    cache = _filled(tmp_path, ["a"])
    cache.add(["b", "a", "b"], np.stack([_row("b"), np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)]))
    assert np.array_equal(cache.take(["a", "b"])[:], _rows(["a", "b"]))
    assert len(cache) == 2


def test_rows_of_another_shape_or_type_are_refused(tmp_path) -> None:
    cache = _cache(tmp_path)
    for rows in (np.zeros((1, 3, 2), np.uint8), np.zeros((2, *SHAPE), np.uint8), np.zeros((1, *SHAPE))):
        with pytest.raises(InputError, match=r"must be uint8 \(1, 2, 3\)"):
            cache.add(["a"], rows)
    assert cache.missing(["a"]) == [0]


def test_what_is_missing_cannot_be_taken(tmp_path) -> None:
    with pytest.raises(CleanerError, match="lacks 2 of the rows"):
        _filled(tmp_path, ["a"]).take(["a", "b", "c", "b"])


def test_a_deleted_folder_is_an_empty_cache(tmp_path) -> None:
    cache = _filled(tmp_path / "cache", ["a", "b"])
    shutil.rmtree(tmp_path / "cache")
    assert cache.missing(["a", "b"]) == [0, 1]
    cache.add(["b"], _rows(["b"]))
    assert _whole(tmp_path / "cache", ["a", "b"]) == ["b"]


def test_a_view_outlives_its_cache(tmp_path) -> None:
    taken = _filled(tmp_path / "cache", ["a", "b"]).take(["b", "a"])
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    assert np.array_equal(taken[:], _rows(["b", "a"]))


def test_other_rows_in_the_folder_are_no_rows_of_this_cache(tmp_path) -> None:
    _filled(tmp_path, ["a"])
    for shape, dtype in (((3, 2), "uint8"), (SHAPE, "int8"), ((6,), "uint8")):
        assert RowCache(tmp_path, shape=shape, dtype=dtype).missing(["a"]) == [0]
    RowCache(tmp_path, shape=(6,), dtype="uint8").add(["b"], np.zeros((1, 6), np.uint8))
    assert _cache(tmp_path).missing(["a", "b"]) == [0, 1]
    assert len(list(tmp_path.glob("rows-*"))) == 1


@pytest.mark.parametrize(
    "foreign",
    [b"", b"\n", b"\0" * 99, b"hello\nworld\n", os.urandom(500), b"rows-", b"../../photo.jpg |u1 2x3\n0 a\n"],
)
def test_a_foreign_index_is_an_empty_cache_and_is_replaced(tmp_path, foreign) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"precious")
    folder = tmp_path / "deep" / "cache"
    cache = _filled(folder, ["a", "b"])
    (folder / "digests").write_bytes(foreign)
    assert _whole(folder, ["a", "b"]) == []
    assert cache.missing(["a"]) == [0]
    cache.add(["a"], _rows(["a"]))
    assert _whole(folder, ["a", "b"]) == ["a"]
    assert len(list(folder.glob("rows-*"))) == 1
    assert (tmp_path / "photo.jpg").read_bytes() == b"precious"


def test_a_folder_that_cannot_be_one_is_said_in_a_sentence(tmp_path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(CleanerError, match=r"file can't be used .*; delete it"):
        _cache(tmp_path / "file").missing(["a"])
    with pytest.raises(CleanerError, match="delete it"), alone(tmp_path / "file"):
        pass
    (tmp_path / "cache" / "digests").mkdir(parents=True)
    with pytest.raises(CleanerError, match="delete it"):
        _cache(tmp_path / "cache").missing(["a"])


def test_wherever_the_index_is_torn_the_lines_before_hold_and_the_rest_is_made_again(tmp_path) -> None:
    names = _names(0, 4)
    _filled(tmp_path / "whole", names)
    index = (tmp_path / "whole" / "digests").read_bytes()
    head = index.index(b"\n") + 1
    for cut in range(len(index)):
        for tail in (b"", b"\0" * 30):
            folder = tmp_path / f"{cut}-{len(tail)}"
            shutil.copytree(tmp_path / "whole", folder)
            (folder / "digests").write_bytes(index[:cut] + tail)
            kept = index[head:cut].count(b"\n") if cut >= head else 0
            assert _whole(folder, names) == names[:kept]
            _cache(folder).add(names, _rows(names))
            assert _whole(folder, names) == names


def test_a_lost_page_in_the_middle_of_the_index_shifts_no_row(tmp_path) -> None:
    names = _names(0, 30)
    _filled(tmp_path, names)
    index = bytearray((tmp_path / "digests").read_bytes())
    start = index.index(b"\n7 ") - 3
    index[start : start + 60] = b"\0" * 60
    (tmp_path / "digests").write_bytes(index)
    assert _whole(tmp_path, names) == names[:6]


def test_rows_that_the_data_file_has_lost_are_made_again(tmp_path) -> None:
    names = _names(0, 10)
    cache = _filled(tmp_path, names)
    data = _data(tmp_path)
    data.write_bytes(data.read_bytes()[: 4 * 6 + 5])
    assert cache.missing(names) == list(range(4, 10))
    assert _whole(tmp_path, names) == names[:4]
    cache.add(["other"], _rows(["other"]))
    assert _whole(tmp_path, [*names, "other"]) == [*names[:4], "other"]
    data.unlink()
    assert _whole(tmp_path, names) == []


def test_a_torn_block_of_rows_is_overwritten(tmp_path) -> None:
    cache = _filled(tmp_path, ["a"])
    with _data(tmp_path).open("ab") as file:
        file.write(b"\xff" * 100)
    cache.add(["b"], _rows(["b"]))
    assert _whole(tmp_path, ["a", "b"]) == ["a", "b"]
    assert _data(tmp_path).stat().st_size == 12


WRITES = {"_append", "_rewrite", "_write"}


def _killed_at_line(number: int, work: Callable[[], object]) -> bool:
    """Run the work in a child that is killed before the n-th line of code that writes; False if it ended."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
        return os.WIFSIGNALED(status)
    left = number

    def trace(frame: FrameType, event: str, _: object) -> object:
        nonlocal left
        if frame.f_code.co_filename != module.__file__ or frame.f_code.co_name not in WRITES:
            return None
        left -= event == "line"
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    code = 1
    try:
        sys.settrace(trace)
        work()
        code = 0
    finally:
        os._exit(code)


def _nothing_there(folder: Path) -> list[str]:
    return []


def _rows_there(folder: Path) -> list[str]:
    _filled(folder, _names(0, 6))
    return _names(0, 6)


def _torn_there(folder: Path) -> list[str]:
    """Lose half of the rows that the index names: none of its lines may come to name a later row."""
    _rows_there(folder)
    os.truncate(_data(folder), 3 * 6)
    return _names(0, 3)


def _add(folder: Path) -> None:
    _filled(folder, _names(10, 15))


def _compact(folder: Path) -> None:
    _cache(folder).compact(_names(1, 3), spare=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("before", "work", "lost"),
    [
        (_nothing_there, _add, ()),
        (_rows_there, _add, ()),
        (_torn_there, _add, ()),
        (_rows_there, _compact, ("image0", "image3", "image4", "image5")),
    ],
)
def test_killed_before_any_line_that_writes_no_row_is_lost_or_wrong(tmp_path, before, work, lost) -> None:
    names = _names(0, 20)
    for line in range(1, 1000):
        folder = tmp_path / str(line)
        there = before(folder)
        killed = _killed_at_line(line, partial(work, folder))
        found = _whole(folder, names)
        assert set(there) - set(lost) <= set(found)
        _cache(folder).add(names, _rows(names))
        assert _whole(folder, names) == names
        if not killed:
            break
        shutil.rmtree(folder)
    assert 14 < line < 999


def _in_processes(code: str, *, arguments: list[str], count: int) -> list[str]:
    """Run the code in several processes at once, with the repository on their path; return what each said."""
    here = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
    running = [
        subprocess.Popen([sys.executable, "-c", here + code, *arguments], stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * count
    return said


def test_two_processes_that_add_at_once_lose_and_double_nothing(tmp_path) -> None:
    code = """
import random
from pathlib import Path
from tests.catalog.test_rowcache import _cache, _names, _rows
cache, names = _cache(Path(sys.argv[1])), _names(0, 300)
random.shuffle(names)
for start in range(0, 300, 4):
    cache.add(names[start:start + 4], _rows(names[start:start + 4]))
assert cache.missing(names) == []
"""
    _in_processes(code, arguments=[str(tmp_path)], count=3)
    assert _whole(tmp_path, _names(0, 300)) == _names(0, 300)
    assert _data(tmp_path).stat().st_size == 300 * 6
    assert len((tmp_path / "digests").read_bytes().splitlines()) == 301


def test_who_waited_for_another_process_finds_its_rows(tmp_path) -> None:
    code = """
import time
from pathlib import Path
from cleaner.catalog.rowcache import alone
from tests.catalog.test_rowcache import _cache, _names, _rows
cache, names = _cache(Path(sys.argv[1])), _names(0, 5)
with alone(cache.folder):
    lacking = cache.missing(names)
    time.sleep(0.3)
    if lacking:
        cache.add(names, _rows(names))
print(len(lacking))
"""
    said = _in_processes(code, arguments=[str(tmp_path)], count=2)
    assert sorted(int(line) for line in said) == [0, 5]


def test_waiting_says_so_and_can_be_stopped(tmp_path) -> None:
    reports: list[Progress] = []
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with alone(tmp_path):
            held.set()
            over.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        with (
            pytest.raises(Stopped, match="waiting for another window"),
            alone(tmp_path, report=reports.append, stopped=lambda: len(reports) == 2),
        ):
            pytest.fail("two were alone at once")
    finally:
        over.set()
        holder.join()
    assert {(one.phase, one.note) for one in reports} == {
        ("waiting", "another window is preparing the images")
    }
    with alone(tmp_path, report=reports.append):
        assert len(reports) == 2


def test_the_rows_of_others_are_seen_at_once(tmp_path) -> None:
    first, second = _cache(tmp_path), _cache(tmp_path)
    for start in range(0, 30, 3):
        writer, reader = (first, second) if start % 2 else (second, first)
        names = _names(start, start + 3)
        writer.add(names, _rows(names))
        assert reader.missing(_names(0, 40)) == list(range(start + 3, 40))
    second.compact(_names(20, 30), spare=0)
    assert np.array_equal(first.take(_names(20, 30))[:], _rows(_names(20, 30)))
    assert first.missing(_names(0, 30)) == list(range(20))


def test_compaction_waits_until_the_others_outgrow_the_wanted(tmp_path) -> None:
    cache = _filled(tmp_path, _names(0, 9))
    cache.compact(["image8", "image2", "new", "newer", "image8"])  # 4 wanted, 7 others
    assert len(cache) == 2
    cache.add(_names(20, 22), _rows(_names(20, 22)))
    cache.compact(["image8", "image2"])  # 2 wanted, 2 others
    assert len(cache) == 4
    cache.compact(["image8", "image2"], spare=1)
    assert _whole(tmp_path, _names(0, 30)) == ["image2", "image8"]
    assert _data(tmp_path).stat().st_size == 2 * 6
    cache.compact([])
    assert _whole(tmp_path, _names(0, 30)) == []
    cache.add(["a"], _rows(["a"]))
    assert _whole(tmp_path, ["a"]) == ["a"]


def test_a_view_taken_before_a_compaction_still_shows_its_rows(tmp_path) -> None:
    names = _names(0, 600)  # more than are copied at a time
    cache = _filled(tmp_path, names)
    before = cache.take(names)
    cache.compact(names[300:][::-1], spare=0)
    assert np.array_equal(before[:], _rows(names))
    assert _whole(tmp_path, names) == names[300:]


def test_a_disk_too_full_for_a_copy_is_not_compacted(tmp_path, monkeypatch) -> None:
    cache = _filled(tmp_path, _names(0, 9))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 11}))
    cache.compact(_names(0, 2))
    assert len(cache) == 9


def _failing(code: int) -> Callable[[int], None]:
    def fsync(_: int) -> None:
        raise OSError(code, os.strerror(code))

    return fsync


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.ENOSPC, "The disk is full; free some space for .* goes on from there"),
        (errno.EDQUOT, "The disk is full"),
        (errno.EIO, r"can't be used \(.*\); delete it"),
    ],
)
def test_a_disk_that_takes_no_more_is_said_and_costs_no_row(tmp_path, monkeypatch, code, sentence) -> None:
    for there in (_names(0, 0), _names(0, 6)):
        folder = tmp_path / str(len(there))
        cache = _filled(folder, there) if there else _cache(folder)
        with monkeypatch.context() as patch:
            patch.setattr(module.os, "fsync", _failing(code))
            with pytest.raises(CleanerError, match=sentence):
                cache.add(_names(6, 9), _rows(_names(6, 9)))
            with pytest.raises(CleanerError, match=sentence):
                cache.add(_names(6, 9), _rows(_names(6, 9)))
        assert set(there) <= set(_whole(folder, _names(0, 9)))
        assert len(list(folder.glob("rows-*"))) == bool(there)
        cache.add(_names(6, 9), _rows(_names(6, 9)))
        assert _whole(folder, _names(0, 9)) == [*there, *_names(6, 9)]


def test_a_full_disk_during_a_compaction_leaves_the_old_rows(tmp_path, monkeypatch) -> None:
    cache = _filled(tmp_path, _names(0, 9))
    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fsync", _failing(errno.ENOSPC))
        with pytest.raises(CleanerError, match="disk is full"):
            cache.compact(_names(0, 2))
    assert _whole(tmp_path, _names(0, 9)) == _names(0, 9)
    assert len(list(tmp_path.glob("rows-*"))) == 1
