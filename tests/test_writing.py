"""A file is there whole or not at all."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier, Thread

import pytest

from cleaner.writing import whole


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_takes_its_name_only_when_it_is_whole(tmp_path: Path, *, durable: bool) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("before")
    with whole(file, durable=durable) as part:
        part.write_text("after")
        assert file.read_text() == "before"
    assert file.read_text() == "after"
    assert list(tmp_path.iterdir()) == [file]


def fail(part: Path, fault: type[BaseException]) -> None:
    part.write_text("af")
    raise fault


@pytest.mark.parametrize("fault", [OSError, KeyboardInterrupt])
def test_of_what_fails_nothing_is_left_and_nothing_is_lost(
    tmp_path: Path, fault: type[BaseException]
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("before")
    with pytest.raises(fault), whole(file) as part:
        fail(part, fault)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_name_may_be_as_long_as_the_disk_takes_it(tmp_path: Path) -> None:
    file = tmp_path / ("ü" * 127)
    with whole(file) as part:
        part.write_text("text")
    assert file.read_text() == "text"


def test_several_at_once_do_not_write_into_each_others(tmp_path: Path) -> None:
    file, together = tmp_path / "notes.txt", Barrier(4)

    def write(word: str) -> None:
        with whole(file) as part, part.open("w") as text:
            together.wait(30)
            text.write(word * 10_000)

    threads = [Thread(target=write, args=(word,)) for word in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (word,) = set(file.read_text())
    assert file.read_text() == word * 10_000
    assert list(tmp_path.iterdir()) == [file]
