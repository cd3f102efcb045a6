"""Fixtures of the review tests: a database on the disk of one test."""

from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from cleaner.review.database import open_database


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{(tmp_path / 'cleaner.db').as_posix()}"


@pytest.fixture
def engine(url: str) -> Engine:
    return open_database(url)
