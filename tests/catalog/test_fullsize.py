"""Whole pictures come upright, with the depth they have, and not larger than a browser needs."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cleaner.catalog.fullsize import full_size
from cleaner.errors import UnreadableImage


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_a_photo_comes_as_jpeg_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (60, 20), "red").save(tmp_path / "a.jpg", exif=exif)
    image = opened(full_size(tmp_path / "a.jpg"))
    assert (image.format, image.size) == ("JPEG", (20, 60))


def test_sixteen_bits_keep_every_value(tmp_path: Path) -> None:
    values = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 21
    for name in ("a.png", "a.tif"):
        Image.fromarray(values).save(tmp_path / name)
        image = opened(full_size(tmp_path / name))
        assert (image.format, image.mode) == ("PNG", "I;16")
        assert np.array_equal(np.asarray(image), values)


def test_floats_and_negative_values_are_spread_over_sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(np.array([[-1.5, 0.0], [0.5, 2.5]], dtype=np.float32)).save(tmp_path / "f.tif")
    values = np.asarray(opened(full_size(tmp_path / "f.tif")))
    assert values.tolist() == [[0, 24576], [32768, 65535]]


def test_what_is_larger_than_needed_is_made_smaller_in_either_depth(tmp_path: Path) -> None:
    Image.new("RGB", (900, 300), "green").save(tmp_path / "a.jpg")
    assert opened(full_size(tmp_path / "a.jpg", side=300)).size == (300, 100)
    deep = np.full((300, 900), 1000, dtype=np.uint16)
    deep[:, ::2] = 3000
    Image.fromarray(deep).save(tmp_path / "d.png")
    image = opened(full_size(tmp_path / "d.png", side=450))
    assert image.size == (450, 150)
    assert set(np.asarray(image).flat) == {2000}


def test_a_line_one_pixel_high_is_made_smaller_too(tmp_path: Path) -> None:
    Image.fromarray(np.full((1, 1000), 500, dtype=np.uint16)).save(tmp_path / "line.png")
    image = opened(full_size(tmp_path / "line.png", side=100))
    assert image.size == (100, 1)
    assert set(np.asarray(image).flat) == {500}


def test_a_damaged_file_is_refused_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(UnreadableImage, match=r"a\.jpg is not an image"):
        full_size(tmp_path / "a.jpg")
