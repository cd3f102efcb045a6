"""Where a project keeps its things, `<dataset>/.cleaner/`, and whose decisions go into which database."""

from __future__ import annotations

import getpass
import os
import uuid
from pathlib import Path

from filelock import FileLock
from sqlalchemy import URL, Column, Engine, MetaData, Table, Text, insert, select

from cleaner.catalog.scan import require_class_folders
from cleaner.errors import InputError
from cleaner.review.database import open_database, writing

DATABASE = "CLEANER_DATABASE"

owner = Table("owner", MetaData(), Column("project", Text, primary_key=True))  # one row


def prepare(folder: str | Path) -> tuple[Path, Path]:
    """Return a dataset's absolute path and the project's own folder in it, made on first use.

    Raises InputError for a folder that isn't there, holds no folders, or can't be written to.
    """
    root = Path(folder).expanduser().resolve()
    home = root / ".cleaner"
    require_class_folders(root)
    try:
        home.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{root} can't be written to ({error.strerror}); copy the dataset to a folder of your own."
        ) from error
    return root, home


def database_of(home: Path, *, url: str | None) -> Engine:
    """Open the database named by `url`, else by CLEANER_DATABASE, else an SQLite file in the project.

    Raises InputError for one that holds another project: decisions on one dataset must not touch another.
    """
    own = URL.create("sqlite", database=str(home / "cleaner.db"))  # a path may hold ? and #
    engine = open_database(url or os.environ.get(DATABASE) or own)
    mine = _identity(home)
    with writing(engine) as connection:
        owner.create(connection, checkfirst=True)
        found = connection.execute(select(owner.c.project)).scalar()
        if found is None:
            connection.execute(insert(owner).values(project=mine))
    if found not in (None, mine):
        raise InputError(
            f"This database holds another project than {home.parent}; give each its own ({DATABASE})."
        )
    return engine


def _identity(home: Path) -> str:
    """Return the text that tells this project from every other, made on first use."""
    file = home / "project.id"
    with FileLock(home / ".project.lock"):  # two windows may open a new project at once
        if not file.exists():
            file.write_text(uuid.uuid4().hex)
        return file.read_text()


def user() -> str:
    """Name the person at the keyboard, as decisions will carry it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in this container
        return "someone"
