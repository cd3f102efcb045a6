"""Advice, from trainings that really go wrong, each in its own way, and from good ones, which get none."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cleaner.model.advice import FEWEST, advise_on_data, advise_on_history
from cleaner.model.train import train
from cleaner.types import Epoch, Predictions, TrainConfig, strings

SMALL = TrainConfig(weights="scratch", size=16, folds=0, flip=False)


def _advice(catalog, trained, *, upto: int | None = None) -> tuple[str, ...]:
    return advise_on_history(
        trained.epochs[:upto],
        config=trained.config,
        classes=len(catalog.vocab),
        held_out=int(catalog.held_out().sum()),
    )


def _shades(make_catalog, *, train_count: int, wrong: float, seed: int = 0):
    """Two shades of grey under noise: `wrong` of the training labels exchanged, 100 held-out ones clean."""
    chance, count = np.random.default_rng(seed), train_count + 100
    true = np.arange(count, dtype=np.int32) % 2
    images = (chance.integers(0, 120, (count, 16, 16, 3)) + true[:, None, None, None] * 20).astype(np.uint8)
    labels = true.copy()
    labels[chance.choice(train_count, int(train_count * wrong), replace=False)] ^= 1
    splits = ["train"] * train_count + ["valid"] * 100
    return make_catalog(labels, splits, side=16), lambda side: _resized(images, side)


def _resized(images, side: int):
    return np.stack([np.asarray(Image.fromarray(image).resize((side, side))) for image in images])


def _epochs(rows: Sequence[tuple[float, float, float]], *, first: int = 1) -> tuple[Epoch, ...]:
    return tuple(Epoch(number, *row) for number, row in enumerate(rows, first))


# --- good trainings --------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "size"), [(0, 16), (1, 16), (2, 16), (3, None)])
def test_a_good_training_gets_no_advice_at_any_time(digits, seed, size):
    trained = train(digits.catalog, digits.pixels, config=replace(SMALL, seed=seed, size=size))
    said = [_advice(digits.catalog, trained, upto=epoch) for epoch in range(1, len(trained.epochs) + 1)]
    assert said == [()] * len(trained.epochs)
    assert advise_on_data(digits.catalog, trained.predictions, digits.images) == ()


def test_a_good_training_of_few_images_gets_no_advice(few):
    trained = train(few.catalog, few.pixels, config=replace(SMALL, flip=True))
    said = {_advice(few.catalog, trained, upto=epoch) for epoch in range(1, len(trained.epochs) + 1)}
    assert said == {()}
    assert advise_on_data(few.catalog, trained.predictions, few.images) == ()


def test_a_good_training_with_one_label_in_ten_wrong_gets_no_advice(digits):
    chance, labels = np.random.default_rng(4), digits.true.copy()
    wrong = chance.choice(len(labels), len(labels) // 10, replace=False)
    labels[wrong] = (labels[wrong] + chance.integers(1, 10, len(wrong))) % 10
    catalog = replace(digits.catalog, labels=labels)
    trained = train(catalog, digits.pixels, config=replace(SMALL, seed=4))
    said = {_advice(catalog, trained, upto=epoch) for epoch in range(1, len(trained.epochs) + 1)}
    assert said == {()}
    assert advise_on_data(catalog, trained.predictions, digits.images) == ()


def test_a_training_loss_below_the_validation_loss_is_normal():
    rows = [(1.4, 0.9, 0.25), (0.7, 0.6, 0.17), (0.4, 0.5, 0.14), (0.2, 0.48, 0.13)]
    config = TrainConfig(lr=3e-3, epochs=4)
    assert advise_on_history(_epochs(rows), config=config, classes=10, held_out=1000) == ()


# --- trainings that go wrong -----------------------------------------------------------------------


def test_too_high_a_learning_rate_is_named_with_a_lower_one(digits):
    trained = train(digits.catalog, digits.pixels, config=replace(SMALL, lr=1.0, epochs=4))
    (said,) = _advice(digits.catalog, trained)
    assert said.startswith("The learning rate 1 is too high: the validation loss was ")
    assert said.endswith("guessing costs 2.3; train again with 0.003.")
    assert _advice(digits.catalog, trained, upto=2)[0].startswith("The learning rate 1 is too high")


def test_too_low_a_learning_rate_is_named_with_the_usual_one_and_not_taken_for_too_few_epochs(digits):
    trained = train(digits.catalog, digits.pixels, config=replace(SMALL, lr=1e-4, epochs=4))
    (said,) = _advice(digits.catalog, trained)
    assert said.startswith(
        "The learning rate 0.0001 is too low: in 4 epochs the training loss only came from "
    )
    assert said.endswith("; train again with 0.003.")
    assert _advice(digits.catalog, trained, upto=1) == ()


@pytest.mark.parametrize("epochs", [1, 2, 4])
def test_too_few_epochs_are_told_once_they_are_over(digits, epochs):
    trained = train(digits.catalog, digits.pixels, config=replace(SMALL, epochs=epochs))
    (said,) = _advice(digits.catalog, trained)
    assert advise_on_data(digits.catalog, trained.predictions, digits.images) == ()
    assert said.startswith(f"{epochs} epoch{'s were' if epochs > 1 else ' was'} too few: ")
    assert said.endswith(f"train again with {max(4, 2 * epochs)} epochs.")
    assert all(_advice(digits.catalog, trained, upto=upto) == () for upto in range(1, epochs))


def test_a_network_that_learns_wrong_labels_by_heart_overfits_and_not_before_it_does(make_catalog):
    catalog, pixels = _shades(make_catalog, train_count=80, wrong=0.45)
    trained = train(catalog, pixels, config=replace(SMALL, epochs=40, batch_size=16))
    best = min(trained.epochs, key=lambda epoch: epoch.error_rate)
    (said,) = _advice(catalog, trained)
    assert said.startswith(
        f"The network overfits: its error rate on the held-out images was {best.error_rate:.1%} after epoch "
        f"{best.number} and is {trained.epochs[-1].error_rate:.1%} after epoch 40; "
    )
    assert f"train again with {best.number} epoch" in said
    assert _advice(catalog, trained, upto=best.number + 2) == ()


def test_an_error_rate_that_got_worse_by_chance_is_no_overfitting():
    rows = [(1.0, 1.0, 0.5), (0.8, 0.5, 0.10), *[(0.5 - n / 100, 0.6, 0.16) for n in range(4)]]
    config = TrainConfig(lr=3e-3, epochs=6)
    assert advise_on_history(_epochs(rows), config=config, classes=10, held_out=100) == ()
    assert "overfits" in advise_on_history(_epochs(rows), config=config, classes=10, held_out=10_000)[0]


def test_an_error_rate_that_swings_while_the_rate_is_high_is_no_overfitting():
    rows = [(1.0, 1.0, 0.5), (0.8, 0.5, 0.1), (0.7, 1.5, 0.5), (0.6, 1.5, 0.5), (0.5, 1.5, 0.5)]
    planned = TrainConfig(lr=3e-3, epochs=10)
    assert advise_on_history(_epochs(rows), config=planned, classes=10, held_out=1_000) == ()
    recovered = _epochs([*rows, (0.4, 0.62, 0.12), (0.3, 0.6, 0.12)])
    assert advise_on_history(recovered, config=replace(planned, epochs=7), classes=10, held_out=1_000) == ()


def test_the_epoch_of_the_head_alone_counts_as_where_a_fine_tuning_came_from():
    rows = [(3.417, 2.419, 0.95), (1.388, 1.909, 0.75)]  # a ResNet-18 on 240 digits, for one epoch
    config = TrainConfig(lr=3e-3, epochs=1)
    (said,) = advise_on_history(_epochs(rows, first=0), config=config, classes=10, held_out=60)
    assert said == (
        "1 epoch was too few: in the last one the validation loss still fell from 2.419 to 1.909; "
        "train again with 4 epochs."
    )


def test_without_validated_epochs_and_for_a_quick_look_nothing_is_said():
    bad = _epochs([(9.0, 900.0, 0.9)] * 4)
    assert advise_on_history((), config=TrainConfig(), classes=2, held_out=10) == ()
    assert advise_on_history(bad, config=TrainConfig(mode="quick"), classes=2, held_out=10) == ()
    unseen = _epochs([(9.0, float("nan"), float("nan"))] * 4)
    assert advise_on_history(unseen, config=TrainConfig(), classes=2, held_out=10) == ()
    assert "too high" in advise_on_history(bad, config=TrainConfig(), classes=2, held_out=10)[0]


# --- data that make it go wrong --------------------------------------------------------------------


def test_a_class_with_few_training_images_is_named_with_their_number(digits):
    threes = np.flatnonzero((digits.catalog.labels == 3) & ~digits.catalog.held_out())
    splits = digits.catalog.splits.copy()
    splits[threes[4:]] = "valid"
    catalog = replace(digits.catalog, splits=splits)
    trained = train(catalog, digits.pixels, config=replace(SMALL, epochs=6))
    held = catalog.held_out() & (catalog.labels == 3)
    assert (trained.predictions.probs.argmax(axis=1) != 3)[held].mean() > 0.5  # it really goes wrong
    assert advise_on_data(catalog, trained.predictions, digits.images) == (
        "The class 3 has only 4 training images, too few to learn it: add some until there are 10 or more, "
        "or merge it with another class.",
    )


def test_of_many_scarce_classes_the_scarcest_are_named_and_the_rest_is_counted(make_catalog):
    labels = [code for code in range(6) for _ in range(code + 2)] + [6] * FEWEST
    catalog = make_catalog(labels, ["train"] * len(labels), vocab=tuple("abcdefg"))
    images = np.zeros((len(labels), 32, 32, 3), dtype=np.uint8)
    *named, rest = advise_on_data(catalog, _said(catalog, catalog.labels), images)
    assert [said[10] for said in named] == ["a", "b", "c"]
    assert rest == "Classes with fewer than 10 training images besides these: 3."


def test_a_class_that_another_one_swallows_is_named_with_it(make_catalog):
    """Dark ones are called crow or raven, ten to one; nobody can tell them apart."""
    chance = np.random.default_rng(0)
    labels = np.array([0] * 100 + [1] * 20 + [2] * 100, dtype=np.int32)
    shade = np.where(labels == 2, 120, 0)[:, None, None, None]
    images = (chance.integers(0, 120, (220, 32, 32, 3)) + shade).astype(np.uint8)
    splits = ["train" if row % 2 else "valid" for row in range(220)]
    catalog = make_catalog(labels, splits, vocab=("crow", "raven", "swan"))
    trained = train(catalog, lambda side: _resized(images, side), config=replace(SMALL, epochs=8))
    assert advise_on_data(catalog, trained.predictions, images) == (
        "100% of the images labelled raven are taken for crow: look through both, merge them if they are the "
        "same, or add images labelled raven.",
    )


def test_only_images_that_no_network_had_learned_from_bear_witness_to_swallowing(make_catalog):
    labels = np.arange(120, dtype=np.int32) % 3
    catalog = make_catalog(labels, ["train"] * 120, vocab=("ant", "bee", "cat"))
    images = np.zeros((120, 32, 32, 3), dtype=np.uint8)
    taken = np.where(labels == 0, 1, labels)
    assert advise_on_data(catalog, _said(catalog, taken, origin="in-sample"), images) == ()
    (said,) = advise_on_data(catalog, _said(catalog, taken, origin="out-of-fold"), images)
    assert said.startswith("100% of the images labelled ant are taken for bee: ")


def test_a_network_that_calls_everything_the_same_has_no_class_to_blame(make_catalog):
    labels = np.arange(120, dtype=np.int32) % 3
    catalog = make_catalog(labels, ["train"] * 120, vocab=("ant", "bee", "cat"))
    said = _said(catalog, np.zeros(120, dtype=np.int32))
    assert advise_on_data(catalog, said, np.zeros((120, 32, 32, 3), dtype=np.uint8)) == ()


def test_half_of_a_class_taken_for_another_is_not_yet_most_of_it(make_catalog):
    labels = np.arange(120, dtype=np.int32) % 3
    catalog = make_catalog(labels, ["train"] * 120, vocab=("ant", "bee", "cat"))
    taken = labels.copy()
    taken[np.flatnonzero(labels == 0)[:22]] = 1
    assert advise_on_data(catalog, _said(catalog, taken), np.zeros((120, 32, 32, 3), dtype=np.uint8)) == ()


@pytest.fixture(scope="module")
def leaking(digits):
    """Digits of which 24 held-out ones are copies of training images: other sizes, JPEG quality, light."""
    held, learned = (np.flatnonzero(digits.catalog.held_out() == side) for side in (True, False))
    copied, images = held[:24], digits.images.copy()
    images[copied] = [_copy(image) for image in images[learned[100:124]]]
    labels = digits.catalog.labels.copy()
    labels[copied] = labels[learned[100:124]]
    return replace(digits.catalog, labels=labels), images, (copied, learned[100:124])


def _copy(image):
    small = Image.fromarray((image * 0.9 + 10).astype(np.uint8)).resize((24, 24))
    file = io.BytesIO()
    small.resize((32, 32)).save(file, "JPEG", quality=50)
    return np.asarray(Image.open(file))


def test_a_split_that_leaks_is_told_with_its_share_and_one_pair(leaking):
    catalog, images, (copies, originals) = leaking
    trained = train(catalog, lambda side: _resized(images, side), config=replace(SMALL, epochs=1))
    (said,) = [s for s in advise_on_data(catalog, trained.predictions, images) if "leak" in s]
    assert said.startswith(
        "The split leaks: 24 of the 120 held-out images (20%) are nearly the same picture "
    )
    pairs = zip(catalog.paths[copies], catalog.paths[originals], strict=True)
    assert any(f"for example {copy} and {original}, so" in said for copy, original in pairs)


@pytest.mark.parametrize("side", [16, 100, 224])
def test_a_leak_is_seen_at_any_size_of_the_cached_squares(leaking, side):
    catalog, images, _ = leaking
    (said,) = advise_on_data(catalog, _said(catalog, catalog.labels), _resized(images, side))
    assert "The split leaks: 24 of the 120" in said


def test_two_leaked_images_and_plain_areas_are_no_leak(leaking, make_catalog):
    catalog, images, (copies, _) = leaking
    splits = catalog.splits.copy()
    splits[copies[2:]] = "train"
    fewer = replace(catalog, splits=splits)
    assert advise_on_data(fewer, _said(fewer, fewer.labels), images) == ()
    plain = (np.random.default_rng(0).integers(0, 3, images.shape) + 100).astype(np.uint8)
    assert advise_on_data(catalog, _said(catalog, catalog.labels), plain) == ()


def _said(catalog, predicted, *, origin: str = "held-out") -> Predictions:
    """Predictions that are sure of one class each."""
    probs = np.eye(len(catalog.vocab), dtype=np.float32)[predicted]
    return Predictions(
        ids=catalog.ids,
        vocab=catalog.vocab,
        labels=catalog.labels,
        probs=probs,
        losses=1 - probs[np.arange(len(catalog)), catalog.labels],
        origins=strings([origin] * len(catalog)),
    )


def test_advice_needs_no_torch():
    code = "import sys, cleaner.model.advice; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cleaner.model.advice" in done.stdout.split()
    assert not {"torch", "fastai", "timm"} & set(done.stdout.split())
