"""The check must outlive every file: those that hang, crash, bomb or are no files at all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from PIL import Image

from cleaner.catalog import guard
from cleaner.catalog.examine import Seen
from cleaner.catalog.faults import Fault
from cleaner.catalog.guard import PROGRAM, examine_all
from cleaner.errors import CleanerError, Stopped
from tests.support.badfiles import bomb, encoded, endless, photograph

# a worker whose Pillow knows one more container, whose decoder does what the file says
PLUGIN = """
import os, sys, time
from PIL import Image, ImageFile

class Evil(ImageFile.ImageFile):
    format = "EVIL"

    def _open(self):
        self._mode, self._size = "L", (9, 9)
        self.order = self.fp.read().decode()

    def load(self):
        exec(self.order[4:])
        return super().load()

Image.register_open("EVIL", Evil, lambda prefix: prefix[:4] == b"EVIL")
"""


def _folder(tmp_path: Path, **files: bytes) -> list[str]:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return list(files)


def _kinds(answers: list[Seen | Fault]) -> list[str]:
    return [answer.kind if isinstance(answer, Fault) else "fine" for answer in answers]


def _photos(count: int) -> dict[str, bytes]:
    return {f"fine{number}": encoded(photograph(40, seed=number), "PNG") for number in range(count)}


def test_a_decoder_that_hangs_is_one_fault_and_the_rest_goes_on(tmp_path: Path) -> None:
    paths = _folder(tmp_path, **_photos(2), slow=endless(), last=encoded(photograph(), "JPEG"))
    answers = examine_all(tmp_path, paths, seconds=1)
    assert _kinds(answers) == ["fine", "fine", "too slow", "fine"]
    assert isinstance(answers[2], Fault)
    assert answers[2].detail.startswith("slow was not decoded after 1 seconds")


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        ("import ctypes; ctypes.string_at(0)", "decoder crashed"),
        ("os.abort()", "decoder crashed"),
        ("os._exit(7)", "decoder crashed"),
        ("os.close(0) or time.sleep(600)", "too slow"),
        ("x = bytearray(9 * 2**30)", "too much memory"),
        ("raise RecursionError('round and round')", "damaged"),
        ("print('ready' * 9, flush=True)", "damaged"),  # it may say what it likes
    ],
)
def test_a_decoder_may_do_what_it_likes_to_its_process(tmp_path: Path, order: str, kind: str) -> None:
    paths = _folder(tmp_path, **_photos(1), evil=b"EVIL" + order.encode(), last=encoded(photograph(), "PNG"))
    program = PROGRAM.replace("serve()", f"exec({PLUGIN!r}); serve()")
    assert _kinds(examine_all(tmp_path, paths, seconds=2, program=program)) == ["fine", kind, "fine"]


def test_a_worker_that_is_ended_from_outside_costs_no_file(tmp_path: Path) -> None:
    once = tmp_path / "once"
    order = f"os.path.exists({str(once)!r}) or (open({str(once)!r}, 'w').close(), os.kill(os.getpid(), 9))"
    paths = _folder(tmp_path, evil=b"EVIL" + order.encode(), last=encoded(photograph(), "PNG"))
    program = PROGRAM.replace("serve()", f"exec({PLUGIN!r}); serve()")
    assert _kinds(examine_all(tmp_path, paths, program=program)) == ["damaged", "fine"]  # not crashed


def test_many_files_are_answered_in_their_order_by_several_workers(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(guard, "SHARE", 20)
    monkeypatch.setattr(guard, "WORKERS", 3)
    for number in range(150):
        Image.new("RGB", (10 + number, 10)).save(tmp_path / f"{number}.png")
    done: list[int] = []
    answers = examine_all(tmp_path, [f"{number}.png" for number in range(150)], report=done.append)
    assert [answer.widths for answer in answers if isinstance(answer, Seen)] == list(range(10, 160))
    assert done == sorted(done)
    assert done[-1] == 150


def test_stop_ends_even_a_decoder_that_hangs(tmp_path: Path) -> None:
    paths = _folder(tmp_path, slow=endless())
    looks = iter([False, False, False, True])
    before = set(psutil.Process().children())
    with pytest.raises(Stopped):
        examine_all(tmp_path, paths, seconds=600, stopped=lambda: next(looks))
    assert set(psutil.Process().children()) <= before


def test_a_worker_that_cannot_start_is_an_error_and_no_finding(tmp_path: Path) -> None:
    paths = _folder(tmp_path, **_photos(1))
    with pytest.raises(CleanerError, match="can't start a worker"):
        examine_all(tmp_path, paths, program="raise SystemExit(3)")


def test_where_no_program_may_be_started_files_are_examined_all_the_same(tmp_path: Path, monkeypatch) -> None:
    paths = _folder(tmp_path, **_photos(2), broken=b"x")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "broken"))
    assert _kinds(examine_all(tmp_path, paths)) == ["fine", "fine", "not an image"]


def test_modules_in_the_dataset_are_never_run(tmp_path: Path, monkeypatch) -> None:
    paths = _folder(tmp_path, **_photos(1))
    (tmp_path / "json.py").write_text("raise SystemExit(3)")
    (tmp_path / "PIL.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    assert _kinds(examine_all(tmp_path, paths)) == ["fine"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_a_bomb_takes_bounded_memory(tmp_path: Path) -> None:
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "a" / "bomb.png").write_bytes(bomb())
    code = f"""
        import resource
        from pathlib import Path
        from cleaner.catalog.scan import scan
        catalog, _ = scan(Path({str(tmp_path / "photos")!r}))
        own = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
        print(int(own.split()[1]) // 1024)
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
        print(len(catalog))
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    here, worker, images = map(int, said.split())
    assert images == 1
    assert here < 250  # megabytes; what decodes is elsewhere
    assert 169 < worker < 500  # 13,000² pixels of a byte each, once


def test_pipes_sockets_and_devices_are_never_opened(folder, monkeypatch) -> None:
    from cleaner.catalog.scan import scan

    root = folder()
    os.mkfifo(root / "black" / "pipe.jpg")
    monkeypatch.chdir(root / "black")  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.jpg")
        (root / "black" / "device.jpg").symlink_to("/dev/zero")
        catalog, findings = scan(root)
    assert len(catalog) == 24
    assert {(f.item, f.kind) for f in findings} == {
        ("black/pipe.jpg", "not a file"),
        ("black/socket.jpg", "not a file"),
        ("black/device.jpg", "link"),
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders here")
def test_a_file_that_turns_into_a_pipe_after_listing_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert _kinds(examine_all(tmp_path, ["pipe.jpg"], seconds=0.5)) == ["too slow"]
