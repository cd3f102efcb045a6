"""Further networks, so that every image is scored by one that has not learned from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cleaner.model.folds import FEW, fold_of, folds_for, parts_of
from cleaner.model.train import train
from cleaner.types import TrainConfig, strings


@pytest.fixture(scope="module")
def told() -> list:
    return []


@pytest.fixture(scope="module")
def divided(few, quick, told):
    """A training with folds left open."""
    config = replace(quick, folds=None, epochs=2)
    return train(few.catalog, few.pixels, config=config, report=told.append)


def learned_of(catalog):
    return np.flatnonzero(~catalog.held_out())


def test_few_images_are_divided_into_three_folds_and_that_is_recorded(divided, few):
    assert divided.config.folds == 3
    held_out = few.catalog.held_out()
    assert set(divided.predictions.origins[held_out]) == {"held-out"}
    assert set(divided.predictions.origins[~held_out]) == {"out-of-fold"}
    assert np.isfinite(divided.predictions.losses).all()


def test_the_network_that_is_kept_is_the_one_trained_on_everything(divided, few, quick):
    alone = train(few.catalog, few.pixels, config=replace(quick, epochs=2))
    held_out = few.catalog.held_out()
    assert divided.epochs == alone.epochs
    np.testing.assert_array_equal(divided.predictions.margins, alone.predictions.margins)
    np.testing.assert_allclose(
        divided.predictions.probs[held_out], alone.predictions.probs[held_out], atol=1e-6
    )
    assert (divided.predictions.probs[~held_out] != alone.predictions.probs[~held_out]).any(axis=1).all()
    for mine, other in zip(
        divided.network.state_dict().values(), alone.network.state_dict().values(), strict=True
    ):
        assert (mine == other).all()


def test_the_score_of_an_image_does_not_depend_on_its_own_label(divided, few, quick):
    rows = learned_of(few.catalog)
    labels = few.catalog.labels.copy()
    labels[rows[4]] = 1 - labels[rows[4]]
    config = replace(quick, folds=3, epochs=2)
    other = train(replace(few.catalog, labels=labels), few.pixels, config=config).predictions
    changed = (other.probs != divided.predictions.probs).any(axis=1)
    assert not changed[rows[4]]
    assert changed[rows].sum() >= 10


def test_the_meter_counts_the_folds_and_says_where_it_is(divided, told):
    assert len({report.total for report in told}) == 1
    done = [report.done for report in told]
    assert done == sorted(done)
    assert told[-1].done == told[-1].total
    notes = "\n".join(report.note for report in told)
    assert "epoch 1 of 2 · training loss" in notes
    assert "fold 1 of 3 · epoch 1 of 2 · training loss" in notes or "fold 3 of 3" in notes
    assert told[-1].epochs == divided.epochs


def test_a_fold_follows_from_the_content_alone(make_catalog):
    catalog = make_catalog([row % 2 for row in range(300)], ["train"] * 300)
    digests = strings([f"{row // 2:032x}" for row in range(300)])  # each picture twice
    catalog = replace(catalog, digests=digests)
    judged = {}
    for count in (300, 200):
        for part in parts_of(catalog, learned=np.arange(count), folds=3)[1:]:
            for row in part.judged:
                judged.setdefault(digests[row], set()).add(part.name)
    assert len(judged) == 150
    assert all(len(names) == 1 for names in judged.values())


def test_folds_are_about_equal_and_none_learns_what_it_judges(make_catalog):
    catalog = make_catalog([row % 2 for row in range(1500)], ["train"] * 1200 + ["valid"] * 300)
    kept, *others = parts_of(catalog, learned=np.arange(1200), folds=4)
    assert kept.name == ""
    assert kept.judged.tolist() == list(range(1200, 1500))
    assert sorted(np.concatenate([part.judged for part in others])) == list(range(1200))
    for part in others:
        assert sorted([*part.learned, *part.judged]) == list(range(1200))
        assert 250 < len(part.judged) < 350


def test_the_fold_of_an_image_is_independent_of_its_side_of_the_split():
    low = [fold_of(f"{row:08x}{'0' * 24}", 2) for row in range(500)]
    assert 200 < sum(low) < 300


def test_without_folds_there_is_one_network_that_judges_everything(make_catalog):
    catalog = make_catalog([0, 1, 0, 1], ["train", "train", "train", "valid"])
    (kept,) = parts_of(catalog, learned=np.arange(3), folds=0)
    assert kept.judged.tolist() == [0, 1, 2, 3]


def test_an_image_whose_class_a_fold_has_never_seen_is_left_to_the_network_that_has(make_catalog):
    labels = [row % 2 for row in range(60)] + [2]
    catalog = make_catalog(labels, ["train"] * 61, vocab=("cat", "dog", "emu"))
    kept, *others = parts_of(catalog, learned=np.arange(61), folds=3)
    assert kept.judged.tolist() == [60]
    assert sum(len(part.judged) for part in others) == 60


@pytest.mark.parametrize(
    ("count", "asked", "folds"),
    [(FEW - 1, None, 3), (FEW, None, 0), (FEW, 5, 5), (30, 0, 0), (30, 2, 2), (2, None, 0), (3, 10, 0)],
)
def test_how_many_folds_there_are(make_catalog, count, asked, folds):
    catalog = make_catalog([row % 2 for row in range(count)], ["train"] * count)
    config = TrainConfig(folds=asked)
    assert folds_for(catalog, config=config, learned=np.arange(count)) == folds


def test_folds_that_were_asked_for_and_can_not_be_had_are_noted(make_catalog, quick):
    catalog = make_catalog([0, 1, 0], ["train", "train", "valid"])
    images = np.random.default_rng(0).integers(0, 255, (3, 36, 36, 3)).astype(np.uint8)
    trained = train(catalog, lambda side: images, config=replace(quick, folds=5))
    assert trained.config.folds == 0
    assert trained.notes == ("The training images are too few for 5 folds, so there are none.",)
    assert set(trained.predictions.origins) == {"in-sample", "held-out"}
