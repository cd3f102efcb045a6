"""What nobody can train with is refused in a sentence before anything heavy is loaded."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from cleaner.errors import InputError
from cleaner.model.checks import check_settings, plain
from cleaner.types import TrainConfig


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epochs", 1.5, "epochs is 1.5, but must be a whole number"),
        ("size", 32.5, "size is 32.5, but must be a whole number"),
        ("batch_size", 2.5, "batch_size is 2.5, but must be a whole number"),
        ("batch_size", None, "batch_size is None, but must be a whole number"),
        ("folds", "2", "folds is '2', but must be a whole number"),
        ("lr", "0.1", "lr is '0.1', but must be a number"),
        ("lr", 1e300, "must be above 0 and below 1e"),
    ],
)
def test_a_number_of_another_kind_is_refused_in_a_sentence(name: str, value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_settings(TrainConfig(**{name: value}))


def test_numbers_of_numpy_are_taken_as_plain_ones() -> None:
    config = plain(TrainConfig(epochs=np.int64(2), lr=np.float32(0.5), flip=np.bool_(False)))
    check_settings(config)
    assert config == TrainConfig(epochs=2, lr=0.5, flip=False)
    assert json.loads(json.dumps(asdict(config)))["epochs"] == 2
