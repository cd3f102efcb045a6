"""Bodies of torchvision and timm: what they make of images, and how a network is built on one."""

from __future__ import annotations

import pytest
import torch
from fastai.vision.learner import create_body, model_meta
from torch import nn
from torchvision.models import get_model, get_model_builder

from cleaner.errors import InputError
from cleaner.model.bodies import IMAGENET, body_of, check_arch, usual_stats
from cleaner.model.device import body_precision, exact
from cleaner.model.network import SMALL, build, layer_groups, small_network

FINER = {
    "resnet18": 768,
    "convnext_tiny": 1152,
    "efficientnet_b0": 1392,
    "swin_t": 1152,
    "squeezenet1_1": 768,
}
POOLED = {
    "vit_tiny_patch16_224": 192,
    "resnet10t": 512,
    "convnext_atto": 320,
    "deit_tiny_distilled_patch16_224": 192,
}


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(4, 3, 64, 64)


def random_body(arch: str, *, size: int = 64):
    """Return a body of random weights that has at least seen some images, or its features would vanish."""
    torch.manual_seed(2)
    body = body_of(arch, size=size, stats=usual_stats(arch), weights=None).train()
    with torch.no_grad():
        for _ in range(8):
            body(torch.rand(4, 3, size, size))
    return body.eval()


@pytest.mark.parametrize(("arch", "dims"), (FINER | POOLED).items())
def test_every_family_embeds_to_finite_numbers(images, arch, dims):
    body = random_body(arch)
    with torch.inference_mode():
        features, embedded = body(images), body.embed(images)
    assert (features.dtype, embedded.dtype) == (torch.float32, torch.float32)
    assert (features.dim(), body.pooled) == ((2, True) if arch in POOLED else (4, False))
    assert (features.shape[1], embedded.shape) == (body.channels, (4, dims))
    assert body.dims == dims
    assert torch.isfinite(embedded).all()
    assert (embedded[0] - embedded[1]).abs().max() > 1e-4


def test_an_embedding_joins_the_last_map_with_the_one_before_the_last_halving(images):
    body = random_body("resnet18")
    with torch.inference_mode(), exact():
        coarse = body(images).mean((2, 3))
        fine = nn.Sequential(*list(body.layers)[:7])((images - body.mean) / body.std).mean((2, 3))
        embedded = body.embed(images)
    both = torch.cat([coarse, fine], dim=1)
    torch.testing.assert_close(embedded, both, atol=1e-4, rtol=1e-4)


def test_maps_that_are_kept_channels_last_are_averaged_over_space_too(images):
    body = random_body("swin_t")
    with torch.inference_mode():
        fine = body.layers[0][:6]((images - body.mean) / body.std).mean((1, 2))  # [B, 4, 4, 384]
        embedded = body.embed(images)
    torch.testing.assert_close(embedded[:, 768:], fine, atol=1e-2, rtol=2e-2)


@pytest.mark.parametrize(
    "arch",
    ["resnet18", "resnet50", "resnext50_32x4d", "alexnet", "vgg11", "vgg11_bn", "squeezenet1_0", "swin_t",
     "convnext_tiny", "efficientnet_b0", "mobilenet_v3_small", "regnet_y_400mf"],
)  # fmt: skip
def test_an_architecture_is_cut_where_fastai_cuts_it(arch):
    own = body_of(arch, size=64, stats=IMAGENET, weights=None).layers
    cut = model_meta.get(get_model_builder(arch), {"cut": None})["cut"]
    assert str(own) == str(create_body(get_model(arch, weights=None), pretrained=False, cut=cut))


def test_the_layer_groups_of_a_resnet_are_fastais():
    network = build("resnet18", vocab=("cat", "dog"), size=32)
    model = nn.Sequential(network.body.layers, network.head)
    fastais = model_meta[get_model_builder("resnet18")]["split"](model)
    ours = layer_groups(network)
    assert [[id(p) for p in group] for group in ours] == [[id(p) for p in group] for group in fastais]


@pytest.mark.parametrize("arch", ["squeezenet1_1", "convnext_tiny", "resnext50_32x4d", "test_vit", SMALL])
def test_layer_groups_hold_every_parameter_once(arch):
    network = build(arch, vocab=("cat", "dog"), size=64)
    groups = layer_groups(network)
    assert len(groups) == 3
    assert all(groups)
    assert {id(p) for p in groups[-1]} == {id(p) for p in network.head.parameters()}
    found = sorted(id(p) for group in groups for p in group)
    assert found == sorted(id(p) for p in network.parameters())


def test_torchvisions_architecture_wins_unless_timms_is_asked_for(images):
    assert not body_of("resnet18", size=64, stats=IMAGENET, weights=None).pooled
    body = body_of("timm/resnet18", size=64, stats=IMAGENET, weights=None)
    assert (body.pooled, body.arch) == (True, "timm/resnet18")


def test_a_body_normalises_its_own_input(images):
    plain = body_of("test_resnet", size=64, stats=((0.0,) * 3, (1.0,) * 3), weights=None).eval()
    body = body_of("test_resnet", size=64, stats=((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)), weights=None).eval()
    body.load_state_dict(plain.state_dict())
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in body.stats)
    with torch.inference_mode():
        torch.testing.assert_close(body(images), plain((images - mean) / std))


@pytest.mark.parametrize(
    ("arch", "near"),
    [("resnet33", "resnet34"), ("convnext_tny", "convnext_tiny"),
     ("timm/vit_tiny_patch16_22", "vit_tiny_patch16_224"),
     ("resnet18.no_such_tag", "resnet18"), ("qqqqqqqq", "resnet18, resnet34"), ("", "resnet18")],
)  # fmt: skip
def test_an_unknown_architecture_is_refused_with_names_like_it(arch, near):
    with pytest.raises(
        InputError, match=rf"^There is no architecture '{arch}' in .*, for example .*{near}.*\.$"
    ):
        check_arch(arch)


@pytest.mark.parametrize("arch", ["resnet34", "vit_tiny_patch16_224", "resnet18.a1_in1k", "timm/resnet18"])
def test_a_known_architecture_is_not_refused(arch):
    check_arch(arch)


def test_images_that_an_architecture_cannot_see_are_refused():
    with pytest.raises(InputError, match="Images of 32 px are too small for alexnet; give a larger size"):
        body_of("alexnet", size=32, stats=IMAGENET, weights=None)
    with pytest.raises(InputError, match="size"):
        body_of("maxvit_tiny_rw_224", size=40, stats=IMAGENET, weights=None)


@pytest.mark.parametrize(
    "make",
    [
        lambda: small_network(("cat", "dog"), size=64),
        lambda: build("resnet18", vocab=("cat", "dog"), size=64),
    ],
)
def test_a_head_is_computed_in_float32_whatever_the_body_is_computed_in(images, make):
    network = make().eval()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(images)
    with torch.inference_mode():
        features = network.body(images)
        torch.testing.assert_close(logits, network.head(features), atol=0, rtol=0)
    assert (features.dtype, logits.dtype) == (torch.float32, torch.float32)
    assert not torch.equal(logits, logits.bfloat16().float())


def test_a_body_learns_in_the_precision_that_the_device_likes(images):
    network = small_network(("cat", "dog"), size=64).train()
    seen = []
    network.body.layers[-1].register_forward_hook(lambda _module, _input, output: seen.append(output.dtype))
    network(images).sum().backward()
    assert seen == [body_precision(images.device) or torch.float32]
    assert {parameter.grad.dtype for parameter in network.parameters()} == {torch.float32}
    assert body_precision(torch.device("mps")) is None


def test_a_step_of_training_counts_at_once_whatever_context_it_is_done_in(images):
    body = small_network(("cat", "dog"), size=64).body.train()
    with torch.autocast("cpu", enabled=False):
        before = body(images)
        with torch.no_grad():
            for parameter in body.parameters():
                parameter.mul_(-0.5)
        after = body(images)
    torch.testing.assert_close(after, body(images), atol=0, rtol=0)
    assert (after - before).abs().max() > 0.1
