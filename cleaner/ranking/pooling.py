"""How much to believe each of two who speak of the same images: by how well they foretell the labels.

It knows nothing of networks and features; both are log-probabilities of images that neither has learned from.
"""

from __future__ import annotations

import numpy as np

from cleaner.ranking.beliefs import normalised
from cleaner.ranking.rows import Doubles, Rows
from cleaner.types import Floats

EVEN = 0.5
PRIOR = 20.0  # images for which the belief counts that both know equally much


def pool(one: Floats, other: Floats, labels: Rows) -> tuple[float, float]:
    """Return the weights a, b >= 0 with which two log-probabilities [K, N] foretell the labels [N] best.

    The pool is p ∝ p₁ᵃ · p₂ᵇ; its likelihood is concave in a and b, and a normal prior that counts as PRIOR
    images holds them near EVEN where there are few. Source: logarithmic opinion pools, Genest & Zidek,
    «Combining probability distributions», Statistical Science 1, 1986.
    """
    from scipy.optimize import minimize  # takes half a second, and not every command needs it

    columns = np.arange(len(labels))
    both = np.stack([normalised(one), normalised(other)]).astype(np.float64)
    given = both[:, labels, columns]

    def loss(weights: Doubles) -> tuple[float, Doubles]:
        said = np.tensordot(weights, both, axes=1)
        top = said.max(axis=0)
        shares = np.exp(said - top)
        total = shares.sum(axis=0)
        nats = (top + np.log(total) - weights @ given).sum()
        slope = ((both * (shares / total)).sum(axis=1) - given).sum(axis=1)
        apart = weights - EVEN
        return float(nats + PRIOR * (apart @ apart)), slope + 2 * PRIOR * apart

    found = minimize(loss, [EVEN, EVEN], jac=True, method="L-BFGS-B", bounds=[(0, None)] * 2)
    return float(found.x[0]), float(found.x[1])
