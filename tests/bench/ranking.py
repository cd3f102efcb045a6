"""How many errors are found for the same number of looks, beside other rankings, and how fast it re-ranks.

CLEANER_BENCH_DATA names a folder with `cifar10n-aggregate-resnet18-oof.npz` (out-of-fold probabilities of a
network, given and true labels) and `cifar10n-6k/` (embeddings and truth); without it, embeddings are made of
scikit-learn's digits. Every way sees the same predictions or the same embeddings; the reviewer knows the
truth, looks at pages of 20, and stops after as many looks as there are errors (E).

Rivals, before and re-run after every page: cleanlab's rankings and the formula of FiftyOne's mistakenness,
(m · exp(-entropy) + 1) / 2 with m = 1 where the prediction is not the label and -1 where it is. Probabilities
from embeddings are theirs by logistic regression in 5 folds, its C chosen by likelihood, fitted again on the
labels as they are after every page. Run it with `make bench`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import entropy
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from cleaner.ranking.beliefs import Believer, believer
from cleaner.ranking.live import LiveHead
from cleaner.ranking.neighbours import Neighbours
from cleaner.ranking.order import LiveOrder
from cleaner.ranking.scores import rank
from cleaner.ranking.votes import Votes
from cleaner.types import Decision, Predictions, strings

DATA = "CLEANER_BENCH_DATA"
PAGE = 20
LATENCIES = ((10_000, 512, 10), (50_000, 512, 10), (100_000, 512, 100))
GROWTH = ((1_000, 128, 10), (10_000, 128, 10), (100_000, 128, 10), (1_000_000, 128, 10))


@dataclass(frozen=True)
class Task:
    """Labels as given and as they should be, and what there is to rank them by."""

    name: str
    given: np.ndarray
    true: np.ndarray
    probs: np.ndarray | None = None
    embeddings: np.ndarray | None = None

    @property
    def wrong(self) -> np.ndarray:
        """Mark the errors, [N]."""
        return self.given != self.true

    @property
    def classes(self) -> int:
        """Count the classes."""
        return int(max(self.given.max(), self.true.max())) + 1

    def part(self, count: int, *, seed: int) -> Task:
        """Draw so many images at random."""
        rows = np.random.default_rng(seed).choice(len(self.given), count, replace=False)
        return Task(f"{self.name}, n={count}", self.given[rows], self.true[rows], None, self.embeddings[rows])

    def swapped(self, *, seed: int, share: float = 0.3) -> Task:
        """Label a share of one class, right until then, as another: noise of one direction."""
        random, given = np.random.default_rng(seed), self.true.copy()
        one, other = random.choice(self.classes, 2, replace=False)
        of = np.flatnonzero(self.true == one)
        given[random.choice(of, round(share * len(of)), replace=False)] = other
        return Task(f"{self.name}, one pair swapped", given, self.true, None, self.embeddings)


@dataclass(frozen=True)
class Reviewer:
    """Somebody who knows the truth, slips at times, or only removes what is wrong."""

    name: str = "knows"
    slips: float = 0.0
    only_removes: bool = False

    def answers(self, task: Task, rows: np.ndarray, *, random: np.random.Generator) -> np.ndarray:
        """Return the label that the reviewer gives to each row."""
        said = task.true[rows].copy()
        slip = random.random(len(rows)) < self.slips
        said[slip] = random.integers(0, task.classes, slip.sum())
        return said


REVIEWERS = (Reviewer(), Reviewer("slips in 5 %", slips=0.05), Reviewer("only removes", only_removes=True))


# --- the ways: each yields scores [N], and is sent the labels and what they count after every page ------


def predictions(labels: np.ndarray, probs: np.ndarray) -> Predictions:
    """Return probabilities [N, K] as a round keeps them."""
    count, classes = probs.shape
    losses = -np.log(np.maximum(probs[np.arange(count), labels], 1e-30))
    return Predictions(
        ids=strings([f"{row:07d}" for row in range(count)]),
        vocab=tuple(map(str, range(classes))),
        labels=labels.astype(np.int32),
        probs=probs.astype(np.float32),
        losses=losses.astype(np.float32),
        origins=strings(["out-of-fold"] * count),
    )


def cleaner_live(task: Task) -> Iterator[np.ndarray]:
    """Follow the reviewer, by features or by a network's probabilities."""
    count, vocab = len(task.given), tuple(map(str, range(task.classes)))
    probs = np.full((count, task.classes), 1 / task.classes) if task.probs is None else task.probs
    said = predictions(task.given, probs)
    features = None
    if task.embeddings is not None:
        features = believer(task.embeddings, task.given.astype(np.intp), classes=task.classes)
    order, standing = LiveOrder(said, believer=features, network=features is None), {}
    while True:
        rows, labels, weights = yield order.surprise()
        for row, label, weight in zip(rows, labels, weights, strict=True):
            action = "delete" if weight == 0 else "keep" if label == task.given[row] else "relabel"
            new = vocab[label] if action == "relabel" else None
            standing[said.ids[row]] = Decision(said.ids[row], action, new, "", "", 1, 1)
        order.follow(standing)


def cleaner_static(task: Task) -> Iterator[np.ndarray]:
    """Rank once, by the default score."""
    order = rank(task.given, task.probs, embeddings=task.embeddings)
    scores = np.empty(len(order))
    scores[order] = -np.arange(len(order))
    while True:
        yield scores


def cleanlab_scores(method: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return cleanlab's ranking of that name, turned so that higher comes first."""
    from cleanlab.rank import get_label_quality_scores

    return lambda labels, probs: -get_label_quality_scores(labels, probs, method=method)


def mistakenness(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return FiftyOne's."""
    sign = np.where(probs.argmax(axis=1) != labels, 1, -1)
    return (sign * np.exp(-entropy(probs, axis=1)) + 1) / 2


RIVALS = {
    "cleanlab self-confidence": cleanlab_scores("self_confidence"),
    "cleanlab normalized margin": cleanlab_scores("normalized_margin"),
    "FiftyOne mistakenness": mistakenness,
}


def rival(score: Callable[[np.ndarray, np.ndarray], np.ndarray], *, again: bool, seed: int):
    """Rank by a rival's score; `again` after every page, from embeddings by classifiers fitted anew."""

    def way(task: Task) -> Iterator[np.ndarray]:
        labels, counts = task.given.copy(), np.ones(len(task.given))
        strength = None if task.embeddings is None else best_strength(task.embeddings, labels, seed=seed)
        scores = None
        while True:
            if scores is None or again:
                probs = task.probs
                if task.embeddings is not None:
                    probs = out_of_fold(task.embeddings, labels, counts > 0, strength=strength, seed=seed)
                scores = score(labels, probs)
            rows, to, weights = yield scores
            labels[rows], counts[rows] = np.where(weights > 0, to, labels[rows]), weights

    return way


def out_of_fold(
    x: np.ndarray, labels: np.ndarray, there: np.ndarray, *, strength: float, seed: int
) -> np.ndarray:
    """Return probabilities [N, K] by logistic regression in 5 folds; all alike for images left out."""
    classes = int(labels.max()) + 1
    probs = np.full((len(x), classes), 1 / classes)
    rare = np.bincount(labels[there], minlength=classes) < 5
    rows = np.flatnonzero(there & ~rare[labels])
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = LogisticRegression(C=strength, max_iter=200)
    said = cross_val_predict(model, x[rows], labels[rows], cv=folds, method="predict_proba")
    probs[np.ix_(rows, np.flatnonzero(~rare))] = said
    return np.maximum(probs, 1e-12)


def best_strength(x: np.ndarray, labels: np.ndarray, *, seed: int) -> float:
    """Return the C under which the labels are likeliest, out of fold."""

    def likelihood(strength: float) -> float:
        probs = out_of_fold(x, labels, np.ones(len(x), dtype=bool), strength=strength, seed=seed)
        return float(np.log(probs[np.arange(len(x)), labels]).mean())

    return max((0.001, 0.01, 0.03, 0.1, 1.0), key=likelihood)


# --- measuring ----------------------------------------------------------------------------------------


def review(task: Task, way: Callable, *, reviewer: Reviewer, seed: int) -> tuple[int, np.ndarray]:
    """Return how many errors are found in E looks, and the first scores."""
    random, left, found = np.random.default_rng(seed), np.ones(len(task.given), dtype=bool), 0
    ranking = way(task)
    first = scores = next(ranking)
    looks = int(task.wrong.sum())
    while looks:
        rows = np.argsort(-np.where(left, scores, -np.inf), kind="stable")[: min(PAGE, looks)]
        left[rows], looks = False, looks - len(rows)
        said = reviewer.answers(task, rows, random=random)
        changed = said != task.given[rows]
        found += int((changed & task.wrong[rows]).sum())
        weights = np.where(changed & reviewer.only_removes, 0.0, 3.0)
        scores = ranking.send((rows, np.where(weights > 0, said, task.given[rows]), weights))
        scores = next(ranking) if scores is None else scores
    return found, first


def quality(scores: np.ndarray, wrong: np.ndarray) -> dict[str, float]:
    """Return average precision, precision at 20 and 100, recall at E and 2E."""
    hits, errors = wrong[np.argsort(-scores, kind="stable")], int(wrong.sum())
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return {
        "AP": float(precision[hits].mean()),
        "P@20": float(hits[:20].mean()),
        "P@100": float(hits[:100].mean()),
        "R@E": float(hits[:errors].mean()),
        "R@2E": float(hits[: 2 * errors].sum() / errors),
    }


def ways_for(task: Task, *, seed: int) -> dict[str, Callable]:
    """Return the ways to compare on a task."""
    ways = {"cleaner, live": cleaner_live, "cleaner, ranked once": cleaner_static}
    for name, score in RIVALS.items():
        ways[f"{name}, re-run"] = rival(score, again=True, seed=seed)
        if task.probs is not None:
            ways[name] = rival(score, again=False, seed=seed)
    return ways


def compare(tasks: list[Task], *, reviewer: Reviewer) -> None:
    """Print a table of all ways over tasks of the same kind, one for each seed."""
    found: dict[str, list[int]] = {}
    figures: dict[str, list[dict[str, float]]] = {}
    for seed, task in enumerate(tasks):
        for name, way in ways_for(task, seed=seed).items():
            count, first = review(task, way, reviewer=reviewer, seed=seed)
            found.setdefault(name, []).append(count)
            figures.setdefault(name, []).append(quality(first, task.wrong))
    errors = [int(task.wrong.sum()) for task in tasks]
    print(f"\n{tasks[0].name}: {len(tasks[0].given):,} images, E = {errors}; the reviewer {reviewer.name}")
    heads = "".join(f"{name:>7}" for name in ("P@20", "P@100", "R@E", "R@2E"))
    print(f"{'order by':36}{'found in E':>14}{'cleaner x':>18}{'AP':>8}{heads}")
    ours = np.array(found["cleaner, live"], dtype=float)
    for name, counts in found.items():
        ratios = ours / np.maximum(counts, 1)
        spread = f"{statistics.mean(ratios):.3f} ({ratios.min():.2f}-{ratios.max():.2f})"
        means = [
            statistics.mean(f[key] for f in figures[name]) for key in ("AP", "P@20", "P@100", "R@E", "R@2E")
        ]
        shown = f"{means[0]:>8.4f}" + "".join(f"{value:>7.2f}" for value in means[1:])
        print(f"{name:36}{statistics.mean(counts):>14.1f}{spread:>18}{shown}", flush=True)


def latency(count: int, width: int, classes: int) -> dict[str, float]:
    """Time the page of 20 verdicts, from the decisions to the new order, in this process."""
    random = np.random.default_rng(0)
    x = random.normal(size=(count, width)).astype(np.float32)
    labels = random.integers(0, classes, count)
    said = predictions(labels, np.full((count, classes), 1 / classes))
    near = Neighbours(
        random.integers(0, count, (count, 50), dtype=np.int32), np.ones((count, 50), np.float32)
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    head = LiveHead(x, labels, classes=classes, penalty=100.0)
    order = LiveOrder(said, believer=Believer(head, 8.0, Votes(near, labels, classes=classes)), network=False)
    setup, times, standing = time.perf_counter() - started, [], {}
    for page in range(9):
        for row in random.choice(count, PAGE, replace=False):
            new = str((labels[row] + 1) % classes)
            standing[said.ids[row]] = Decision(said.ids[row], "relabel", new, "", "", 1, page)
        started = time.perf_counter()
        order.follow(standing)
        np.argsort(-order.surprise(), kind="stable")
        times.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"setup": setup, "page": statistics.median(times), "MiB": (peak - before) / 1024}


def print_latencies(sizes: tuple[tuple[int, int, int], ...]) -> None:
    """Measure each size in a process of its own, on one thread."""
    print("\nre-ranking after a page of 20 relabels, one thread")
    print(f"{'images x numbers x classes':32}{'set-up s':>10}{'page ms':>10}{'MiB more':>10}")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    for size in sizes:
        command = [sys.executable, __file__, "--latency", *map(str, size)]
        said = subprocess.run(command, env=os.environ | threads, check=True, capture_output=True, text=True)
        got = json.loads(said.stdout)
        shown = " x ".join(f"{number:,}" for number in size)
        print(f"{shown:32}{got['setup']:>10.2f}{got['page'] * 1000:>10.1f}{got['MiB']:>10.0f}", flush=True)


# --- the data -----------------------------------------------------------------------------------------


def network_task(folder: Path) -> Task:
    """Read the out-of-fold probabilities."""
    kept = np.load(folder / "cifar10n-aggregate-resnet18-oof.npz")
    given, true = kept["given"].astype(int), kept["true"].astype(int)
    return Task("CIFAR-10N aggregate, ResNet-18 out of fold", given, true, kept["probs"].astype(float))


def features_task(folder: Path) -> Task:
    """Read the embeddings and the truth."""
    with (folder / "cifar10n-6k" / "truth.csv").open(newline="", encoding="utf-8") as file:
        truth = {row["path"]: (row["given"], row["true"]) for row in csv.DictReader(file)}
    kept = np.load(folder / "cifar10n-6k" / "embeddings.npz")
    number = {name: row for row, name in enumerate(sorted({true for _, true in truth.values()}))}
    given, true = (np.array([number[truth[p][side]] for p in kept["path"]]) for side in (0, 1))
    return Task("cifar10n-6k embeddings", given, true, None, kept["embeddings"].astype(np.float32))


def digits_task(*, seed: int) -> Task:
    """Make embeddings of scikit-learn's digits (their pixels), a tenth of the labels wrong at random."""
    from sklearn.datasets import load_digits

    digits, random = load_digits(), np.random.default_rng(seed)
    true = digits.target
    given = true.copy()
    wrong = random.choice(len(true), len(true) // 10, replace=False)
    given[wrong] = (true[wrong] + random.integers(1, 10, len(wrong))) % 10
    return Task("digits", given, true, None, digits.data.astype(np.float32))


def main() -> None:
    """Compare on all the data there is, then time."""
    warnings.simplefilter(
        "ignore", ConvergenceWarning
    )  # of classifiers that are likeliest when stopped early
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--latency", type=int, nargs=3, help="measure one size and print it as JSON")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--parts", type=int, nargs="*", default=[300, 1000, 3000])
    chosen = options.parse_args()
    if chosen.latency:
        print(json.dumps(latency(*chosen.latency)))
        return
    compare([digits_task(seed=seed) for seed in range(chosen.seeds)], reviewer=REVIEWERS[0])
    if os.environ.get(DATA):
        folder = Path(os.environ[DATA])
        compare([network_task(folder)], reviewer=REVIEWERS[0])
        features = features_task(folder)
        for count in chosen.parts:
            parts = [features.part(count, seed=seed) for seed in range(chosen.seeds)]
            compare(parts, reviewer=REVIEWERS[0])
        for reviewer in REVIEWERS:
            compare([features], reviewer=reviewer)
        swapped = [features.part(3000, seed=seed).swapped(seed=seed) for seed in range(chosen.seeds)]
        compare(swapped, reviewer=REVIEWERS[0])
    print_latencies(LATENCIES)
    print_latencies(GROWTH)


if __name__ == "__main__":
    main()
