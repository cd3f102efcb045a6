"""Where a project keeps its things, `<dataset>/.cleaner/` or elsewhere, and who decides in which database."""

from __future__ import annotations

import getpass
import hashlib
import os
import uuid
from pathlib import Path

from filelock import FileLock
from sqlalchemy import URL, Column, Engine, MetaData, Table, Text, insert, select

from cleaner.app.settings import known_user, served_to_others, setting
from cleaner.catalog.folders import require_class_folders
from cleaner.errors import InputError
from cleaner.review.database import open_database, writing

HOME = ".cleaner"
SOMEONE = "someone"

owner = Table("owner", MetaData(), Column("project", Text, primary_key=True))  # one row


def prepare(folder: str | Path, *, home: str | Path | None) -> tuple[Path, Path]:
    """Return a dataset's absolute path and the project's own folder, made on first use.

    That is `.cleaner` in the dataset, or `home`; for a dataset that can't be written to, a folder among the
    person's own data. Raises InputError for a dataset that isn't there or holds no folders, and for a `home`
    inside of it.
    """
    root = Path(folder).expanduser().resolve()
    require_class_folders(root)
    if home is not None:
        return root, made(_outside(Path(home).expanduser().resolve(), root=root))
    return root, home_of(root)


def home_of(root: Path) -> Path:
    """Return `.cleaner` of a folder, made on first use; where that is read-only, one among own data."""
    try:
        return made(root / HOME)
    except InputError:
        return made(among_own_data(root))


def kept_elsewhere(root: Path, *, home: Path) -> str | None:
    """Say in a sentence that a project doesn't lie in its dataset, and what that means; None if it does."""
    if home.is_relative_to(root):
        return None
    return (
        f"This project is kept in {home}; {root} is never written to. Export the cleaned dataset instead of "
        "applying."
    )


def _outside(home: Path, *, root: Path) -> Path:
    if home != root / HOME and home.is_relative_to(root):
        raise InputError(
            f"{home} lies among the images; keep the project outside of {root}, or leave it out."
        )
    return home


def made(home: Path) -> Path:
    """Make a project's own folder if need be. Raises InputError where that is not allowed."""
    try:
        home.mkdir(exist_ok=True, parents=True)
    except OSError as error:
        raise InputError(
            f"{home} can't be made ({error.strerror}); pass home=… to keep it elsewhere."
        ) from error
    return home


def among_own_data(root: Path) -> Path:
    """Return the folder for a read-only dataset: one and the same as long as the dataset stays in its place.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    mark = hashlib.blake2b(str(root).encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
    return Path(data) / "cleaner" / f"{root.name}-{mark}"


def database_of(home: Path, *, url: str | None) -> Engine:
    """Open the database named by `url`, else by CLEANER_DATABASE, else an SQLite file in the project.

    Raises InputError for one that holds another project: decisions on one dataset must not touch another.
    """
    own = URL.create("sqlite", database=str(home / "cleaner.db"))  # a path may hold ? and #
    engine = open_database(url or setting("database") or own)
    mine = _identity(home)
    with writing(engine) as connection:
        owner.create(connection, checkfirst=True)
        found = connection.execute(select(owner.c.project)).scalar()
        if found is None:
            connection.execute(insert(owner).values(project=mine))
    if found not in (None, mine):
        raise InputError(
            f"This database holds another project than {home.parent}; give each its own (CLEANER_DATABASE)."
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
    """Name the person at the keyboard, as decisions will carry it.

    On a server for others nobody sits at its keyboard: who doesn't say who they are is someone.
    """
    if name := known_user():
        return name
    if served_to_others():
        return SOMEONE
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in this container
        return SOMEONE
