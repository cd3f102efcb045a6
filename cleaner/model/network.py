"""The network: pixels in, one logit per class out, with everything that a later use of it needs.

It normalises its own input, so that no user of it can forget to. It reads no file.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torchvision
from fastai.layers import ConvLayer, ResBlock
from fastai.vision.learner import add_head, create_body, default_split, model_meta
from fastai.vision.models.xresnet import init_cnn
from torch import Tensor, nn
from torchvision.models import get_model, get_model_builder, list_models

from cleaner.errors import InputError

SMALL = "small residual network"  # the name of what is trained from scratch, where others have an arch
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CENTRED = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))

# Those whose last map of features can be cut off and whose released weights have the names of today.
FAMILIES = (
    "alexnet", "convnext", "efficientnet", "mobilenet_v3", "regnet", "resnet", "resnext", "squeezenet",
    "swin", "vgg", "wide_resnet",
)  # fmt: skip

Stats = tuple[tuple[float, ...], tuple[float, ...]]


class Network(nn.Module):
    """A classifier of square RGB images of `size` pixels into `vocab`, and how its input is normalised."""

    def __init__(self, layers: nn.Module, *, arch: str, vocab: tuple[str, ...], size: int, stats: Stats):
        super().__init__()
        self.layers = layers
        self.arch, self.vocab, self.size, self.stats = arch, vocab, size, stats
        for name, values in zip(("mean", "std"), stats, strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        self.to(memory_format=torch.channels_last)  # a quarter faster, also on a CPU

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, S, S] of values 0..1 to logits [B, K]."""
        logits: Tensor = self.layers((images - self.get_buffer("mean")) / self.get_buffer("std"))
        return logits


def small_network(vocab: tuple[str, ...], *, size: int) -> Network:
    """Build the residual network that learns from scratch, for sides of 16 pixels and up.

    It is a narrow, short XResNet: on two CPU cores 1,400 digits of 48 px are learned in about ten seconds.
    With 5 % of their labels wrong, wider and deeper ones memorised more of the wrong labels.
    """
    widths = (32, 32, 64, 128)
    blocks = [ResBlock(1, before, after, stride=2) for before, after in pairwise(widths)]
    top = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.25), nn.Linear(widths[-1], len(vocab))]
    layers = nn.Sequential(ConvLayer(3, widths[0], stride=2), *blocks, *top)
    init_cnn(layers)
    return Network(layers, arch=SMALL, vocab=vocab, size=size, stats=CENTRED)


def fine_tunable(
    arch: str,
    *,
    vocab: tuple[str, ...],
    size: int,
    stats: Stats = IMAGENET,
    weights: dict[str, Tensor] | None,
) -> Network:
    """Build a torchvision architecture with fastai's head for these classes.

    `weights` is a state dict of the whole architecture, whose classifier is dropped; None leaves it random.
    InputError if the weights are of something else, or the images too small for it.
    """
    check_arch(arch)
    model = get_model(arch, weights=None)
    cut = model_meta.get(get_model_builder(arch), {"cut": None})["cut"]
    body = create_body(model, pretrained=False, cut=cut)
    if weights is not None:
        _load_body(model, body, weights, arch=arch)
    layers = add_head(body, _features(body, arch=arch, size=size), len(vocab))
    return Network(layers, arch=arch, vocab=vocab, size=size, stats=stats)


def build(arch: str, *, vocab: tuple[str, ...], size: int, stats: Stats) -> Network:
    """Build a network of random weights, the shape of one that was saved."""
    if arch == SMALL:
        return small_network(vocab, size=size)
    return fine_tunable(arch, vocab=vocab, size=size, stats=stats, weights=None)


def layer_groups(network: Network) -> list[list[nn.Parameter]]:
    """Split the parameters into early, late and head, which fine-tuning treats differently."""
    split = model_meta.get(get_model_builder(network.arch), {"split": default_split})["split"]
    return [list(group) for group in split(network.layers)]


def check_arch(arch: str) -> None:
    """Raise InputError unless this is an architecture that can be fine-tuned here."""
    known = [name for name in list_models(module=torchvision.models) if name.startswith(FAMILIES)]
    if arch not in known:
        some = "resnet18, resnet34, resnet50, convnext_tiny, efficientnet_b0"
        raise InputError(
            f"There is no architecture {arch!r} here; use one of {some} (there are {len(known)})."
        )


def _load_body(model: nn.Module, body: nn.Module, weights: dict[str, Tensor], *, arch: str) -> None:
    """Copy the weights of the body and ignore the classifier; InputError if they are not of this model."""
    kept = {id(tensor) for tensor in body.state_dict(keep_vars=True).values()}
    own = model.state_dict(keep_vars=True)
    needed = {name for name, tensor in own.items() if id(tensor) in kept}
    counters = {name for name in needed if name.endswith("num_batches_tracked")}  # absent from old files
    missing = sorted(needed - counters - weights.keys())
    foreign = sorted(weights.keys() - own.keys())
    reshaped = sorted(n for n in needed & weights.keys() if weights[n].shape != own[n].shape)
    for names, wrong in ((missing, "it has no"), (foreign, "it also has"), (reshaped, "of another shape is")):
        if names:
            raise InputError(f"these are not weights of {arch}: {wrong} {names[0]!r} ({len(names)} such).")
    model.load_state_dict({name: weights[name] for name in needed & weights.keys()}, strict=False)


def _features(body: nn.Module, *, arch: str, size: int) -> int:
    """Count the channels that the body makes of one image; InputError if nothing is left of it."""
    try:
        with torch.no_grad():
            return int(body.eval()(torch.zeros(1, 3, size, size)).shape[1])
    except RuntimeError as error:
        raise InputError(f"Images of {size} px are too small for {arch}; give a larger size.") from error
