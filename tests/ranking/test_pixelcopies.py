from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from cleaner.errors import Stopped
from cleaner.ranking.aligning import Fit, brought_together, likeness
from cleaner.ranking.copies import MOST, copies, joined
from cleaner.ranking.pixelcopies import Links, links
from cleaner.ranking.turning import WINDOWS, best_turn, fingerprints, stretch, waves
from tests.support.images import scene

SCENES = 40


def _jpeg(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=30)
    return Image.open(out)


WAYS = {
    "re-encoded": _jpeg,
    "resized": lambda image: image.resize((image.width // 2, image.height // 2)),
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "on its side": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned": lambda image: image.rotate(25, Image.Resampling.BICUBIC),
    "cut": lambda image: image.crop((8, 5, image.width - 4, image.height - 6)),
    "framed": lambda image: ImageOps.expand(image, 8, fill="white"),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "without colour": ImageOps.grayscale,
}


def _found(images: list[Image.Image], **how: object) -> Links:
    grey = np.stack([np.asarray(image.convert("L").resize((32, 32))) for image in images])
    return links(grey, np.array([image.size for image in images]), **how)


def _pairs(found: Links) -> set[tuple[int, int]]:
    return {(min(pair), max(pair)) for pair in zip(found.one.tolist(), found.other.tolist(), strict=True)}


def test_a_copy_made_in_any_usual_way_is_found_and_nothing_else_is() -> None:
    images = [scene(number) for number in range(SCENES)]
    images += [way(images[number]) for number, way in enumerate(WAYS.values())]
    assert _pairs(_found(images)) == {(number, SCENES + number) for number in range(len(WAYS))}


def test_one_and_the_same_picture_is_at_no_distance_and_a_changed_one_at_some() -> None:
    images = [scene(number) for number in range(SCENES)]
    found = _found([*images, images[3].copy(), WAYS["cut"](images[5])])
    assert _pairs(found) == {(3, 40), (5, 41)}
    assert found.distances[found.one + found.other == 43] == 0
    assert found.distances[found.one + found.other == 46] > 0


def test_where_all_pictures_are_alike_a_resemblance_is_no_copy() -> None:
    strokes = [np.array(scene(1).convert("L").resize((32, 32)), dtype=np.float32) for _ in range(SCENES)]
    random = np.random.default_rng(0)
    slides = [np.clip(each + random.normal(0, 9, each.shape), 0, 255).astype(np.uint8) for each in strokes]
    images = [Image.fromarray(slide) for slide in slides]
    assert len(_found(images)) == 0
    assert _pairs(_found([*images, images[0]])) == {(0, SCENES)}


def test_blank_pages_have_no_copies() -> None:
    blank = [Image.new("RGB", (40, 30), "white") for _ in range(30)]
    assert len(_found(blank)) == 0
    assert _pairs(_found([*blank, scene(1), scene(2), scene(1)])) == {(30, 32)}


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_very_few_pictures_are_compared_too(count: int) -> None:
    grey = [np.asarray(scene(number // 2).convert("L").resize((32, 32))) for number in range(count)]
    sizes = np.full((count, 2), 64)
    found = links(np.array(grey, dtype=np.uint8).reshape(-1, 32, 32), sizes)
    assert _pairs(found) == ({(0, 1)} if count > 1 else set())


def test_the_search_can_be_stopped() -> None:
    with pytest.raises(Stopped):
        _found([scene(1), scene(2)], stopped=lambda: True)


def _waves(image: Image.Image) -> np.ndarray:
    grey = np.asarray(image.convert("L").resize((32, 32)), dtype=np.float32)[None]
    return waves(grey, stretch(np.array([image.size])), WINDOWS[:1])


def test_a_fingerprint_does_not_change_when_a_picture_is_turned_or_mirrored() -> None:
    image, other = scene(4, width=64, height=64), scene(5, width=64, height=64)
    base, turned, far = (
        fingerprints(_waves(each))[0]
        for each in (image, ImageOps.mirror(image.transpose(Image.Transpose.ROTATE_90)), other)
    )
    assert base @ turned > 0.999
    assert base @ far < 0.9


@pytest.mark.parametrize("degrees", [0, 45, 90, 200])
def test_the_angle_between_a_picture_and_its_turned_copy_is_found(degrees: int) -> None:
    image = scene(6, width=64, height=64)
    turned = image.rotate(degrees, Image.Resampling.BICUBIC)
    angle, mirrored, alike = best_turn(_waves(image), _waves(turned))
    off = (np.degrees(angle[0]) + degrees + 180) % 360 - 180  # the rows of a picture run downwards
    assert abs(off) < 4
    assert not mirrored[0]
    assert alike[0] > 0.95
    assert best_turn(_waves(image), _waves(ImageOps.mirror(turned)))[1][0]


def test_a_picture_is_brought_over_the_part_it_was_cut_from() -> None:
    whole = scene(8, width=64, height=64)
    part = whole.crop((6, 4, 60, 58)).resize((64, 64))
    grey = np.stack([np.asarray(each.convert("L").resize((32, 32))) for each in (part, whole)])
    pictures, ours, theirs = grey.astype(np.float32), np.array([0]), np.array([1])
    guess = Fit(np.eye(2, dtype=np.float32)[None], np.zeros((1, 2), dtype=np.float32))
    fit = brought_together(pictures, ours, theirs, guess, points=20, steps=15)
    np.testing.assert_allclose(fit.turn[0], np.eye(2) * 54 / 64, atol=0.02)
    np.testing.assert_allclose(fit.shift[0], [(6 + 60) / 64 - 1, (4 + 58) / 64 - 1], atol=0.02)
    alike, of_ours, of_theirs = likeness(pictures, ours, theirs, fit, points=32)
    assert alike[0] > 0.98
    assert of_ours[0] == 1
    assert of_theirs[0] == pytest.approx((54 / 64) ** 2, abs=0.03)


def _linked(pairs: list[tuple[int, int]], distances: list[float]) -> Links:
    one, other = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    return Links(one, other, np.array(distances, dtype=np.float32))


def test_copies_of_copies_and_equal_files_are_one_group() -> None:
    equal = np.array([5, 6, 7, 8, 5])
    groups = copies(_linked([(0, 1), (1, 2)], [0.02, 0.03]), equal=equal)
    assert groups.tolist() == [0, 0, 0, 3, 0]


def test_a_long_chain_is_cut_at_its_weakest_links_but_the_same_picture_never_is() -> None:
    count = 2 * MOST
    chain = [(at, at + 1) for at in range(count - 1)]
    weak = [0.09 if at == MOST - 1 else 0.01 for at in range(count - 1)]
    groups = copies(_linked(chain, weak), equal=np.arange(count))
    assert groups.tolist() == [0] * MOST + [MOST] * MOST
    assert set(copies(_linked(chain, [0.0] * (count - 1)), equal=np.arange(count))) == {0}


def test_groupings_are_joined_where_they_touch() -> None:
    assert joined(np.array([0, 0, 2, 3]), np.array([9, 1, 1, 4])).tolist() == [0, 0, 0, 3]
