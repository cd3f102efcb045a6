"""A trained network in a file, and back."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cleaner.errors import InputError, TrainingError
from cleaner.model.device import device, device_line
from cleaner.model.images import cached_side
from cleaner.model.network import build
from cleaner.model.predict import predict
from cleaner.model.store import load_network, save_network
from cleaner.model.train import train


@pytest.fixture(scope="module")
def trained(few, quick):
    return train(few.catalog, few.pixels, config=replace(quick, epochs=3))


@pytest.fixture
def saved(trained, tmp_path):
    save_network(tmp_path / "network.safetensors", trained.network)
    return tmp_path / "network.safetensors"


def test_a_saved_network_predicts_what_the_training_said(few, trained, saved):
    before = torch.get_rng_state()
    network = load_network(saved)
    assert torch.equal(torch.get_rng_state(), before)
    assert (network.vocab, network.size, network.training) == (("cat", "dog"), 32, False)
    images = few.pixels(cached_side(network.size))
    np.testing.assert_allclose(predict(network, images), trained.predictions.probs, atol=1e-6)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
    (saved.parent / "other").touch()
    assert saved.stat().st_mode == (saved.parent / "other").stat().st_mode


@pytest.mark.parametrize("arch", ["resnet18", "test_vit", "timm/test_resnet"])
def test_a_fine_tuned_network_comes_back_too(tmp_path, few, arch):
    network = build(arch, vocab=("cat", "dog"), size=32, stats=((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))).eval()
    save_network(tmp_path / "network", network)
    again = load_network(tmp_path / "network")
    assert (again.arch, again.stats) == (arch, network.stats)
    np.testing.assert_allclose(predict(again, few.images), predict(network, few.images), atol=1e-6)


def test_what_a_network_was_made_for_stands_in_the_header_of_its_file(saved):
    with safe_open(saved, framework="np") as file:
        about = json.loads(file.metadata()["cleaner"])
    assert about["vocab"] == ["cat", "dog"]
    assert about["size"] == 32


def test_a_file_that_is_no_saved_network_is_named(saved, tmp_path):
    whole = saved.read_bytes()
    files = {name: tmp_path / name for name in ("missing", "cut", "empty", "foreign", "mixed")}
    files["cut"].write_bytes(whole[: len(whole) // 2])
    files["empty"].write_bytes(b"")
    save_file({"a": torch.zeros(1)}, files["foreign"])
    with safe_open(saved, framework="pt") as file:
        save_file({"a": torch.zeros(1)}, files["mixed"], metadata=file.metadata())
    for name, file in files.items():
        with pytest.raises(InputError, match=f"{name}.*; ?train|{name}.*train"):
            load_network(file)


def test_a_save_that_fails_leaves_nothing_behind(trained, tmp_path):
    (tmp_path / "network").mkdir()
    with pytest.raises(IsADirectoryError):
        save_network(tmp_path / "network", trained.network)
    assert [path.name for path in tmp_path.iterdir()] == ["network"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_disk_that_is_full_is_one_sentence_and_leaves_nothing_behind(trained, tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(TrainingError, match=r"network can't be written to .*; free some space"):
            save_network(tmp_path / "network", trained.network)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_the_device_is_said_in_words():
    assert device_line().startswith("CPU: " if device().type == "cpu" else "GPU: ")


def test_importing_the_stage_imports_no_torch():
    code = "import cleaner.model, sys; sys.exit(int('torch' in sys.modules or 'fastai' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
