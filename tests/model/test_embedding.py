"""A pass of embedding: in order, in any batches, stoppable, and on with smaller batches when memory ends."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.modules.module import register_module_forward_pre_hook

from cleaner.errors import InputError, Stopped, TrainingError
from cleaner.model.bodies import IMAGENET, Body, body_of
from cleaner.model.embed import embed
from cleaner.model.images import fitted, views

SIDE = 72


@pytest.fixture(scope="module")
def body() -> Body:
    torch.manual_seed(3)
    return body_of("test_resnet", size=64, stats=IMAGENET, weights=None)


@pytest.fixture(scope="module")
def maps() -> Body:
    torch.manual_seed(4)
    return body_of("resnet18", size=32, stats=IMAGENET, weights=None)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    coarse = np.random.default_rng(5).integers(0, 255, (30, 6, 6, 3)).astype(np.uint8)
    return coarse.repeat(SIDE // 6, axis=1).repeat(SIDE // 6, axis=2)


def whole(body: Body, pixels: np.ndarray, *, batch_size: int = 128) -> np.ndarray:
    rows = np.arange(len(pixels))
    return np.concatenate([block for _, block in embed(body, pixels, rows=rows, batch_size=batch_size)])


@contextmanager
def memory_for(images: int):
    """Let the device run out of memory over any batch that is larger than this."""

    def refuse(_module, inputs):
        if inputs and isinstance(inputs[0], torch.Tensor) and len(inputs[0]) > images:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    hook = register_module_forward_pre_hook(refuse)
    try:
        yield
    finally:
        hook.remove()


def test_blocks_come_in_the_order_of_the_rows(body, pixels):
    rows = np.array([7, 3, 29, 0, 3])
    blocks = list(embed(body, pixels, rows=rows, batch_size=2))
    assert [some.tolist() for some, _ in blocks] == [[7, 3], [29, 0], [3]]
    found = np.concatenate([block for _, block in blocks])
    assert (found.dtype, found.shape) == (np.float16, (5, body.dims))
    np.testing.assert_allclose(found, whole(body, pixels)[rows], atol=2e-3)
    assert np.abs(found[0] - found[1]).max() > 2e-2


@pytest.mark.parametrize("batch_size", [1, 4, 17])
def test_an_embedding_does_not_depend_on_the_batch(body, maps, pixels, batch_size):
    for some in (body, maps):
        together = whole(some, pixels)
        # two units in the last place of bfloat16, in which some CPUs compute
        np.testing.assert_allclose(whole(some, pixels, batch_size=batch_size), together, atol=1.6e-2, rtol=0)
        assert np.abs(together - together[0])[1:].max(axis=1).min() > 2.5e-2


def test_over_several_views_the_mean_of_each_alone_is_kept(body, pixels):
    looks = partial(views, size=64, mirrored=True)
    seen = list(looks(torch.from_numpy(pixels).permute(0, 3, 1, 2)))
    alone = [whole(body, view.permute(0, 2, 3, 1).numpy()).astype(np.float32) for view in seen]
    (block,) = (block for _, block in embed(body, pixels, rows=np.arange(30), views=looks))
    np.testing.assert_allclose(block, np.mean(alone, axis=0), atol=5e-3, rtol=5e-3)


def test_the_views_are_the_whole_and_its_corners_two_of_them_mirrored(pixels):
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    plain = list(views(images, size=64, mirrored=False))
    whole, left, right, low, last = plain
    assert torch.equal(whole, images)
    assert torch.equal(left, images[..., :64, :64])
    assert torch.equal(right, images[..., :64, 8:])
    assert torch.equal(low, images[..., 8:, :64])
    assert torch.equal(last, images[..., 8:, 8:])
    mirrored = list(views(images, size=64, mirrored=True))
    for one, other in zip(mirrored, (whole, left, right.flip(-1), low.flip(-1), last), strict=True):
        assert torch.equal(one, other)
    assert len(list(views(images, size=72, mirrored=True))) == 1  # no margin, no corners


def test_squares_with_a_margin_are_seen_whole(body, pixels):
    small = np.stack(
        [np.asarray(Image.fromarray(image).resize((64, 64), Image.BILINEAR)) for image in pixels]
    )
    np.testing.assert_allclose(whole(body, small), whole(body, pixels), atol=1e-2)


def test_scaling_down_averages_what_lies_between():
    stripes = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    stripes[..., ::2] = 200
    assert fitted(stripes, 2).float().sub(100).abs().max() <= 10
    assert torch.equal(fitted(stripes, 8), stripes.float())


def test_pixels_may_lie_in_a_file(body, pixels, tmp_path):
    np.save(tmp_path / "pixels.npy", pixels)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    np.testing.assert_array_equal(whole(body, mapped), whole(body, pixels))


def test_how_far_it_is_is_told(body, pixels):
    told = []
    assert len(list(embed(body, pixels, rows=np.arange(30), report=told.append, batch_size=7))) == 5
    assert {(p.phase, p.total) for p in told} == {("embedding", 30)}
    assert (told[0].done, told[-1].done) == (7, 30)
    assert told[0].seconds_left > 0
    assert told[-1].notes == ()


def test_nothing_to_embed_is_no_error(body, pixels):
    assert list(embed(body, pixels, rows=np.arange(0))) == []


def test_stopped_it_keeps_the_blocks_that_came_before(body, pixels):
    kept = []
    passing = iter(embed(body, pixels, rows=np.arange(30), stopped=lambda: len(kept) >= 2, batch_size=4))
    with pytest.raises(Stopped, match="after embedding 8 of 30 images"):
        kept.extend(rows.tolist() for rows, _ in passing)
    assert kept == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize("kind", ["body", "maps"])
def test_short_of_memory_it_goes_on_with_half_the_batch_and_says_so(kind, pixels, request):
    some = request.getfixturevalue(kind)
    told = []
    with memory_for(4):
        passing = embed(some, pixels, rows=np.arange(30), report=told.append, batch_size=16)
        blocks = list(passing)
    assert {len(rows) for rows, _ in blocks} == {4, 2}
    assert np.concatenate([rows for rows, _ in blocks]).tolist() == list(range(30))
    np.testing.assert_allclose(
        np.concatenate([block for _, block in blocks]), whole(some, pixels), atol=4e-3, rtol=0
    )
    note = "The memory was not enough, so 4 images are embedded at a time."
    assert passing.notes == told[-1].notes == (note,)


def test_without_memory_for_one_image_that_is_said(body, pixels):
    with (
        memory_for(0),
        pytest.raises(TrainingError, match="not enough for one image of 64 px; give a smaller"),
    ):
        list(embed(body, pixels, rows=np.arange(30)))


def test_another_error_is_not_taken_for_a_lack_of_memory(body, pixels):
    def fail(*_):
        raise RuntimeError("something else")

    hook = register_module_forward_pre_hook(fail)
    try:
        with pytest.raises(RuntimeError, match="something else"):
            list(embed(body, pixels, rows=np.arange(30)))
    finally:
        hook.remove()


def test_weights_that_yield_no_numbers_are_refused(pixels):
    broken = body_of("test_resnet", size=64, stats=IMAGENET, weights=None)
    torch.nn.init.constant_(next(broken.parameters()), float("nan"))
    with pytest.raises(TrainingError, match="weights of test_resnet yield no numbers"):
        whole(broken, pixels)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 32, 32, 3), np.uint8),
        np.zeros((2, 72, 64, 3), np.uint8),
        np.zeros((2, 72, 72, 3), np.float32),
    ],
)
def test_pixels_that_a_body_cannot_see_are_refused(body, wrong):
    with pytest.raises(InputError, match="sees uint8 pixels"):
        embed(body, wrong, rows=np.arange(2))


def test_embedding_with_torchvision_loads_neither_fastai_nor_timm():
    code = """
import sys
import numpy as np
from cleaner.model.bodies import IMAGENET, body_of
from cleaner.model.choice import backbone
from cleaner.model.embed import embed
body = body_of("resnet18", size=32, stats=IMAGENET, weights=None)
assert len(list(embed(body, np.zeros((2, 36, 36, 3), np.uint8), rows=np.arange(2)))) == 1
print(*({"fastai", "timm", "fasttransform", "sklearn", "pandas"} & sys.modules.keys()))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == ""
