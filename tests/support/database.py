"""Reads a project's database without any of the code under test."""

from __future__ import annotations

import sqlite3


def decided(env: dict[str, str]) -> dict[str, tuple[str, str | None]]:
    """Read what stands, straight from the file, without any of our code."""
    with sqlite3.connect(env["CLEANER_TEST_URL"].removeprefix("sqlite:///")) as connection:
        rows = connection.execute("select item, action, label from decisions order by seq").fetchall()
    last = {item: (action, label) for item, action, label in rows}
    return {item: verdict for item, verdict in last.items() if verdict[0] != "clear"}
