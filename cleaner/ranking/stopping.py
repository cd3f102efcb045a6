"""When is it enough? What the pictures drawn at random say of those not yet seen. It orders nothing.

Everything is told from the verdicts in the order in which the pictures were dealt. «Wrong» is every verdict
but «fine»: relabelled, removed, can't tell.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cleaner.errors import InputError
from cleaner.ranking.rows import Doubles
from cleaner.types import percent

Booleans = NDArray[np.bool_]

CONFIDENCE = 0.95
GOAL = 0.02  # of the pictures not seen: with at most as many wrong one may stop

# Gröger et al., «Towards Reliable Dermatology Evaluation Benchmarks», PMLR 225:101-128, 2023: were 1 in 20 of
# what comes next wrong, so many fine ones in a row would have had a chance of .95^58 = 5 %
FINE_ENOUGH = 58

# What the evidence bets on: that of the errors supposed, beyond such a part of the dataset, only such a share
# is there; and the stakes. Half of them lie on «none», as one stops where the rest is clean; the last three
# tell only after thousands were drawn.
SHARES = np.array([0, 0.1, 0.5, 0.5, 0.5, 0.75, 0.9])
BEYOND = np.array([0, 0, 0.02, 0.04, 0, 0, 0])
STAKES = np.array([50, 15, 16, 16, 1, 1, 1]) / 100


def errors_at_most(
    wrong: ArrayLike, *, audited: ArrayLike, remaining: int, passed: int = 0, confidence: float = CONFIDENCE
) -> int:
    """Bound how many of the `remaining` pictures, none of them dealt yet, are wrong.

    `wrong` [N] are the verdicts on all pictures dealt so far, in the order of dealing; `audited` [N] marks
    those that were drawn at random, each from all that were not yet dealt. The others may have been chosen in
    any way, by what was seen before too. With probability `confidence` the bound holds at every moment of the
    review: one may look after each picture and stop at any time. Without audited pictures it is `remaining`.
    `passed` counts the pictures that were found fine without having been dealt, from a filter or a map; such
    that were found wrong are to be left out altogether.

    Suppose e of the remaining ones are wrong. Then what was found since tells for each draw how many of the
    pictures left were wrong when it was made: r = e + found since. A stake on q < r instead is multiplied by
    q / r at a wrong picture, by (left - q) / (left - r) at a fine one. If e is true the expected factor is 1,
    so that the stakes together are a martingale; by Ville's inequality it ever reaches 1 / (1 - confidence)
    times its start with a chance of 1 - confidence at most. Its factors grow with e, and the bound is the
    largest e for which it never has; if not even 0 is, the verdicts contradict each other and nothing is
    claimed. A wrong picture that the order brought and the reviewer let pass makes r too small and so the
    bound larger, if anything. So it is with pictures judged without having been dealt: whether a draw was
    made before or after, the expected factor is at most 1 if the fine ones count among those left and the
    wrong ones do not count.

    Source: Waudby-Smith & Ramdas, «Confidence sequences for sampling without replacement», NeurIPS 2020, and
    «Estimating means of bounded random variables by betting», JRSS-B 86, 2024.
    """
    found, drawn = _verdicts(wrong, audited)
    if remaining < 0 or not 0 < confidence < 1:
        raise InputError(f"{remaining} pictures and a confidence of {confidence} bound nothing.")
    since = found[::-1].cumsum()[::-1][drawn]
    left = (np.arange(len(found), 0, -1) + remaining + passed)[drawn]
    beyond = BEYOND[:, None] * (len(found) + remaining)

    def refuted(errors: int) -> bool:
        evidence = _evidence(found[drawn], errors + since, left=left, beyond=beyond)
        return evidence >= -math.log1p(-confidence)

    possible = bisect_left(range(remaining + 1), True, key=refuted)
    return possible - 1 if possible else remaining


def _evidence(
    wrong: Booleans, supposed: NDArray[np.intp], *, left: NDArray[np.intp], beyond: Doubles
) -> float:
    """Return the logarithm of the most that the stakes have ever been together, in nats, over draws [M]."""
    bets = SHARES[:, None] * np.maximum(supposed - beyond, 0)
    factors = np.where(wrong, bets, left - bets) / np.where(wrong, supposed, left - supposed)
    with np.errstate(divide="ignore"):  # a stake that is lost is lost for good
        stakes = np.log(factors).cumsum(axis=1) + np.log(STAKES)[:, None]
    return float(np.logaddexp.reduce(stakes, axis=0).max(initial=0.0))


def fine_in_a_row(wrong: ArrayLike, *, audited: ArrayLike) -> int:
    """Count the pictures found fine since the last wrong one, without those drawn at random; both as [N]."""
    found, drawn = _verdicts(wrong, audited)
    ranked = found[~drawn][::-1]
    return int(ranked.argmax()) if ranked.any() else len(ranked)


def errors_expected(scores: ArrayLike, wrong: ArrayLike, *, upcoming: ArrayLike) -> float:
    """Estimate how many of M upcoming pictures are wrong, by scores [M] and the verdicts [N] on others.

    Scores of any scale, higher = look first; log-odds suit best. It is an estimate, without a guarantee: a
    logistic curve through what has been reviewed, audited pictures included (they are what it knows of low
    scores), which never falls: a curve that would is replaced by the share of all verdicts. Where all
    verdicts agree or the scores separate them the prior keeps it finite: log-F(1, 1), half a picture of each
    verdict, on both coefficients. Source: Platt, «Probabilistic outputs for support vector
    machines», 1999; Greenland & Mansournia, Statistics in Medicine 34, 2015, for the prior.
    """
    seen, ahead = np.asarray(scores, dtype=np.float64), np.asarray(upcoming, dtype=np.float64)
    verdicts, _ = _verdicts(wrong, np.zeros(np.shape(wrong), dtype=bool))
    every = np.concatenate([seen, ahead])
    if seen.shape != verdicts.shape or not np.isfinite(every).all():
        raise InputError(f"{len(verdicts)} verdicts need as many scores, and every score must be a number.")
    if not len(ahead):
        return 0.0
    scaled = (every - every.mean()) / (every.std() or 1.0)
    rows = np.column_stack([np.ones(len(every)), scaled])
    curve = _logistic(rows[: len(seen)], verdicts)
    if curve[1] < 0:
        return float(len(ahead) * (verdicts.sum() + 0.5) / (len(seen) + 1))
    return float(_chances(rows[len(seen) :] @ curve).sum())


def _logistic(rows: Doubles, wrong: Booleans) -> Doubles:
    """Return the likeliest coefficients [2] for rows [N, 2] under the prior, by Newton's steps."""
    rows, targets = np.vstack([rows, np.eye(2)]), np.append(wrong, [0.5, 0.5])  # the prior is two more rows
    curve = np.zeros(2)
    for _ in range(100):
        chances = _chances(rows @ curve)
        step = np.linalg.solve((rows.T * (chances * (1 - chances))) @ rows, rows.T @ (targets - chances))
        while _loss(rows, targets, curve + step) > _loss(rows, targets, curve) + 1e-9:
            step /= 2
        curve = curve + step
        if np.abs(step).max() < 1e-6:
            break
    return curve


def _chances(odds: Doubles) -> Doubles:
    return np.asarray((1 + np.tanh(odds / 2)) / 2)


def _loss(rows: Doubles, targets: Doubles, curve: Doubles) -> float:
    odds = rows @ curve
    return float((np.logaddexp(0, odds) - targets * odds).sum())


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a review stands: what has been seen, and what that says of the rest.

    `reviewed` pictures were seen and `found` of them wrong; `remaining` have not been dealt. Of these
    `at_most` are wrong, with probability `confidence`; None while none has been `audited`, drawn at random.
    `expected` are wrong among the next `upcoming`; None where there is nothing to tell it from.
    """

    reviewed: int
    found: int
    remaining: int
    audited: int
    at_most: int | None
    in_a_row: int
    upcoming: int
    expected: float | None
    goal: float = GOAL
    confidence: float = CONFIDENCE

    @property
    def reached(self) -> bool:
        """Say whether so few of the remaining ones are wrong as was the goal."""
        return self.at_most is not None and self.at_most <= self.goal * self.remaining

    @property
    def quiet(self) -> bool:
        """Say whether the rule of thumb is met: enough fine ones in a row, from the head of the order."""
        return self.in_a_row >= FINE_ENOUGH

    @property
    def may_stop(self) -> bool:
        """Say whether either rule is met."""
        return self.reached or self.quiet

    def sentence(self) -> str:
        """Say it in words for a person."""
        if not self.remaining:
            return f"You have seen all {self.reviewed:,} pictures; {self.found:,} of them were wrong."
        return " ".join(part for part in (self._bound(), self._next(), self._advice()) if part)

    def _bound(self) -> str:
        rest = f"the {self.remaining:,} pictures you have not seen"
        if self.at_most is None or self.at_most > self.remaining / 2:
            return f"How many of {rest} are labelled wrong can't be said yet: a few more pages will tell."
        share = math.ceil(1000 * self.at_most / self.remaining) / 1000
        most = f"at most {self.at_most:,} ({share:.1%}) are" if self.at_most else "none is"
        return f"Of {rest}, {most} labelled wrong: that is {percent(self.confidence)} certain."

    def _next(self) -> str:
        if self.expected is None or self.at_most == 0:
            return ""
        about = f"About {self.expected:.0f}" if self.expected >= 0.95 else "Fewer than 1"
        return f"{about} of the next {self.upcoming} will be."

    def _advice(self) -> str:
        if self.reached:
            return f"You may stop: that is within your goal of {percent(self.goal)}."
        if not self.quiet:
            return ""
        return (
            f"You may stop, by a rule of thumb: the last {self.in_a_row} that looked suspicious were fine, "
            "so there is little left to find at the top; of the rest the rule says nothing."
        )


def outlook(
    wrong: ArrayLike,
    *,
    audited: ArrayLike,
    scores: ArrayLike,
    upcoming: ArrayLike,
    remaining: int,
    passed: int = 0,
    goal: float = GOAL,
    confidence: float = CONFIDENCE,
) -> Outlook:
    """Tell how a review stands from verdicts [N] in the order of dealing, as `errors_at_most` takes all this.

    `scores` [N] are those of the pictures dealt, `upcoming` [M] those of the next page, as `errors_expected`
    takes them; `goal` is the share of the `remaining` pictures that may be wrong when one stops. A picture
    that has left the dataset or has a new label keeps its verdict, or the bound would not hold; where there
    is no score for it any more that is NaN, and the estimate goes without it.
    """
    found, drawn = _verdicts(wrong, audited)
    known, ahead = ~np.isnan(np.asarray(scores, dtype=np.float64)), len(np.asarray(upcoming))
    expected = None
    if known.any() and ahead:
        expected = errors_expected(np.asarray(scores)[known], found[known], upcoming=upcoming)
    bound = errors_at_most(found, audited=drawn, remaining=remaining, passed=passed, confidence=confidence)
    return Outlook(
        reviewed=len(found),
        found=int(found.sum()),
        remaining=remaining,
        audited=int(drawn.sum()),
        at_most=bound if drawn.any() else None,
        in_a_row=fine_in_a_row(found, audited=drawn),
        upcoming=ahead,
        expected=expected,
        goal=goal,
        confidence=confidence,
    )


def _verdicts(wrong: ArrayLike, audited: ArrayLike) -> tuple[Booleans, Booleans]:
    found, drawn = (
        np.asarray(column if np.size(column) else np.zeros(0, dtype=bool)) for column in (wrong, audited)
    )
    if found.ndim != 1 or found.shape != drawn.shape or not (found.dtype == drawn.dtype == bool):
        raise InputError(
            f"Verdicts and audits must be columns of truths of one length, but these are {found.dtype} "
            f"{list(found.shape)} and {drawn.dtype} {list(drawn.shape)}."
        )
    return found, drawn
