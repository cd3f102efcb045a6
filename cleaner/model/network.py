"""The network: pixels in, one logit per class out, with everything that a later use of it needs.

It reads no file, and imports fastai only to build or to split one: that takes longer than to use one.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import get_model_builder

from cleaner.model.bodies import IMAGENET, Body, Stats, body_of, is_torchvision

SMALL = "small residual network"  # the name of what is trained from scratch, where others have an arch
CENTRED = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Network(nn.Module):
    """A classifier into `vocab`: a body, which normalises its input, and a head on its features."""

    def __init__(self, body: Body, head: nn.Module, *, vocab: tuple[str, ...]):
        super().__init__()
        self.body, self.head, self.vocab = body, head, vocab

    @property
    def arch(self) -> str:
        """The name of the body's architecture."""
        return self.body.arch

    @property
    def size(self) -> int:
        """The side in pixels of the images that it sees."""
        return self.body.size

    @property
    def stats(self) -> Stats:
        """The means and deviations with which it normalises its input."""
        return self.body.stats

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, S, S] of values 0..1 to logits [B, K].

        The head is always computed in float32: in half precision the most certain images would tie.
        """
        features = self.body(images)
        with torch.autocast(images.device.type, enabled=False):
            logits: Tensor = self.head(features)
        return logits


class QuickNetwork(Network):
    """The quick look as one network: a linear head on the embeddings of a frozen body."""

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, S, S] of values 0..1 to logits [B, K]."""
        logits: Tensor = self.head(self.body.embed(images))
        return logits


def quick_network(
    body: Body, *, vocab: tuple[str, ...], head: NDArray[np.float64] | None = None
) -> QuickNetwork:
    """Put a linear head on a body; `head` [D + 1, K] maps an embedding and a constant 1 to logits."""
    linear = nn.Linear(body.dims, len(vocab))
    if head is not None:
        weights = torch.from_numpy(head.astype(np.float32))
        linear.load_state_dict({"weight": weights[:-1].T, "bias": weights[-1]})
    return QuickNetwork(body, linear, vocab=vocab).eval()


def small_network(vocab: tuple[str, ...], *, size: int) -> Network:
    """Build the residual network that learns from scratch, for sides of 16 pixels and up.

    It is a narrow, short XResNet: on two CPU cores 1,400 digits of 48 px are learned in about ten seconds.
    With 5 % of their labels wrong, wider and deeper ones memorised more of the wrong labels.
    """
    from fastai.layers import ConvLayer, ResBlock
    from fastai.vision.models.xresnet import init_cnn

    widths = (32, 32, 64, 128)
    blocks = [ResBlock(1, before, after, stride=2) for before, after in pairwise(widths)]
    layers = nn.Sequential(ConvLayer(3, widths[0], stride=2), *blocks)
    top = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.25), nn.Linear(widths[-1], len(vocab))]
    head = nn.Sequential(*top)
    init_cnn(nn.Sequential(layers, head))
    return Network(Body(layers, arch=SMALL, size=size, stats=CENTRED), head, vocab=vocab)


def fine_tunable(body: Body, *, vocab: tuple[str, ...]) -> Network:
    """Put fastai's head for these classes on a body."""
    from fastai.torch_core import apply_init
    from fastai.vision.learner import create_head

    head = create_head(body.channels, len(vocab), pool=not body.pooled)
    apply_init(head, nn.init.kaiming_normal_)
    return Network(body, head, vocab=vocab)


def build(arch: str, *, vocab: tuple[str, ...], size: int, stats: Stats = IMAGENET) -> Network:
    """Build a network of random weights, the shape of one that was saved."""
    if arch == SMALL:
        return small_network(vocab, size=size)
    return fine_tunable(body_of(arch, size=size, stats=stats, weights=None), vocab=vocab)


def layer_groups(network: Network) -> list[list[nn.Parameter]]:
    """Split the parameters into early, late and head, which fine-tuning treats differently.

    Early ends where fastai has it end for this architecture, elsewhere in the middle of the body.
    """
    from fastai.vision.learner import model_meta

    builder = get_model_builder(network.arch) if is_torchvision(network.arch) else None
    if builder in model_meta:
        model = nn.Sequential(network.body.layers, network.head)
        return [list(group) for group in model_meta[builder]["split"](model)]
    body = list(network.body.parameters())
    half = len(body) // 2
    return [body[:half], body[half:], list(network.head.parameters())]
