"""Parquet files that hold the pictures themselves: unpacked into a table of files, once, a few at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cleaner.catalog.packed import is_packed, unpack
from cleaner.catalog.table import Table, list_table
from cleaner.catalog.unpacking import unpacked
from cleaner.errors import InputError
from tests.support.badfiles import encoded, photograph

HUGGING_FACE = {b"huggingface": b'{"info": {"features": {"label": {"names": ["owl", "jay"]}}}}'}
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _picture(seed: int, kind: str = "PNG") -> bytes:
    return encoded(photograph(24, seed=seed), kind)


def _as_hugging_face(
    file: Path, *, count: int = 6, codes: list[int | None] | None = None, **more: Any
) -> Path:
    rows = [{"bytes": _picture(n, "PNG" if n % 2 else "JPEG"), "path": f"{n}.png"} for n in range(count)]
    columns = {"image": pa.array(rows, IMAGE), "label": codes or [n % 2 for n in range(count)], **more}
    pq.write_table(pa.table(columns).replace_schema_metadata(HUGGING_FACE), file)
    return file


def _listed(file: Path, **named: str) -> Any:
    table = Table(file, **named)
    assert is_packed(table)
    folder = file.parent / "own" / "images"
    folder.parent.mkdir(exist_ok=True)
    return list_table(unpack(table, folder=folder), root=folder), folder


def test_pictures_in_a_file_of_hugging_face_are_files_with_the_names_of_its_classes(tmp_path) -> None:
    file = _as_hugging_face(tmp_path / "data.parquet", codes=[0, 1, -1, None, 1, 0], split=["test"] * 6)
    listing, folder = _listed(file)
    assert listing.labels == ["owl", "jay", "jay", "owl"]
    assert listing.splits == ["test"] * 4
    assert [(folder / path).read_bytes() for path in listing.paths] == [
        _picture(n, "PNG" if n % 2 else "JPEG") for n in (0, 1, 4, 5)
    ]
    assert [Path(path).suffix for path in listing.paths] == [".jpeg", ".png", ".jpeg", ".png"]
    kinds = [finding.kind for finding in listing.findings]
    assert kinds == ["no label", "no label", "columns"]
    assert "files in the column 'image', labels in 'label'" in listing.findings[-1].detail


@pytest.mark.parametrize("data", [b"P6 x 1 255 ", b"P5", b"Pf 1 1 x", b"BM", b"no picture at all", b""])
def test_bytes_that_are_no_picture_are_written_as_they_are_for_the_check_to_say_so(tmp_path, data) -> None:
    path = unpacked(data, folder=tmp_path, number=7)
    assert (path.suffix, path.read_bytes()) == (".bin", data)


def test_pictures_may_be_plain_bytes_and_columns_may_be_named(tmp_path) -> None:
    file = tmp_path / "plain.parquet"
    pixels = [_picture(1), None, b"nonsense", _picture(1)]
    pq.write_table(pa.table({"blob": pixels, "breed": ["a, b", 'c"d', "e\nf", "a, b"]}), file)
    assert not is_packed(Table(file))  # any column may hold bytes
    listing, folder = _listed(file, path_col="blob", label_col="breed")
    assert listing.labels == ["a, b", "e\nf", "a, b"]
    assert [Path(path).suffix for path in listing.paths] == [".png", ".bin", ".png"]
    assert [finding.kind for finding in listing.findings] == ["no path", "columns"]
    assert len(list(folder.rglob("*.png"))) == 2  # the same picture in two rows is there twice


def test_what_is_there_is_not_read_again_until_the_file_changes(tmp_path) -> None:
    file = _as_hugging_face(tmp_path / "data.parquet")
    listing, folder = _listed(file)
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    first = folder / listing.paths[0]
    first.unlink()
    assert [f.kind for f in _listed(file)[0].findings] == ["missing", "columns"]
    _as_hugging_face(file, count=8)
    again, _ = _listed(file)
    assert again.paths[:6] == listing.paths
    assert len(again.paths) == 8
    assert all(path.stat().st_mtime_ns == at for path, at in written.items() if path != first)


def test_what_was_cut_off_while_unpacking_is_done_again(tmp_path) -> None:
    file = _as_hugging_face(tmp_path / "data.parquet")
    listing, folder = _listed(file)
    (folder.parent / "unpacked.json").unlink()
    (folder / listing.paths[3]).unlink()
    (folder.parent / "table" / "data.parquet").write_text("PAR1")
    assert _listed(file)[0].paths == listing.paths


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"label": pa.array([[0, 1]], pa.list_(pa.int64()))}, "several labels"),
        ({"words": ["a"], "note": ["b"]}, "no column 'label'; it has: image, words, note"),
        ({"label": ["a"], "image": pa.array([{"bytes": None, "path": "x.jpg"}], IMAGE)}, "holds no picture"),
        ({"label": pa.array([], pa.string()), "image": pa.array([], IMAGE)}, "has no rows"),
    ],
)
def test_what_can_not_be_told_is_refused_in_a_sentence(tmp_path, columns, sentence) -> None:
    file = tmp_path / "data.parquet"
    image = pa.array([{"bytes": _picture(1), "path": None}], IMAGE)
    pq.write_table(pa.table({"image": image} | columns), file)
    with pytest.raises(InputError, match=sentence):
        _listed(file)


def test_a_disk_that_takes_nothing_is_said_to_be_so(tmp_path) -> None:
    file = _as_hugging_face(tmp_path / "data.parquet")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "images").write_text("a file")
    with pytest.raises(InputError, match="can't be unpacked into"):
        _listed(file)


def test_bytes_in_a_data_frame_are_refused_and_what_to_do_is_said(tmp_path) -> None:
    table = Table({"image": [_picture(1)], "label": ["owl"]}, root=tmp_path)
    with pytest.raises(InputError, match="from Parquet files only"):
        list_table(table, root=tmp_path)


def test_a_broken_parquet_file_is_no_packed_one(tmp_path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    assert not is_packed(Table(tmp_path / "x.parquet"))
    assert not is_packed(Table(tmp_path / "not there.parquet"))


MEMORY = """
import sys
from pathlib import Path
import pandas  # some 40 MB that pyarrow loads where it is there
from cleaner.catalog.packed import is_packed, unpack
from cleaner.catalog.table import Table
def peak():
    return int(next(line for line in open("/proc/self/status") if "VmHWM" in line).split()[1]) / 1024
file = Path(sys.argv[1])
assert is_packed(Table(file))
before = peak()
unpack(Table(file), folder=file.parent / "images")
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
def test_memory_does_not_grow_with_the_file(tmp_path) -> None:
    file = tmp_path / "data.parquet"
    schema = pa.schema([("image", IMAGE), ("label", pa.string())])
    with pq.ParquetWriter(file, schema) as writer:
        for _ in range(20):
            rows = [{"bytes": os.urandom(100_000), "path": None} for _ in range(40)]
            writer.write_table(pa.table({"image": rows, "label": ["owl"] * 40}, schema=schema))
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(file)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 40  # of 80 MB
