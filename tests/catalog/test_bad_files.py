"""Every container and mode that Pillow writes, cut, flipped, faked: each file with the finding it deserves.

CLEANER_BAD_FILES multiplies the number of cases.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cleaner.catalog.examine import Seen
from cleaner.catalog.faults import Fault
from cleaner.catalog.guard import examine_all
from cleaner.catalog.kinds import KINDS
from cleaner.catalog.pictures import open_picture
from cleaner.catalog.quality import LOOK
from cleaner.errors import UnreadableImage
from tests.support.badfiles import cut, encoded, flipped, huge, no_images, photograph, polyglots, whole

TIMES = int(os.environ.get("CLEANER_BAD_FILES", "1"))
COMMON = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "TGA", "JPEG2000", "AVIF", "ICO", "QOI")


def _examined(root: Path, files: Mapping[str, bytes]) -> dict[str, Seen | Fault]:
    for name, content in files.items():
        (root / name).write_bytes(content)
    return dict(zip(files, examine_all(root, list(files), seconds=20), strict=True))


def _pixels(path: Path) -> np.ndarray | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that Pillow will give up a container is no error of the file
        try:
            return np.asarray(open_picture(path))
        except UnreadableImage:
            return None


def test_every_container_and_mode_is_read_as_it_is_later_opened(tmp_path: Path) -> None:
    files = {f"{format} {mode}": content for format, mode, content in whole(32)}
    assert len(files) > 100
    answers = _examined(tmp_path, files)
    for name, answer in answers.items():
        pixels = _pixels(tmp_path / name)
        assert isinstance(answer, Fault) == (pixels is None), name
        if isinstance(answer, Seen) and pixels is not None:
            assert (answer.heights, answer.widths) == pixels.shape[:2], name
            look = np.frombuffer(answer.look, LOOK)[0]
            assert np.isfinite([look[n] for n in LOOK.names[3:]]).all(), name
    assert not [name for name, answer in answers.items() if isinstance(answer, Fault)]


@pytest.mark.parametrize("format", COMMON)
def test_a_file_cut_anywhere_is_found_or_has_lost_no_pixel(tmp_path: Path, format: str) -> None:
    image = photograph(24)
    content = encoded(image.convert("P") if format == "GIF" else image, format)
    (tmp_path / "whole").write_bytes(content)
    answers = _examined(
        tmp_path, {str(n): part for n, part in cut(content, step=max(10, len(content) // 150))}
    )
    entire = _pixels(tmp_path / "whole")
    for name, answer in answers.items():
        if isinstance(answer, Seen):
            assert np.array_equal(_pixels(tmp_path / name), entire), name
        else:
            assert answer.kind in {"truncated", "damaged", "not an image"}, answer
    assert sum(isinstance(answer, Fault) for answer in answers.values()) > len(answers) * 0.5


def test_a_photograph_cut_short_is_found_although_it_is_decoded_at_a_smaller_scale(tmp_path: Path) -> None:
    content = encoded(photograph(900), "JPEG", quality=60)
    files = {str(tenths): content[: len(content) * tenths // 10] for tenths in range(1, 10)}
    files["last bytes"] = content[:-50]
    answers = _examined(tmp_path, files)
    assert {getattr(answer, "kind", "fine") for answer in answers.values()} == {"truncated"}


def test_flipped_bits_never_end_a_check(tmp_path: Path) -> None:
    files = {
        f"{format} {mode} {number}": content
        for format, mode, original in whole(16)
        for number, content in enumerate(flipped(original, count=2 * TIMES))
        if len(original) < 100_000
    }
    answers = _examined(tmp_path, files)
    assert len(answers) == len(files) > 200 * TIMES
    assert {a.kind for a in answers.values() if isinstance(a, Fault)} <= KINDS.keys()
    assert any(isinstance(answer, Fault) for answer in answers.values())


def test_headers_that_announce_too_much_are_believed_and_refused(tmp_path: Path) -> None:
    answers = _examined(tmp_path, huge())
    assert {name: getattr(a, "kind", "fine") for name, a in answers.items()} == dict.fromkeys(
        huge(), "too many pixels"
    )


def test_what_is_no_image_is_said_to_be_none(tmp_path: Path) -> None:
    answers = _examined(tmp_path, no_images() | {"empty.jpg": b""})
    kinds = {name: getattr(a, "kind", "fine") for name, a in answers.items()}
    assert kinds.pop("empty.jpg") == "empty"
    assert kinds == dict.fromkeys(no_images(), "not an image")


def test_two_files_in_one_junk_profiles_and_garbage_behind_are_pictures(tmp_path: Path) -> None:
    answers = _examined(tmp_path, polyglots())
    assert [name for name, answer in answers.items() if isinstance(answer, Fault)] == []


def test_a_header_alone_is_damaged_and_not_another_kind_of_file(tmp_path: Path) -> None:
    formats = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
    answers = _examined(tmp_path, {format: encoded(photograph(), format)[:12] for format in formats})
    assert {getattr(a, "kind", "fine") for a in answers.values()} <= {"damaged", "truncated"}


def test_an_image_turned_by_exif_has_the_size_that_is_shown(tmp_path: Path) -> None:
    for format in ("JPEG", "TIFF", "PNG", "WEBP"):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (40, 20), "white").save(tmp_path / format, format, exif=exif)
    answers = examine_all(tmp_path, ["JPEG", "TIFF", "PNG", "WEBP"])
    for name, answer in zip(["JPEG", "TIFF", "PNG", "WEBP"], answers, strict=True):
        assert isinstance(answer, Seen)
        assert (answer.widths, answer.heights) == open_picture(tmp_path / name).size, name
