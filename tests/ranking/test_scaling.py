"""Embeddings on one scale: as numpy would, block by block, with what is no number left out."""

from __future__ import annotations

import numpy as np
import pytest

from cleaner.ranking.rows import BLOCK
from cleaner.ranking.scaling import Standardised


@pytest.fixture(scope="module")
def numbers():
    random = np.random.default_rng(0)
    return (random.normal(size=(2 * BLOCK + 7, 5)) * [1, 10, 0.01, 1, 1] + [0, 3, 50, 0, 0]).astype("float32")


def test_every_column_has_mean_0_and_deviation_1(numbers):
    scaled = Standardised(numbers)[:]
    assert np.abs(scaled.mean(axis=0)).max() < 1e-3
    assert np.abs(scaled.std(axis=0) - 1).max() < 1e-3


def test_rows_read_alone_are_those_read_together(numbers):
    scaled = Standardised(numbers)
    rows = np.array([3, BLOCK + 1, 0])
    np.testing.assert_array_equal(scaled[rows], scaled[:][rows])
    np.testing.assert_array_equal(scaled[5:9], scaled[:][5:9])
    assert (len(scaled), scaled.shape, scaled.dtype) == (len(numbers), numbers.shape, np.float32)


def test_what_is_no_number_changes_nothing_for_the_rest_and_stays_no_number(numbers):
    spoilt = numbers.copy()
    spoilt[::3, 1] = np.nan
    spoilt[1, 2] = -np.inf
    good = np.isfinite(spoilt).all(axis=1)
    scaled = Standardised(spoilt)[:]
    np.testing.assert_allclose(scaled[good], Standardised(numbers[good])[:], atol=1e-5)
    assert np.isnan(scaled[~good]).all()


def test_a_column_that_never_changes_says_nothing():
    numbers = np.full((9, 2), 7.1, dtype="float16")
    numbers[:, 1] = np.arange(9)
    scaled = Standardised(numbers)[:]
    assert (scaled[:, 0] == 0).all()
    assert np.isfinite(scaled).all()


def test_coefficients_can_be_had_for_the_numbers_as_given(numbers):
    scaled, coefficients = Standardised(numbers), np.random.default_rng(1).normal(size=(6, 3))
    said = np.c_[scaled[:], np.ones(len(numbers))] @ coefficients
    plain = np.c_[numbers, np.ones(len(numbers))] @ scaled.unscaled(coefficients)
    np.testing.assert_allclose(plain, said, atol=1e-3)


@pytest.mark.parametrize("rows", [[], [[1.0, 2.0]], [[np.nan, 1.0]]])
def test_none_one_and_none_that_count_are_no_error(rows):
    numbers = np.array(rows, dtype="float16").reshape(-1, 2)
    assert Standardised(numbers)[:].shape == numbers.shape
