"""Weights for the tests, made on the spot: real files of a real architecture that has learned nothing."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torchvision.models import get_model


def write_weights(path: Path, *, arch: str = "resnet18", seed: int = 0) -> Path:
    """Write the random weights of an architecture as safetensors; return the path."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = get_model(arch, weights=None).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path
