"""Where the arithmetic is done, how exactly, and how to say so. It changes no setting of torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar

import torch

_exact: ContextVar[bool] = ContextVar("exact", default=False)


def device() -> torch.device:
    """Return the accelerator if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def body_precision(device: torch.device) -> torch.dtype | None:
    """Return bfloat16 where the hardware multiplies it faster than float32, else None for as it is.

    That is an NVIDIA GPU from Ampere on, or a CPU with AVX512-BF16 or AMX.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else None
    if device.type == "cpu" and any(map(_cpu_has, ("avx512_bf16", "amx_tile"))):
        return torch.bfloat16
    return None


def body_arithmetic(device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which to run a body; where `body_precision` is None it changes nothing.

    Without autocast's cache of converted weights: within another autocast, also one that is switched off, it
    would outlive the steps of a training, which then goes on with the weights of its first batch.
    """
    dtype = None if _exact.get() else body_precision(device)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype, cache_enabled=False)


@contextmanager
def exact() -> Iterator[None]:
    """Compute in full float32 within, embeddings too, also on hardware that is faster with less.

    What a network says is then the same to 1e-4 on every machine, and as exported.
    """
    token, cudnn = _exact.set(True), torch.backends.cudnn
    try:
        with ExitStack() as stack:
            if torch.cuda.is_available():
                flags = {"benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
                stack.enter_context(cudnn.flags(enabled=cudnn.enabled, allow_tf32=False, **flags))
            yield
    finally:
        _exact.reset(token)


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


def _cpu_has(feature: str) -> bool:
    """Ask torch, whose own question for it is private and may be absent."""
    probe = getattr(torch.cpu, f"_is_{feature}_supported", None)
    return bool(probe and probe())
