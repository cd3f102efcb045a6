from __future__ import annotations

from pathlib import Path

import pytest

from cleaner.catalog.urls import Wanted, read_lists
from cleaner.errors import InputError

A, B, C = "http://a.example/1.jpg", "https://b.example/2.jpg?w=9,9", "http://c.example/3"


def _file(folder: Path, name: str, text: str, **how: str) -> Path:
    (folder / name).write_text(text, **({"encoding": "utf-8"} | how))
    return folder / name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("black.txt", f"{A}\n\n  # a remark\n{B}\r\n {C} \n{A}\n"),
        ("urls_black.txt", f"{A}\n{B}\n{C}"),
        ("black.csv", f"{A}\n{B!r}\n{C}\n".replace("'", '"')),
        ("urls_black.csv", f'url\n{A}\n"{B}"\n{C}\n'),
        ("black", f"{A}\n{B}\n{C}"),
    ],
)
def test_a_file_of_urls_is_a_class_named_like_the_file(tmp_path, name: str, text: str) -> None:
    found = read_lists(_file(tmp_path, name, text))
    assert found == (Wanted(A, "black"), Wanted(B, "black"), Wanted(C, "black"))


def test_an_export_with_a_byte_order_mark_loses_no_url(tmp_path) -> None:
    assert read_lists(_file(tmp_path, "x.txt", f"{A}\n", encoding="utf-8-sig")) == (Wanted(A, "x"),)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("all.csv", f"url,label\n{A},black bear\n{C},teddy\n"),
        ("all.csv", f"id,Label,link\n7,black bear,{A}\n8,teddy,{C}\n"),
        ("all.csv", f"{A},black bear\n{C},teddy\n"),
        ("all.tsv", f"what\twhere\nblack bear\t{A}\nteddy\t{C}\n"),
    ],
)
def test_a_table_of_urls_and_labels_needs_no_explanation(tmp_path, name: str, text: str) -> None:
    assert read_lists(_file(tmp_path, name, text)) == (Wanted(A, "black bear"), Wanted(C, "teddy"))


def test_lists_may_be_several_files_or_a_mapping(tmp_path) -> None:
    files = [_file(tmp_path, "black.txt", A), _file(tmp_path, "teddy.txt", f"{A}\n{C}\n")]
    expected = (Wanted(A, "black"), Wanted(A, "teddy"), Wanted(C, "teddy"))
    assert read_lists(files) == read_lists({"black": [A], "teddy": [A, f"{C}\n", A]}) == expected


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "black bears\nteddies\n"])
def test_a_file_without_urls_is_refused_in_a_sentence(tmp_path, text: str) -> None:
    with pytest.raises(InputError, match=r"URL"):
        read_lists(_file(tmp_path, "black.txt", text))


def test_a_table_without_labels_says_what_it_has(tmp_path) -> None:
    with pytest.raises(InputError, match="it has: url, width, height"):
        read_lists(_file(tmp_path, "x.csv", f"url,width,height\n{A},3,4\n"))


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path) -> None:
    with pytest.raises(InputError, match=r"none\.txt can't be read"):
        read_lists(tmp_path / "none.txt")
