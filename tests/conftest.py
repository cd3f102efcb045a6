"""What all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests share what lies in tests/support

from tests.support.images import colour_fields
from tests.support.postgres import programs, server


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a small dataset and returns its folder."""
    return partial(colour_fields, tmp_path / "photos")


@pytest.fixture(autouse=True)
def _own_list_of_projects(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what the tests open out of the list of projects of the person who runs them."""
    monkeypatch.setenv("CLEANER_RECENT", str(tmp_path_factory.getbasetemp() / "recent.json"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """Return a function that makes a new database on a PostgreSQL server and returns its address."""
    bin = programs()
    if bin is None:
        assert os.environ.get("CI") != "true", "PostgreSQL is missing: apt-get install postgresql"
        pytest.skip("PostgreSQL is not installed")
    with server(bin) as new_database:
        yield new_database
