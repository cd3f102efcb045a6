"""Weights from elsewhere: one's own, torch's cache, and what happens without a network."""

from __future__ import annotations

import hashlib
import pickle
import socket
import threading
import time
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model, get_model_weights

from cleaner.errors import InputError, Stopped
from cleaner.model.choice import choose
from cleaner.model.network import IMAGENET, SMALL, layer_groups
from cleaner.model.train import train
from cleaner.model.weights import fetch, read_weights
from cleaner.progress import never, quiet
from cleaner.types import TrainConfig


@pytest.fixture(scope="module")
def resnet18() -> dict[str, torch.Tensor]:
    """The state of a ResNet-18 for 7 classes, as someone else might have trained it."""
    torch.manual_seed(7)
    return get_model("resnet18", weights=None, num_classes=7).state_dict()


@pytest.fixture
def no_network(monkeypatch, tmp_path) -> Path:
    """Nothing in torch's cache, and a proxy at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
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


def test_without_a_network_a_small_one_is_trained_and_that_is_said_within_seconds(few, no_network, capfd):
    begun = time.monotonic()
    trained = train(few.catalog, few.pixels, config=TrainConfig(arch="resnet34", epochs=1))
    assert time.monotonic() - begun < 10
    (note,) = trained.notes
    assert note.startswith("The pretrained weights of resnet34 could not be downloaded (no network? ")
    assert note.endswith(
        "so a small network is trained from scratch at 32 px; name a file of your own as weights to use that."
    )
    assert (trained.config.weights, trained.config.arch, trained.config.size) == ("scratch", SMALL, 32)
    assert capfd.readouterr() == ("", "")
    assert not list(no_network.rglob("*.partial"))


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
    torch.testing.assert_close(choice.network.state_dict()["layers.0.0.weight"], resnet18["conv1.weight"])


@pytest.mark.parametrize("kind", ["safetensors", "torch"])
def test_own_weights_are_fine_tuned_whatever_classes_they_were_for(few, tmp_path, resnet18, kind):
    file = tmp_path / "mine.weights"
    save_file(resnet18, file) if kind == "safetensors" else torch.save(resnet18, file)
    config = TrainConfig(arch="resnet18", weights=str(file), size=32, epochs=1)
    network = chosen(few, config).network
    assert network.stats == IMAGENET
    torch.testing.assert_close(
        network.state_dict()["layers.0.7.1.bn2.weight"], resnet18["layer4.1.bn2.weight"]
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
        assert time.monotonic() - begun < 3


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
