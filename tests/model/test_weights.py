"""Weights from elsewhere: one's own, torch's cache, and what happens without a network."""

from __future__ import annotations

import hashlib
import pickle
import re
import socket
import threading
import time
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision.models import get_model, get_model_weights

from cleaner.errors import InputError, NoWeights, Stopped
from cleaner.model.bodies import IMAGENET
from cleaner.model.choice import backbone, choose
from cleaner.model.network import SMALL, layer_groups
from cleaner.model.train import train
from cleaner.model.weights import fetch, pretrained, read_weights
from cleaner.progress import never, quiet
from cleaner.types import TrainConfig


@pytest.fixture(scope="module")
def resnet18() -> dict[str, torch.Tensor]:
    """The state of a ResNet-18 for 7 classes, as someone else might have trained it."""
    torch.manual_seed(7)
    return get_model("resnet18", weights=None, num_classes=7).state_dict()


@pytest.fixture(scope="module")
def tiny_vit() -> dict[str, torch.Tensor]:
    """The state of timm's tiny transformer at the 160 px of its released weights."""
    torch.manual_seed(8)
    return timm.create_model("test_vit").state_dict()


@pytest.fixture
def no_network(monkeypatch, tmp_path) -> Path:
    """Nothing in the caches of torch and the hub, and a proxy at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub-of-others"))
    return tmp_path


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder, and the address at which it is served."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


def chosen(few, config: TrainConfig):
    return choose(few.catalog, config=config, report=quiet, stopped=never)


def embedder(config: TrainConfig):
    return backbone(config, report=quiet, stopped=never)


def test_without_a_network_a_small_one_is_trained_and_that_is_said(few, no_network, capfd):
    begun = time.monotonic()
    trained = train(few.catalog, few.pixels, config=TrainConfig(arch="resnet34", epochs=1))
    assert time.monotonic() - begun < 60
    (note,) = trained.notes
    assert note.startswith("The pretrained weights of resnet34 could not be downloaded (no network? ")
    assert note.endswith(
        "so a small network is trained from scratch at 32 px; name a file of your own as weights to use that."
    )
    assert (trained.config.weights, trained.config.arch, trained.config.size) == ("scratch", SMALL, 32)
    assert capfd.readouterr() == ("", "")
    assert not list(no_network.rglob("*.part"))


@pytest.mark.parametrize("arch", ["resnet34", "vit_tiny_patch16_224"])
def test_quick_mode_without_a_network_is_refused_soon(no_network, arch):
    begun = time.monotonic()
    with pytest.raises(NoWeights) as refusal:
        embedder(TrainConfig(mode="quick", arch=arch))
    assert time.monotonic() - begun < 60
    said = str(refusal.value)
    assert said.startswith(f"The pretrained weights of {arch} could not be downloaded (no network? ")
    assert said.endswith(
        "), and quick mode needs some; name a file of your own as weights, or use mode "
        '"full", which can train a small network from scratch.'
    )
    assert not list(no_network.rglob("*.part"))


def test_quick_mode_needs_weights_that_have_learned_something():
    with pytest.raises(NoWeights, match='weights is "scratch"'):
        embedder(TrainConfig(mode="quick", weights="scratch"))


def test_an_architecture_that_is_not_used_is_said_to_be_so(few, quick):
    (note,) = chosen(few, replace(quick, arch="resnet18")).notes
    assert note == (
        "resnet18 is only used with pretrained weights or a file of them; from scratch a small network is "
        "trained instead."
    )
    assert chosen(few, replace(quick, arch=SMALL)).notes == ()
    with pytest.raises(InputError, match="no architecture 'foo'"):
        chosen(few, replace(quick, arch="foo"))


def test_no_connection_is_tried_if_the_hub_is_switched_off(few, no_network, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match="HF_HUB_OFFLINE is set"):
        pretrained("test_vit")


def test_an_architecture_without_released_weights_is_said_to_be_one():
    with pytest.raises(InputError, match="timm offers no pretrained weights of mixer_s32_224; name a file"):
        embedder(TrainConfig(mode="quick", arch="mixer_s32_224"))


def test_trained_from_scratch_on_purpose_there_is_nothing_to_note(few, quick):
    assert chosen(few, quick).notes == ()


def test_weights_in_torchs_cache_are_used_without_a_network(few, no_network, resnet18):
    best = get_model_weights("resnet18").DEFAULT
    file = no_network / "hub" / "checkpoints" / Path(best.url).name
    file.parent.mkdir(parents=True)
    torch.save(resnet18, file)
    choice = chosen(few, TrainConfig(arch="resnet18"))
    assert choice.notes == ()
    assert (choice.config.epochs, choice.config.lr, choice.config.size) == (4, 3e-3, 224)
    torch.testing.assert_close(choice.network.state_dict()["body.layers.0.weight"], resnet18["conv1.weight"])


@pytest.mark.parametrize("kind", ["safetensors", "torch"])
def test_own_weights_are_fine_tuned_whatever_classes_they_were_for(few, tmp_path, resnet18, kind):
    file = tmp_path / "mine.weights"
    save_file(resnet18, file) if kind == "safetensors" else torch.save(resnet18, file)
    config = TrainConfig(arch="resnet18", weights=str(file), size=32, epochs=1)
    network = chosen(few, config).network
    assert network.stats == IMAGENET
    torch.testing.assert_close(
        network.state_dict()["body.layers.7.1.bn2.weight"], resnet18["layer4.1.bn2.weight"]
    )
    assert [len(group) > 0 for group in layer_groups(network)] == [True, True, True]
    if kind == "safetensors":
        trained = train(few.catalog, few.pixels, config=config)
        assert [epoch.number for epoch in trained.epochs] == [0, 1]
        assert trained.config.weights == str(file)
        assert trained.predictions.probs.shape == (60, 2)
        assert np.isfinite(trained.predictions.losses).all()


def test_weights_of_another_architecture_are_refused_by_name(few, tmp_path, resnet18):
    small, large = tmp_path / "small.safetensors", tmp_path / "large.safetensors"
    save_file(resnet18, small)
    save_file(get_model("resnet34", weights=None).state_dict(), large)
    for file, arch in ((small, "resnet34"), (large, "resnet18"), (small, "resnet50"), (small, "alexnet")):
        with pytest.raises(InputError, match=f"{file.name}: these are not weights of {arch}"):
            chosen(few, TrainConfig(arch=arch, weights=str(file)))


def test_images_too_small_for_an_architecture_are_refused(few, tmp_path):
    file = tmp_path / "alexnet.safetensors"
    save_file(get_model("alexnet", weights=None).state_dict(), file)
    with pytest.raises(InputError, match="Images of 32 px are too small for alexnet; give a larger size"):
        chosen(few, TrainConfig(arch="alexnet", weights=str(file), size=32))


def test_weights_in_the_cache_of_the_hub_are_used_without_a_network(few, no_network, tiny_vit):
    snapshot = no_network / "hub-of-others" / "models--timm--test_vit.r160_in1k" / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0123abc")
    save_file(tiny_vit, snapshot / "model.safetensors")
    choice = chosen(few, TrainConfig(arch="test_vit", size=32))
    assert choice.notes == ()
    assert choice.network.stats == ((0.5,) * 3, (0.5,) * 3)
    blocks = "body.layers.model.blocks.0.attn.qkv.weight"
    torch.testing.assert_close(choice.network.state_dict()[blocks], tiny_vit["blocks.0.attn.qkv.weight"])


def test_weights_on_the_hub_are_downloaded_once(server, no_network, monkeypatch, tiny_vit):
    folder, address = server
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    there = folder / "timm" / "test_vit.r160_in1k" / "resolve" / "main"
    there.mkdir(parents=True)
    save_file(tiny_vit, there / "model.safetensors")
    reports = []
    file, _ = pretrained("test_vit", report=reports.append)
    assert reports[-1].done == reports[-1].total == file.stat().st_size
    (there / "model.safetensors").unlink()
    assert pretrained("test_vit", report=reports.append)[0] == file
    assert read_weights(file, arch="test_vit").keys() == tiny_vit.keys()


def test_own_weights_of_timm_may_be_of_any_classes_and_precision(tmp_path, tiny_vit):
    file = tmp_path / "vit.safetensors"
    seven = {**tiny_vit, "head.weight": torch.ones(7, 64), "head.bias": torch.ones(7)}
    headless = {name: tensor for name, tensor in tiny_vit.items() if not name.startswith("head.")}
    for state in (tiny_vit, seven, headless):
        save_file({name: tensor.half() for name, tensor in state.items()}, file)
        body = embedder(TrainConfig(arch="test_vit", weights=str(file), size=48)).body
        assert (body.size, body.dims, body.stats) == (48, 64, ((0.5,) * 3, (0.5,) * 3))
        torch.testing.assert_close(
            body.state_dict()["layers.model.norm.weight"], tiny_vit["norm.weight"], atol=1e-3, rtol=0
        )
        assert body.state_dict()["layers.model.pos_embed"].shape[1] < tiny_vit["pos_embed"].shape[1]


def test_weights_of_another_architecture_of_timm_are_refused_by_name(tmp_path, tiny_vit, resnet18):
    vit, resnet = tmp_path / "vit.safetensors", tmp_path / "resnet.safetensors"
    save_file(tiny_vit, vit)
    save_file(resnet18, resnet)
    for file, arch in ((vit, "resnet10t"), (resnet, "test_vit"), (resnet, "timm/resnet34")):
        with pytest.raises(InputError, match=f"{file.name}: these are not weights of {arch}"):
            embedder(TrainConfig(arch=arch, weights=str(file), size=64))


def test_only_bodies_that_embed_alike_share_a_key(tmp_path, resnet18):
    one, same, other = (tmp_path / f"{name}.safetensors" for name in ("one", "same", "other"))
    save_file(resnet18, one)
    save_file(resnet18, same)
    save_file({**resnet18, "bn1.bias": torch.ones(64)}, other)
    config = TrainConfig(mode="quick", arch="resnet18", weights=str(one), size=64)
    key = embedder(config).key
    assert embedder(replace(config, weights=str(same), seed=3, lr=0.1)).key == key
    others = (
        replace(config, weights=str(other)),
        replace(config, size=None),
        replace(config, arch="timm/resnet18"),
    )
    keys = {key, *(embedder(some).key for some in others)}
    assert len(keys) == 4
    assert all(name == Path(name).name and re.fullmatch(r"[\w.-]{10,80}", name) for name in keys)


def test_a_backbone_sees_224_pixels_unless_another_size_is_given(tmp_path, resnet18):
    file = tmp_path / "mine.safetensors"
    save_file(resnet18, file)
    before = torch.get_rng_state()
    chosen = embedder(TrainConfig(mode="quick", arch="resnet18", weights=str(file)))
    assert torch.equal(torch.get_rng_state(), before)
    assert (chosen.body.size, chosen.config.size) == (224, 224)


def test_a_missing_or_unreadable_weights_file_is_named(few, tmp_path, resnet18):
    missing, garbage, cut, other = (tmp_path / name for name in ("missing", "garbage", "cut", "other"))
    garbage.write_bytes(b"\x00" * 100)
    save_file(resnet18, cut)
    cut.write_bytes(cut.read_bytes()[:50_000])
    torch.save({"epoch": 3}, other)
    for file in (missing, garbage, cut, other):
        with pytest.raises(
            InputError, match=f"{file.name}.*; give a safetensors file or a torch state dict of resnet18"
        ):
            chosen(few, replace(TrainConfig(), arch="resnet18", weights=str(file)))


class Bomb:
    """What a hostile file would unpickle to."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("write", [torch.save, lambda bomb, file: file.write_bytes(pickle.dumps(bomb))])
def test_code_in_a_weights_file_is_never_run(tmp_path, write):
    write(Bomb(tmp_path / "ran"), tmp_path / "weights.pt")
    with pytest.raises(InputError, match="can't be read"):
        read_weights(tmp_path / "weights.pt", arch="resnet18")
    assert not (tmp_path / "ran").exists()


def test_a_network_that_never_answers_is_given_up_soon(tmp_path, monkeypatch):
    monkeypatch.delenv("http_proxy", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/w.pth", tmp_path / "w.pth", patience=0.3)
        assert time.monotonic() - begun < 30


def test_a_download_is_checked_reported_and_kept(server, tmp_path):
    folder, address = server
    content = bytes(3_000_000)
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(content)
    reports = []
    fetch(f"{address}/{name}", tmp_path / "cache" / name, report=reports.append)
    assert (tmp_path / "cache" / name).read_bytes() == content
    assert [p.phase for p in reports] == ["downloading"] * 3
    assert reports[-1].done == reports[-1].total == len(content)


def test_a_download_that_is_damaged_or_stopped_leaves_nothing(server, tmp_path):
    folder, address = server
    (folder / "net-00000000.pth").write_bytes(bytes(3_000_000))
    target = tmp_path / "cache" / "net-00000000.pth"
    with pytest.raises(OSError, match="damaged"):
        fetch(f"{address}/{target.name}", target)
    with pytest.raises(Stopped):
        fetch(f"{address}/{target.name}", target, stopped=lambda: True)
    assert list(target.parent.iterdir()) == []
