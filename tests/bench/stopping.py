"""Does «at most so many are wrong» hold, how close is it, and when may one stop?

Simulated reviews of real labelling errors by a reviewer who knows the truth: pages of 24, of which 2 are
drawn at random, until 200 are drawn; the bound is read after every page. Beside it Clopper & Pearson's bound
for one look, its risk spent over the looks as .05 · 6 / (π² j²) at the j-th. A review counts as held if the
bound was never below the truth at any look.

A folder named by CLEANER_BENCH_DATA must hold `*-oof.npz` (probs, given, true) and `cifar10n-6k/`
(embeddings.npz, truth.csv). Run it with `python tests/bench/stopping.py`.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from cleaner.ranking.ridge import leave_one_out
from cleaner.ranking.stopping import errors_at_most, errors_expected

DATA = "CLEANER_BENCH_DATA"
PAGE, AUDITS = 24, 200
DRAWN = round(PAGE / 10)
GOALS = (0.05, 0.02)

Bound = Callable[["Review", int], int]


@dataclass(frozen=True)
class Task:
    """A dataset: which labels are wrong, and the scores that order it, higher = look first."""

    name: str
    wrong: NDArray[np.bool_]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Review:
    """One simulated review, in the order of dealing: verdicts, which were drawn at random, and scores."""

    wrong: NDArray[np.bool_]
    audited: NDArray[np.bool_]
    scores: NDArray[np.float64]
    total: int
    errors: int

    @property
    def looks(self) -> range:
        """Return the numbers of pictures seen after each page."""
        return range(PAGE, len(self.wrong) + 1, PAGE)

    def left(self, seen: int) -> int:
        """Count the wrong pictures not dealt after so many."""
        return self.errors - int(self.wrong[:seen].sum())


def main() -> None:
    """Review every set so many times and print a table for each."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sessions", type=int, default=1000)
    sessions = options.parse_args().sessions
    if not os.environ.get(DATA):
        raise SystemExit(f"{DATA} must name the folder with the data.")
    for task in tasks(Path(os.environ[DATA])):
        report(task, [review(task, seed=seed) for seed in range(sessions)])


def tasks(folder: Path) -> Iterator[Task]:
    """Yield the sets: by out-of-fold probabilities, by embeddings, those nearly clean, and in bad orders."""
    for path in sorted(folder.glob("*-oof.npz")):
        said = np.load(path)
        given = said["given"].astype(int)
        believed = np.log(np.maximum(said["probs"][np.arange(len(given)), given], 1e-30))
        yield Task(path.stem, given != said["true"], _odds_against(believed))
    embeddings, given, true = _embedded(folder / "cifar10n-6k")
    plain = _by_ridge("cifar10n-6k", embeddings, given, true)
    yield plain
    mended = np.where(np.random.default_rng(0).random(len(given)) < 0.95, true, given)
    yield _by_ridge("cifar10n-6k, 19 of 20 errors mended", embeddings, mended, true)
    yield Task("cifar10n-6k in no order", plain.wrong, np.random.default_rng(0).random(len(given)))
    yield Task("cifar10n-6k, wrong ones last", plain.wrong, -plain.wrong.astype(float))


def _embedded(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp]]:
    stored = np.load(folder / "embeddings.npz")
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    names = sorted({row["true"] for row in rows.values()})
    given, true = (
        np.array([names.index(rows[path][column]) for path in stored["path"].tolist()])
        for column in ("given", "true")
    )
    return stored["embeddings"].astype(np.float32), given, true


def _by_ridge(
    name: str, embeddings: NDArray[np.float32], labels: NDArray[np.intp], true: NDArray[np.intp]
) -> Task:
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    said = leave_one_out(unit, labels, classes=int(labels.max()) + 1).log_probs
    return Task(name, labels != true, _odds_against(said[np.arange(len(labels)), labels]))


def _odds_against(believed: NDArray[np.floating]) -> NDArray[np.float64]:
    """Turn log-probabilities of the given labels into log-odds against them."""
    logs = np.minimum(believed.astype(np.float64), -1e-12)
    return np.log(-np.expm1(logs)) - logs


def review(task: Task, *, seed: int) -> Review:
    """Deal pages: most of each from the head of the order, the others at random from all that is left."""
    random = np.random.default_rng(seed)
    order = np.lexsort((random.random(len(task.scores)), -task.scores))
    dealt: list[int] = []
    audited: list[bool] = []
    for _ in range(min(AUDITS // DRAWN, len(order) // PAGE)):
        ranked, order = order[: PAGE - DRAWN], order[PAGE - DRAWN :]
        places = random.choice(len(order), DRAWN, replace=False)
        dealt += [*ranked, *order[places]]
        audited += [False] * len(ranked) + [True] * DRAWN
        order = np.delete(order, places)
    rows = np.array(dealt)
    return Review(
        task.wrong[rows], np.array(audited), task.scores[rows], len(task.wrong), int(task.wrong.sum())
    )


def by_betting(done: Review, seen: int) -> int:
    """Return the bound of this program after so many pictures."""
    return errors_at_most(done.wrong[:seen], audited=done.audited[:seen], remaining=done.total - seen)


def by_spending(done: Review, seen: int) -> int:
    """Return Clopper & Pearson's bound, the risk spent over the looks."""
    drawn = done.wrong[:seen][done.audited[:seen]]
    return clopper_pearson(drawn, done.total - seen, risk=0.05 * 6 / (math.pi * seen / PAGE) ** 2)


def clopper_pearson(drawn: NDArray[np.bool_], remaining: int, *, risk: float) -> int:
    """Return the upper bound for one look at verdicts drawn at random."""
    errors = int(drawn.sum())
    share = 1.0 if errors == len(drawn) else beta.ppf(1 - risk, errors + 1, len(drawn) - errors)
    return int(remaining * share)


def report(task: Task, reviews: list[Review]) -> None:
    """Print the table of one set."""
    last = reviews[0].looks[-1]
    left = np.median([done.left(last) for done in reviews])
    share = left / (len(task.wrong) - last)
    print(f"\n{task.name}: {task.wrong.sum():,} of {len(task.wrong):,} wrong, {len(reviews)} reviews")
    print(f"  after {last:,} pictures {left:,.0f} wrong ones ({share:.1%}) are left, in the median")
    for name, bound in (("betting", by_betting), ("Clopper-Pearson, spent", by_spending)):
        print(f"  {name:24}{_figures(bound, reviews)}")
    print(f"  wrong on the next page, expected and found: {_expectations(reviews)}", flush=True)


def _figures(bound: Bound, reviews: list[Review]) -> str:
    bounds = np.array([[bound(done, seen) for seen in done.looks] for done in reviews])
    truth = np.array([[done.left(seen) for seen in done.looks] for done in reviews])
    remaining = reviews[0].total - np.array(reviews[0].looks)
    held = (bounds >= truth).all(axis=1).mean()
    around = 1.96 * math.sqrt(held * (1 - held) / len(reviews))
    final = np.median(bounds[:, -1])
    said = [
        f"held in {held:.1%} ± {around:.1%}",
        f"at the end at most {final:,.0f} ({final / remaining[-1]:.1%})",
    ]
    for goal in GOALS:
        reached = bounds <= goal * remaining
        needed = [DRAWN * (int(row.argmax()) + 1) for row in reached if row.any()]
        middle = f"after {np.median(needed):.0f} drawn" if needed else "never"
        said.append(f"at most {goal:.0%} {middle} ({len(needed) / len(reviews):.0%} of reviews)")
    return "; ".join(said)


def _expectations(reviews: list[Review]) -> str:
    """Sum over reviews, by stretches of pages: the errors expected on a next page, and those that came."""
    stretches: dict[int, list[tuple[float, int]]] = {}
    for done in reviews[:50]:
        for seen in done.looks[:-1]:
            ahead = slice(seen, seen + PAGE)
            expected = errors_expected(done.scores[:seen], done.wrong[:seen], upcoming=done.scores[ahead])
            stretch = next(limit for limit in (2, 5, 20, 50, 100) if seen // PAGE <= limit)
            stretches.setdefault(stretch, []).append((expected, int(done.wrong[ahead].sum())))
    means = {limit: np.mean(pairs, axis=0) for limit, pairs in stretches.items()}
    return "; ".join(f"to page {limit} {e:.1f} and {f:.1f}" for limit, (e, f) in means.items())


if __name__ == "__main__":
    main()
