from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from cleaner.app.cleaned import cleaned
from cleaner.app.compare import (
    Comparison,
    cleaned_labels,
    compare,
    difference,
    first_labels,
    with_todays_names,
)
from cleaner.app.panels.compare import comparison_view
from cleaner.app.rounds import load_predictions, save_round
from cleaner.catalog.scan import scan
from cleaner.types import Action, Decision, Predictions, Round, strings
from tests.support.rounds import round_without_training

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


def test_without_a_held_out_image_in_common_there_are_no_rates_to_show() -> None:
    shown = comparison_view(_compare({1: _said([0], [0]), 2: _said([0], [0])}, {}))
    assert "No image is left that every round held out" in shown
    assert "nan" not in shown


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


def _marks(text: str) -> np.ndarray:
    return np.array([letter == "x" for letter in text])


def test_a_change_of_many_images_is_more_than_chance_and_one_of_few_may_not_be() -> None:
    before = _marks("x" * 30 + "." * 70)
    large = difference(before, _marks("." * 20 + "x" * 10 + "." * 70))
    small = difference(before, _marks("." * 2 + "x" * 28 + "." * 70))
    assert large.certain
    assert "more than chance: 20.0 points fewer" in large.sentence()
    assert not small.certain
    assert "may be chance" in small.sentence()
    none = difference(before, before)
    assert (none.change, none.low, none.high) == (0, 0, 0)
    assert none.sentence() == "The two answer alike."


def test_images_are_resampled_in_pairs() -> None:
    random = np.random.default_rng(3)
    before, after = random.random((2, 80)) < [[0.4], [0.25]]
    ours = difference(before, after)
    change = after.astype(float) - before
    theirs = stats.bootstrap((change,), np.mean, method="percentile", n_resamples=9999, rng=1)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.02)
    apart = before.mean() * (1 - before.mean()) + after.mean() * (1 - after.mean())
    assert ours.high - ours.low < 3.92 * np.sqrt(apart / 80) * 1.05  # no wider than unpaired ones


def test_a_round_is_called_worse_only_beyond_chance() -> None:
    truth = {str(n): "cat" for n in range(40)}
    one = _said([0] * 40, [0] * 40)
    slightly, clearly = _said([0] * 40, [1] + [0] * 39), _said([0] * 40, [1] * 20 + [0] * 20)
    assert not _compare({1: one, 2: slightly}, truth).worse
    assert _compare({1: one, 2: clearly}, truth).worse


def test_images_that_changed_their_mind_are_named_new_mistakes_first() -> None:
    one, two = _said([0, 0, 0, 0], [1, 0, 0, 1]), _said([0, 0, 0, 0], [0, 1, 0, 1])
    result = _compare({1: one, 2: two}, {str(n): "cat" for n in range(4)})
    assert [(m.id, m.before, m.after) for m in result.minds] == [("1", "cat", "dog"), ("0", "dog", "cat")]
    assert result.vocab == VOCAB
    assert result.before.tolist() == [[2, 2], [0, 0]]
    assert result.after.tolist() == [[2, 2], [0, 0]]


def test_what_was_cleaned_is_counted_from_the_first_label() -> None:
    standing = {
        "0": _decision("0", "relabel", "dog"),
        "1": _decision("1", "delete"),
        "2": _decision("2", "keep"),
        "3": _decision("3", "relabel", "cat"),  # back to what it was at first
        "4": _decision("4", "unsure"),
    }
    done = cleaned(standing, first={str(n): "cat" for n in range(5)})
    assert done.relabelled == {("cat", "dog"): 1}
    assert (done.removed, done.confirmed, done.unsure) == (1, 2, 1)
    assert done.sentence() == (
        "Decided so far: 1 label corrected, 2 confirmed, 1 image removed, 1 left open."
    )


def test_a_class_whose_folder_was_renamed_is_the_same_class(folder) -> None:
    root = folder()
    before, _ = scan(root)
    (root / "teddy").rename(root / "teddy bear")
    after, _ = scan(root)
    probs = np.eye(3, dtype=np.float32)[before.labels]
    origins = strings(["held-out"] * len(before))
    said = Predictions(before.ids, before.vocab, before.labels, probs, probs[:, 0], origins)
    ids = dict(zip(before.digests, before.ids, strict=True))
    after = replace(after, ids=strings([ids[digest] for digest in after.digests]))  # as a project keeps them
    assert with_todays_names(said, catalog=before).vocab == ("black", "grizzly", "teddy")
    assert with_todays_names(said, catalog=after).vocab == ("black", "grizzly", "teddy bear")
    parted = replace(after, labels=after.labels.copy())
    parted.labels[np.flatnonzero(after.labels == 2)[0]] = 0  # one of them is of another class now
    assert with_todays_names(said, catalog=parted).vocab == ("black", "grizzly", "teddy")
    merged = replace(after, labels=np.minimum(after.labels, 1))
    assert with_todays_names(said, catalog=merged).vocab == ("black", "grizzly", "teddy")


def test_a_round_that_ends_while_others_are_compared_is_left_out(folder, monkeypatch) -> None:
    project = round_without_training(folder())
    (first,) = project.rounds

    def slowly(rounds: Path, *, result: Round) -> Predictions:
        said = load_predictions(rounds, result=result)
        save_round(result, said, folder=rounds)  # in another window
        return said

    monkeypatch.setattr("cleaner.app.trained.load_predictions", slowly)
    assert [rates.round for rates in project.compare().rates] == [first.number]
    assert len(project.rounds) == 2
