"""The batches that training sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cleaner.model.data import PixelLoader, loaders

CPU = torch.device("cpu")


@given(count=st.integers(1, 300), batch_size=st.integers(1, 70))
def test_a_pass_shows_every_image_once_in_batches_of_nearly_one_size(count, batch_size):
    pixels = np.zeros((count, 1, 1, 3), dtype=np.uint8)
    labels = np.arange(count, dtype=np.int32)
    loader = PixelLoader(pixels, labels=labels, rows=np.arange(count), batch_size=batch_size, device=CPU)
    batches = [batch.tolist() for _, batch in loader]
    assert [label for batch in batches for label in batch] == labels.tolist()
    sizes = [len(batch) for batch in batches]
    assert len(batches) == len(loader)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(2, count)
    assert max(sizes) <= max(batch_size + 1, 3)


def halves(count: int, *, flip: bool):
    """Return loaders of images whose left half is light and whose right half is dark."""
    pixels = np.zeros((count, 32, 32, 3), dtype=np.uint8)
    pixels[:, :, :16] = 200
    rows = np.arange(count)
    labels = np.zeros(count, dtype=np.int32)
    return pixels, loaders(
        pixels, labels=labels, train=rows, valid=rows, batch_size=50, flip=flip, device=CPU
    )


@pytest.mark.parametrize("flip", [True, False])
def test_images_are_mirrored_only_if_that_is_wanted(flip):
    _, dls = halves(100, flip=flip)
    mirrored = [
        bool(image[:, :, :8].mean() < image[:, :, 24:].mean()) for batch, _ in dls.train for image in batch
    ]
    assert any(mirrored) == flip
    assert not all(mirrored)


def test_only_training_images_are_augmented():
    pixels, dls = halves(4, flip=True)
    plain = torch.tensor(pixels).permute(0, 3, 1, 2) / 255
    for batch, _ in dls.valid:
        torch.testing.assert_close(batch.as_subclass(torch.Tensor), plain)
    ((augmented, _),) = list(dls.train)
    assert (augmented.as_subclass(torch.Tensor) - plain).abs().max() > 0.05
    assert augmented.min() >= 0
    assert augmented.max() <= 1


def test_training_images_come_in_another_order_in_every_pass():
    pixels = np.zeros((100, 4, 4, 3), dtype=np.uint8)
    rows, labels = np.arange(100), np.arange(100, dtype=np.int32)
    dls = loaders(pixels, labels=labels, train=rows, valid=rows, batch_size=100, flip=False, device=CPU)
    (_, first), (_, second) = (next(iter(dls.train)) for _ in range(2))
    assert first.tolist() != second.tolist()
    assert sorted(first.tolist()) == sorted(second.tolist()) == labels.tolist()


def test_pixels_may_lie_in_a_file(tmp_path):
    saved = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3)).astype(np.uint8)
    np.save(tmp_path / "pixels.npy", saved)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    loader = PixelLoader(
        mapped, labels=np.zeros(6, dtype=np.int32), rows=np.array([4, 1]), batch_size=2, device=CPU
    )
    ((batch, _),) = list(loader)
    np.testing.assert_allclose(batch.permute(0, 2, 3, 1).numpy() * 255, saved[[4, 1]], atol=1e-3)
