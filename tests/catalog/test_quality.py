from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from cleaner.catalog import kinds
from cleaner.catalog.checks import CHECKS
from cleaner.catalog.kinds import KINDS
from cleaner.catalog.quality import brightness, colour, information, sharpness
from cleaner.catalog.scan import scan
from cleaner.catalog.store import load_catalog, save_catalog
from cleaner.types import Finding
from tests.support.badfiles import encoded, photograph


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Write 24 photographs of two classes, of sizes and qualities as they come, with nothing odd in them."""
    for number in range(24):
        place = tmp_path / "photos" / ("bird", "plane")[number % 2] / f"{number:02d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        photograph(100 + number, seed=number).save(place, quality=80)
    return tmp_path / "photos"


def _found(root: Path) -> list[tuple[str, str]]:
    return [(finding.item, finding.kind) for finding in scan(root)[1]]


def _dark(image: Image.Image, *, keep: float = 0.15) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(keep)


def _light(image: Image.Image) -> Image.Image:
    return image.point(lambda value: 248 + value // 40)


def _blurry(image: Image.Image, *, radius: float = 4) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius))


def _blank(image: Image.Image) -> Image.Image:
    flat = Image.new("RGB", image.size, (90, 150, 120))
    flat.paste(image.crop((0, 0, 9, 9)), (40, 40))
    return flat


ODD: dict[str, Callable[[Image.Image], Image.Image]] = {
    "dark": _dark,
    "light": _light,
    "blurry": _blurry,
    "low information": _blank,
    "grey among colour": lambda image: image.convert("L").convert("RGB"),
    "too small": lambda image: image.resize((12, 12)),
    "too large": lambda image: image.resize((900, 900)),
    "odd aspect ratio": lambda image: image.crop((0, 40, 110, 70)).resize((330, 90)),
}


def test_ordinary_photographs_are_left_in_peace(photos: Path) -> None:
    assert _found(photos) == []


@pytest.mark.parametrize("kind", ODD)
def test_one_odd_picture_among_ordinary_ones_is_found_as_what_it_is(photos: Path, kind: str) -> None:
    ODD[kind](photograph(110, seed=99)).save(photos / "bird" / "odd.png")
    assert ("bird/odd.png", kind) in (found := _found(photos))
    assert {item for item, _ in found} == {"bird/odd.png"}


@pytest.mark.parametrize(
    ("kind", "worse", "bad"),
    [
        ("dark", lambda i: _dark(i, keep=0.05), _dark),
        ("blurry", _blurry, lambda i: _blurry(i, radius=1)),
        ("too small", lambda i: i.resize((4, 4)), lambda i: i.resize((12, 12))),
        ("odd aspect ratio", lambda i: i.resize((600, 30)), lambda i: i.resize((330, 100))),
    ],
)
def test_what_is_worse_comes_first(photos: Path, kind: str, worse, bad) -> None:
    bad(photograph(110, seed=99)).save(photos / "bird" / "bad.png")
    worse(photograph(110, seed=99)).save(photos / "bird" / "worse.png")
    severity = {f.item: f.severity for f in scan(photos)[1] if f.kind == kind}
    assert 0 < severity["bird/bad.png"] < severity["bird/worse.png"] <= 0.5


def test_how_a_file_is_made_is_said_but_hardly_matters(photos: Path) -> None:
    image, bird = photograph(110, seed=99), photos / "bird"
    image.convert("CMYK").save(bird / "print.jpg")
    image.convert("P").save(bird / "palette.png")
    image.convert("P").save(bird / "plain.gif")
    (bird / "really a png.jpg").write_bytes(encoded(photograph(110, seed=98), "PNG"))
    other = photograph(110, seed=97)
    other.save(bird / "moves.webp", save_all=True, append_images=[other.rotate(90)])
    catalog, findings = scan(photos)
    assert {(f.item, f.kind) for f in findings} == {
        ("bird/print.jpg", "odd mode"),
        ("bird/palette.png", "odd mode"),
        ("bird/really a png.jpg", "wrong extension"),
        ("bird/moves.webp", "animation"),
    }
    assert len(catalog) == 29
    assert max(f.severity for f in findings) <= 0.15


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_and_pages_are_found_in_every_container(photos: Path, format: str) -> None:
    image = photograph(110, seed=99)
    moves = encoded(image, format, save_all=True, append_images=[image.rotate(90)])
    (photos / "bird" / f"moves.{format.lower()}").write_bytes(moves)
    assert _found(photos) == [(f"bird/moves.{format.lower()}", "animation")]


def test_what_most_images_share_is_told_in_one_sentence(photos: Path) -> None:
    for path in sorted(photos.glob("*/*"))[:10]:
        _dark(Image.open(path)).save(path)
    findings = scan(photos)[1]
    assert [(f.item, f.kind) for f in findings] == [("", "usual here")]
    assert "10 of 24 images are found «dark»" in findings[0].detail


def test_greys_in_a_class_with_many_of_them_are_no_oddity(photos: Path) -> None:
    for path in sorted(photos.glob("plane/*"))[:4]:
        Image.open(path).convert("L").save(path)
    assert _found(photos) == []
    first = sorted(photos.glob("bird/*"))[0]
    Image.open(first).convert("L").save(first)
    assert _found(photos) == [(f"bird/{first.name}", "grey among colour")]


def test_images_that_are_all_tiny_are_not_small(tmp_path: Path) -> None:
    for number in range(20):
        place = tmp_path / "digits" / "one" / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        photograph(8, seed=number).save(place)
    assert {kind for _, kind in _found(tmp_path / "digits")} <= {"usual here"}


def test_findings_stay_when_nothing_is_read_again(photos: Path, tmp_path: Path) -> None:
    _dark(photograph(110, seed=99)).save(photos / "bird" / "odd.png")
    first, findings = scan(photos)
    save_catalog(first, findings, tmp_path / "catalog.npz")
    loaded = load_catalog(tmp_path / "catalog.npz", root=photos)
    assert loaded is not None
    (photos / "bird" / "odd.png").rename(photos / "plane" / "odd.png")
    done = []
    again, still = scan(photos, known=loaded[0], report=lambda progress: done.append(progress.done))
    assert [(f.item, f.kind) for f in still] == [("bird/odd.png", "dark")]
    assert "plane/odd.png" in still[0].detail
    assert 24 in done  # only the one that moved was left to read
    assert again.looks is not None
    assert np.array_equal(again.looks, first.looks)


def test_what_an_older_check_has_not_measured_is_read_once_more(photos: Path) -> None:
    first, _ = scan(photos)
    object.__setattr__(first, "looks", None)
    again, _ = scan(photos, known=first)
    assert again.looks is not None
    assert list(again.ids) == list(first.ids)


def test_every_finding_says_what_it_is_in_a_sentence(photos: Path) -> None:
    for kind, make in ODD.items():
        make(photograph(110, seed=99)).save(photos / "bird" / f"{kind}.png")
    (photos / "bird" / "empty.jpg").touch()
    findings = scan(photos)[1]
    assert {f.kind for f in findings} == {*ODD, "empty"}
    assert all(_is_sentence(finding) for finding in findings)


def _is_sentence(finding: Finding) -> bool:
    return finding.kind in KINDS and finding.item in finding.detail and finding.detail.endswith(".")


def test_every_kind_that_the_catalog_can_say_is_explained() -> None:
    said = set(CHECKS)
    for path in Path(kinds.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"Finding": 1, "Fault": 0}.get(node.func.id)
                if place is not None and len(node.args) > place:
                    said |= _texts(node.args[place])
    assert len(said) > 25
    assert said <= KINDS.keys()


def _texts(node: ast.expr) -> set[str]:
    parts = ast.walk(node) if isinstance(node, ast.IfExp) else [node]
    return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def test_every_kind_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"*{kind}*" not in readme] == []


def test_what_is_of_one_tone_is_told_without_less_than_nothing(photos: Path) -> None:
    for name, tone in (("black", 0), ("white", 255)):
        Image.new("RGB", (90, 90), (tone,) * 3).save(photos / "bird" / f"{name}.png")
    said = " ".join(finding.detail for finding in scan(photos)[1])
    assert "black.png is dark: 99% of its pixels have 0% of full brightness or less" in said
    assert "white.png is nearly white: 95% of its pixels have 100% of full brightness or more" in said
    assert said.count("next to nothing: 0.0 bits") == 2


# --- the measures alone ---


def test_brightness_is_0_for_black_and_1_for_white_and_green_is_brighter_than_blue() -> None:
    def bright(*pixel: int) -> float:
        return brightness(np.full((9, 9, 3), pixel, dtype=np.uint8))[0]

    assert (bright(0, 0, 0), bright(255, 255, 255)) == (0, pytest.approx(1))
    assert bright(0, 255, 0) > bright(255, 0, 0) > bright(0, 0, 255) > 0


def test_information_is_what_it_takes_to_say_a_pixel() -> None:
    flat = np.zeros((16, 16, 3), dtype=np.uint8)
    halves, every = flat.copy(), np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    halves[:8] = 200
    assert (information(flat), information(halves), information(every)) == (0, 1, 8)


def test_colour_is_none_in_greys_whatever_their_tones() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert colour(grey) == 0
    assert colour(np.array([[[250, 10, 90]]], dtype=np.uint8)) == 240


def test_sharpness_falls_with_blur_and_not_with_contrast() -> None:
    image = photograph(200).convert("L")
    plain = sharpness(np.asarray(image))
    pale = sharpness(np.asarray(image.point(lambda value: 100 + value // 3)))
    assert pale == pytest.approx(plain, rel=0.1)
    blurs = [sharpness(np.asarray(image.filter(ImageFilter.GaussianBlur(r)))) for r in (1, 2, 4)]
    assert plain > blurs[0] > blurs[1] > blurs[2]


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (500, 1)])
def test_pictures_of_a_pixel_or_two_can_be_measured(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", size, "white").save(tmp_path / "a" / "thin.png")
    catalog, _ = scan(tmp_path)
    assert len(catalog) == 1
