"""Too little memory: smaller batches, said in a sentence, and the same result as if asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from cleaner.errors import TrainingError
from cleaner.model.network import Network
from cleaner.model.predict import log_probs
from cleaner.model.train import train


@contextmanager
def memory_for(images: int) -> Iterator[list[int]]:
    """Let every network fail, as a device would, on more images than this; list the batches learned from."""
    came: list[int] = []

    def allocate(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, Network):
            if module.training:
                came.append(len(given[0]))
            if len(given[0]) > images:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    handle = register_module_forward_pre_hook(allocate)
    try:
        yield came
    finally:
        handle.remove()


def test_batches_are_halved_until_they_fit_and_the_training_begins_anew(few, quick):
    reports = []
    with memory_for(8) as came:
        trained = train(few.catalog, few.pixels, config=replace(quick, epochs=2), report=reports.append)
    assert came[:3] == [30, 15, 6]  # there are 30 images
    assert trained.notes == ("The memory was not enough for batches of 64, so they have 7.",)
    assert trained.config.batch_size == 7
    asked = train(few.catalog, few.pixels, config=replace(quick, epochs=2, batch_size=7))
    assert trained.epochs == asked.epochs
    np.testing.assert_array_equal(trained.predictions.margins, asked.predictions.margins)
    np.testing.assert_allclose(trained.predictions.probs, asked.predictions.probs, atol=1e-5)
    assert reports[-1].done == reports[-1].total
    assert [report.done for report in reports] == sorted(report.done for report in reports)


def test_a_failure_in_the_middle_leaves_no_trace_in_the_result(few, quick):
    config = replace(quick, epochs=2, batch_size=16)
    calls = []

    def fail_once(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, Network):
            calls.append(len(given[0]))
            if len(calls) == 7:
                raise torch.OutOfMemoryError("CUDA out of memory.")

    handle = register_module_forward_pre_hook(fail_once)
    reports = []
    try:
        trained = train(few.catalog, few.pixels, config=config, report=reports.append)
    finally:
        handle.remove()
    assert reports[-1].done == reports[-1].total
    asked = train(few.catalog, few.pixels, config=replace(config, batch_size=8))
    assert trained.epochs == asked.epochs
    np.testing.assert_array_equal(trained.predictions.probs, asked.predictions.probs)


def test_folds_begin_with_the_batches_that_the_first_network_could_have(few, quick):
    with memory_for(8) as came:
        train(few.catalog, few.pixels, config=replace(quick, folds=2))
    assert [count for count in came if count > 8] == [30, 15]


def test_where_even_single_images_do_not_fit_the_training_ends_with_a_remedy(few, quick):
    with memory_for(0), pytest.raises(TrainingError, match=r"^The memory was not enough.*smaller size"):
        train(few.catalog, few.pixels, config=quick)


def test_scoring_halves_its_batches_too_and_misses_no_image(few, quick):
    network = train(few.catalog, few.pixels, config=quick).network
    images, told = few.pixels(36), []
    whole = log_probs(network, images)
    with memory_for(20):
        parts = log_probs(network, images, each=told.append)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert sum(told) == 60
    rows = np.array([7, 3])
    np.testing.assert_allclose(log_probs(network, images, rows=rows), whole[rows], atol=1e-5)


def test_another_error_of_torch_is_not_taken_for_too_little_memory(few, quick):
    def fail(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, Network):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    handle = register_module_forward_pre_hook(fail)
    try:
        with pytest.raises(RuntimeError, match="mat1 and mat2"):
            train(few.catalog, few.pixels, config=quick)
    finally:
        handle.remove()
