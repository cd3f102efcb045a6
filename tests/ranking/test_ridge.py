from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleaner.errors import InputError
from cleaner.ranking.ridge import PENALTIES, LeaveOneOut, leave_one_out
from cleaner.ranking.temperature import fit_temperature, log_softmax

CLASSES = 4


def _drawn(seed: int = 0, *, count: int = 40, width: int = 6, classes: int = CLASSES, apart: float = 0.7):
    """Return float64 embeddings [N, D] around one centre for each class, and the class of each."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    return random.normal(size=(count, width)) + apart * random.normal(size=(classes, width))[labels], labels


def _refitted(x, labels, fit, asked, *, penalty, weights=None, classes=CLASSES):
    """Fit on the rows `fit` the slow way, and return scores of the rows `asked`."""
    x = np.column_stack([x, np.ones(len(x))])
    weights = np.ones(len(x)) if weights is None else weights
    inverse = np.linalg.inv((x[fit].T * weights[fit]) @ x[fit] + penalty * np.eye(x.shape[1]))
    return x[asked] @ inverse @ (x[fit].T * weights[fit]) @ np.eye(classes)[labels[fit]]


def _brute(x, labels, *, penalty, weights=None, groups=None, classes=CLASSES):
    groups = np.arange(len(x)) if groups is None else groups
    scores = np.empty((len(x), classes))
    for group in np.unique(groups):
        out = groups == group
        scores[out] = _refitted(x, labels, ~out, out, penalty=penalty, weights=weights, classes=classes)
    return scores


def _nll(scores, labels, temperature, weights=1.0) -> float:
    given = log_softmax(temperature * scores)[np.arange(len(labels)), labels]
    return float(-(weights * given).sum())


def _first(head: LeaveOneOut, labels, many: int) -> set[int]:
    return set(np.argsort(head.log_probs[np.arange(len(labels)), labels], kind="stable")[:many].tolist())


@pytest.mark.parametrize("width", [6, 90], ids=["more images than numbers", "fewer images than numbers"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("grouped", [False, True], ids=["single", "grouped"])
def test_the_scores_are_those_of_refitting_without_the_image(width, weighted, grouped) -> None:
    x, labels = _drawn(width=width)
    weights = np.where(np.arange(40) % 3 == 0, 3.0, 1.0) if weighted else None
    groups = np.array([7, 7, 7, 3, 3, 5, 5, *range(100, 133)])[::-1] if grouped else None
    head = leave_one_out(x, labels, classes=CLASSES, weights=weights, groups=groups)
    brute = _brute(x, labels, penalty=head.penalty, weights=weights, groups=groups)
    np.testing.assert_allclose(head.scores, brute, atol=1e-8)
    np.testing.assert_allclose(head.log_probs, log_softmax(head.temperature * brute), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 14), st.integers(1, 14), st.integers(1, 14), st.booleans())
def test_refitting_agrees_for_any_small_set(seed, count, width, many, repeated) -> None:
    x, labels = _drawn(seed, count=count, width=width)
    random = np.random.default_rng(seed)
    weights, groups = random.choice([1.0, 3.0], count), random.integers(0, many, count)
    x = x[groups] if repeated and groups.max() < count else x
    head = leave_one_out(x, labels, classes=CLASSES, weights=weights, groups=groups)
    brute = _brute(x, labels, penalty=head.penalty, weights=weights, groups=groups)
    if (weights * ((x**2).sum(axis=1) + 1)).sum() < 999 * head.penalty:  # else a leverage may be clamped
        np.testing.assert_allclose(head.scores, brute, atol=1e-8)
    assert np.isfinite(head.log_probs).all()


def test_with_fewer_images_than_numbers_the_answer_is_the_same() -> None:
    x, labels = _drawn(count=60, width=10)
    few = leave_one_out(x, labels, classes=CLASSES)
    many = leave_one_out(np.pad(x, ((0, 0), (0, 80))), labels, classes=CLASSES)
    np.testing.assert_allclose(many.scores, few.scores, atol=1e-9)
    np.testing.assert_allclose(many.coefficients[:10], few.coefficients[:10], atol=1e-9)
    assert (many.penalty, many.temperature) == pytest.approx((few.penalty, few.temperature))


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("offset", [0, 300], ids=["noisy", "faint beside what all images share"])
def test_no_other_penalty_and_temperature_make_the_labels_likelier(offset: float, weighted: bool) -> None:
    x, labels = _drawn(3, count=80, width=20)
    x[:, 0] += offset
    weights = np.where(np.arange(80) < 30, 3.0, 1.0) if weighted else np.ones(80)
    head = leave_one_out(x, labels, classes=CLASSES, weights=weights)
    chosen = _nll(head.scores, labels, head.temperature, weights)
    total = (weights * ((x**2).sum(axis=1) + 1)).sum()
    for penalty in PENALTIES * total:
        scores = _brute(x, labels, penalty=penalty, weights=weights)
        assert (
            min(_nll(scores, labels, t, weights) for t in np.geomspace(0.1, 100, 61))
            >= chosen - 1e-6 * weights.sum()
        )
    nearby = [_nll(head.scores, labels, head.temperature * by, weights) for by in (0.99, 1.01)]
    assert min(nearby) > chosen


@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_the_temperature_undoes_the_scale_of_the_scores(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, 200)
    scores = np.eye(3)[labels] + random.normal(size=(200, 3))
    plain, loss = fit_temperature(scores, labels, weights=np.ones(200))
    scaled, same = fit_temperature(scores * scale, labels, weights=np.ones(200))
    assert scaled * scale == pytest.approx(plain, rel=1e-3)
    assert same == pytest.approx(loss) == _nll(scores, labels, plain)


def test_wrong_labels_among_separate_classes_come_first() -> None:
    x, truth = _drawn(count=400, width=12, apart=4.0)
    wrong = np.random.default_rng(1).choice(400, 25, replace=False)
    labels = truth.copy()
    labels[wrong] = (truth[wrong] + 1) % CLASSES
    head = leave_one_out(x.astype(np.float16), labels, classes=CLASSES)
    assert _first(head, labels, 25) == set(wrong.tolist())
    assert (head.log_probs.argmax(axis=1)[wrong] == truth[wrong]).all()


def test_a_hundred_copies_with_one_wrong_label_come_first_only_if_they_leave_together() -> None:
    x, truth = _drawn(count=401, width=60, apart=1.5)
    rows = np.append(np.arange(400), np.full(100, 400))
    labels = truth[rows]
    labels[400:] = (truth[400] + 1) % CLASSES
    apart = leave_one_out(x[rows], labels, classes=CLASSES)
    together = leave_one_out(x[rows], labels, classes=CLASSES, groups=rows)
    assert _first(together, labels, 100) == set(range(400, 500))
    assert (together.log_probs[400:].argmax(axis=1) == truth[400]).all()
    assert not _first(apart, labels, 20) & set(range(400, 500))
    assert (apart.log_probs[400:].argmax(axis=1) == labels[400]).all()


def test_a_confirmed_label_counts_as_so_many_copies_of_it() -> None:
    x, labels = _drawn(count=50)
    asked = np.random.default_rng(5).normal(size=(9, 6))
    weighted = leave_one_out(x, labels, classes=CLASSES, weights=np.where(np.arange(50) < 10, 3, 1))
    rows = np.concatenate([np.arange(50), np.arange(10), np.arange(10)])
    copied = leave_one_out(x[rows], labels[rows], classes=CLASSES, groups=rows)
    np.testing.assert_allclose(copied.scores[:50], weighted.scores, atol=1e-9)
    np.testing.assert_allclose(copied.predict(asked), weighted.predict(asked), atol=1e-5)
    np.testing.assert_allclose(copied.frequencies, weighted.frequencies)


def test_new_images_are_judged_as_by_a_refit() -> None:
    x, labels = _drawn(count=60)
    seen, new = np.arange(60) < 50, np.arange(60) >= 50
    head = leave_one_out(x[seen], labels[seen], classes=CLASSES)
    refit = _refitted(x, labels, seen, new, penalty=head.penalty)
    np.testing.assert_allclose(head.predict(x[new]), log_softmax(head.temperature * refit), atol=1e-5)


def test_the_order_of_the_images_does_not_matter() -> None:
    x, labels = _drawn(count=70, width=9)
    groups = np.arange(70) // 2 * (np.arange(70) < 20) + np.arange(70) * (np.arange(70) >= 20)
    order = np.random.default_rng(2).permutation(70)
    straight = leave_one_out(x, labels, classes=CLASSES, groups=groups)
    shuffled = leave_one_out(x[order], labels[order], classes=CLASSES, groups=groups[order])
    np.testing.assert_allclose(shuffled.scores, straight.scores[order], atol=1e-10)
    np.testing.assert_allclose(shuffled.log_probs, straight.log_probs[order], atol=1e-5)


def test_rows_of_a_file_on_disk_are_read_as_an_array_is(tmp_path) -> None:
    x, labels = _drawn(count=5000, width=7)
    np.save(tmp_path / "rows.npy", x.astype(np.float16))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    on_disk = leave_one_out(mapped, labels, classes=CLASSES)
    in_memory = leave_one_out(x.astype(np.float16).astype(np.float64), labels, classes=CLASSES)
    np.testing.assert_array_equal(on_disk.scores, in_memory.scores)


@pytest.mark.parametrize("room", [2**13, 2**15])
def test_a_sample_chooses_nearly_as_well_and_every_image_is_scored(room: int, monkeypatch) -> None:
    x, labels = _drawn(count=2000, width=30, apart=0.3)
    x, labels = x[labels.argsort()], np.sort(labels)  # one class after the other, as in folders
    groups = np.where(np.arange(2000) < 400, np.arange(2000) // 4, np.arange(2000))
    every = leave_one_out(x, labels, classes=CLASSES, groups=groups)
    monkeypatch.setattr("cleaner.ranking.ridge.SAMPLE", room)
    some = leave_one_out(x, labels, classes=CLASSES, groups=groups)
    best = _nll(every.scores, labels, every.temperature)
    assert best <= _nll(some.scores, labels, some.temperature) <= best * 1.02 + 1e-9
    for out in (groups == 5, groups == 1999):
        alone = _refitted(x, labels, ~out, out, penalty=some.penalty)
        np.testing.assert_allclose(some.scores[out], alone, atol=1e-8)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("width", [6, 90])
def test_an_image_without_numbers_gets_the_frequencies_and_disturbs_nobody(bad: float, width: int) -> None:
    x, labels = _drawn(count=40, width=width)
    broken = np.vstack([x, np.full((2, width), 0.5)]).astype(np.float32)
    broken[40:, 3] = bad
    head = leave_one_out(broken, np.append(labels, [0, 1]), classes=CLASSES, groups=[*range(40), 40, 40])
    without = leave_one_out(broken[:40], labels, classes=CLASSES)
    np.testing.assert_allclose(head.log_probs[:40], without.log_probs, atol=1e-4)
    frequencies = (np.bincount(labels, minlength=CLASSES) + 1) / 44
    np.testing.assert_allclose(np.exp(head.log_probs[40:]), np.tile(frequencies, (2, 1)), rtol=1e-5)
    np.testing.assert_allclose(np.exp(head.predict(broken[40:])), np.tile(frequencies, (2, 1)), rtol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 6])
@pytest.mark.parametrize("value", [np.nan, 0.0, 2.5])
def test_embeddings_that_say_nothing_leave_every_class_possible(count: int, value: float) -> None:
    labels = np.arange(count) % 3
    head = leave_one_out(np.full((count, 5), value), labels, classes=3)
    assert head.log_probs.shape == (count, 3)
    assert head.log_probs.dtype == np.float32
    np.testing.assert_allclose(np.exp(head.log_probs).sum(axis=1), 1, atol=1e-6)
    assert (np.exp(head.log_probs) > 0.1).all()
    assert np.isfinite(head.predict(np.zeros((2, 5)))).all()


def test_one_image_learns_nothing_from_itself() -> None:
    head = leave_one_out(np.ones((1, 3)), [1], classes=2)
    np.testing.assert_allclose(np.exp(head.log_probs), [[0.5, 0.5]])


def test_images_that_all_leave_together_learn_nothing_from_each_other() -> None:
    x, labels = _drawn(count=30)
    head = leave_one_out(x, labels, classes=CLASSES, groups=np.zeros(30, dtype=int))
    np.testing.assert_allclose(np.exp(head.log_probs), 1 / CLASSES, atol=1e-6)
    assert (head.predict(x) > -50).all()


def test_with_one_class_everything_is_of_that_class() -> None:
    x, _ = _drawn(count=20)
    head = leave_one_out(x, np.zeros(20, dtype=int), classes=1)
    np.testing.assert_array_equal(head.log_probs, 0)


def test_labels_that_are_all_equal_are_believed_without_boundless_trust() -> None:
    x, _ = _drawn(count=50)
    head = leave_one_out(x, np.full(50, 2), classes=3)
    assert (head.log_probs[:, 2] > np.log(0.99)).all()
    assert (head.log_probs > -300).all()


def test_the_only_image_of_a_class_is_not_believed_to_be_of_it() -> None:
    x, labels = _drawn(count=80, width=8, apart=3.0)
    labels[labels == 3] = 2
    labels[0] = 3
    head = leave_one_out(x, labels, classes=CLASSES)
    assert np.isfinite(head.log_probs).all()
    assert head.log_probs[0].argmax() != 3
    assert (head.log_probs.argmax(axis=1)[1:] == labels[1:]).mean() > 0.9


def test_five_hundred_classes_with_few_images_each_are_told_apart() -> None:
    x, labels = _drawn(count=1500, width=64, classes=500, apart=3.0)
    head = leave_one_out(x.astype(np.float16), labels, classes=500)
    several = np.bincount(labels, minlength=500)[labels] > 2
    assert (head.log_probs.argmax(axis=1) == labels)[several].mean() > 0.8
    np.testing.assert_allclose(np.exp(head.log_probs).sum(axis=1), 1, rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-6, 1e6, 1e30])
def test_the_scale_of_the_embeddings_breaks_nothing(scale: float) -> None:
    x, labels = _drawn(count=60, apart=3.0)
    head = leave_one_out((x * scale).astype(np.float32), labels, classes=CLASSES)
    assert np.isfinite(head.log_probs).all()


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        ({"labels": [0, 1]}, "For 3 embeddings, labels must be 3 whole numbers"),
        ({"labels": [0.0, 1.0, 0.0]}, "labels must be 3 whole numbers, but these are float64"),
        ({"labels": [0, 1, 2]}, "must be 0 to 1, but these are 0 to 2"),
        ({"labels": [0, -1, 1]}, "must be 0 to 1, but these are -1 to 1"),
        ({"classes": 0}, "for 0 classes"),
        ({"weights": [1, 1]}, "weights must be 3 numbers"),
        ({"weights": [1, 0, 1]}, "above 0"),
        ({"weights": [1, np.nan, 1]}, "at least 0"),
        ({"groups": [0, 1]}, "groups must be 3 whole numbers"),
        ({"groups": ["a", "b", "c"]}, "groups must be 3 whole numbers"),
        ({"embeddings": np.zeros(3)}, r"must have two axes, \[N, D\], but these are \[3\]"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(passed: dict, said: str) -> None:
    good = {
        "embeddings": np.zeros((3, 2)),
        "labels": [0, 1, 0],
        "classes": 2,
        "weights": None,
        "groups": None,
    }
    asked = good | passed
    with pytest.raises(InputError, match=said):
        leave_one_out(asked.pop("embeddings"), asked.pop("labels"), **asked)


def test_a_head_refuses_embeddings_of_another_width() -> None:
    x, labels = _drawn()
    head = leave_one_out(x, labels, classes=CLASSES)
    with pytest.raises(InputError, match=r"\[M, 6\], not \[4, 5\]"):
        head.predict(np.zeros((4, 5)))
