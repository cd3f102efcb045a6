"""The report tells what a cleaning found and did, in every state of a project, in one file."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cleaner import Project, Table
from cleaner.app import report
from cleaner.app.accounts import account, pairs, some_of_each
from cleaner.app.cli import app
from cleaner.app.report import render
from cleaner.errors import InputError
from cleaner.types import Catalog, Decision, strings
from tests.support.images import colour_fields, planted_error
from tests.support.rounds import round_without_training

TODAY = datetime(2026, 11, 20, tzinfo=timezone.utc)
HOSTILE = "<img src=x onerror=alert(1)>"


BLOCKS = {"p", "div", "td", "th", "tr", "span", "h1", "h2", "b", "figcaption"}


class Reader(HTMLParser):
    """Reads a page as a browser would: its texts, and every tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page.split("</style>")[-1])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.words += [" "] if tag in BLOCKS else []

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return round_without_training(planted_error(tmp_path / "photos", each=6))


def test_a_project_without_anything_has_a_report_that_says_so(folder: Callable[..., Path]) -> None:
    text = Reader(render(Project.open(folder(each=3)), today=TODAY)).text
    assert "Cleaning of photos" in text
    assert "9 images came, in 3 classes" in text
    assert "Nothing has been found wrong so far" in text
    assert "no model has been trained" in text
    assert "the files lie where they lay" in text
    assert "20 November 2026" in text


def test_it_tells_what_was_wrong_and_who_said_so_before_any_apply(project: Project) -> None:
    project.decide(["teddy/planted.png"], "relabel", label="black")
    project.decide(["grizzly/003.png"], "delete")
    project.decide(["grizzly/004.png", "grizzly/005.png"], "keep")
    project.decide(["grizzly/002.png"], "unsure")
    page = Reader(render(project, today=TODAY))
    assert "5 of them reviewed by a person" in page.text
    assert "2 found wrong: 1 relabelled, 1 removed" in page.text
    assert "teddy → black teddy/planted.png by ann" in page.text
    assert "grizzly → removed grizzly/003.png by ann" in page.text
    assert "Of 1 image the reviewer could not tell" in page.text
    pictures = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 2
    assert all(source and source.startswith("data:image/jpeg;base64,") for source in pictures)


def test_after_applies_and_an_undo_it_still_knows_what_images_came_as(project: Project) -> None:
    project.decide(["teddy/planted.png"], "relabel", label="black")
    project.apply()
    project.decide(["grizzly/003.png"], "delete")
    project.apply()
    text = Reader(render(project, today=TODAY)).text
    assert "18 images came, in 3 classes" in text
    assert "teddy → black teddy/planted.png" in text
    assert "grizzly → removed grizzly/003.png" in text
    assert "17 images when all is applied" in text
    assert re.search(r"1 ann [\d: -]+ 1 1 2 ann [\d: -]+ 1 1", text), text
    assert "black 5 0 0 0 1 6 5" in text
    assert "teddy 7 1 1 0 0 6 6" in text
    assert "grizzly 6 1 0 1 0 5 5" in text
    project.undo(1)
    assert re.search(r"1 ann [\d: -]+ 1 0 2 ann", Reader(render(project, today=TODAY)).text)


def test_rounds_are_compared_once_there_are_two(project: Project) -> None:
    assert "One training can’t be compared" in Reader(render(project, today=TODAY)).text
    project.decide(["teddy/planted.png"], "relabel", label="black")
    round_without_training(project.root, seed=1)
    text = Reader(render(project, today=TODAY)).text
    assert "On the same 18 held-out images" in text
    assert "2 full training 2026-01-02 18" in text


def test_names_from_a_dataset_stay_text(tmp_path: Path) -> None:
    root = colour_fields(tmp_path / "<b>ph&otos", classes=(HOSTILE, "\u202egniyl", "x{{7*7}}y"), each=3)
    project = round_without_training(root)
    ids = list(project.catalog.ids)
    project.decide([ids[0], ids[3]], "relabel", label="\u202egniyl")
    page = render(project, today=TODAY)
    reader = Reader(page)
    assert all("onerror" not in attributes for _, attributes in reader.tags)
    assert HOSTILE in reader.text
    assert "x{{7*7}}y" in reader.text
    assert "<b>ph&otos" in reader.text
    bare = re.findall(r"(<bdi>)?[^<>]*\u202egniyl", page)
    assert bare
    assert all(bare)  # what turns the direction of text turns its own only


def test_names_that_are_no_text_are_spelled_out(project: Project, tmp_path: Path) -> None:
    project.root = project.root.with_name("caf\udce9")
    written = project.report(tmp_path / "report.html")
    assert "caf\\udce9" in written.read_text(encoding="utf-8")


def test_it_needs_nothing_from_elsewhere_and_runs_nothing(project: Project) -> None:
    project.decide(["teddy/planted.png"], "delete")
    page = render(project, today=TODAY)
    tags = {tag for tag, _ in Reader(page).tags}
    assert not tags & {"script", "link", "iframe", "object", "form", "base"}
    addresses = re.findall(r"https?://[^\s\"'<]+", page)
    assert addresses == []
    assert "default-src 'none'" in html.unescape(page)
    assert str(project.root) not in page  # where it lies is nobody else's business


def test_it_stays_small_however_many_were_wrong(
    folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "PICTURES", 7)
    project = Project.open(folder(each=10))
    black = [name for name in project.catalog.ids if name.startswith("black/")]
    project.decide(black[:9], "relabel", label="teddy")
    project.decide([black[9]], "delete")
    project.decide(["grizzly/001.png", "grizzly/002.png"], "delete")
    page = render(project, today=TODAY)
    assert page.count("<img ") == 7
    assert "7 of 12 are shown, some of each pair" in Reader(page).text
    assert len(page) < 7 * 12_000 + 40_000


def test_some_of_every_pair_are_shown_and_pairs_stay_together() -> None:
    catalog = _catalog(20)
    standing = {
        name: Decision(name, "relabel", "c" if row < 15 else "b", "ann", "2026", 1, 1)
        for row, name in enumerate(catalog.ids)
    }
    told = account(catalog, standing, first={})
    assert pairs(told.changes) == [("a", "c", 15), ("a", "b", 5)]
    chosen = some_of_each(told.changes, most=6)
    assert [change.label for change in chosen] == ["c", "c", "c", "b", "b", "b"]
    assert len(some_of_each(told.changes, most=100)) == 20


def test_a_label_that_was_taken_back_by_hand_is_no_change() -> None:
    catalog = _catalog(2)
    standing = {catalog.ids[0]: Decision(catalog.ids[0], "relabel", "a", "ann", "2026", 1, 1)}
    assert account(catalog, standing, first={}).changes == ()


def _catalog(size: int) -> Catalog:
    columns = strings([f"a/{row:03d}.png" for row in range(size)])
    numbers = np.zeros(size, dtype=np.int32)
    return Catalog(
        Path("/nowhere"), ("a", "b", "c"), columns, columns, numbers, strings(["train"] * size), columns,
        numbers, numbers, numbers.astype(np.int64), numbers.astype(np.int64),
    )  # fmt: skip


def test_it_is_never_written_among_the_images(project: Project) -> None:
    before = sorted(path for path in project.root.rglob("*") if ".cleaner" not in path.parts)
    for name in ("report.html", "teddy/planted.png", ".cleaner/report.html"):
        with pytest.raises(InputError, match="choose another place"):
            project.report(project.root / name)
    assert sorted(path for path in project.root.rglob("*") if ".cleaner" not in path.parts) == before


def test_a_place_that_cannot_be_written_is_said_and_leaves_nothing(project: Project, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be written"):
        project.report(tmp_path / "nowhere" / "report.html")
    with pytest.raises(InputError, match="not a file name"):
        project.report(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_report_takes_the_place_of_the_one_before(project: Project, tmp_path: Path) -> None:
    written = project.report(tmp_path / "report.html")
    project.decide(["teddy/planted.png"], "delete")
    assert project.report(tmp_path / "report.html") == written
    assert "1 removed" in Reader(written.read_text(encoding="utf-8")).text


def test_a_report_is_not_written_over_the_table_of_the_images(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    photos, table = folder(each=2), tmp_path / "lists" / "list.csv"
    table.parent.mkdir()
    table.write_text("path,label\nblack/000.png,black\n")
    project = Project.open(Table(table, root=photos), home=tmp_path / "kept")
    with pytest.raises(InputError, match="is the table of this project"):
        project.report(table)
    assert table.read_text().startswith("path,label")


def test_a_picture_that_is_gone_leaves_an_empty_frame(project: Project) -> None:
    project.decide(["teddy/planted.png"], "delete")
    (project.root / "teddy" / "planted.png").unlink()
    text = Reader(render(project, today=TODAY)).text
    assert "no picture teddy → removed" in text


def test_the_command_writes_it_beside_or_where_it_is_told(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["report", str(project.root)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "photos-report.html").exists()
    CliRunner().invoke(app, ["report", str(project.root), "--to", "other.html"])
    assert (tmp_path / "other.html").exists()


def test_findings_are_told_by_kind(folder: Callable[..., Path]) -> None:
    root = folder(each=3)
    copy = root / "black" / "copy.png"
    copy.write_bytes((root / "grizzly" / "000.png").read_bytes())
    text = Reader(render(Project.open(root), today=TODAY)).text
    assert "conflicting duplicate 2" in text
    assert "is the same file as" in text
