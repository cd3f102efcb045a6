"""A convolution over a map smaller than its kernel is one matrix product, and says the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cleaner.model import products
from cleaner.model.bodies import IMAGENET, Body, body_of
from cleaner.model.embed import embed
from cleaner.model.products import Product, noting_sizes, with_products


@pytest.fixture
def squares() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (9, 36, 36, 3), dtype=np.uint8)


def products_in(network: nn.Module) -> int:
    return sum(isinstance(part, Product) for part in network.modules())


def embedded(body: Body, squares: np.ndarray) -> np.ndarray:
    blocks = [block for _, block in embed(body, squares, rows=np.arange(len(squares)))]
    return np.concatenate(blocks).astype(float)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "before"),
    [
        (3, 1, 1, 1, (2, 2)),
        (3, 1, 1, 1, (1, 1)),
        (3, 2, 1, 1, (4, 4)),
        (3, 2, 1, 1, (3, 2)),
        (3, 1, 2, 2, (2, 3)),
        (3, 1, 0, 1, (3, 3)),
        (5, 1, 2, 1, (3, 3)),
        ((1, 3), (1, 2), (0, 1), 1, (2, 2)),
        (2, 2, 0, 1, (2, 2)),
    ],
)
def test_a_product_is_its_convolution(kernel, stride, padding, dilation, before, *, bias: bool) -> None:
    conv = nn.Conv2d(5, 7, kernel, stride, padding, dilation, bias=bias)
    maps = torch.randn(4, 5, *before)
    said = conv(maps)
    made = Product(conv, before=before, after=tuple(said.shape[2:]))
    torch.testing.assert_close(made(maps), said, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("arch", "size", "least"), [("resnet18", 64, 4), ("resnet18", 32, 8), ("vgg11", 32, 2)]
)
def test_a_network_that_sees_small_pictures_says_the_same_with_products(arch, size: int, least: int) -> None:
    body = body_of(arch, size=size, stats=IMAGENET, weights=None).eval()
    sooner = with_products(body, body.sizes)
    images = torch.rand(6, 3, size, size)
    with torch.inference_mode():
        torch.testing.assert_close(sooner(images), body(images), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(sooner.embed(images), body.embed(images), rtol=2e-2, atol=2e-2)
    assert products_in(sooner) >= least
    assert products_in(body) == 0


def test_where_nothing_is_to_gain_it_is_the_network_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    large = body_of("resnet18", size=224, stats=IMAGENET, weights=None).eval()
    assert with_products(large, large.sizes) is large
    small = body_of("resnet18", size=64, stats=IMAGENET, weights=None).eval()
    monkeypatch.setattr(products, "device", lambda: torch.device("cuda"))
    assert with_products(small, small.sizes) is small


class Twice(nn.Module):
    """One convolution, over maps of two sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images).mean() + self.conv(images[:, :, :1, :1]).mean()


def test_a_convolution_over_maps_of_several_sizes_stays_one() -> None:
    network = Twice().eval()
    with noting_sizes(network) as sizes:
        network(torch.zeros(1, 3, 2, 2))
    assert sizes == {}
    assert with_products(network, {network.conv: ((2, 2), (2, 2))}) is not network


def test_what_was_learned_since_is_embedded_the_next_time(squares: np.ndarray) -> None:
    body = body_of("resnet18", size=32, stats=IMAGENET, weights=None)
    before = embedded(body, squares)
    with torch.no_grad():
        body.layers[-1][-1].conv2.weight.mul_(-1)
    assert np.abs(embedded(body, squares) - before).max() > 1e-2


def test_the_embeddings_of_small_pictures_are_made_by_products(
    squares: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        Product, "forward", lambda self, maps, run=Product.forward: asked.append(1) or run(self, maps)
    )
    body = body_of("resnet18", size=32, stats=IMAGENET, weights=None)
    quick = embedded(body, squares)
    assert asked
    monkeypatch.setattr(products, "TIMES", 0)
    asked.clear()
    plain = embedded(body, squares)
    assert not asked
    np.testing.assert_allclose(quick, plain, rtol=2e-2, atol=2e-2)
