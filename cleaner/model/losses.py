"""What a network is taught by, and what is learned about the labels on the way: weighted losses, margins."""

from __future__ import annotations

import numpy as np
import torch
from fastai.callback.core import Callback
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cleaner.model.progress import is_trial
from cleaner.types import TRUST, Floats


def weights_of(trusted: NDArray[np.bool_] | None, *, count: int) -> Floats:
    """Return how much each of `count` labels counts, [N]: TRUST where it is trusted, else 1."""
    return np.where(np.zeros(count, dtype=bool) if trusted is None else trusted, TRUST, 1.0).astype(
        np.float32
    )


def margins_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the logit of the given label minus the highest other one, [B], of logits [B, K].

    Averaged over the epochs of a training it is the area under the margin: Pleiss et al., «Identifying
    Mislabeled Data using the Area Under the Margin Ranking», NeurIPS 2020, equations 1 and 2.
    """
    given = labels[:, None]
    others = logits.scatter(1, given, -torch.inf).amax(dim=1)
    return logits.gather(1, given)[:, 0] - others


class WeightedLoss(nn.Module):
    """Cross-entropy in nats; on batches that name their rows, the mean weighted by `weights` [N] of the rows.

    `activation` and `decodes` are what fastai asks a loss for.
    """

    reduction = "mean"

    def __init__(self, weights: Floats):
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(weights), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return the loss of logits [B, K] against labels [B]."""
        if rows is None:
            return functional.cross_entropy(logits, labels, reduction=self.reduction)
        losses = functional.cross_entropy(logits, labels, reduction="none")
        weights = self.get_buffer("weights")[rows]
        return (losses * weights).sum() / weights.sum()

    def activation(self, logits: Tensor) -> Tensor:
        """Return probabilities [B, K]."""
        return logits.softmax(dim=-1)

    def decodes(self, logits: Tensor) -> Tensor:
        """Return the classes that are predicted, [B]."""
        return logits.argmax(dim=-1)


class Margins(Callback):  # type: ignore[misc]  # fastai is untyped
    """Collects the margins of `total` images in every epoch, from the forward passes that training makes."""

    run_valid = False

    def __init__(self, total: int):
        super().__init__()
        self.total = total
        self.columns: list[Tensor] = []

    def before_train(self) -> None:
        """Begin a column, on the device of the network so that no batch waits for it."""
        self.column = torch.full((self.total,), torch.nan, device=self.dls.device)

    def after_loss(self) -> None:
        """Note the margins of one batch."""
        labels, rows = self.yb
        self.column[rows] = margins_of(self.pred.detach().float(), labels)

    def after_train(self) -> None:
        """Keep the column of a finished pass."""
        if is_trial(self.learn):
            return
        self.columns.append(self.column.cpu())

    def table(self) -> Tensor:
        """Return the margins so far, [N, E]."""
        return torch.stack(self.columns, dim=1) if self.columns else torch.empty(self.total, 0)
