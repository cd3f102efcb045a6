"""Tables of files and labels: what is guessed, what is said, what is refused."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cleaner.catalog.scan import scan
from cleaner.catalog.table import Table, list_table, root_of
from cleaner.errors import InputError
from cleaner.types import Catalog, Finding


def _write(file: Path, rows: list[list[object]], *, delimiter: str = ",") -> Path:
    with file.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines, delimiter=delimiter).writerows(rows)
    return file


def _rows(root: Path) -> list[list[object]]:
    return [[p.relative_to(root).as_posix(), p.parent.name] for p in sorted(root.rglob("*.png"))]


def _scan(table: Table, *, known: Catalog | None = None) -> tuple[Catalog, tuple[Finding, ...]]:
    root = root_of(table)
    return scan(root, listing=list_table(table, root=root), known=known)


def _labels(catalog: Catalog) -> dict[str, str]:
    return {path: catalog.vocab[label] for path, label in zip(catalog.paths, catalog.labels, strict=True)}


@pytest.mark.parametrize(
    ("name", "delimiter", "header"),
    [
        ("labels.csv", ",", ["file", "breed"]),
        ("labels.csv", ";", ["id", "label"]),
        ("labels.tsv", "\t", ["breed", "where"]),
        ("labels.csv", "\t", ["image", "class"]),
    ],
)
def test_columns_are_found_by_what_is_in_them(folder, name: str, delimiter: str, header: list[str]) -> None:
    root = folder()
    order = (1, 0) if header[0] == "breed" else (0, 1)
    rows = [[row[i] for i in order] for row in _rows(root)]
    catalog, findings = _scan(Table(_write(root / name, [header, *rows], delimiter=delimiter)))
    assert catalog.labels_in == "table"
    assert catalog.vocab == ("black", "grizzly", "teddy")
    assert _labels(catalog) == dict(_rows(root))
    (said,) = findings
    assert said.kind == "columns"
    assert f"files in the column {header[order[0]]!r}, labels in {header[order[1]]!r}" in said.detail


def test_an_index_and_numbers_of_the_images_are_not_taken_for_labels(folder) -> None:
    root = folder()
    frame = pd.DataFrame(_rows(root), columns=["file", "breed"])
    frame["serial"] = [f"no {n}" for n in range(len(frame))]
    frame.to_csv(root / "labels.csv")
    assert _labels(_scan(Table(root / "labels.csv"))[0]) == dict(_rows(root))


def test_a_parquet_file_and_a_data_frame_are_tables_as_well(folder, tmp_path) -> None:
    root = folder()
    frame = pd.DataFrame(_rows(root), columns=["path", "label"]).astype({"label": "category"})
    frame.to_parquet(tmp_path / "labels.parquet")
    for table in (Table(tmp_path / "labels.parquet", root=root), Table(frame, root=root)):
        assert _labels(_scan(table)[0]) == dict(_rows(root))


def test_absolute_paths_anywhere_get_ids_below_the_folder_they_share(folder, tmp_path) -> None:
    root = folder()
    rows = [[str(root / path), label] for path, label in _rows(root)]
    (tmp_path / "elsewhere").mkdir()
    table = Table(_write(tmp_path / "elsewhere" / "labels.csv", [["path", "label"], *rows]))
    catalog, _ = _scan(table)
    assert catalog.root == tmp_path
    assert set(catalog.ids) == {f"photos/{path}" for path, _ in _rows(root)}


def test_numbers_as_labels_are_read_as_people_write_them(folder) -> None:
    root = folder()
    paths = [path for path, _ in _rows(root)]
    frame = pd.DataFrame({"path": paths, "label": [3.0, None, *[7.0] * (len(paths) - 2)]})
    catalog, findings = _scan(Table(frame, root=root))
    assert catalog.vocab == ("3", "7")
    assert {f.kind: f.item for f in findings} == {"columns": "", "no label": paths[1]}


def test_what_is_wrong_with_single_rows_is_a_finding_and_the_rest_is_taken(folder) -> None:
    root = folder()
    rows = _rows(root)
    (root / "black" / "broken.png").write_text("no image")
    extra = [
        ["black/gone.png", "black"],
        [rows[0][0], "teddy"],
        [rows[1][0], rows[1][1]],
        ["", "black"],
        ["black/broken.png", "black"],
        ["black", "black"],
    ]
    catalog, findings = _scan(Table(_write(root / "labels.csv", [["path", "label"], *rows, *extra])))
    assert len(catalog) == len(rows)
    found = [(f.kind, f.item) for f in findings if f.kind != "columns"]
    assert sorted(found) == sorted(
        [
            ("missing", "black/gone.png"),
            ("missing", "black"),
            ("listed twice", rows[0][0]),
            ("listed twice", rows[1][0]),
            ("no path", f"row {len(rows) + 4}"),
            ("not an image", "black/broken.png"),
        ]
    )
    assert findings[0].severity == 1.0
    assert "both as black and as teddy" in findings[0].detail


def test_a_column_of_splits_is_respected_and_empty_cells_go_by_content(folder) -> None:
    root = folder()
    words = ["train", "VAL", "test", ""] * 6
    rows = [[*row, word] for row, word in zip(_rows(root), words, strict=True)]
    catalog, _ = _scan(Table(_write(root / "labels.csv", [["path", "label", "split"], *rows])))
    given = {path: word for (path, _, word) in rows}
    for path, split in zip(catalog.paths, catalog.splits, strict=True):
        assert given[path] in ("", {"train": "train", "valid": "VAL", "test": "test"}[split])
    frame = pd.DataFrame(
        [[*row, n % 2 == 0] for n, row in enumerate(_rows(root))], columns=["f", "y", "is_valid"]
    )
    for flags in (frame, frame.astype({"is_valid": int})):
        by_flag, _ = _scan(Table(flags, root=root))
        assert (by_flag.splits == "valid").sum() == 12


def test_blank_lines_above_a_table_are_no_columns(folder) -> None:
    root = folder()
    file = _write(root / "labels.csv", [["path", "label"], *_rows(root)])
    file.write_text("\n\n" + file.read_text().replace(",", ";"))
    assert len(list_table(Table(file), root=root).paths) == len(_rows(root))


def test_numbered_folds_are_no_split(folder) -> None:
    root = folder()
    rows = [[*row, n % 5] for n, row in enumerate(_rows(root))]
    listing = list_table(Table(_write(root / "labels.csv", [["file", "breed", "fold"], *rows])), root=root)
    assert (listing.splits, listing.labels) == (None, [label for _, label, _ in rows])


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        (["a|b", "a", "b"], "a|b"),
        (["a;b", "b;c", "c;a", "a;b;c"], "a;b"),
        (["a, b", "a", "c"], "a, b"),
        (["['a', 'b']", "['a']"], r"\['a', 'b'\]"),
        ([["a", "b"], ["a"]], r"\['a', 'b'\]"),
        ([np.array(["a", "b"]), np.array(["a"])], "array"),
    ],
)
def test_several_labels_in_a_cell_are_recognised_and_refused(folder, cells: list[object], what: str) -> None:
    root = folder()
    frame = pd.DataFrame({"path": [r[0] for r in _rows(root)], "tags": (cells * 24)[:24]})
    with pytest.raises(InputError, match=f"several labels to one image.*{what}.*'tags'"):
        list_table(Table(frame, root=root), root=root)


@pytest.mark.parametrize(
    "cells", [["bear, black", "bear, brown"], ["R&D; misc", "x"], ["[sic]", "b"], ["a|", "c"]]
)
def test_a_class_may_have_such_a_sign_in_its_name(folder, cells: list[str]) -> None:
    root = folder()
    frame = pd.DataFrame({"path": [r[0] for r in _rows(root)], "label": (cells * 24)[:24]})
    assert set(list_table(Table(frame, root=root), root=root).labels) == set(cells)


@pytest.mark.parametrize(
    ("header", "how", "said"),
    [
        (
            ["file", "breed", "colour"],
            {},
            "no column 'label'; it has: file, breed, colour. Rename the right one",
        ),
        (["file", "breed", "label"], {"label_col": "kind"}, "no column 'kind'; it has: file, breed, label"),
        (["a", "b", "label"], {"path_col": "x"}, "no column 'x'.*Name one of them"),
        (["file", "label", "split"], {}, "says 'maybe'; a split is train, valid or test"),
        (["file", "label", "label"], {}, "two columns of one name"),
    ],
)
def test_a_table_that_is_not_understood_says_what_to_pass(folder, header, how, said) -> None:
    root = folder()
    file = _write(root / "labels.csv", [header, *([*row, "maybe"] for row in _rows(root))])
    with pytest.raises(InputError, match=said):
        list_table(Table(file, **how), root=root)


def test_other_tables_that_can_not_be_used_are_refused_in_a_sentence(tmp_path) -> None:
    bad = {
        "urls.csv": (b"url,label\nhttp://a.example/1.jpg,x\n", "download them first"),
        "empty.csv": (b"path,label\n", "has no rows"),
        "nothing.csv": (b"", "has no rows"),
        "away.csv": (b"path,label\nnot/there.png,x\n", r"None of the 1 files in the column 'path'"),
        "odd.parquet": (b"PAR1 no", "not a Parquet file"),
        "words.csv": (b"one,two\nthree,four\n", "no column of image files"),
        "excel.csv": ("path,label\nthere.png,x\n".encode("utf-16"), "not a table in UTF-8"),
        "latin.csv": (b"path,label\nthere.png,caf\xe9\n", r"caf\\udce9 in latin.csv is not valid text"),
        "bare.csv": (b"there.png,x\nother.png,y\n", "begins with the image 'there.png' where"),
    }
    (tmp_path / "there.png").touch()
    for name, (content, said) in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=said):
            list_table(Table(tmp_path / name), root=tmp_path)
    with pytest.raises(InputError, match="can't be read"):
        list_table(Table(tmp_path / "none.csv"), root=tmp_path)


def test_hostile_names_in_a_table_reach_no_other_file_and_stay_text(folder, tmp_path) -> None:
    root = folder()
    names = ["<b>&.png", "クマ.png", "a\nb.png", "../outside.png", "x,y.png"]
    whole = (root / "black" / "000.png").read_bytes()
    for name in names:
        (root / "black" / name).resolve().write_bytes(whole)
    rows = [["black/000.png", "black"], *([f"black/{name}", "black"] for name in names)]
    rows += [["black/a\0b.png", "black"], ["../../etc/hostname", "black"]]
    frame = pd.DataFrame(rows, columns=["path", "label"])
    listing = list_table(Table(frame, root=root), root=root)
    assert set(listing.paths) == {os.path.normpath(path) for path, _ in rows[:6]}
    assert {f.kind for f in listing.findings} == {"missing", "outside", "columns"}


def test_rescans_of_a_table_find_what_is_new_changed_moved_and_gone(folder) -> None:
    root = folder()
    rows = _rows(root)
    file = _write(root / "labels.csv", [["path", "label"], *rows])
    first, _ = _scan(Table(file))
    was = dict(zip(first.ids, first.digests, strict=True))
    (root / "black" / "000.png").rename(root / "moved.png")
    (root / "black" / "001.png").unlink()
    (root / "new.png").write_bytes((root / "teddy" / "000.png").read_bytes() + b"x")
    changed = [["moved.png", "teddy"], *rows[2:-1], ["new.png", "teddy"], [rows[-1][0], "black"]]
    _write(file, [["path", "label"], *changed])
    again, findings = _scan(Table(file), known=first)
    now = dict(zip(again.ids, again.digests, strict=True))
    assert again.item(again.positions()["black/000.png"]).path == "moved.png"
    assert again.item(again.positions()["black/000.png"]).label == "teddy"
    assert again.item(again.positions()[str(rows[-1][0])]).label == "black"
    assert again.departed == {"black/001.png": (was["black/001.png"], "black/001.png")}
    assert set(now) - set(was) == {"new.png"}
    assert all(now[identity] == digest for identity, digest in was.items() if identity in now)
    assert [f.kind for f in findings] == ["columns"]
