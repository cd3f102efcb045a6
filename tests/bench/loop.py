"""How many planted errors the first looks find, and how fast, beside what one would use instead.

Same images, same labels, same network, same number of epochs, one run: this program; fastai's own way
(DataLoaders from the folder, the losses that ImageClassifierCleaner sorts by); cleanlab's rankings of this
program's probabilities. Then a reviewer who knows the truth sees the first 2N, and a second round is trained.
Prints medians over seeds and ratios. Run it with `make bench`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cleaner import Project
from cleaner.app.demo import CONFIG, Demo, build_demo
from cleaner.ranking.order import LiveOrder
from cleaner.types import Predictions


@dataclass(frozen=True)
class Result:
    """One tool on one seed: seconds to an order, and how many planted errors stand in the first N and 2N."""

    tool: str
    seconds: float
    within_n: float
    within_2n: float


def main() -> None:
    """Run every tool on every seed and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=3)
    seeds = options.parse_args().seeds
    import fastai.vision.all  # noqa: F401  what both sides need is loaded before any clock runs

    results: list[Result] = []
    rounds: list[tuple[float, ...]] = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as place:
            demo = build_demo(Path(place), seed=seed)
            project, ours = run_cleaner(demo, seed=seed)
            results += [ours, run_fastai(demo, project, seed=seed), *run_cleanlab(demo, project)]
            rounds.append(run_second_round(demo, project, seed=seed))
    _print_tools(results, errors=len(demo.planted), images=len(demo.truth), seeds=seeds)
    _print_rounds(rounds)


def run_cleaner(demo: Demo, *, seed: int) -> tuple[Project, Result]:
    """Check, decode, train, score and rank with this program."""
    started = time.perf_counter()
    project = Project.open(demo.folder)
    project.train(replace(CONFIG, seed=seed))
    order = list(LiveOrder(project.predictions()).queue().ids)
    return project, _result("cleaner", started, order, demo.planted)


def run_fastai(demo: Demo, project: Project, *, seed: int) -> Result:
    """Train the same network for as long with fastai's own loaders, and sort by its cleaner's losses."""
    from fastai.callback.schedule import Learner
    from fastai.vision import widgets
    from fastai.vision.all import (
        CategoryBlock,
        DataBlock,
        ImageBlock,
        Resize,
        aug_transforms,
        error_rate,
        get_image_files,
        parent_label,
        set_seed,
    )

    from cleaner.model.network import small_network

    config = project.rounds[0].config
    held_out = {str(demo.folder / p) for p in project.catalog.paths[project.catalog.held_out()]}
    started = time.perf_counter()
    set_seed(seed, reproducible=True)
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=get_image_files,
        splitter=lambda items: [
            [n for n, path in enumerate(items) if (str(path) in held_out) is side] for side in (False, True)
        ],
        get_y=parent_label,
        item_tfms=Resize(config.size),
        batch_tfms=aug_transforms(do_flip=False),
    )
    loaders = block.dataloaders(demo.folder, bs=config.batch_size, num_workers=0)
    network = small_network(project.catalog.vocab, size=config.size)
    learner = Learner(loaders, network, metrics=error_rate)
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(config.epochs, config.lr, wd=0.05)
        widgets.display = lambda _: None  # there only in a notebook; to its advantage, nothing is drawn
        sides = widgets.ImageClassifierCleaner(
            learner
        ).iwis  # per split: (path, label, loss) of all its images
    scored = sorted(((float(loss), str(path)) for side in sides for path, _, loss in side), reverse=True)
    order = [Path(path).relative_to(demo.folder).as_posix() for _, path in scored]
    return _result("fastai", started, order, demo.planted)


def run_cleanlab(demo: Demo, project: Project) -> list[Result]:
    """Rank this program's probabilities by cleanlab's scores; the time is that of the ranking alone."""
    from cleanlab.rank import get_label_quality_scores

    said: Predictions = project.predictions()
    results = []
    for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
        started = time.perf_counter()
        quality = get_label_quality_scores(said.labels, said.probs, method=method, adjust_pred_probs=False)
        order = [said.ids[row] for row in quality.argsort(kind="stable")]
        results.append(_result(f"cleanlab {method}", started, order, demo.planted))
    return results


def run_second_round(demo: Demo, project: Project, *, seed: int) -> tuple[float, ...]:
    """Let a reviewer who knows the truth look at the first 2N; return error rates before and after.

    All of the same held-out images: rounds 1 and 2 on cleaned labels, then rounds 1 and 2 on original ones.
    """
    looked_at = list(project.queue().ids[: 2 * len(demo.planted)])
    project.decide([i for i in looked_at if i not in demo.planted], "keep")
    for identity in demo.planted & set(looked_at):
        project.decide([identity], "relabel", label=demo.truth[identity])
    project.apply()
    project.train(replace(CONFIG, seed=seed))
    first, second = project.compare().rates
    return first.cleaned, second.cleaned, first.original, second.original


def _result(tool: str, started: float, order: Sequence[str], wrong: Collection[str]) -> Result:
    seconds = time.perf_counter() - started
    n = len(wrong)
    within, within_2n = (sum(i in wrong for i in order[:looks]) / n for looks in (n, 2 * n))
    return Result(tool, seconds, within, within_2n)


def _print_tools(results: list[Result], *, errors: int, images: int, seeds: int) -> None:
    print(f"{errors} of {images} labels planted wrong; medians over {seeds} seeds")
    print(f"{'order by':32}{'in first N':>12}{'in first 2N':>12}{'seconds':>10}{'x cleaner':>11}")
    own = statistics.median(r.seconds for r in results if r.tool == "cleaner")
    for tool in dict.fromkeys(r.tool for r in results):
        mine = [r for r in results if r.tool == tool]
        within, within_2n, seconds = (
            statistics.median(getattr(r, field) for r in mine)
            for field in ("within_n", "within_2n", "seconds")
        )
        print(f"{tool:32}{within:>12.1%}{within_2n:>12.1%}{seconds:>10.2f}{seconds / own:>11.2f}")
    print(
        "cleanlab ranks the probabilities that cleaner's training has made; its seconds are the ranking alone"
    )


def _print_rounds(rounds: list[tuple[float, ...]]) -> None:
    medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
    print("error rate on the same held-out images, after a reviewer who knows the truth saw the first 2N:")
    for labels, first, second in (("cleaned", *medians[:2]), ("original", *medians[2:])):
        print(f"  {labels} labels: round 1 {first:.2%}, round 2 {second:.2%}")


if __name__ == "__main__":
    main()
