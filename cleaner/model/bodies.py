"""Bodies: the part of an architecture that turns images into features, of torchvision or of timm by name.

It imports no fastai, reads no file, and imports timm only for a name that torchvision hasn't got.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import get_model, list_models
from torchvision.ops import Permute

from cleaner.errors import InputError
from cleaner.model.device import body_arithmetic
from cleaner.model.products import noting_sizes

# Those whose last map of features can be cut off and whose released weights have the names of today.
FAMILIES = (
    "alexnet", "convnext", "efficientnet", "mobilenet_v3", "regnet", "resnet", "resnext", "squeezenet",
    "swin", "vgg", "wide_resnet",
)  # fmt: skip
SOME = ("resnet18", "resnet34", "convnext_tiny")
TIMM = "timm/"  # before a name: timm's, even where torchvision has one of that name
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NOT_THESE = (RuntimeError, KeyError, IndexError, ValueError, TypeError, AttributeError, AssertionError)

Stats = tuple[tuple[float, ...], tuple[float, ...]]


class Body(nn.Module):
    """Features of square RGB images of `size` pixels, made by `layers` after normalising with `stats`.

    `channels` is how many features come out, as a map, or already averaged over the image if `pooled`;
    `dims` is the length of an embedding, `sizes` has those of the maps before and after each convolution.
    InputError if the images are too small for the layers.
    """

    def __init__(self, layers: nn.Module, *, arch: str, size: int, stats: Stats):
        super().__init__()
        self.layers = layers
        self.arch, self.size, self.stats = arch, size, stats
        for name, values in zip(("mean", "std"), stats, strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        self._try_out()
        self.to(memory_format=torch.channels_last)  # a quarter faster, also on a CPU

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, S, S] of values 0..1 to float32 features, [B, C, h, w], or [B, C] if pooled.

        It learns in the precision that the device likes; what it answers, in eval mode, is computed in
        float32, so that every machine and an exported network say the same.
        """
        full = torch.autocast(images.device.type, enabled=False)
        with body_arithmetic(images.device) if self.training else full:
            features: Tensor = self.layers(self._normalised(images))
        return features.float()

    def embed(self, images: Tensor) -> Tensor:
        """Map images [B, 3, S, S] of values 0..1 to float32 embeddings [B, D].

        Each is the features averaged over the image, and behind it likewise the features before the last
        halving of the resolution, if there is such a step: they cost nothing more, and a linear head finds
        more wrong labels with both. They are not brought to length 1: how strongly a body answers tells
        something too.
        """
        if self.pooled:
            with body_arithmetic(images.device):
                pooled: Tensor = self.layers(self._normalised(images))
            return pooled.float()
        steps, means = _chain(self.layers), []
        with body_arithmetic(images.device):
            features = self._normalised(images)
            for number, step in enumerate(steps):
                features = step(features)
                if number in (self._finer, len(steps) - 1):
                    means.append(_as_map(features, steps[number + 1 :]).float().mean((2, 3)))
        return torch.cat(means[::-1], dim=1)

    def _normalised(self, images: Tensor) -> Tensor:
        return (images - self.get_buffer("mean")) / self.get_buffer("std")

    @torch.no_grad()
    def _try_out(self) -> None:
        """Learn the shapes from one image."""
        training = self.training
        self.eval()
        features, maps = torch.zeros(1, 3, self.size, self.size), []
        try:
            steps = _chain(self.layers)
            with noting_sizes(self.layers) as self.sizes:
                for number, step in enumerate(steps):
                    features = step(features)
                    maps.append(_as_map(features, steps[number + 1 :]).shape)
        except (RuntimeError, AssertionError) as error:
            raise InputError(
                f"Images of {self.size} px are too small for {self.arch}; give a larger size."
            ) from error
        self.train(training)
        self.pooled = features.dim() == 2
        self.channels = self.dims = features.shape[1]
        finer = [] if self.pooled else [n for n, shape in enumerate(maps) if shape[2:] > maps[-1][2:]]
        self._finer = finer[-1] if finer else None
        self.dims += maps[finer[-1]][1] if finer else 0


class Pooled(nn.Module):
    """A timm model without its classifier: images to features that are averaged over the image, [B, C]."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images [B, 3, S, S] to features, also where a model pools them in its own way."""
        model: Any = self.model
        features: Tensor = model.forward_head(model.forward_features(images), pre_logits=True)
        return features


def body_of(arch: str, *, size: int, stats: Stats, weights: dict[str, Tensor] | None) -> Body:
    """Build the body of an architecture for images of `size` pixels.

    `weights` is a state dict of the whole architecture, whose classifier, of any number of classes, is
    ignored; None leaves it random. InputError if the weights are of something else, or the images too small.
    """
    check_arch(arch)
    layers = _cut(arch, weights) if is_torchvision(arch) else _without_classifier(arch, size, weights)
    return Body(layers, arch=arch, size=size, stats=stats)


def check_arch(arch: str) -> None:
    """Raise InputError, one sentence, unless this is an architecture that can be used here."""
    if is_torchvision(arch):
        return
    import timm  # only now: it takes seconds

    try:
        known = bool(timm.is_model(timm_name(arch)) and (timm.get_pretrained_cfg(timm_name(arch)) or True))
    except RuntimeError:  # the part of the name behind the dot
        known = False
    if not known:
        names = {*_of_torchvision(), *timm.list_models(), *timm.list_models(pretrained=True)}
        close = get_close_matches(timm_name(arch), sorted(names), n=3) or SOME
        raise InputError(
            f"There is no architecture {arch!r} in torchvision or timm; use another, for example "
            f"{', '.join(close)}."
        )


def is_torchvision(arch: str) -> bool:
    """Say whether a name is torchvision's, which wins where timm has it too."""
    return arch in _of_torchvision()


def timm_name(arch: str) -> str:
    """Return the name by which timm knows an architecture."""
    return arch.removeprefix(TIMM)


def usual_stats(arch: str) -> Stats:
    """Return how weights of an architecture usually want pixels normalised."""
    if is_torchvision(arch):
        return IMAGENET
    import timm

    usual = timm.get_pretrained_cfg(timm_name(arch))
    return (tuple(usual.mean), tuple(usual.std)) if usual else IMAGENET


@cache
def _of_torchvision() -> tuple[str, ...]:
    return tuple(name for name in list_models(module=torchvision.models) if name.startswith(FAMILIES))


def _cut(arch: str, weights: dict[str, Tensor] | None) -> nn.Sequential:
    """Return the layers of a torchvision model before the last of its children that pools."""
    model = get_model(arch, weights=None)
    children = list(model.children())
    layers = nn.Sequential(*children[: max(n for n, child in enumerate(children) if _pools(child))])
    if weights is not None:
        _load(model, layers, weights, arch=arch)
    return layers


def _pools(module: nn.Module) -> bool:
    return any(type(part).__name__.endswith(("Pool1d", "Pool2d", "Pool3d")) for part in module.modules())


def _load(model: nn.Module, layers: nn.Module, weights: dict[str, Tensor], *, arch: str) -> None:
    """Copy the weights of the layers and ignore the rest; InputError if they are not of this model."""
    kept = {id(tensor) for tensor in layers.state_dict(keep_vars=True).values()}
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


def _without_classifier(arch: str, size: int, weights: dict[str, Tensor] | None) -> Pooled:
    """Return timm's model for images of this size; position embeddings in the weights are resampled to it."""
    import timm

    usual = timm.get_pretrained_cfg(timm_name(arch))
    given = {name: _single(tensor) for name, tensor in (weights or {}).items()}
    classes = _classes(given, usual.classifier if usual else None)
    fixed = {"img_size": size} if usual and usual.fixed_input_size else {}
    source = {"state_dict": given, "num_classes": classes, "label_offset": 0} if given else None
    try:
        model = timm.create_model(
            timm_name(arch),
            pretrained=bool(given),
            num_classes=classes,
            pretrained_cfg_overlay=source,
            **fixed,
        )
    except NOT_THESE as error:
        if given:
            raise InputError(f"these are not weights of {arch} for images of {size} px.") from error
        raise InputError(f"{arch} can't see images of {size} px; give another size.") from error
    model.pretrained_cfg.pop("state_dict", None)  # it would keep a second copy of them in memory
    model.reset_classifier(0)
    return Pooled(model)


def _single(tensor: Tensor) -> Tensor:
    """Return numbers as float32, in which position embeddings can be resampled, and counts as they are."""
    return tensor.float() if tensor.is_floating_point() else tensor


def _classes(weights: dict[str, Tensor], classifier: str | tuple[str, ...] | None) -> int:
    """Count the classes that a state dict was trained for; 0 if it comes without a classifier."""
    name = classifier if isinstance(classifier, str) or classifier is None else classifier[0]
    rows = weights.get(f"{name}.weight")
    return 0 if rows is None else len(rows)


def _chain(layers: nn.Module) -> list[nn.Module]:
    """Take a sequence of layers apart, down to what is no sequence itself."""
    if not isinstance(layers, nn.Sequential) or type(layers).forward is not nn.Sequential.forward:
        return [layers]
    return [step for part in layers for step in _chain(part)]


def _as_map(features: Tensor, later: list[nn.Module]) -> Tensor:
    """Bring features into the order [B, C, h, w], in which the layers end, as the later ones would."""
    for step in later:
        if isinstance(step, Permute):
            features = step(features)
    return features
