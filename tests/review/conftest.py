"""Fixtures of the review tests: a database on the disk of one test, a notebook with a grid on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from sqlalchemy.engine import Engine

from cleaner.review.database import open_database
from tests.support.browser import chromium

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

CELL = f"""
import os, sys
sys.path[:0] = [{str(ROOT)!r}, {str(HERE)!r}]
import pictures
from cleaner.review.database import open_database
from cleaner.review.grid import QueueGrid
from cleaner.review.journal import Journal
journal = Journal(open_database(os.environ["CLEANER_TEST_URL"]), by="ann")
QueueGrid(pictures.queue(60), journal=journal, picture=pictures.picture)
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{(tmp_path / 'cleaner.db').as_posix()}"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_database(url)
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    path = tmp_path / "served" / "grid.ipynb"
    path.parent.mkdir()
    cell = {"cell_type": "code", "source": CELL, "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3"}
    content = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    database = tmp_path / "cleaner.db"
    return {"CLEANER_TEST_URL": f"sqlite:///{database.as_posix()}"}
