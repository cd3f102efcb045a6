from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from cleaner.errors import InputError
from cleaner.ranking.stopping import (
    FINE_ENOUGH,
    Outlook,
    errors_at_most,
    errors_expected,
    fine_in_a_row,
    outlook,
)

PAGE, DRAWN = 24, 2

# what was dealt: which were wrong, and which were drawn at random
DEALT = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60).map(
    lambda pairs: np.array(pairs, dtype=bool).reshape(-1, 2).T.copy()
)


def _review(scores, wrong, *, seed: int, pages: int):
    """Deal pages by scores, the last two of each drawn at random; return verdicts and which were drawn."""
    random = np.random.default_rng(seed)
    order = np.argsort(-scores, kind="stable")
    dealt, drawn = [], []
    for _ in range(pages):
        ranked, order = order[: PAGE - DRAWN], order[PAGE - DRAWN :]
        places = random.choice(len(order), DRAWN, replace=False)
        dealt += [*ranked, *order[places]]
        drawn += [*[False] * len(ranked), *[True] * DRAWN]
        order = np.delete(order, places)
    return wrong[dealt], np.array(drawn)


def _bounds(verdicts, drawn, *, total: int, every: int = 1, confidence: float = 0.95):
    """Return the bounds after each look, and what was truly left of those wrong among the dealt."""
    looks = range(every, len(verdicts) + 1, every)
    bounds = [
        errors_at_most(verdicts[:n], audited=drawn[:n], remaining=total - n, confidence=confidence)
        for n in looks
    ]
    return np.array(bounds), np.array([verdicts[n:].sum() for n in looks])


def _marked(count: int, *places: int):
    marked = np.zeros(count, dtype=bool)
    marked[list(places)] = True
    return marked


# --- what is certain -----------------------------------------------------------------------------------


@pytest.mark.parametrize("errors", [0, 1, 3, 6, 8])
@pytest.mark.parametrize("confidence", [0.3, 0.6, 0.9])
def test_of_all_ways_to_draw_a_small_set_too_few_ever_bring_a_bound_below_the_truth(
    errors, confidence
) -> None:
    drawn = np.ones(8, dtype=bool)
    ways = [_marked(8, *places) for places in combinations(range(8), errors)]  # all equally likely
    missed = 0
    for way in ways:
        bounds, left = _bounds(way, drawn, total=8, confidence=confidence)
        missed += bool((bounds < left).any())
    assert missed / len(ways) <= 1 - confidence


def test_the_bound_is_no_braver_than_it_must_be() -> None:
    drawn, ways = np.ones(8, dtype=bool), [_marked(8, *places) for places in combinations(range(8), 4)]
    seen = [_bounds(way, drawn, total=8, confidence=0.3) for way in ways]
    assert any((bounds < left).any() for bounds, left in seen)
    assert any((bounds[:6] < 8 - np.arange(1, 7)).any() for bounds, _ in seen)


@pytest.mark.parametrize("order", ["good", "none", "wrong ones last", "wrong ones first"])
def test_looking_after_every_page_the_bound_holds_in_95_of_100_reviews(order: str) -> None:
    random = np.random.default_rng(0)
    wrong = np.arange(900) < 70
    scores = {
        "good": wrong + random.normal(size=900),
        "none": random.normal(size=900),
        "wrong ones last": -wrong.astype(float),
        "wrong ones first": wrong.astype(float),
    }[order]
    held = 0
    for seed in range(100):
        verdicts, drawn = _review(scores, wrong, seed=seed, pages=25)
        found = verdicts.cumsum()[PAGE - 1 :: PAGE]
        bounds, _ = _bounds(verdicts, drawn, total=900, every=PAGE)
        held += bool((bounds >= 70 - found).all())
    assert held >= 95


def test_an_order_that_follows_what_the_drawn_ones_showed_does_not_break_the_bound() -> None:
    held = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        left = list(random.permutation(np.arange(300) < 30))
        verdicts, drawn, holds = [], [], True
        while len(left) > 100:
            hidden = 3 if verdicts and verdicts[-1] and drawn[-1] else 0
            for _ in range(hidden):  # whenever one was found, the order hides the wrong ones
                left.pop(random.choice(np.flatnonzero(~np.array(left))))
                verdicts.append(False)
                drawn.append(False)
            verdicts.append(left.pop())
            drawn.append(True)
            if len(left) % 4 == 0:
                holds &= errors_at_most(verdicts, audited=drawn, remaining=len(left)) >= sum(left)
        held += holds
    assert held >= 100 * (0.95 - 2 * np.sqrt(0.95 * 0.05 / 100))


def test_a_wrong_one_that_was_dealt_and_missed_errs_on_the_safe_side() -> None:
    verdicts, drawn = _review(np.arange(3000.0), np.arange(3000) % 11 == 0, seed=1, pages=40)
    overlooked = verdicts & (drawn | (np.arange(len(verdicts)) % 2 == 0))
    careful = errors_at_most(verdicts, audited=drawn, remaining=3000 - len(verdicts))
    careless = errors_at_most(overlooked, audited=drawn, remaining=3000 - len(verdicts))
    assert careless >= careful


def _judged_elsewhere(seed: int) -> tuple[int, int, int]:
    """Deal ten pages, then judge all other pictures of the easy classes; return two bounds and the truth.

    The first bound knows how many were found fine that way, the second doesn't.
    """
    random = np.random.default_rng(seed)
    hard, wrong = np.arange(2000) < 200, np.zeros(2000, dtype=bool)
    wrong[random.choice(200, 60, replace=False)] = True
    order = random.permutation(2000)  # of an order that knows nothing
    dealt, rest = order[: 10 * PAGE], order[10 * PAGE :]
    drawn = np.arange(len(dealt)) % PAGE >= PAGE - DRAWN
    known = {"audited": drawn, "remaining": int(hard[rest].sum())}
    passed = int((~hard)[rest].sum())
    bounds = (errors_at_most(wrong[dealt], **known, passed=number) for number in (passed, 0))
    return (*bounds, int(wrong[rest].sum()))


def test_pictures_judged_without_having_been_dealt_do_not_break_the_bound() -> None:
    reviews = [_judged_elsewhere(seed) for seed in range(200)]
    assert sum(truth > bound for bound, _, truth in reviews) <= 10
    assert sum(truth > careless for _, careless, truth in reviews) > 40  # what it is there for


@pytest.mark.parametrize("many", [50, 100, 200])
@pytest.mark.parametrize("errors", [0, 1, 3, 10])
def test_it_costs_little_more_than_looking_once_and_less_than_spending_the_risk(
    errors: int, many: int
) -> None:
    wrong = _marked(many, *np.linspace(many // 20, many - 1, errors).astype(int))
    bound = errors_at_most(wrong, audited=np.ones(many, dtype=bool), remaining=10_000 - many)
    once, spent = (
        (10_000 - many) * beta.ppf(1 - risk, errors + 1, many - errors)
        for risk in (0.05, 0.05 * 6 / (np.pi * many / 2) ** 2)
    )
    assert once < bound < min(spent, 1.6 * once)


def test_two_hundred_fine_ones_drawn_at_random_leave_at_most_2_in_100() -> None:
    none = np.zeros(200, dtype=bool)
    assert errors_at_most(none, audited=~none, remaining=5000) <= 100


@settings(max_examples=60, deadline=None)
@given(DEALT, st.integers(0, 500))
def test_the_bound_is_a_number_of_pictures_that_are_there(dealt, remaining) -> None:
    wrong, drawn = dealt
    bound = errors_at_most(wrong, audited=drawn, remaining=remaining)
    assert 0 <= bound <= remaining
    assert bound == remaining or drawn.any()


@settings(max_examples=60, deadline=None)
@given(st.data(), DEALT, st.integers(0, 500))
def test_one_more_wrong_among_the_drawn_never_lowers_the_bound_on_all_wrong_ones(
    data, dealt, remaining
) -> None:
    wrong, drawn = dealt
    assume((drawn & ~wrong).any())
    before = errors_at_most(wrong, audited=drawn, remaining=remaining)
    assume(before < remaining)
    wrong[data.draw(st.sampled_from(np.flatnonzero(drawn & ~wrong).tolist()))] = True
    assert errors_at_most(wrong, audited=drawn, remaining=remaining) + 1 >= before


@settings(max_examples=60, deadline=None)
@given(DEALT, st.integers(1, 500), st.booleans())
def test_one_more_fine_picture_never_raises_the_bound(dealt, remaining, at_random) -> None:
    wrong, drawn = dealt
    before = errors_at_most(wrong, audited=drawn, remaining=remaining)
    after = errors_at_most(
        np.append(wrong, False), audited=np.append(drawn, at_random), remaining=remaining - 1
    )
    assert after <= before


@settings(max_examples=60, deadline=None)
@given(DEALT, st.integers(1, 500))
def test_what_is_found_by_the_order_is_no_longer_among_the_rest(dealt, remaining) -> None:
    wrong, drawn = dealt
    before = errors_at_most(wrong, audited=drawn, remaining=remaining)
    after = errors_at_most(np.append(wrong, True), audited=np.append(drawn, False), remaining=remaining - 1)
    assert after == (before or remaining) - 1  # one more than was possible contradicts what was drawn


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(0, 500))
def test_more_confidence_never_lowers_the_bound(wrong, remaining) -> None:
    drawn = np.ones(len(wrong), dtype=bool)
    less, more = (
        errors_at_most(wrong, audited=drawn, remaining=remaining, confidence=c) for c in (0.6, 0.95)
    )
    assert less <= more or less == remaining


@settings(max_examples=60, deadline=None)
@given(DEALT, st.integers(1, 500), st.booleans(), st.booleans())
def test_the_bound_on_all_wrong_ones_never_rises_as_one_goes_on(dealt, remaining, at_random, finds) -> None:
    wrong, drawn = dealt
    before = wrong.sum() + errors_at_most(wrong, audited=drawn, remaining=remaining)
    wrong, drawn = np.append(wrong, finds), np.append(drawn, at_random)
    after = wrong.sum() + errors_at_most(wrong, audited=drawn, remaining=remaining - 1)
    assert after <= before or after == wrong.sum() + remaining - 1  # more were found than that: nothing holds


def test_the_bound_of_a_small_set_is_that_of_the_stakes_by_hand() -> None:
    drawn = np.ones(6, dtype=bool)
    # of 8, 6 drawn and fine: were 2 wrong, a stake on «none» would be 8/6 · 7/5 · … · 3/1 = 28 times its half
    assert errors_at_most(~drawn, audited=drawn, remaining=2, confidence=1 - 1 / 13) == 1
    assert errors_at_most(~drawn, audited=drawn, remaining=2, confidence=1 - 1 / 28) == 2


def test_verdicts_that_contradict_each_other_bound_nothing() -> None:
    wrong, drawn = (
        np.arange(960) % 24 < 20,
        np.arange(960) % 24 > 21,
    )  # the order finds 5 of 6, chance never one
    assert errors_at_most(wrong, audited=drawn, remaining=3000) == 3000


def test_without_any_drawn_at_random_nothing_is_certain() -> None:
    fine = np.zeros(400, dtype=bool)
    assert errors_at_most(fine, audited=fine, remaining=77) == 77
    assert errors_at_most([], audited=[], remaining=77) == 77
    assert errors_at_most(~fine, audited=~fine, remaining=0) == 0


def test_a_million_pictures_are_no_matter() -> None:
    wrong, drawn = np.arange(100_000) % 97 == 0, np.arange(100_000) % 12 == 11
    assert 900_000 / 97 < errors_at_most(wrong, audited=drawn, remaining=900_000) < 1.6 * 900_000 / 97


@pytest.mark.parametrize(
    ("wrong", "audited"),
    [([True], [True, False]), ([0.3, 0.1], [True, False]), ([[True]], [[True]]), ([True], [1])],
)
def test_what_are_no_verdicts_is_refused(wrong, audited) -> None:
    with pytest.raises(InputError, match="truths of one length"):
        errors_at_most(wrong, audited=audited, remaining=5)


@pytest.mark.parametrize(("remaining", "confidence"), [(-1, 0.95), (5, 0.0), (5, 1.0), (5, 95)])
def test_numbers_that_bound_nothing_are_refused(remaining, confidence) -> None:
    with pytest.raises(InputError, match="bound nothing"):
        errors_at_most([True], audited=[True], remaining=remaining, confidence=confidence)


# --- the rule of thumb ---------------------------------------------------------------------------------


def test_a_row_of_fine_ones_counts_from_the_last_wrong_one_of_the_order() -> None:
    wrong, drawn = _marked(10, 2, 5, 8), _marked(10, 3, 8)
    assert fine_in_a_row(wrong, audited=drawn) == 3  # 6, 7 and 9: what was drawn counts neither way
    assert fine_in_a_row(wrong[:6], audited=drawn[:6]) == 0
    assert fine_in_a_row(wrong[:2], audited=drawn[:2]) == 2
    assert fine_in_a_row([], audited=[]) == 0
    assert fine_in_a_row([False], audited=[True]) == 0


def test_so_many_fine_ones_in_a_row_have_a_chance_of_5_in_100_if_1_in_20_is_wrong() -> None:
    assert round(0.95**FINE_ENOUGH, 2) == 0.05


# --- what to expect ------------------------------------------------------------------------------------


def _curve(scores):
    return 1 / (1 + np.exp(-(1.5 * scores - 3)))


def test_from_the_head_of_the_order_the_next_pages_are_told_about_right() -> None:
    random = np.random.default_rng(0)
    scores = np.sort(random.normal(size=20_000))[::-1]
    told, came = 0.0, 0
    for seed in range(60):
        wrong = np.random.default_rng(seed).random(20_000) < _curve(scores)
        for seen in (100, 300, 1000):
            told += errors_expected(scores[:seen], wrong[:seen], upcoming=scores[seen : seen + 50])
            came += wrong[seen : seen + 50].sum()
    assert told == pytest.approx(came, rel=0.07)


def test_the_scale_of_the_scores_does_not_matter() -> None:
    random = np.random.default_rng(1)
    scores, ahead = random.normal(size=200), random.normal(size=20)
    wrong = random.random(200) < _curve(scores)
    plain = errors_expected(scores, wrong, upcoming=ahead)
    moved = errors_expected(5 + 1e-3 * scores, wrong, upcoming=5 + 1e-3 * ahead)
    assert moved == pytest.approx(plain, rel=1e-4)
    assert plain > errors_expected(scores, wrong, upcoming=ahead - 1)


@pytest.mark.parametrize(
    ("wrong", "low", "high"),
    [
        (np.zeros(96, dtype=bool), 0, 0.5),
        (np.ones(96, dtype=bool), 9.5, 10),
        (np.arange(96) < 48, 0, 1),  # the scores separate them, and what comes has lower ones
    ],
    ids=["all fine", "all wrong", "separate"],
)
def test_where_all_agree_the_estimate_stays_finite(wrong, low, high) -> None:
    scores = np.linspace(3, 1, 96)
    assert low < errors_expected(scores, wrong, upcoming=np.linspace(1, 0.8, 10)) < high


def test_what_looks_less_suspicious_is_never_expected_to_be_wrong_more_often() -> None:
    scores, wrong = np.linspace(1, 3, 60), np.zeros(60, dtype=bool)
    assert errors_expected(scores, wrong, upcoming=np.full(24, -5.0)) == pytest.approx(24 * 0.5 / 61)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.booleans()), max_size=40),
    st.lists(st.floats(-1e6, 1e6), max_size=10),
)
def test_an_estimate_is_there_for_any_scores(seen, ahead) -> None:
    scores, wrong = [s for s, _ in seen], np.array([w for _, w in seen], dtype=bool)
    assert 0 <= errors_expected(scores, wrong, upcoming=ahead) <= len(ahead)


def test_scores_that_are_no_numbers_are_refused() -> None:
    for scores, ahead in ([1.0], [np.nan]), ([np.inf], [1.0]), ([1.0, 2.0], [1.0]):
        with pytest.raises(InputError, match="as many scores"):
            errors_expected(scores, [True], upcoming=ahead)


# --- in words ------------------------------------------------------------------------------------------


def _outlook(**changes) -> Outlook:
    usual = {
        "reviewed": 480,
        "found": 62,
        "remaining": 5520,
        "audited": 40,
        "at_most": 331,
        "in_a_row": 3,
        "upcoming": 24,
        "expected": 4.3,
    }
    return Outlook(**{**usual, **changes})


def test_it_is_said_in_two_sentences() -> None:
    assert _outlook().sentence() == (
        "Of the 5,520 pictures you have not seen, at most 331 (6.0%) are labelled wrong: "
        "that is 95% certain. About 4 of the next 24 will be."
    )
    assert not _outlook().may_stop


def test_the_goal_is_said_to_be_reached_when_it_is() -> None:
    assert not _outlook(at_most=111).may_stop
    said = _outlook(at_most=110, expected=0.4)
    assert said.may_stop
    assert said.reached
    assert said.sentence().endswith(
        "Fewer than 1 of the next 24 will be. You may stop: that is within your goal of 2%."
    )
    assert _outlook(at_most=331, goal=0.06).may_stop


def test_the_rule_of_thumb_says_that_it_speaks_of_the_top_only() -> None:
    said = _outlook(in_a_row=58)
    assert said.may_stop
    assert not said.reached
    assert "by a rule of thumb: the last 58" in said.sentence()
    assert "of the rest the rule says nothing" in said.sentence()
    assert not _outlook(in_a_row=57).may_stop


@pytest.mark.parametrize("unknown", [None, 5520, 2761])
def test_what_is_not_known_is_not_said(unknown) -> None:
    said = _outlook(at_most=unknown, expected=None, audited=0)
    assert said.sentence() == (
        "How many of the 5,520 pictures you have not seen are labelled wrong can't be said yet: "
        "a few more pages will tell."
    )
    assert not said.may_stop


def test_when_all_is_seen_there_is_nothing_to_bound() -> None:
    said = _outlook(remaining=0, at_most=0, upcoming=0, expected=None)
    assert said.sentence() == "You have seen all 480 pictures; 62 of them were wrong."
    assert said.may_stop


def test_where_none_is_left_none_is_expected() -> None:
    assert _outlook(at_most=0, expected=0.2).sentence() == (
        "Of the 5,520 pictures you have not seen, none is labelled wrong: that is 95% certain. "
        "You may stop: that is within your goal of 2%."
    )


def test_shares_are_rounded_up() -> None:
    assert "at most 1 (0.1%)" in _outlook(at_most=1).sentence()


def test_an_outlook_puts_together_what_the_verdicts_say() -> None:
    wrong, drawn = _review(np.arange(3000.0), np.arange(3000) > 2900, seed=2, pages=10)
    scores = np.linspace(2, 1, 240)
    said = outlook(wrong, audited=drawn, scores=scores, upcoming=np.full(24, 0.9), remaining=2760)
    assert (said.reviewed, said.found, said.audited) == (240, int(wrong.sum()), 20)
    assert said.at_most == errors_at_most(wrong, audited=drawn, remaining=2760)
    assert said.in_a_row == fine_in_a_row(wrong, audited=drawn) > 58
    assert said.expected == errors_expected(scores, wrong, upcoming=np.full(24, 0.9))
    assert said.quiet


def test_pictures_that_left_the_dataset_count_for_the_bound_without_a_score() -> None:
    wrong, drawn = _review(np.arange(3000.0), np.arange(3000) % 5 == 0, seed=3, pages=20)
    scores, ahead = np.linspace(2, 1, 480), np.full(24, 0.9)
    scores[wrong] = np.nan
    said = outlook(wrong, audited=drawn, scores=scores, upcoming=ahead, remaining=2520)
    assert said.found == wrong.sum() > 0
    assert said.at_most == errors_at_most(wrong, audited=drawn, remaining=2520)
    assert said.expected == errors_expected(scores[~wrong], wrong[~wrong], upcoming=ahead)
    gone = outlook(wrong, audited=drawn, scores=np.full(480, np.nan), upcoming=ahead, remaining=2520)
    assert gone.expected is None


def test_before_the_first_page_nothing_is_known() -> None:
    said = outlook([], audited=[], scores=[], upcoming=np.ones(24), remaining=500)
    assert (said.at_most, said.expected, said.in_a_row, said.may_stop) == (None, None, 0, False)
    unaudited = outlook([False] * 9, audited=[False] * 9, scores=[1.0] * 9, upcoming=[], remaining=491)
    assert (unaudited.at_most, unaudited.expected) == (None, None)
