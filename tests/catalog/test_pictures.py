from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cleaner.catalog.pictures import open_picture
from cleaner.catalog.thumbnails import thumbnail
from cleaner.errors import UnreadableImage


def _colour(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def test_a_photo_turned_by_exif_is_shown_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20), "white")
    image.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate 90 degrees clockwise to view
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    upright = open_picture(tmp_path / "turned.jpg")
    assert upright.size == (20, 40)
    assert _colour(upright, 10, 5)[1] < 60  # red on top
    assert _colour(upright, 10, 35)[1] > 200


def test_16_bit_images_keep_their_greys(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    shown = np.asarray(open_picture(tmp_path / "deep.png"))[..., 0]
    assert np.array_equal(shown.ravel(), np.arange(256))


def test_12_bit_images_in_16_bits_are_not_black(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 4095, dtype=np.uint16)).save(tmp_path / "scan.png")
    assert np.asarray(open_picture(tmp_path / "scan.png")).min() == 255


def test_floating_point_images_with_nan_are_stretched(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)
    values[0, 3] = np.nan
    Image.fromarray(values).save(tmp_path / "float.tiff")
    shown = np.asarray(open_picture(tmp_path / "float.tiff"))[..., 0]
    assert shown[0, 0] == 0
    assert shown[-1, -1] == 255


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_shows_white_whatever_colour_hides_beneath(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    image.convert(mode).save(tmp_path / "clear.png")
    assert _colour(open_picture(tmp_path / "clear.png"), 4, 4) == (255, 255, 255)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("CMYK", "jpg"), ("L", "jpg"), ("1", "png"), ("P", "gif"), ("LAB", "tiff"), ("RGB", "webp")],
)
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"any.{suffix}"
    source = Image.new("RGB", (16, 12), "white")
    (Image.new("LAB", (16, 12)) if mode == "LAB" else source.convert(mode)).save(path)
    opened = open_picture(path)
    assert (opened.mode, opened.size) == ("RGB", (16, 12))


def test_a_cmyk_white_is_white(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), "white").convert("CMYK").save(tmp_path / "print.jpg")
    assert min(_colour(open_picture(tmp_path / "print.jpg"), 8, 8)) > 250


def test_a_jpeg_cut_short_says_so(tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(whole, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(UnreadableImage, match=r"cut\.jpg is damaged or cut short"):
        open_picture(tmp_path / "cut.jpg")


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"", "is empty"), (b"<html>", "not an image"), (None, "is gone")]
)
def test_what_is_no_image_says_why(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / "page.jpg").write_bytes(content)
    with pytest.raises(UnreadableImage, match=sentence):
        open_picture(tmp_path / "page.jpg")


def test_too_many_pixels_are_refused(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(UnreadableImage, match="too many pixels"):
        open_picture(tmp_path / "bomb.png")


def test_a_thumbnail_is_small_upright_and_made_once(tmp_path: Path) -> None:
    Image.new("RGB", (600, 300), "blue").save(tmp_path / "wide.png")
    made = thumbnail(tmp_path / "wide.png", digest="ab12", cache=tmp_path / "cache")
    assert Image.open(io.BytesIO(made)).size == (256, 128)
    (tmp_path / "wide.png").unlink()
    assert thumbnail(tmp_path / "wide.png", digest="ab12", cache=tmp_path / "cache") == made


def test_a_small_image_is_not_blown_up(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "tiny.png")
    made = thumbnail(tmp_path / "tiny.png", digest="cd34", cache=tmp_path / "cache")
    assert Image.open(io.BytesIO(made)).size == (8, 8)


def test_a_cache_that_cannot_be_written_costs_no_picture(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "tiny.png")
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert thumbnail(tmp_path / "tiny.png", digest="cd34", cache=tmp_path / "cache")
