"""Where a project keeps its things, `<dataset>/.cleaner/` or elsewhere, and who decides in which database."""

from __future__ import annotations

import errno
import getpass
import hashlib
import os
import uuid
from pathlib import Path
from tempfile import TemporaryFile

from filelock import FileLock
from sqlalchemy import URL, Column, Engine, MetaData, Table, Text, insert, select

from cleaner.app.settings import known_user, served_to_others, setting
from cleaner.catalog.folders import require_class_folders
from cleaner.changes.export import text_file
from cleaner.changes.files import sync_folder
from cleaner.errors import InputError
from cleaner.review.database import open_database, writing

HOME = ".cleaner"
IDENTITY, DATABASE = "project.id", "cleaner.db"
SOMEONE = "someone"
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSYS, errno.ENAMETOOLONG)  # and will stay so

owner = Table("owner", MetaData(), Column("project", Text, primary_key=True))  # one row


class _ReadOnly(InputError):
    """A folder in which this person may write nothing."""


def prepare(folder: str | Path, *, home: str | Path | None) -> tuple[Path, Path, str]:
    """Return a dataset's absolute path, the project's own folder, made on first use, and what to say of it.

    That is `home`, else as in `kept_for`. Raises InputError for a dataset that isn't there or holds no
    folders, and for a `home` inside of it.
    """
    root = Path(folder).expanduser().resolve()
    require_class_folders(root)
    if home is not None:
        return root, made(_outside(Path(home).expanduser().resolve(), root=root)), ""
    return root, *kept_for(root, usual=root / HOME)


def home_of(root: Path) -> Path:
    """Return `.cleaner` of a folder, made on first use; where that is read-only, one among own data."""
    return _unless_read_only(root / HOME) or made(among_own_data(root))


def kept_for(source: Path, *, usual: Path) -> tuple[Path, str]:
    """Return where the project of a dataset is kept, made on first use, and what to say of other places.

    That is the `usual` folder, or where that can't be written to one among the person's own data. A project
    that was begun there goes on there as long as the usual folder holds none.
    """
    own = among_own_data(source)
    usually, elsewhere = _holds_project(usual, closed=True), _holds_project(own, closed=False)
    if (usually or not elsewhere) and _unless_read_only(usual):
        said = f"Other verdicts, from when this was read-only, lie in {own}; pass that as home=… to see them."
        return usual, said if elsewhere else ""
    if usually:
        said = f"{usual} can't be written to, and verdicts in it are not seen here."
    else:
        said = f"Once it can be written to, what lies there can be moved to {usual} and goes on from there."
    return made(own), said


def _holds_project(home: Path, *, closed: bool) -> bool:
    """Say whether a folder holds a project; `closed` is the answer where it can't be looked into."""
    try:
        return not {IDENTITY, DATABASE}.isdisjoint(os.listdir(home))  # noqa: PTH208  names, not paths
    except PermissionError:
        return closed
    except OSError:
        return closed and home.is_symlink()


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
    """Make a project's own folder if need be. Raises InputError where nothing can be written in it."""
    try:
        if home.is_symlink() and not home.exists():
            raise InputError(
                f"{home} is a link to {home.readlink()}, which is not there; connect its disk or pass home=…."
            )
        home.mkdir(exist_ok=True, parents=True)
        TemporaryFile(dir=home).close()  # permissions don't tell it all: of a read-only disk, for instance
    except OSError as error:
        kind = _ReadOnly if error.errno in READ_ONLY else InputError
        raise kind(_no_place(home, error)) from error
    return home


def _no_place(home: Path, error: OSError) -> str:
    return f"{home} can't be written to ({error.strerror}); pass home=… to keep it elsewhere."


def _unless_read_only(home: Path) -> Path | None:
    """Make a project's own folder if need be; None where it is read-only. Raises InputError."""
    try:
        return made(home)
    except _ReadOnly:
        return None


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
    own = URL.create("sqlite", database=str(home / DATABASE))  # a path may hold ? and #
    named = url or setting("database")
    engine = open_database(named or own)
    with writing(engine) as connection:
        owner.create(connection, checkfirst=True)
        found = connection.execute(select(owner.c.project)).scalar()
        mine = _identity(home, lost=None if named else found)
        if found is None:
            connection.execute(insert(owner).values(project=mine))
    if found not in (None, mine):
        engine.dispose()
        raise InputError(
            f"This database holds another project than {home.parent}; give each its own (CLEANER_DATABASE)."
        )
    return engine


def _identity(home: Path, *, lost: str | None) -> str:
    """Return the text that tells this project from every other, made on first use; `lost` if it is gone."""
    file = home / IDENTITY
    try:
        with FileLock(home / ".project.lock"):  # two windows may open a new project at once
            known = file.read_text().strip("\0") if file.exists() else ""
            if not known:  # new, or emptied by a power cut
                known = lost or uuid.uuid4().hex
                with text_file(file) as text:
                    text.write(known)
                sync_folder(home)
    except OSError as error:
        raise InputError(_no_place(home, error)) from error
    return known


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
