"""Opens the database of a project and hands out its transactions. It knows no decision and no widget.

SQLite by default, durable rather than fast; any other SQLAlchemy URL works the same.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, create_engine, event, insert, inspect, select, update
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, ProgrammingError, SQLAlchemyError

from cleaner.errors import CleanerError, InputError, Refused
from cleaner.review.migrations import VERSION, migrate

ASKING = (0.0005, 0.002)  # seconds between two questions whether one may write
BUSY_SECONDS = 5  # less than the browser waits before it says that the kernel is silent

schema = Table("schema", MetaData(), Column("version", Integer, primary_key=True, autoincrement=False))

REASONS = {
    "locked": "is locked by another program; close that program or try again",
    "not a database": "is not a database; choose another file or restore it from a copy",
    "malformed": "is damaged; restore it from a copy",
    "unable to open": "can't be opened; check that its folder exists and that you may write there",
    "readonly": "may only be read; ask for the right to write it",
    "full": "can't grow, the disk is full; make room and try again",
}


def open_database(url: str | URL) -> Engine:
    """Open the database at a SQLAlchemy URL, new, of this version, or of an older one, which is migrated.

    Errors: InputError where it can't be reached, is damaged, or was written by a newer Cleaner.
    """
    address = _address(url)
    try:
        return _ready(_engine(address))
    except ModuleNotFoundError as error:
        raise InputError(
            f"{_name(address)} needs the package {error.name}; install it and try again."
        ) from error
    except SQLAlchemyError as error:
        raise InputError(_sentence(address, error)) from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Hold the one write transaction of the database; all of it is kept, or nothing.

    The lock on the version row lets writers pass one after another on every kind of database, so that
    numbers given inside follow the order of commits. Errors: Refused.
    """
    try:
        with engine.execution_options(writes=True).begin() as connection:
            connection.execute(update(schema).values(version=schema.c.version))
            yield connection
    except SQLAlchemyError as error:
        raise Refused(f"Nothing was saved: {_sentence(engine.url, error)}") from error


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Hold a read transaction. Errors: CleanerError."""
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise CleanerError(_sentence(engine.url, error)) from error


def _address(url: str | URL) -> URL:
    try:
        address = make_url(url)
        in_memory = address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:")
    except (ArgumentError, NoSuchModuleError) as error:
        raise InputError(
            "The database address can't be read; write it like sqlite:///folder/file.db."
        ) from error
    if in_memory:
        raise InputError("A database in memory would forget every decision; give a file: sqlite:///file.db.")
    return address


def _engine(address: URL) -> Engine:
    if address.get_backend_name() != "sqlite":
        return create_engine(address, pool_pre_ping=True)
    engine = create_engine(address, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _make_durable)
    event.listen(engine, "begin", _begin)
    return engine


def _ready(engine: Engine) -> Engine:
    """Check a database and bring it up to date; one that can't be used is closed."""
    try:
        _check_file(engine)
        version = _version(engine)
        if version < VERSION:
            _bring_up(engine)
        if version > VERSION:
            raise InputError(
                f"{_name(engine.url)} was written by a newer Cleaner (schema {version}, this one knows "
                f"{VERSION}); update Cleaner to open it."
            )
    except BaseException:
        engine.dispose()
        raise
    return engine


def _make_durable(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver would otherwise begin transactions when it sees fit
    for pragma in ("journal_mode = PERSIST", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    # A reader that turns writer half-way can be refused at once: writers say so from the start.
    if connection.get_execution_options().get("writes", False):
        _begin_writing(connection)
    else:
        connection.exec_driver_sql("BEGIN")


def _begin_writing(connection: Connection) -> None:
    """Wait for the right to write, asking often: SQLite's own waiting sleeps 100 ms and starves the patient.

    Source: sqliteDefaultBusyCallback in SQLite's main.c.
    """
    driver: Any = connection.connection.driver_connection
    deadline = time.monotonic() + BUSY_SECONDS
    driver.execute("PRAGMA busy_timeout = 0").close()
    try:
        while time.monotonic() < deadline:
            with contextlib.suppress(sqlite3.OperationalError):
                driver.execute("BEGIN IMMEDIATE").close()
                return
            time.sleep(random.uniform(*ASKING))
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        driver.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}").close()


def _check_file(engine: Engine) -> None:
    if engine.url.get_backend_name() != "sqlite":
        return
    with engine.begin() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if found != "ok":
        raise InputError(f"{_name(engine.url)} is damaged; restore it from a copy.")


def _version(engine: Engine) -> int:
    try:
        return _read_or_create(engine)
    except (IntegrityError, ProgrammingError):  # another process created it between our look and our write
        return _read_or_create(engine)


def _read_or_create(engine: Engine) -> int:
    if inspect(engine).has_table(schema.name):
        with engine.begin() as connection:
            if (version := connection.execute(select(schema.c.version)).scalar()) is not None:
                return int(version)
    with engine.execution_options(writes=True).begin() as connection:
        schema.create(connection, checkfirst=True)
        if (version := connection.execute(select(schema.c.version)).scalar()) is None:
            connection.execute(insert(schema).values(version=VERSION))
        return VERSION if version is None else int(version)


def _bring_up(engine: Engine) -> None:
    """Migrate an older database, all steps or none; whoever waited for the lock finds it done."""
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(update(schema).values(version=schema.c.version))
        version = connection.execute(select(schema.c.version)).scalar_one()
        if version < VERSION:
            migrate(connection, version=version)
            connection.execute(update(schema).values(version=VERSION))


def _name(address: URL) -> str:
    if address.get_backend_name() == "sqlite":
        return f"The database {address.database}"
    return f"The database {address.render_as_string(hide_password=True)}"


def _sentence(address: URL, error: SQLAlchemyError) -> str:
    text = str(getattr(error, "orig", None) or error)
    for sign, reason in REASONS.items():
        if sign in text:
            return f"{_name(address)} {reason}."
    return f"{_name(address)} failed: {text.splitlines()[0]}."
