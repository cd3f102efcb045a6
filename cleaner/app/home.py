"""Where a project keeps its things, `<dataset>/.cleaner/`, and whose decisions go into which database."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from sqlalchemy import URL, Engine

from cleaner.errors import InputError
from cleaner.review.database import open_database

DATABASE = "CLEANER_DATABASE"


def prepare(folder: str | Path) -> tuple[Path, Path]:
    """Return a dataset's absolute path and the project's own folder in it, made on first use.

    Raises InputError for a folder that isn't there or can't be written to.
    """
    root = Path(folder).expanduser().resolve()
    home = root / ".cleaner"
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; choose the folder that holds one folder per class.")
    try:
        home.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{root} can't be written to ({error.strerror}); copy the dataset to a folder of your own."
        ) from error
    return root, home


def database_of(home: Path, *, url: str | None) -> Engine:
    """Open the database named by `url`, else by CLEANER_DATABASE, else an SQLite file in the project."""
    own = URL.create("sqlite", database=str(home / "cleaner.db"))  # a path may hold ? and #
    return open_database(url or os.environ.get(DATABASE) or own)


def user() -> str:
    """Name the person at the keyboard, as decisions will carry it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in this container
        return "someone"
