"""The cleaned dataset as a table."""

from __future__ import annotations

import csv
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cleaner.changes.cleaned import cleaned
from cleaner.changes.export import write_csv, write_decisions, write_fastai_csv
from cleaner.errors import InputError


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_holds_the_labels_as_decided_whether_applied_or_not(build, decide, tmp_path):
    catalog = build(
        ["cat/1.jpg", "dog/2.jpg", "dog/3.jpg", "owl/4.jpg"],
        ids=["cat/1.jpg", "cat/2.jpg", "dog/3.jpg", "owl/4.jpg"],  # the second was applied already
        held_out=["dog/3.jpg"],
    )
    decisions = [
        decide("cat/1.jpg", "relabel", "dog"),
        decide("cat/2.jpg", "relabel", "dog"),
        decide("dog/3.jpg", "keep"),
        decide("owl/4.jpg", "delete"),
    ]
    written = write_csv(cleaned(catalog, {one.item: one for one in decisions}), tmp_path / "cleaned.csv")
    assert [tuple(row.values()) for row in read(written)] == [
        ("cat/1.jpg", "dog", "cat", "train", "relabel", "cat/1.jpg"),
        ("dog/2.jpg", "dog", "cat", "train", "relabel", "cat/2.jpg"),
        ("dog/3.jpg", "dog", "dog", "valid", "keep", "dog/3.jpg"),
    ]
    assert list(read(written)[0]) == ["path", "label", "given_label", "split", "decision", "id"]


def test_labels_of_a_table_are_corrected_in_the_export(build, decide, tmp_path):
    catalog = build(["deep/1.jpg", "2.jpg"], labels_in="table", labels=["cat", "dog"])
    relabel = decide("deep/1.jpg", "relabel", "dog")
    rows = read(write_csv(cleaned(catalog, {relabel.item: relabel}), tmp_path / "cleaned.csv"))
    assert [(row["id"], row["label"], row["given_label"]) for row in rows] == [
        ("2.jpg", "dog", "dog"),
        ("deep/1.jpg", "dog", "cat"),
    ]


def test_hostile_names_come_back_as_they_were(build, tmp_path):
    paths = ['=cmd|"x"/1,2.jpg', "cat/a\nb.jpg", "cat/a\rb.jpg", "löwe/猫 'x'.jpg"]
    rows = read(write_csv(cleaned(build(paths), {}), tmp_path / "cleaned.csv"))
    assert [row["path"] for row in rows] == sorted(paths)


def test_a_name_that_is_no_text_is_written_with_the_bytes_of_the_disk(build, tmp_path):
    name = os.fsdecode(b"cat/\xff.jpg")
    written = write_csv(cleaned(build([name]), {}), tmp_path / "cleaned.csv")
    assert b"cat/\xff.jpg" in written.read_bytes()


def test_a_failed_export_leaves_the_former_table_and_no_litter(build, decide, tmp_path):
    written = write_csv(cleaned(build(["cat/1.jpg"]), {}), tmp_path / "cleaned.csv")
    former = written.read_bytes()
    broken = decide("cat/2.jpg", "relabel", "\ud800")
    with pytest.raises(UnicodeEncodeError):
        write_csv(cleaned(build(["cat/2.jpg"]), {broken.item: broken}), written)
    assert written.read_bytes() == former
    assert [place.name for place in tmp_path.iterdir()] == ["cleaned.csv"]


def test_a_place_that_cannot_be_written_is_named(build, tmp_path):
    with pytest.raises(InputError, match=r"missing.cleaned\.csv can't be written"):
        write_csv(cleaned(build(["cat/1.jpg"]), {}), tmp_path / "missing" / "cleaned.csv")


def test_a_pipe_and_a_link_stay_what_they_are(build, tmp_path):
    rows = [*cleaned(build(["cat/1.jpg"]), {})]
    file, link, pipe = tmp_path / "cleaned.csv", tmp_path / "link.csv", tmp_path / "pipe"
    link.symlink_to(file)
    assert write_csv(rows, link) == link
    assert (link.is_symlink(), file.is_symlink()) == (True, False)
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as reader:
        heard = reader.submit(pipe.read_bytes)
        write_csv(rows, pipe)
        assert heard.result(30) == file.read_bytes()
    assert pipe.is_fifo()


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux' /dev/fd")
def test_an_output_that_is_sent_to_a_file_is_not_written_over(build, tmp_path):
    file = tmp_path / "all.csv"
    file.write_text("before\n")
    with (
        file.open("a") as output,
        pytest.raises(InputError, match=r"leads to .*all\.csv just now; give that name"),
    ):
        write_csv(cleaned(build(["cat/1.jpg"]), {}), Path(f"/dev/fd/{output.fileno()}"))
    assert file.read_text() == "before\n"


def test_writing_twice_gives_the_same_bytes(build, tmp_path):
    catalog = build(["dog/2.jpg", "cat/1.jpg", "cat/10.jpg"])
    first, second = (
        write_csv(cleaned(catalog, {}), tmp_path / name).read_bytes() for name in ("a.csv", "b.csv")
    )
    assert first == second


def test_fastais_table_has_its_two_columns_and_paths_below_the_dataset(build, decide, tmp_path):
    catalog = build(["cat/1.jpg", "cat/a,b.jpg", "dog/2.jpg"])
    decisions = [decide("cat/1.jpg", "relabel", "dog"), decide("dog/2.jpg", "delete")]
    rows = cleaned(catalog, {one.item: one for one in decisions})
    written = write_fastai_csv(rows, tmp_path / "cleaned.csv")
    assert read(written) == [
        {"name": "cat/1.jpg", "label": "dog"},
        {"name": "cat/a,b.jpg", "label": "cat"},
    ]


def test_every_decision_is_one_line_of_json(decide, tmp_path):
    events = [decide("cat/1.jpg", "relabel", "löwe"), decide("cat/\n.jpg", "clear")]
    written = write_decisions(events, tmp_path / "decisions.jsonl")
    lines = written.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["item"] for line in lines] == ["cat/1.jpg", "cat/\n.jpg"]
    assert json.loads(lines[0]) | {"label": "löwe", "by": "ann", "how": "person"} == json.loads(lines[0])
    assert "löwe" in lines[0]
