from __future__ import annotations

import numpy as np
import pytest

from cleaner.app.compare import Comparison, cleaned_labels, compare, first_labels
from cleaner.catalog.scan import scan
from cleaner.types import Action, Decision, Predictions, strings

VOCAB = ("cat", "dog")


def _said(labels: list[int], said: list[int], *, origins: list[str] | None = None) -> Predictions:
    probs = np.full((len(said), 2), 0.1, dtype=np.float32)
    probs[np.arange(len(said)), said] = 0.9
    return Predictions(
        ids=strings([f"{n}" for n in range(len(said))]),
        vocab=VOCAB,
        labels=np.array(labels, dtype=np.int32),
        probs=probs,
        losses=np.zeros(len(said), dtype=np.float32),
        origins=strings(origins or ["held-out"] * len(said)),
    )


def _decision(item: str, action: Action, label: str | None = None) -> Decision:
    return Decision(item, action, label, by="me", at="", round=1, batch=1)


def _compare(rounds: dict[int, Predictions], cleaned: dict[str, str]) -> Comparison:
    return compare(rounds, cleaned=cleaned, original=first_labels(rounds))


def test_rounds_are_measured_on_the_images_both_held_out_and_that_are_still_there() -> None:
    one = _said([0, 0, 1, 1], [0, 1, 1, 1], origins=["held-out"] * 3 + ["in-sample"])
    two = _said([0, 1, 1, 1], [0, 1, 1, 0])
    result = _compare({1: one, 2: two}, {"0": "cat", "1": "dog", "3": "dog"})
    assert result.images == 2  # "2" is gone, "3" was trained on in round 1
    assert [(r.cleaned, r.original) for r in result.rates] == [(0.0, 0.5), (0.0, 0.5)]


def test_a_better_round_says_so() -> None:
    one, two = _said([0, 0], [1, 1]), _said([0, 0], [0, 1])
    sentence = _compare({1: one, 2: two}, {"0": "cat", "1": "cat"}).sentence()
    assert "round 2 makes fewer mistakes than round 1: 50.0% against 100.0%" in sentence


def test_one_round_alone_has_nothing_to_be_compared_with() -> None:
    assert "nothing to compare" in _compare({1: _said([0], [0])}, {"0": "cat"}).sentence()
    assert "nothing to compare" in _compare({}, {}).sentence()


def test_a_class_that_a_round_did_not_know_counts_as_its_mistake() -> None:
    assert _compare({1: _said([0], [0])}, {"0": "wolf"}).rates[0].cleaned == 1.0


def test_the_original_label_is_that_of_the_first_round_that_saw_the_image() -> None:
    assert first_labels({2: _said([1, 1, 1], [0, 0, 0]), 1: _said([0, 0], [0, 0])}) == {
        "0": "cat",
        "1": "cat",
        "2": "dog",
    }


@pytest.mark.parametrize(
    ("action", "label", "expected"),
    [
        ("keep", None, "black"),
        ("unsure", None, "black"),
        ("relabel", "teddy", "teddy"),
        ("delete", None, None),
    ],
)
def test_cleaned_labels_follow_the_decisions(
    folder, action: Action, label: str | None, expected: str | None
) -> None:
    catalog, _ = scan(folder())
    standing = {"black/000.png": _decision("black/000.png", action, label)}
    assert cleaned_labels(catalog, standing).get("black/000.png") == expected
    assert cleaned_labels(catalog, standing)["black/001.png"] == "black"
