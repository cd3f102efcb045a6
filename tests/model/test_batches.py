"""The batches that training sees."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cleaner.model.augment import TURN, augmented, crops
from cleaner.model.data import PixelLoader, loaders
from cleaner.model.images import AHEAD, ahead, cached_side, fitted, seen

CPU = torch.device("cpu")


def loaders_of(pixels, *, flip=False, size=32, batch_size=50):
    rows = np.arange(len(pixels))
    labels = np.arange(len(pixels), dtype=np.int32)
    return loaders(
        pixels,
        labels=labels,
        train=rows,
        valid=rows,
        batch_size=batch_size,
        size=size,
        flip=flip,
        device=CPU,
    )


def loading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")]


@given(count=st.integers(1, 300), batch_size=st.integers(1, 70))
def test_a_pass_shows_every_image_once_in_batches_of_nearly_one_size(count, batch_size):
    pixels = np.zeros((count, 1, 1, 3), dtype=np.uint8)
    loader = loaders_of(pixels, size=1, batch_size=batch_size).valid
    batches = [batch.tolist() for _, batch in loader]
    assert [label for batch in batches for label in batch] == list(range(count))
    sizes = [len(batch) for batch in batches]
    assert len(batches) == len(loader)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(2, count)
    assert max(sizes) <= max(batch_size + 1, 3)


@pytest.mark.parametrize("flip", [True, False])
def test_images_are_mirrored_only_if_that_is_wanted(flip):
    pixels = np.zeros((100, 36, 36, 3), dtype=np.uint8)
    pixels[:, :, :18] = 200
    mirrored = [
        bool(image[:, :, :8].mean() < image[:, :, 24:].mean())
        for batch, *_ in loaders_of(pixels, flip=flip).train
        for image in batch
    ]
    assert any(mirrored) == flip
    assert not all(mirrored)


def test_only_training_images_are_augmented():
    pixels = np.random.default_rng(0).integers(0, 255, (4, 36, 36, 3)).astype(np.uint8)
    dls = loaders_of(pixels, flip=True)
    whole = fitted(torch.tensor(pixels).permute(0, 3, 1, 2), 32) / 255
    for batch, _ in dls.valid:
        torch.testing.assert_close(batch, whole)
    ((changed, _, rows),) = list(dls.train)
    assert changed.shape == (4, 3, 32, 32)
    assert (changed - whole[rows]).abs().amax(dim=(1, 2, 3)).min() > 0.05
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_every_image_of_a_batch_is_changed_in_its_own_way():
    one = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (3, 36, 36)).astype(np.uint8))
    torch.manual_seed(0)
    changed = augmented(32, flip=True)(one.expand(8, 3, 36, 36))
    for first in range(8):
        for second in range(first):
            assert not torch.equal(changed[first], changed[second])


def test_crops_are_large_rectangles_anywhere_in_the_square():
    torch.manual_seed(0)
    matrices = crops(torch.zeros(2000, 3, 36, 36), flip=True)
    sides = matrices[:, :2, :2].norm(dim=1)
    areas, aspects = sides.prod(dim=1), sides[:, 0] / sides[:, 1]
    assert areas.min() > 0.6
    assert areas.max() <= 1
    assert 3 / 4 - 1e-3 <= aspects.min() < 0.85
    assert 1.18 < aspects.max() <= 4 / 3 + 1e-3
    assert (matrices[:, :2, 2].abs() <= 1 - sides + 1e-6).all()
    assert matrices[:, :2, 2].amax() > 0.15
    assert matrices[:, :2, 2].amin() < -0.15
    turns = torch.rad2deg(torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0].abs()))
    assert TURN - 1 < turns.abs().max() <= TURN + 1e-3
    assert 0.4 < (matrices[:, 0, 0] < 0).float().mean() < 0.6


def test_a_crop_shows_the_part_of_the_image_that_its_matrix_names(monkeypatch):
    pixels = torch.zeros(1, 3, 40, 40, dtype=torch.uint8)
    pixels[:, :, :20, 20:] = 255  # the upper right quarter
    quarter = torch.tensor([[[0.5, 0.0, 0.5], [0.0, 0.5, -0.5], [0.0, 0.0, 1.0]]])
    monkeypatch.setattr("cleaner.model.augment.crops", lambda images, *, flip: quarter)
    monkeypatch.setattr("cleaner.model.augment.LIGHT", 0.0)
    seen = augmented(16, flip=False)(pixels)
    assert seen[:, :, 1:, :-1].min() > 0.99


def test_light_is_changed_and_grey_stays_grey():
    grey = torch.full((200, 3, 36, 36), 128, dtype=torch.uint8)
    torch.manual_seed(0)
    changed = augmented(32, flip=False)(grey)
    levels = changed.mean(dim=(1, 2, 3))
    assert levels.min() < 0.45
    assert levels.max() > 0.55
    assert (changed.amax(dim=1) - changed.amin(dim=1)).max() < 0.01


def test_whole_squares_are_scaled_down_without_aliasing():
    stripes = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 200
    assert (seen(stripes, size=16, device=CPU) * 255 - 100).abs().max() < 10
    assert torch.equal(fitted(stripes, 64), stripes.float())


def test_the_cache_holds_an_eighth_more_than_a_network_sees():
    assert [cached_side(size) for size in (16, 32, 100, 224)] == [18, 36, 113, 252]


def test_training_images_come_in_another_order_in_every_pass_and_name_their_rows():
    dls = loaders_of(np.zeros((100, 4, 4, 3), dtype=np.uint8), size=4, batch_size=30)
    orders = []
    for _ in range(2):
        batches = [(labels.tolist(), rows.tolist()) for _, labels, rows in dls.train]
        assert all(labels == rows for labels, rows in batches)
        orders.append([row for _, rows in batches for row in rows])
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(100))


def test_the_order_follows_from_torchs_random_numbers_alone():
    dls = loaders_of(np.zeros((50, 4, 4, 3), dtype=np.uint8), size=4)
    state = torch.get_rng_state()
    first = [rows.tolist() for *_, rows in dls.train]
    torch.set_rng_state(state)
    assert [rows.tolist() for *_, rows in dls.train] == first


def test_pixels_may_lie_in_a_file(tmp_path):
    saved = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3)).astype(np.uint8)
    np.save(tmp_path / "pixels.npy", saved)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    loader = PixelLoader(
        mapped, labels=np.zeros(6, dtype=np.int32), rows=np.array([4, 1]), batch_size=2, size=8, device=CPU
    )
    ((batch, _),) = list(loader)
    np.testing.assert_allclose(batch.permute(0, 2, 3, 1).numpy() * 255, saved[[4, 1]], atol=1e-3)
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_the_next_batches_are_read_while_one_is_used():
    read, beyond = [], threading.Event()

    def load(piece: int) -> int:
        read.append(piece)
        if piece == AHEAD:
            beyond.set()
        return piece

    coming = ahead(load, range(10))
    assert next(coming) == 0
    assert beyond.wait(5), "nothing was read ahead"
    assert max(read) <= AHEAD
    assert list(coming) == list(range(1, 10))
    assert loading_threads() == []


def test_no_thread_outlives_a_pass_that_is_given_up():
    coming = ahead(lambda piece: piece, range(10))
    next(coming)
    assert len(loading_threads()) == 1
    coming.close()
    assert loading_threads() == []


def test_an_error_while_reading_ends_the_pass_with_that_error_and_no_thread():
    def load(piece: int) -> int:
        if piece == 3:
            raise OSError("the disk is gone")
        return piece

    with pytest.raises(OSError, match="the disk is gone"):
        list(ahead(load, range(10)))
    assert loading_threads() == []
