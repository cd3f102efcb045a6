from __future__ import annotations

import numpy as np
import pytest

from cleaner.ranking.beliefs import believer
from cleaner.ranking.doubt import area_under_margin
from cleaner.ranking.order import LiveOrder
from cleaner.types import TRUST, Decision, Predictions, Queue, strings

VOCAB = ("cat", "dog", "owl")


def _said(losses, origins, *, margins=None, quick=None) -> Predictions:
    losses = np.array(losses, dtype=np.float32)
    given = np.exp(-losses)
    return Predictions(
        ids=strings([f"{n:03d}" for n in range(len(losses))]),
        vocab=("cat", "dog"),
        labels=np.zeros(len(losses), dtype=np.int32),
        probs=np.stack([given, 1 - given], axis=1),
        losses=losses,
        origins=strings(origins),
        margins=None if margins is None else np.array(margins, dtype=np.float32),
        quick=None if quick is None else np.array(quick, dtype=np.float32),
    )


def test_the_area_is_the_mean_over_the_epochs_that_saw_the_image() -> None:
    margins = np.array([[1, -3], [np.nan, 2], [np.nan, np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(area_under_margin(margins), [1, -2, np.nan])


def test_what_the_network_has_memorised_still_comes_first_by_its_margins() -> None:
    losses = [0.01, 0.01, 0.02, 0.01]
    margins = [[3, 4], [-9, 4], [3, 4], [2, 5]]
    assert LiveOrder(_said(losses, ["in-sample"] * 4)).queue().ids[0] == "002"
    assert LiveOrder(_said(losses, ["in-sample"] * 4, margins=margins)).queue().ids[0] == "001"


def test_an_image_learned_late_says_so() -> None:
    said = _said([0.01, 0.01], ["in-sample"] * 2, margins=[[3, 4], [-9, 4]])
    queue = LiveOrder(said).queue()
    assert queue.candidate(0).reasons == (
        "the model agrees with cat (99%), which it doubted while it learned",
    )
    assert queue.candidate(1).reasons == ("the model agrees with cat (99%)",)


def test_neither_origin_crowds_out_the_other() -> None:
    """A network is surer of what it has learned from; the worst of each kind come first all the same."""
    learned, held = [0.001, 0.002, 0.2, 0.001], [1.0, 2.0, 9.0, 1.5]
    said = _said(
        learned + held,
        ["in-sample"] * 4 + ["held-out"] * 4,
        margins=[[5], [5], [-1], [6]] + [[np.nan]] * 4,
    )
    assert set(LiveOrder(said).queue().ids[:2]) == {"002", "006"}


def test_a_quick_head_has_half_the_say_and_suggests_for_images_that_were_learned_from() -> None:
    quick = [[0.9, 0.1], [0.9, 0.1], [0.05, 0.95]]
    said = _said([0.1, 0.1, 0.1], ["in-sample"] * 3, margins=[[1], [1], [1]], quick=quick)
    first = LiveOrder(said).queue().candidate(0)
    assert (first.id, first.suggested) == ("002", "dog")
    assert first.reasons == ("the model sees dog (95%) rather than cat (5%)",)


def test_surprise_is_the_same_to_the_bit_in_any_order() -> None:
    chance = np.random.default_rng(0)
    losses, margins = chance.random(50), chance.normal(size=(50, 3))
    shuffled = chance.permutation(50)
    straight = LiveOrder(_said(losses, ["in-sample"] * 50, margins=margins)).surprise()
    other = LiveOrder(_said(losses[shuffled], ["in-sample"] * 50, margins=margins[shuffled])).surprise()
    assert straight[shuffled].tobytes() == other.tobytes()


@pytest.mark.parametrize("count", [0, 1])
def test_few_images_have_an_order_too(count: int) -> None:
    said = _said([0.3] * count, ["out-of-fold"] * count, margins=np.ones((count, 2)))
    assert len(LiveOrder(said).queue()) == count


# --- following the verdicts ------------------------------------------------------------------------


def _blobs(count: int = 150, *, seed: int = 0, wrong: int = 12, width: int = 8, apart: float = 3.0):
    """Draw embeddings of three classes, some of the cats labelled dog; return them, labels and truth."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, count)
    x = random.normal(size=(count, width)) + apart * random.normal(size=(3, width))[truth]
    labels = truth.copy()
    labels[random.choice(np.flatnonzero(truth == 0), wrong, replace=False)] = 1
    return x, labels, truth


def _flat(labels, *, vocab=VOCAB) -> Predictions:
    """Return predictions that say nothing: only the embeddings beside them do."""
    count, classes = len(labels), len(vocab)
    return Predictions(
        ids=strings([f"{n:05d}" if count > 999 else f"{n:03d}" for n in range(count)]),
        vocab=vocab,
        labels=labels.astype(np.int32),
        probs=np.full((count, classes), 1 / classes, dtype=np.float32),
        losses=np.full(count, np.log(classes), dtype=np.float32),
        origins=strings(["out-of-fold"] * count),
    )


def _order(x, labels, *, vocab=VOCAB, groups=None) -> LiveOrder:
    features = believer(x, labels, classes=len(vocab), groups=groups)
    return LiveOrder(_flat(labels, vocab=vocab), believer=features, network=False)


def _verdict(item: str, action: str, label: str | None = None) -> Decision:
    return Decision(item, action, label, "ann", "", 1, 1)


def _place(queue: Queue, item: str) -> int:
    return list(queue.ids).index(item)


def test_wrong_labels_come_first_with_their_true_class_suggested() -> None:
    x, labels, truth = _blobs()
    queue = _order(x, labels).queue()
    wrong = {f"{row:03d}" for row in np.flatnonzero(labels != truth)}
    assert set(queue.ids[:12]) == wrong
    assert all(queue.candidate(row).suggested == "cat" for row in range(12))


def test_verdicts_taken_back_leave_the_order_as_it_was() -> None:
    x, labels, _ = _blobs(apart=1.0)
    order = _order(x, labels)
    before = order.surprise()
    order.follow({i: _verdict(i, "relabel", "owl") for i in ("003", "004", "090")})
    assert not np.allclose(order.surprise(), before)
    order.follow({})
    np.testing.assert_allclose(order.surprise(), before, atol=1e-6)


def test_the_way_to_the_same_verdicts_does_not_matter() -> None:
    x, labels, _ = _blobs(apart=1.0)
    final = {
        "001": _verdict("001", "keep"),
        "002": _verdict("002", "delete"),
        "003": _verdict("003", "relabel", "owl"),
        "004": _verdict("004", "unsure"),
    }
    straight, roundabout = _order(x, labels), _order(x, labels)
    straight.follow(final)
    for changed in ({"002": _verdict("002", "keep"), "003": _verdict("003", "delete")}, {}, final):
        roundabout.follow(changed)
    np.testing.assert_allclose(roundabout.surprise(), straight.surprise(), atol=1e-6)


def test_confirming_labels_makes_what_looks_like_them_less_suspicious_and_removing_more() -> None:
    """A cluster of its own within a class: fine, says the person of one half, and the other half sinks."""
    x, labels, _ = _blobs(wrong=0)
    x, labels = np.vstack([x, 5.0 * np.tile([1, -1], (20, 4))]), np.append(labels, np.full(20, 1))
    x[150:] += np.random.default_rng(1).normal(size=(20, 8)) / 2
    half = [f"{row:03d}" for row in range(150, 160)]
    other = np.arange(160, 170)
    before = _order(x, labels).surprise()[other]
    kept, removed = _order(x, labels), _order(x, labels)
    kept.follow({i: _verdict(i, "keep") for i in half})
    removed.follow({i: _verdict(i, "relabel", "owl") for i in half})
    assert kept.surprise()[other].mean() < before.mean() < removed.surprise()[other].mean()


def test_a_confusion_found_to_be_an_error_again_and_again_moves_up_and_one_found_fine_moves_down() -> None:
    x, labels, _ = _blobs(count=600, apart=0.6, wrong=30)
    order = _order(x, labels)
    queue = order.queue()
    pair = [i for i, g, s in zip(queue.ids, queue.labels, queue.suggested, strict=True) if (g, s) == (1, 0)]
    reviewed, rest = pair[:20], pair[20:]
    ranks = {}
    for action, label in (("relabel", "cat"), ("keep", None)):
        order.follow({i: _verdict(i, action, label) for i in reviewed})
        after = order.queue()
        ranks[action] = np.mean([_place(after, i) for i in rest])
    assert ranks["relabel"] < ranks["keep"]


def test_what_the_model_disputes_even_so_is_contested_and_the_doubtful_with_it() -> None:
    x, labels, truth = _blobs()
    wrong, right = np.flatnonzero(labels != truth)[0], np.flatnonzero(labels == truth)[:2]
    ids = [f"{row:03d}" for row in (wrong, *right)]
    order = _order(x, labels)
    assert len(order.contested()) == 0
    order.follow(
        {
            ids[0]: _verdict(ids[0], "keep"),
            ids[1]: _verdict(ids[1], "keep"),
            ids[2]: _verdict(ids[2], "unsure"),
        }
    )
    contested = order.contested()
    assert list(contested.ids) == [ids[0], ids[2]]
    assert contested.candidate(0).suggested == "cat"


def test_a_relabel_against_the_model_is_contested_under_the_given_label() -> None:
    x, labels, _ = _blobs(wrong=0)
    row = int(np.flatnonzero(labels == 2)[0])
    order = _order(x, labels)
    order.follow({f"{row:03d}": _verdict(f"{row:03d}", "relabel", "dog")})
    first = order.contested().candidate(0)
    assert (first.label, first.suggested) == ("owl", None)


def test_suggestions_are_probabilities_best_first_and_no_more_than_there_are_classes() -> None:
    x, labels, truth = _blobs()
    row = int(np.flatnonzero(labels != truth)[0])
    said = _order(x, labels).suggestions(f"{row:03d}")
    assert said[0][0] == "cat"
    assert [p for _, p in said] == sorted((p for _, p in said), reverse=True)
    assert sum(p for _, p in said) == pytest.approx(1, abs=1e-5)


def test_a_class_that_no_model_has_seen_takes_the_image_out_of_the_fit() -> None:
    x, labels, _ = _blobs()
    new, gone = _order(x, labels), _order(x, labels)
    new.follow({"005": _verdict("005", "relabel", "an axolotl")})
    gone.follow({"005": _verdict("005", "delete")})
    np.testing.assert_allclose(new.surprise(), gone.surprise(), atol=1e-6)


def test_verdicts_on_images_of_other_rounds_are_passed_over() -> None:
    x, labels, _ = _blobs()
    order = _order(x, labels)
    before = order.surprise()
    order.follow({"elsewhere.jpg": _verdict("elsewhere.jpg", "delete")})
    np.testing.assert_array_equal(order.surprise(), before)


def test_a_trained_network_and_the_features_are_both_heard() -> None:
    """The network knows one error, the features the other; both come before what nobody doubts."""
    x, labels, truth = _blobs(wrong=1)
    by_features = int(np.flatnonzero(labels != truth)[0])
    by_network = int(np.flatnonzero(labels == truth)[5])
    given = np.full((150, 3), 0.02)
    given[np.arange(150), labels] = 0.96
    given[by_network] = np.roll(given[by_network], 1)
    said = Predictions(
        ids=strings([f"{n:03d}" for n in range(150)]),
        vocab=VOCAB,
        labels=labels.astype(np.int32),
        probs=given.astype(np.float32),
        losses=-np.log(given[np.arange(150), labels]).astype(np.float32),
        origins=strings(["held-out"] * 150),
    )
    queue = LiveOrder(said, believer=believer(x, labels, classes=3)).queue()
    assert set(queue.ids[:2]) == {f"{by_features:03d}", f"{by_network:03d}"}


# --- weak cases --------------------------------------------------------------------------------------


def _found(x, labels, truth, classes: int, *, groups=None) -> float:
    """Return the share of the wrong labels among as many first ones."""
    wrong = labels != truth
    queue = _order(x, labels, vocab=tuple(map(str, range(classes))), groups=groups).queue()
    assert sorted(map(int, queue.ids)) == list(range(len(labels)))
    assert np.isfinite(queue.scores).all()
    return float(np.mean([wrong[int(i)] for i in queue.ids[: wrong.sum()]])) if wrong.any() else 1.0


def _noisy(count: int, classes: int, *, share: float, seed: int = 0, width: int = 24, sizes=None):
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, count) if sizes is None else np.repeat(np.arange(classes), sizes)
    x = random.normal(size=(len(truth), width)) + 1.5 * random.normal(size=(classes, width))[truth]
    labels = truth.copy()
    wrong = random.choice(len(truth), round(share * len(truth)), replace=False)
    labels[wrong] = (truth[wrong] + random.integers(1, classes, len(wrong))) % classes
    return x, labels, truth


@pytest.mark.parametrize(
    ("count", "classes", "share", "least"),
    [
        (30, 2, 0.1, 0.6),
        (300, 2, 0.1, 0.9),
        (300, 10, 0.1, 0.9),
        (2500, 500, 0.05, 0.6),
        (400, 4, 0.45, 0.85),
    ],
    ids=["30 images", "300 images", "300 images, 10 classes", "500 classes", "nearly half of them wrong"],
)
def test_errors_come_first_in_small_wide_and_dirty_datasets(count, classes, share, least) -> None:
    x, labels, truth = _noisy(count, classes, share=share)
    assert _found(x, labels, truth, classes) >= least


def test_noise_of_one_direction_is_found() -> None:
    x, labels, truth = _noisy(600, 5, share=0)
    swapped = np.flatnonzero(truth == 3)[: (truth == 3).sum() * 3 // 10]
    labels[swapped] = 4
    assert _found(x, labels, truth, 5) >= 0.9


def test_a_class_of_three_and_a_long_tail_have_an_order_too() -> None:
    x, labels, truth = _noisy(0, 4, share=0, sizes=[300, 60, 12, 3])
    labels[[0, 310, 365]] = [1, 0, 0]  # one wrong label in a large, a middle and a small class
    assert _found(x, labels, truth, 4) >= 2 / 3


def test_a_wrong_label_on_a_hundred_copies_comes_first_if_they_leave_together() -> None:
    x, labels, truth = _noisy(300, 3, share=0)
    x, labels, truth = (
        np.append(column, np.repeat(column[:1], 100, axis=0), axis=0) for column in (x, labels, truth)
    )
    labels[[0, *range(300, 400)]] = (truth[0] + 1) % 3
    groups = np.append(np.arange(300), np.zeros(100, dtype=int))
    assert _found(x, labels, truth, 3, groups=groups) >= 0.99


def test_nothing_is_suspicious_where_all_labels_are_right() -> None:
    x, labels, _ = _noisy(300, 3, share=0)
    order = _order(x, labels)
    assert (order.queue().suggested == order.queue().labels).mean() > 0.98


@pytest.mark.parametrize(
    "x", [np.ones((40, 5)), np.full((40, 5), np.nan), np.zeros((40, 5))], ids=["one", "nan", "zero"]
)
def test_embeddings_that_say_nothing_leave_the_order_of_the_ids(x) -> None:
    labels = np.arange(40) % 3
    order = _order(x, labels)
    order.follow({"001": _verdict("001", "delete")})
    assert np.isfinite(order.surprise()).all()
    same = order.surprise()[labels == 2]
    np.testing.assert_allclose(same, same[0], atol=1e-4)


def test_images_without_an_embedding_are_ranked_among_the_others() -> None:
    x, labels, truth = _blobs()
    x[7] = np.nan
    queue = _order(x, labels).queue()
    assert len(queue) == 150
    assert 0 < _place(queue, "007") < 149
    wrong = {f"{row:03d}" for row in np.flatnonzero(labels != truth)} - {"007"}
    assert wrong <= set(queue.ids[:14])


def test_one_class_only_has_nothing_to_say_and_says_so() -> None:
    x, _, _ = _blobs()
    labels = np.zeros(150, dtype=np.int64)
    queue = _order(x, labels, vocab=("cat",)).queue()
    assert list(queue.ids) == sorted(queue.ids)


def test_a_trusted_label_counts_three_times() -> None:
    x, labels, _ = _blobs(apart=1.0)
    order = _order(x, labels)
    order.follow({"000": _verdict("000", "keep")})
    heavy = believer(x, labels, classes=3)
    heavy.update(np.array([0]), labels=labels[:1], weights=np.array([TRUST]))
    np.testing.assert_allclose(order._believer.beliefs(), heavy.beliefs(), atol=1e-5)
