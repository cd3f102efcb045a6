"""Downloads from a server that misbehaves: what arrives, what doesn't, and that a kill does no harm."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

from cleaner.catalog.download import Manners, download
from cleaner.catalog.guard import examine_all
from cleaner.catalog.manifest import Outcome
from cleaner.catalog.politeness import Job, Turns
from cleaner.catalog.urls import Wanted
from cleaner.errors import CleanerError, InputError, Refused, Stopped
from cleaner.fetching import Limits
from cleaner.progress import never
from tests.support.badfiles import bomb, endless
from tests.support.badserver import BadServer, answer, bad_server, picture

HASTE = Manners(at_once=16, per_host=16, gap=0, tries=3, pause=0.02)
TIGHT = Limits(bytes=100_000, seconds=1.0, connect_seconds=1.0)


@pytest.fixture
def server() -> Iterator[BadServer]:
    with bad_server() as bad:
        yield bad


def _get(to: Path, *urls: str, label: str = "bear", **how: object) -> list[Outcome]:
    settings = {"limits": TIGHT, "manners": HASTE, "allow_private": True} | how
    return list(download([Wanted(url, label) for url in urls], to=to, **settings))  # type: ignore[arg-type]


def _files(to: Path) -> list[str]:
    return sorted(
        p.relative_to(to).as_posix() for p in to.rglob("*") if p.is_file() and ".cleaner" not in p.parts
    )


def test_every_url_of_a_misbehaving_server_gets_its_outcome_and_only_images_are_kept(
    tmp_path, server
) -> None:
    server.serve("/ok.jpg", picture(5, kind="PNG"))
    server.serve("/half.jpg", picture(6)[:300])
    server.answer_in_turn("/busy.jpg", answer(b"", status="429 No", retry_after="0"), answer(picture(7)))
    server.answer_in_turn(
        "/moody.jpg", answer(b"", status="500 Oh"), answer(b"", status="502 Oh"), answer(picture(8))
    )
    expected = {
        "/good.jpg": "kept",
        "/moved": "twice",
        "/gzip": "twice",
        "/ok.jpg": "kept",
        "/busy.jpg": "kept",
        "/moody.jpg": "kept",
        "/page.jpg": "no image",
        "/half.jpg": "no image",
        "/says-too-short": "no image",
        "/empty": "no image",
        "/not-there": "not to be had",
        "/gone": "not to be had",
        "/endless": "not to be had",
        "/bomb": "not to be had",
        "/loop": "not to be had",
        "/to-a-file": "not to be had",
        "/hang": "failed",
        "/drip": "failed",
        "/endless-headers": "failed",
        "/huge-header": "failed",
        "/reset": "failed",
        "/silent": "failed",
        "/nonsense": "failed",
        "/says-too-long": "failed",
        "/broken": "failed",
    }
    paths = list(expected)
    found = _get(tmp_path / "a", server.url(paths[0]))  # first, so that it is clear which one comes twice
    found += _get(tmp_path / "a", *map(server.url, paths[1:]))
    assert {path: outcome.result for path, outcome in zip(paths, found, strict=True)} == expected
    assert len(_files(tmp_path / "a")) == 4
    assert all(outcome.detail for outcome in found if outcome.result != "kept")
    assert server.asked["/reset"] == server.asked["/broken"] == 3
    assert server.asked["/gone"] == 1
    assert not any((tmp_path / "a" / ".cleaner" / "partial").iterdir())


def test_the_suffix_says_what_a_file_is_not_what_it_was_called(tmp_path, server) -> None:
    urls = [
        server.serve(f"/{kind}/picture.php", picture(1, kind=kind)) for kind in ("PNG", "JPEG", "GIF", "TIFF")
    ]
    urls.append(server.serve("/picture.jpg", picture(1, kind="WEBP")))
    found = _get(tmp_path, *urls)
    assert [Path(outcome.path).suffix for outcome in found] == [".png", ".jpg", ".gif", ".tif", ".webp"]
    for outcome in found:
        with Image.open(tmp_path / outcome.path) as image:
            image.load()


def test_what_hangs_its_decoder_or_unpacks_without_end_is_no_image_and_the_rest_comes(
    tmp_path, server
) -> None:
    urls = [server.serve(f"/{n}.jpg", picture(n)) for n in range(3)]
    urls += [server.serve("/slow.jpg", endless()), server.serve("/bomb.png", bomb(40_000))]
    found = _get(tmp_path, *urls, limits=Limits(), examine_all=partial(examine_all, seconds=2))
    assert [outcome.result for outcome in found] == ["kept", "kept", "kept", "no image", "no image"]
    assert found[3].detail.startswith("What came was not decoded after 2 seconds")
    assert found[4].detail.startswith("What came has too many pixels")
    assert len(_files(tmp_path)) == 3


def test_where_no_worker_can_be_started_the_download_says_so_and_ends(tmp_path, server) -> None:
    urls = [server.serve(f"/{n}.jpg", picture(n)) for n in range(8)]
    with pytest.raises(CleanerError, match="can't start a worker"):
        _get(tmp_path, *urls, examine_all=partial(examine_all, program="raise SystemExit(3)"))
    assert _files(tmp_path) == []
    assert [outcome.result for outcome in _get(tmp_path, *urls)] == ["kept"] * 8


def test_equal_names_stay_apart_and_equal_files_come_once_per_label(tmp_path, server) -> None:
    urls = [server.serve(f"/{n}/images.jpg", picture(n)) for n in range(3)]
    again = server.serve("/else/images.jpg", picture(0))
    found = _get(tmp_path, *urls)
    assert len({outcome.path for outcome in found}) == 3
    (twice,) = _get(tmp_path, again)
    assert (twice.result, twice.path) == ("twice", found[0].path)
    (other,) = _get(tmp_path, again, label="teddy")
    assert other.result == "kept"
    assert len(_files(tmp_path)) == 4


@pytest.mark.parametrize(
    "name",
    [
        "..%2F..%2Fetc%2Fpasswd",
        "%2E%2E",
        ".hidden.jpg",
        "a%00b.jpg",
        "x" * 300,
        "%F0%9F%90%BB.jpg",
        "a b<c>:d.jpg",
        "con%0D%0Ax.jpg",
        "",
        "C:%5Cboot.ini",
    ],
)
def test_a_hostile_name_becomes_a_plain_one_in_its_class_folder(tmp_path, server, name: str) -> None:
    server.behaviours = dict.fromkeys(
        [f"/{name}", "/" + name.replace(" ", "%20").replace("<", "%3C").replace(">", "%3E")],
        lambda line: line.sendall(answer(picture(2))),
    )
    (found,) = _get(tmp_path / "set", server.url(f"/{name}"))
    assert found.result == "kept"
    (file,) = _files(tmp_path)
    assert file == f"set/{found.path}"
    stem = Path(found.path).stem
    assert stem.replace("-", "").replace("_", "").isalnum()
    assert len(stem) < 80


def test_the_manifest_says_where_each_file_came_from(tmp_path, server) -> None:
    _get(tmp_path, server.url("/moved"), server.url("/gone"))
    with (tmp_path / ".cleaner" / "downloads.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["url"]: row for row in csv.DictReader(file)}
    kept = rows[server.url("/moved")]
    assert (kept["result"], kept["source"], kept["label"]) == ("kept", server.url("/good.jpg"), "bear")
    assert (tmp_path / kept["path"]).read_bytes() == picture(1)
    assert "410" in rows[server.url("/gone")]["detail"]


def test_a_second_run_asks_only_for_what_failed_for_a_passing_reason(tmp_path, server) -> None:
    moody = server.answer_in_turn("/moody.jpg", *[answer(b"", status="503 No")] * 3, answer(picture(9)))
    urls = [server.url("/good.jpg"), server.url("/gone"), server.url("/page.jpg"), moody]
    first = _get(tmp_path, *urls)
    assert [outcome.result for outcome in first] == ["kept", "not to be had", "no image", "failed"]
    second = _get(tmp_path, *urls)
    assert [outcome.result for outcome in second] == ["kept", "not to be had", "no image", "kept"]
    assert server.asked == {"/good.jpg": 1, "/gone": 1, "/page.jpg": 1, "/moody.jpg": 4}


def test_what_was_removed_from_the_dataset_does_not_come_back(tmp_path, server) -> None:
    (found,) = _get(tmp_path, server.url("/good.jpg"))
    (tmp_path / found.path).unlink()
    _get(tmp_path, server.url("/good.jpg"), server.url("/moved"))
    assert _files(tmp_path) == []


def test_a_stop_keeps_what_is_there_and_the_next_call_goes_on(tmp_path, server) -> None:
    urls = [server.serve(f"/{n}.jpg", picture(n)) for n in range(6)] + [server.url("/hang")]
    with pytest.raises(Stopped):
        _get(tmp_path, *urls, stopped=lambda: len(_files(tmp_path)) == 6, limits=Limits(seconds=60))
    assert len(_files(tmp_path)) == 6
    server.serve("/hang", picture(7))
    assert [outcome.result for outcome in _get(tmp_path, *urls)] == ["kept"] * 7
    assert server.asked["/0.jpg"] == 1


def test_an_interruption_does_not_wait_for_the_rest(tmp_path, server) -> None:
    def interrupt(_: object) -> None:
        if server.asked["/hang"]:
            raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _get(tmp_path, server.url("/hang"), server.url("/drip"), report=interrupt, limits=Limits(seconds=600))
    assert time.monotonic() - begun < 300
    assert [outcome.result for outcome in _get(tmp_path, server.url("/good.jpg"))] == ["kept"]


KILLED = """
import sys
from pathlib import Path
from cleaner.catalog.download import Manners, download
from cleaner.catalog.urls import Wanted
folder, *urls = sys.argv[1:]
download([Wanted(u, "bear") for u in urls], to=Path(folder), allow_private=True,
         manners=Manners(at_once=4, per_host=4, gap=0.02))
"""


def test_a_kill_leaves_whole_files_only_and_nothing_comes_twice(tmp_path, server) -> None:
    urls = [server.serve(f"/{n}.jpg", picture(n, side=64)) for n in range(60)]
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "set"), *urls])
    while server.asked.total() < 25 and child.poll() is None:
        time.sleep(0.01)
    child.kill()
    child.wait()
    there = _files(tmp_path / "set")
    assert 0 < len(there) < 60
    for path in there:
        assert (tmp_path / "set" / path).read_bytes() in [picture(n, side=64) for n in range(60)]
    found = _get(tmp_path / "set", *urls)
    assert {outcome.result for outcome in found} == {"kept"}
    assert len(_files(tmp_path / "set")) == 60


def test_a_line_of_the_manifest_that_was_cut_off_is_forgotten(tmp_path, server) -> None:
    first, second = server.url("/good.jpg"), server.serve("/2.jpg", picture(2))
    _get(tmp_path, first)
    _get(tmp_path, second)
    manifest = tmp_path / ".cleaner" / "downloads.csv"
    whole = manifest.read_bytes()
    for cut in (1, 30, len(whole.split(b"\r\n")[-2]) + 1):
        manifest.write_bytes(whole[:-cut])
        assert [outcome.result for outcome in _get(tmp_path, first, second)] == ["kept", "kept"]
        assert manifest.read_bytes() == whole
    assert len(_files(tmp_path)) == 2


def test_private_addresses_are_refused_unless_allowed(tmp_path, server) -> None:
    (found,) = _get(tmp_path, server.url("/good.jpg"), allow_private=False)
    assert found.result == "not to be had"
    assert "private network" in found.detail
    assert not server.asked


def test_no_host_gets_more_at_once_than_it_should_nor_faster(tmp_path, server) -> None:
    urls = [server.serve_late(f"/{n}.jpg", picture(n), seconds=0.15) for n in range(8)]
    _get(tmp_path, *urls, manners=Manners(at_once=8, per_host=2, gap=0.05))
    assert server.busiest == 2
    gaps = [later - sooner for sooner, later in zip(server.times, server.times[1:], strict=False)]
    assert sum(gaps) >= 7 * 0.05 * 0.9


def test_a_host_that_asks_for_time_gets_it(tmp_path, server) -> None:
    busy = server.answer_in_turn(
        "/busy.jpg", answer(b"", status="429 No", retry_after="1"), answer(picture(3))
    )
    urls = [busy, *(server.serve(f"/{n}.jpg", picture(n)) for n in range(3))]
    found = _get(tmp_path, *urls, manners=Manners(per_host=1, gap=0, pause=0.01))
    assert [outcome.result for outcome in found] == ["kept", "kept", "kept", "kept"]
    assert server.times[1] - server.times[0] >= 0.99  # nothing else is asked of it meanwhile


def test_a_host_that_asks_for_an_hour_is_left_for_another_run(tmp_path, server) -> None:
    url = server.answer_in_turn("/busy.jpg", answer(b"", status="503 No", retry_after="3600"))
    (found,) = _get(tmp_path, url)
    assert (found.result, server.asked["/busy.jpg"]) == ("failed", 1)


def test_two_downloads_into_one_folder_do_not_mix(tmp_path, server) -> None:
    (tmp_path / ".cleaner").mkdir()
    with FileLock(tmp_path / ".cleaner" / ".downloads.lock"), pytest.raises(Refused, match="is running"):
        _get(tmp_path, server.url("/good.jpg"))


def test_a_folder_that_can_not_be_written_to_is_said_to_be_so(tmp_path, server) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="can't be written to"):
        _get(tmp_path / "taken", server.url("/good.jpg"))
    (tmp_path / "bear").write_text("a file")
    with pytest.raises(InputError, match="can't be written to"):
        _get(tmp_path, *[server.url("/good.jpg")] * 3, server.url("/hang"))


def test_progress_ends_at_the_number_of_urls(tmp_path, server) -> None:
    seen = []
    _get(tmp_path, server.url("/good.jpg"), server.url("/gone"), report=seen.append)
    assert (seen[-1].done, seen[-1].total) == (2, 2)
    assert seen[-1].note == "1 kept, 1 not to be had"


def test_turns_are_dealt_by_host_and_end_with_the_last_job() -> None:
    turns = Turns([Job(n, host="ab"[n % 2]) for n in range(4)], per_host=1, gap=0, stopped=never)
    one, two = turns.take(), turns.take()
    assert one is not None
    assert two is not None
    assert {one.host, two.host} == {"a", "b"}
    turns.done(one, again_in=0.05)
    third = turns.take()
    assert third is not None
    assert third.host == one.host
    assert third.what != one.what  # fresh ones before those to be done again
    for job in (two, third):
        turns.done(job)
    last = [turns.take(), turns.take()]
    assert {job.what for job in last if job} == {
        one.what,
        ({0, 1, 2, 3} - {one.what, two.what, third.what}).pop(),
    }
    for job in last:
        assert job is not None
        turns.done(job)
    assert turns.take() is None
