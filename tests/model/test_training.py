"""Training as a whole: what it learns, what it promises, and what it refuses."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from fastai.torch_core import defaults

from cleaner.errors import InputError, Stopped, TrainingError
from cleaner.model.choice import own_epochs, own_scale
from cleaner.model.images import cached_side
from cleaner.model.predict import log_probs, predict
from cleaner.model.train import train
from cleaner.progress import Progress
from cleaner.types import TrainConfig


@pytest.fixture(scope="module")
def told() -> list[tuple[float, Progress]]:
    return []


@pytest.fixture(scope="module")
def trained(digits, told):
    config = TrainConfig(weights="scratch", flip=False, folds=0)
    return train(
        digits.catalog, digits.pixels, config=config, report=lambda p: told.append((time.monotonic(), p))
    )


def unused(_: int) -> np.ndarray:
    raise AssertionError("no pixels were to be asked for")


def test_planted_wrong_labels_come_first_and_the_digits_are_learned(digits, trained):
    said, held_out = trained.predictions, digits.catalog.held_out()
    first = np.argsort(-said.losses)[: digits.wrong.sum()]
    assert digits.wrong[first].mean() >= 0.8
    mistaken = said.probs.argmax(axis=1) != digits.true
    assert mistaken[held_out].mean() < 0.05


def test_every_image_is_scored_once_in_the_order_of_the_catalog(digits, trained):
    said, catalog = trained.predictions, digits.catalog
    assert said.ids.tolist() == catalog.ids.tolist()
    assert said.labels.tolist() == catalog.labels.tolist()
    assert (said.origins == "held-out").tolist() == catalog.held_out().tolist()
    assert set(said.origins) == {"held-out", "in-sample"}
    assert said.probs.dtype == said.losses.dtype == np.float32
    np.testing.assert_allclose(said.probs.sum(axis=1), 1, atol=1e-5)
    given = said.probs[np.arange(len(said)), said.labels]
    np.testing.assert_allclose(said.losses, -np.log(given), atol=1e-3)


def test_losses_are_not_made_from_rounded_probabilities(few, quick):
    losses = train(few.catalog, few.pixels, config=replace(quick, epochs=30, lr=0.05)).predictions.losses
    assert (losses[losses < 1e-4] > 0).mean() > 0.5
    assert np.isfinite(losses).all()


def test_what_was_left_open_is_recorded_as_chosen(digits, trained):
    config = trained.config
    assert (config.weights, config.size, config.epochs, config.lr) == ("scratch", 32, 10, 8e-3)
    assert [epoch.number for epoch in trained.epochs] == list(range(1, 11))
    assert trained.epochs[-1].train_loss < trained.epochs[0].train_loss
    held_out = digits.catalog.held_out()
    wrong = trained.predictions.probs.argmax(axis=1) != digits.catalog.labels
    assert trained.epochs[-1].error_rate == pytest.approx(wrong[held_out].mean(), abs=1e-6)
    assert trained.epochs[-1].valid_loss == pytest.approx(
        trained.predictions.losses[held_out].mean(), abs=1e-4
    )


def test_two_identical_trainings_say_the_same_and_another_seed_says_else(few, quick):
    first, second = (train(few.catalog, few.pixels, config=quick) for _ in range(2))
    np.testing.assert_array_equal(first.predictions.probs, second.predictions.probs)
    np.testing.assert_array_equal(first.predictions.losses, second.predictions.losses)
    assert first.epochs == second.epochs
    other = train(few.catalog, few.pixels, config=replace(quick, seed=1))
    assert (other.predictions.probs != first.predictions.probs).any()


def test_two_scorings_say_the_same_because_nothing_is_augmented(digits, trained):
    images = digits.pixels(cached_side(32))
    again = predict(trained.network, images)
    np.testing.assert_array_equal(again, predict(trained.network, images))
    np.testing.assert_allclose(again, trained.predictions.probs, atol=1e-6)


def test_nothing_is_learned_from_held_out_images(few, quick):
    held_out = few.catalog.held_out()
    labels = np.where(held_out, 1 - few.catalog.labels, few.catalog.labels).astype(np.int32)
    images = np.where(held_out[:, None, None, None], 255 - few.images, few.images)
    plain = train(few.catalog, few.pixels, config=quick).predictions
    changed = replace(few, images=images)
    other = train(replace(few.catalog, labels=labels), changed.pixels, config=quick).predictions
    np.testing.assert_array_equal(plain.probs[~held_out], other.probs[~held_out])


def test_the_test_split_stands_in_for_a_missing_valid_split(few, quick):
    splits = few.catalog.splits.copy()
    splits[splits == "valid"] = "test"
    renamed = train(replace(few.catalog, splits=splits), few.pixels, config=quick)
    assert renamed.epochs == train(few.catalog, few.pixels, config=quick).epochs


def test_the_test_split_does_not_count_for_the_figures_where_there_is_a_valid_split(few, quick):
    splits = few.catalog.splits.copy()
    splits[np.flatnonzero(splits == "valid")[:20]] = "test"
    trained = train(replace(few.catalog, splits=splits), few.pixels, config=quick)
    valid_losses = trained.predictions.losses[splits == "valid"]
    assert trained.epochs[-1].valid_loss == pytest.approx(valid_losses.mean(), rel=1e-4)
    assert (trained.predictions.origins[splits == "test"] == "held-out").all()


def test_a_class_without_training_images_is_allowed(few, quick, make_catalog):
    catalog = make_catalog(few.catalog.labels, list(few.catalog.splits), vocab=("cat", "dog", "emu"))
    assert train(catalog, few.pixels, config=quick).predictions.probs.shape == (60, 3)


def test_global_states_and_settings_are_left_as_they_were(few, quick):
    def state():
        return (
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.benchmark,
            torch.is_grad_enabled(),
            list(defaults.callbacks),
            dict(vars(defaults)),
        )

    before = state()
    train(few.catalog, few.pixels, config=quick)
    assert state() == before
    with pytest.raises(Stopped):
        train(few.catalog, few.pixels, config=quick, stopped=lambda: True)
    assert state() == before


def test_nothing_is_printed(few, quick, capfd):
    train(few.catalog, few.pixels, config=quick)
    assert capfd.readouterr() == ("", "")


def test_it_works_in_a_thread_that_is_not_the_main_one(few, quick):
    results = []
    thread = threading.Thread(target=lambda: results.append(train(few.catalog, few.pixels, config=quick)))
    thread.start()
    thread.join()
    here = train(few.catalog, few.pixels, config=quick)
    np.testing.assert_array_equal(results[0].predictions.probs, here.predictions.probs)


def test_progress_runs_to_its_end_at_a_bearable_pace(trained, told):
    moments, reports = zip(*told, strict=True)
    assert list(dict.fromkeys(p.phase for p in reports)) == ["training", "scoring"]
    assert len({p.total for p in reports}) == 1
    done = [p.done for p in reports]
    assert done == sorted(done)
    assert reports[-1].done == reports[-1].total
    assert reports[-1].epochs == trained.epochs
    assert any(p.note.startswith("epoch 3 of 10 · training loss ") for p in reports)
    ends = len(trained.epochs) + 1
    assert len(reports) <= (moments[-1] - moments[0]) / 0.1 + 1 + ends


def test_stop_ends_a_training_between_two_batches(digits):
    asked = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 5

    config = TrainConfig(weights="scratch", epochs=5, folds=0)
    with pytest.raises(
        Stopped, match=r"^The training was stopped while training \(epoch 1 of 5.*nothing of it was kept\.$"
    ):
        train(digits.catalog, digits.pixels, config=config, stopped=stopped)
    assert len(asked) == 6


def test_stop_ends_a_scoring_too(digits, quick):
    asked = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 8 + 2  # 480 and 120 images in batches of 64: what follows is scoring

    with pytest.raises(Stopped, match="stopped while scoring"):
        train(digits.catalog, digits.pixels, config=quick, stopped=stopped)


@pytest.mark.parametrize(
    ("labels", "splits", "said"),
    [
        ([], [], "There are no images in photos"),
        ([0, 1], ["valid", "valid"], "There are no training images"),
        ([0, 0, 1], ["train", "train", "valid"], "All training images are labelled 'cat'"),
        ([0, 1], ["train", "train"], "There are no held-out images"),
    ],
)
def test_a_catalog_that_nobody_can_train_on_is_refused_before_any_work(make_catalog, labels, splits, said):
    with pytest.raises(InputError, match=said) as refused:
        train(make_catalog(labels, splits), unused)
    assert str(refused.value).count(". ") == 0


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"mode": "fast"}, "mode is 'fast', but must be 'quick' or 'full'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"lr": 0.0}, r"lr is 0\.0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"size": 5}, "size is 5"),
        ({"batch_size": 0}, "batch_size is 0"),
        (
            {"weights": None},
            "weights is None, but must be the text 'pretrained', 'scratch', or a file's path",
        ),
        ({"folds": 1}, "folds is 1, but must be 0, or 2 to 10"),
        ({"folds": 11}, "folds is 11"),
        (
            {"arch": "resnet35", "weights": "pretrained"},
            "no architecture 'resnet35'",
        ),
    ],
)
def test_a_setting_that_nobody_can_train_with_is_refused_before_any_work(few, quick, setting, said):
    with pytest.raises(InputError, match=said):
        train(few.catalog, unused, config=replace(quick, **setting))


def test_pixels_of_another_size_are_refused(few, quick):
    with pytest.raises(InputError, match=r"must be uint8 \(60, 36, 36, 3\), but are uint8 \(60, 16, 16, 3\)"):
        train(few.catalog, lambda side: few.images[:, :16, :16], config=quick)
    with pytest.raises(InputError, match=r"are float32 \(60, 36, 36, 3\)"):
        train(few.catalog, lambda side: few.pixels(side).astype(np.float32), config=quick)


def test_a_loss_that_is_no_number_ends_the_training_with_a_remedy(few, quick):
    with pytest.raises(
        TrainingError, match=r"^The loss became .* in epoch \d+; give a lower learning rate than 1e\+30"
    ):
        train(few.catalog, few.pixels, config=replace(quick, epochs=20, lr=1e30))


@pytest.mark.parametrize(
    "allocate",
    [lambda: np.empty(2**60, dtype=np.uint8), lambda: torch.empty(2**60, dtype=torch.uint8)],
    ids=["numpy", "torch"],
)
def test_too_little_memory_ends_the_training_with_a_remedy(few, quick, allocate):
    with pytest.raises(
        TrainingError, match=r"memory was not enough; give a smaller batch_size.*batch_size=64"
    ):
        train(few.catalog, lambda side: allocate(), config=quick)


@pytest.mark.parametrize(("count", "batch_size"), [(65, 64), (3, 2), (2, 1), (2, 64)])
def test_no_number_of_images_leaves_a_batch_of_one(make_catalog, quick, count, batch_size):
    catalog = make_catalog([row % 2 for row in range(count + 1)], ["train"] * count + ["valid"])
    images = np.random.default_rng(0).integers(0, 255, (count + 1, 36, 36, 3)).astype(np.uint8)
    trained = train(catalog, lambda side: images, config=replace(quick, batch_size=batch_size))
    assert len(trained.predictions) == count + 1


@pytest.mark.parametrize(("side", "scale"), [(8, 32), (45, 48), (100, 96), (3000, 128)])
def test_from_scratch_a_network_sees_images_at_their_own_scale(make_catalog, side, scale):
    assert own_scale(make_catalog([0, 1], ["train", "valid"], side=side)) == scale


@pytest.mark.parametrize(("count", "epochs"), [(2000, 10), (64, 30), (2, 30), (150, 10)])
def test_few_images_are_passed_more_often(make_catalog, count, epochs):
    catalog = make_catalog([0] * count, ["train"] * count)
    assert own_epochs(catalog, 64) == epochs


def test_a_network_refuses_pixels_that_it_can_not_see_whole(trained):
    for shape in ((2, 16, 16, 3), (2, 32, 40, 3), (2, 32, 32, 1), (32, 32, 3)):
        with pytest.raises(InputError, match="sees uint8 pixels"):
            predict(trained.network, np.zeros(shape, dtype=np.uint8))
    with pytest.raises(InputError, match="not float64"):
        predict(trained.network, np.zeros((2, 32, 32, 3)))
    assert log_probs(trained.network, np.zeros((0, 32, 32, 3), dtype=np.uint8)).shape == (0, 10)
