"""What all tests share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests share what lies in tests/support

from tests.support.images import colour_fields


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a small dataset and returns its folder."""
    return partial(colour_fields, tmp_path / "photos")
