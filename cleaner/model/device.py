"""Where the arithmetic is done, and how to say so. It changes no setting of torch."""

from __future__ import annotations

import torch


def device() -> torch.device:
    """Return the accelerator if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_line() -> str:
    """Say in a few words what `device` is, for example «GPU: NVIDIA H200, 139 GiB»."""
    kind = device().type
    if kind == "cuda":
        properties = torch.cuda.get_device_properties(0)
        return f"GPU: {properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if kind == "mps":
        return "GPU: Apple (mps)"
    cores = torch.get_num_threads()
    return f"CPU: {cores} {'core' if cores == 1 else 'cores'}"
