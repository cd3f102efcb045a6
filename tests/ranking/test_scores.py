from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleaner.errors import InputError
from cleaner.ranking.scores import SCORES, rank, score

COUNT, CLASSES = 240, 4


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    """Labels of which 20 are wrong, and what models of several kinds would say of them."""
    random = np.random.default_rng(0)
    truth = random.integers(0, CLASSES, COUNT)
    labels = truth.copy()
    labels[:20] = (truth[:20] + 1) % CLASSES
    embeddings = random.normal(size=(COUNT, 12)) + 2 * random.normal(size=(CLASSES, 12))[truth]
    logits = 3 * np.eye(CLASSES)[truth] + random.normal(size=(COUNT, CLASSES))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    margins = np.where(np.arange(COUNT) < 20, -2.0, 2.0)[:, None] + random.normal(size=(COUNT, 5))
    return {"labels": labels, "probs": probs, "embeddings": embeddings, "margins": margins}


def _passed(arrays: dict[str, np.ndarray], by: str) -> dict[str, np.ndarray]:
    return {name: arrays[name] for name in SCORES[by].needs or ("probs", "embeddings", "margins")}


@pytest.mark.parametrize("by", sorted(SCORES))
def test_every_score_lies_between_0_and_1_and_puts_wrong_labels_first(by: str, arrays) -> None:
    scores = score(arrays["labels"], by=by, **_passed(arrays, by))
    assert scores.shape == (COUNT,)
    assert ((scores >= 0) & (scores <= 1)).all()
    first = np.argsort(-scores, kind="stable")[:20]
    expected = 0.6 if by != "unsure" else 0  # which finds the hard ones, not the wrong ones
    assert (first < 20).mean() >= expected


@pytest.mark.parametrize("needed", ["probs", "embeddings", "margins"])
def test_the_default_makes_do_with_any_one_of_the_arrays(needed: str, arrays) -> None:
    order = rank(arrays["labels"], **{needed: arrays[needed]})
    assert (order[:20] < 20).mean() >= 0.75


def test_probabilities_may_be_passed_by_place() -> None:
    probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    assert rank([0, 0, 1], probs, by="margin").tolist() == [1, 2, 0]
    assert rank([0, 0, 1], probs, by="loss").tolist() == rank([0, 0, 1], probs, by="self_confidence").tolist()


@pytest.mark.parametrize("kind", [list, np.array, pd.Series])
def test_labels_may_be_texts_where_the_classes_of_the_columns_are_named(kind) -> None:
    probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    classes = {0: "dog", 1: "cat"}.values()
    assert rank(kind(["dog", "dog", "cat"]), probs, classes=classes, by="margin").tolist() == [1, 2, 0]
    by_number = score([0, 0, 1], probs, by="loss")
    assert (
        score(kind(["dog", "dog", "cat"]), probs, classes=classes, by="loss").tolist() == by_number.tolist()
    )
    assert rank([0, 0, 1], probs, classes=classes, by="margin").tolist() == [1, 2, 0]


def test_what_a_model_is_sure_of_still_has_an_order() -> None:
    """As probabilities these are all 1 - p = 1 or 0 to the last bit; as log-odds they are not."""
    probs = np.array([[1e-12, 1 - 1e-12], [1e-20, 1.0], [1e-16, 1.0], [1.0, 1e-12], [1.0, 1e-20]])
    assert rank([0] * 5, probs, by="margin").tolist() == [1, 2, 0, 3, 4]
    assert len(set(score([0] * 5, probs, by="margin"))) == 5


def test_confusions_in_one_direction_come_before_those_in_both() -> None:
    """Cats and dogs are taken for each other; only owls are labelled hens, never hens owls."""
    pairs = {(0, 1): 20, (1, 0): 20, (2, 3): 20}
    labels = np.repeat(np.arange(4), 200)
    probs = np.full((800, 4), 0.01)
    probs[np.arange(800), labels] = 0.97
    for (called, seen), many in pairs.items():
        rows = np.flatnonzero(labels == called)[:many]
        probs[rows] = 0.01
        probs[np.ix_(rows, [called, seen])] = 0.1, 0.88
    first = rank(labels, probs)[:20]
    assert (labels[first] == 2).all()


def test_images_never_learned_from_are_in_the_middle_by_their_margins() -> None:
    margins = np.array([[3.0], [np.nan], [-3.0]])
    assert score([0, 0, 0], margins=margins, by="aum").tolist() == [0.125, 0.5, 0.875]


@pytest.mark.parametrize("by", ["default", "leave_one_out", "neighbours"])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_embeddings_does_not_matter(by: str, scale: float, arrays) -> None:
    labels, embeddings = arrays["labels"], arrays["embeddings"].astype(np.float32)
    scaled = score(labels, embeddings=embeddings * np.float32(scale), by=by)
    np.testing.assert_allclose(scaled, score(labels, embeddings=embeddings, by=by), atol=1e-3)


def test_an_image_without_neighbours_is_in_the_middle() -> None:
    embeddings = np.array([[1.0, 0], [1, 0.1], [np.nan, 0]])
    assert score([0, 1, 0], embeddings=embeddings, by="neighbours").tolist() == [1, 1, 0.5]


def test_what_sums_to_1_but_roughly_is_no_more_unsure_than_can_be() -> None:
    assert score([0, 0], np.array([[0.995], [1.0]]), by="unsure").tolist() == [0, 0]
    even, sure = np.full(10, 0.1009), np.eye(10)[0] * 1.009
    assert score([0, 1], np.array([even, sure]), by="unsure") == pytest.approx([1, 0], abs=1e-6)
    assert score([0, 1], np.array([even, sure]), by="unsure").max() <= 1


@given(st.integers(1, 30), st.integers(2, 6), st.integers(0, 999))
def test_ties_stay_in_the_order_of_the_rows(count: int, classes: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, classes, count)
    probs = np.full((count, classes), 1 / classes)
    for by in ("loss", "margin", "unsure", "self_confidence"):
        assert rank(labels, probs, by=by).tolist() == list(range(count))


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        ({"by": "lucky"}, "no score 'lucky'; there are: default, "),
        ({"by": "aum"}, "'aum' needs margins"),
        ({"by": "neighbours"}, "'neighbours' needs embeddings"),
        ({"probs": None}, "nothing to rank by"),
        ({"probs": np.ones((3, 2))}, "Row 0 holds no probabilities"),
        ({"probs": np.array([[0.5, 0.5], [np.nan, 1], [1, 0]])}, "Row 1 holds no probabilities"),
        ({"probs": np.ones((2, 2)) / 2}, r"must be \[3, 2\] or wider"),
        ({"probs": np.ones((3, 1))}, r"must be \[3, 2\] or wider"),
        ({"labels": [0, -1, 1]}, "Row 1 has the label -1; labels must be whole numbers from 0 on"),
        ({"labels": ["cat", "dog", "cat"]}, "with texts, pass classes=…, in the order of the columns"),
        (
            {"labels": ["cat", "dog", "cat"], "classes": ["cat", "emu"]},
            "Row 1 has the label 'dog', which is none of the 2 classes",
        ),
        ({"labels": [0.0, 1.0, 0.0]}, "whole numbers from 0 on"),
        ({"probs": None, "margins": np.ones(3)}, "Margins must be"),
    ],
)
def test_what_cannot_be_ranked_is_refused_in_a_sentence(passed: dict, said: str) -> None:
    asked = {"labels": [0, 1, 0], "probs": np.ones((3, 2)) / 2} | passed
    with pytest.raises(InputError, match=said):
        rank(asked.pop("labels"), asked.pop("probs"), **asked)


def test_an_empty_dataset_has_an_empty_order() -> None:
    assert rank(np.zeros(0, dtype=int), np.zeros((0, 2)), by="margin").tolist() == []
