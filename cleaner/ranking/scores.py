"""How hard a model finds each label to believe. Every score points one way: 1 = look first."""

from __future__ import annotations

import numpy as np

from cleaner.types import Floats


def loss_score(losses: Floats) -> Floats:
    """Map cross-entropies [N] in nats to [0, 1]: one minus the probability of the given label.

    It rises with the loss, so that it shows the same order; near 1 it ties where the loss does not.
    """
    return (-np.expm1(-losses.astype(np.float64))).astype(np.float32)
