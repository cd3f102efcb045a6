"""Tell a failed allocation, on whatever device, from other errors, and say what to do about it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cleaner.errors import TrainingError
from cleaner.types import TrainConfig

MEMORY_ERRORS = (MemoryError, RuntimeError)  # torch raises the second; `short_of_memory` tells them apart


def short_of_memory(error: BaseException) -> bool:
    """Say whether an error means that memory was not enough."""
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "allocate memory" in text)
    )


def give_memory_back() -> None:
    """Hand what a failed attempt held back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def memory_errors_explained(config: TrainConfig) -> Iterator[None]:
    """Turn a failed allocation into a TrainingError, a sentence with a remedy."""
    try:
        yield
    except MEMORY_ERRORS as error:
        if not short_of_memory(error):
            raise
        now = f"batch_size={config.batch_size}" + (f", size={config.size}" if config.size else "")
        raise TrainingError(
            f"The memory was not enough; give a smaller batch_size or size (now {now})."
        ) from error
