"""What is learned about labels while training: margins that do not fade, and labels that count more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from cleaner.errors import InputError
from cleaner.model.losses import TRUST, WeightedLoss, margins_of, weights_of
from cleaner.model.train import train
from cleaner.types import Catalog, TrainConfig


def first_rows(catalog: Catalog, count: int) -> Catalog:
    columns = ("ids", "paths", "labels", "splits", "digests", "widths", "heights", "bytes", "mtimes")
    return replace(catalog, **{name: getattr(catalog, name)[:count] for name in columns})


def found(suspicion: np.ndarray, wrong: np.ndarray) -> float:
    """Return the share of wrong labels in the head of the list that is as long as there are any."""
    return float(wrong[np.argsort(-suspicion)[: wrong.sum()]].mean())


def test_a_margin_is_the_given_logit_minus_the_highest_other_one():
    logits = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0], [0.0, -5.0, -5.0]])
    assert margins_of(logits, torch.tensor([0, 1, 2])).tolist() == [1.0, -2.0, -5.0]
    assert logits[0].tolist() == [3.0, 1.0, 2.0]


def test_margins_are_kept_for_every_epoch_and_every_image_learned_from(few, quick):
    said = train(few.catalog, few.pixels, config=replace(quick, epochs=3)).predictions
    assert said.margins.shape == (60, 3)
    assert said.margins.dtype == np.float32
    held_out = few.catalog.held_out()
    assert np.isnan(said.margins[held_out]).all()
    assert np.isfinite(said.margins[~held_out]).all()
    assert (said.margins[~held_out, 0] != said.margins[~held_out, 1]).all()


def test_the_epoch_in_which_only_the_new_head_learns_is_the_first_column(few, tmp_path):
    save_file(get_model("resnet18", weights=None).state_dict(), tmp_path / "weights")
    config = TrainConfig(
        arch="resnet18", weights=str(tmp_path / "weights"), size=32, epochs=1, folds=0, batch_size=16
    )
    trained = train(few.catalog, few.pixels, config=config)
    assert [epoch.number for epoch in trained.epochs] == [0, 1]
    assert trained.predictions.margins.shape == (60, 2)


def test_a_margin_belongs_to_its_image(few, quick):
    wrong = np.flatnonzero(~few.catalog.held_out())[[3, 10]]
    labels = few.catalog.labels.copy()
    labels[wrong] = 1 - labels[wrong]
    catalog = replace(few.catalog, labels=labels)
    margins = train(catalog, few.pixels, config=replace(quick, epochs=8, batch_size=8)).predictions.margins
    assert sorted(np.argsort(margins[:, -1])[:2]) == sorted(wrong)  # NaN sorts last
    assert (margins[wrong, -1] < 0).all()


def test_labels_that_were_memorised_are_still_found_by_their_margins_and_not_by_their_losses(digits):
    catalog = first_rows(digits.catalog, 200)
    config = TrainConfig(weights="scratch", size=16, epochs=80, lr=8e-3, batch_size=54, flip=False, folds=0)
    said = train(catalog, lambda side: digits.pixels(side)[:200], config=config).predictions
    learned = ~catalog.held_out()
    losses, wrong = said.losses[learned], digits.wrong[:200][learned]
    assert losses.mean() < 0.05
    assert np.median(losses[wrong]) < 0.05
    assert found(losses, wrong) < 0.5
    assert found(-said.margins[learned].mean(axis=1), wrong) > 0.8


def test_a_loss_is_the_mean_weighted_by_what_each_label_counts():
    loss = WeightedLoss(weights_of(np.array([False, True, False]), count=3))
    logits, labels = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([1, 1])
    each = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    weighted = loss(logits, labels, torch.tensor([2, 1]))
    torch.testing.assert_close(weighted, (each[0] + TRUST * each[1]) / (1 + TRUST))
    torch.testing.assert_close(loss(logits, labels), each.mean())


@pytest.mark.parametrize("side", [0, 1])
def test_where_equal_pictures_contradict_each_other_the_trusted_side_counts_three_times(
    make_catalog, quick, side
):
    labels = np.arange(80, dtype=np.int32) % 2
    catalog = make_catalog(labels, ["train"] * 60 + ["valid"] * 20)
    images = np.full((80, 36, 36, 3), 130, dtype=np.uint8)
    config = replace(quick, epochs=12, batch_size=20)
    trusted = labels == side
    probs = train(catalog, lambda _: images, config=config, trusted=trusted).predictions.probs
    assert probs[:, side].mean() == pytest.approx(TRUST / (TRUST + 1), abs=0.12)
    plain = train(catalog, lambda _: images, config=config).predictions.probs
    assert plain[:, side].mean() == pytest.approx(0.5, abs=0.12)


def test_trust_in_something_else_than_these_images_is_refused(few, quick):
    for trusted in (np.ones(3, dtype=bool), np.ones(60)):
        with pytest.raises(InputError, match=r"trusted must be bool \(60,\), one for each image, but is"):
            train(few.catalog, few.pixels, config=quick, trusted=trusted)
