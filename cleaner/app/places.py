"""Where images lie on the map: like ones close together. Vectors [N, D] in, places [N, 2] out. Pure.

At once by the two directions in which the vectors differ most; then, in a minute at most, by neighbourhoods.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleaner.errors import Stopped
from cleaner.progress import Progress, Report, Stop, never, quiet
from cleaner.ranking.neighbours import directions
from cleaner.ranking.rows import blocks
from cleaner.types import Floats, Pixels

LANDMARKS = 4000  # images that t-SNE itself arranges, in half a minute; the others go to the likest of them
DIMS = 50  # principal components that t-SNE sees, as its authors advise
SAMPLE = 20_000  # rows from which the components are taken
PERPLEXITY = 30.0
STEPS = 3  # of 250 iterations each, the fewest that scikit-learn allows: between two one can stop
NEAR = 5  # landmarks of which another image's place is the mean
SOFT = 4.0  # temperature at which sure and very sure predictions are still apart
SURE = 1e-4  # probabilities below it are alike


def of_probabilities(probs: Floats) -> Floats:
    """Return vectors [N, K] that stand for probabilities [N, K] where there are no embeddings.

    Square roots of softened probabilities: their distances are Hellinger's, and all have the length 1.
    """
    softened = np.maximum(probs, SURE) ** (1 / SOFT)
    vectors: Floats = np.sqrt(softened / softened.sum(axis=1, keepdims=True)).astype(np.float32)
    return vectors


def overview(vectors: Pixels) -> Floats:
    """Return places by the first two principal components; NaN for rows that are not all finite numbers."""
    seen, there = principal(vectors, dims=2)
    places = np.zeros((len(there), 2), dtype=np.float32)
    places[:, : seen.shape[1]] = seen
    places[~there] = np.nan
    return places


def neighbourhoods(vectors: Pixels, *, report: Report = quiet, stopped: Stop = never) -> Floats:
    """Return places by t-SNE (van der Maaten and Hinton, 2008): neighbours are alike, distances say little.

    Of more than LANDMARKS rows a sample is arranged, and each other row goes to the mean of the landmarks
    nearest to it, weighted by nearness. NaN for rows that are not all finite numbers. Raises Stopped.
    """
    seen, there = principal(vectors, dims=DIMS)
    rows = np.flatnonzero(there)
    if len(rows) < 4 or seen.shape[1] < 2:
        return overview(vectors)
    chosen = np.sort(np.random.default_rng(0).permutation(rows)[:LANDMARKS])
    others = np.setdiff1d(rows, chosen)
    places = np.full((len(there), 2), np.nan, dtype=np.float32)
    places[chosen] = laid = _arranged(seen[chosen], report=report, stopped=stopped)
    for some in blocks(len(others)):
        if stopped():
            raise Stopped("Stopped; the map stays as it is.")
        places[others[some]] = _beside(seen[others[some]], seen[chosen], laid)
    return places


def principal(vectors: Pixels, *, dims: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return coordinates [N, at most dims] by the principal components of directions, and who has any [N].

    The components come from at most SAMPLE rows, and point to where their largest weight is positive.
    """
    count = len(vectors)
    read = directions(vectors, np.sort(np.random.default_rng(0).permutation(count)[:SAMPLE]))
    sample = read[read.any(axis=1)].astype(np.float64)
    centre = sample.mean(axis=0) if len(sample) else np.zeros(vectors.shape[1])
    sample -= centre
    axes = np.linalg.eigh(sample.T @ sample)[1][:, ::-1][:, :dims]
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1, 1)
    seen = np.empty((count, axes.shape[1]), dtype=np.float32)
    there = np.empty(count, dtype=bool)
    for some in blocks(count):
        read = directions(vectors, some)
        there[some] = read.any(axis=1)
        seen[some] = (read - centre) @ axes
    return seen, there


def _arranged(landmarks: Floats, *, report: Report, stopped: Stop) -> Floats:
    """Return the places of landmarks [L, D] by t-SNE, which starts from their overview."""
    from sklearn.manifold import TSNE

    began, note = time.monotonic(), f"arranging the map by {len(landmarks):,} images"
    laid: Floats = landmarks[:, :2] * np.float32(1e-4 / max(float(landmarks[:, 0].std()), 1e-12))
    perplexity = min(PERPLEXITY, (len(landmarks) - 1) / 3)
    for step in range(STEPS):
        if stopped():
            raise Stopped("Stopped; the map stays as it is.")
        report(Progress("arranging", step, STEPS, time.monotonic() - began, note))
        drawn_together = 1.0 if step else 12.0  # so that clusters form before they settle
        model = TSNE(
            perplexity=perplexity, early_exaggeration=drawn_together, init=laid, max_iter=250, random_state=0
        )
        moved: NDArray[Any] = model.fit_transform(landmarks)
        if np.isfinite(moved).all():
            laid = np.asarray(moved, dtype=np.float32)
    report(Progress("arranging", STEPS, STEPS, time.monotonic() - began, note))
    return laid


def _beside(rows: Floats, landmarks: Floats, laid: Floats) -> Floats:
    """Return places [M, 2] for rows [M, D] among landmarks [L, D] that lie at `laid` [L, 2]."""
    apart = (rows**2).sum(axis=1)[:, None] - 2 * rows @ landmarks.T + (landmarks**2).sum(axis=1)
    near = np.argpartition(apart, NEAR, axis=1)[:, :NEAR]
    weights = 1 / np.take_along_axis(apart, near, axis=1).clip(1e-9, None)
    weights /= weights.sum(axis=1, keepdims=True)
    places: Floats = np.einsum("mk,mkd->md", weights, laid[near]).astype(np.float32)
    return places
