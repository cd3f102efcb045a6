"""Convolutions over maps smaller than their kernel, as matrix products: most of their taps see only padding.

The last layers of a network that sees small pictures are such: 2 x 2 places under a kernel of 3 x 3. Such
convolutions are as slow as those over larger maps, products are not. It changes no network; it makes others
of the same weights, for embedding: in float32 a product of so many terms is off by twice as much as a
convolution (1.4e-4 of a probability in the worst case seen), which is too much where a network is scored.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from typing import TypeAlias, TypeVar, cast

import torch.nn.functional as F
from torch import Tensor, nn

from cleaner.model.device import device

Some = TypeVar("Some", bound=nn.Module)
Shape: TypeAlias = tuple[int, int]
Sizes: TypeAlias = dict[nn.Conv2d, tuple[Shape, Shape]]

TIMES = 2  # as many places of the map as taps of the kernel, at most: beyond that a product has more to do


class Product(nn.Module):
    """A convolution from maps [B, C, h, w] of one size to maps [B, C', h', w'] as one matrix product.

    Its weights are those of `conv` at this moment. It computes in the precision of what it is given.
    """

    def __init__(self, conv: nn.Conv2d, *, before: Shape, after: Shape):
        super().__init__()
        wide = conv.weight.new_zeros(*after, conv.out_channels, *before, conv.in_channels)
        for down, across in product(range(after[0]), range(after[1])):
            for row, column in product(range(before[0]), range(before[1])):
                tap = _tap(conv, 0, row, down), _tap(conv, 1, column, across)
                if None not in tap:
                    wide[down, across, :, row, column] = conv.weight.detach()[:, :, tap[0], tap[1]]
        self.after = after
        self.weights = {wide.dtype: wide.reshape(after[0] * after[1] * conv.out_channels, -1)}
        self.bias = None if conv.bias is None else conv.bias.detach().repeat(after[0] * after[1])

    def forward(self, maps: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C', h', w'], both channels last in memory."""
        if maps.dtype not in self.weights:
            self.weights[maps.dtype] = next(iter(self.weights.values())).to(maps.dtype)
        bias = None if self.bias is None else self.bias.to(maps.dtype)
        flat = F.linear(maps.permute(0, 2, 3, 1).flatten(1), self.weights[maps.dtype], bias)
        return flat.view(len(maps), *self.after, -1).permute(0, 3, 1, 2)


@contextmanager
def noting_sizes(layers: nn.Module) -> Iterator[Sizes]:
    """Note, while the block asks some layers, the sizes of the maps before and after each convolution.

    At its end those are left out that saw maps of several sizes.
    """
    noted: Sizes = {}
    several: set[nn.Conv2d] = set()

    def look(part: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        conv, sizes = cast("nn.Conv2d", part), (_size(given[0]), _size(made))
        if noted.setdefault(conv, sizes) != sizes:
            several.add(conv)

    hooks = [part.register_forward_hook(look) for part in layers.modules() if type(part) is nn.Conv2d]
    try:
        yield noted
    finally:
        for hook in hooks:
            hook.remove()
    for conv in several:
        del noted[conv]


def with_products(network: Some, sizes: Sizes) -> Some:
    """Return what says the same in eval mode as `network`, on CPUs sooner where it can.

    `sizes` are those of the maps that its convolutions see. It shares the weights of `network`, except those
    of the convolutions that became products: a training does not reach them. Where there are none, it is the
    network itself.
    """
    if device().type != "cpu":  # elsewhere nothing was measured
        return network
    products = {
        conv: Product(conv, before=before, after=after)
        for conv, (before, after) in sizes.items()
        if _gains(conv, before, after)
    }
    return cast("Some", _replaced(network, products)) if products else network


def _size(maps: Tensor) -> Shape:
    height, width = maps.shape[2:]
    return height, width


def _gains(conv: nn.Conv2d, before: Shape, after: Shape) -> bool:
    taps = conv.kernel_size[0] * conv.kernel_size[1]
    plain = conv.groups == 1 and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    return plain and 1 < taps >= after[0] * after[1] and before[0] * before[1] <= TIMES * taps


def _tap(conv: nn.Conv2d, axis: int, seen: int, made: int) -> int | None:
    """Return the tap through which place `made` of the new map sees `seen` of the old; None for none."""
    way = seen - made * conv.stride[axis] + int(conv.padding[axis])
    tap, between = divmod(way, conv.dilation[axis])
    return tap if between == 0 and 0 <= tap < conv.kernel_size[axis] else None


def _replaced(part: nn.Module, products: Mapping[nn.Conv2d, Product]) -> nn.Module:
    """Return a part of a network with its products in place, sharing everything else."""
    if isinstance(part, nn.Conv2d) and part in products:
        return products[part]
    twin = copy.copy(part)
    twin._modules = {name: child and _replaced(child, products) for name, child in part._modules.items()}
    return twin
