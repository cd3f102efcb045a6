"""The database opens durable, or says in one sentence why it can't."""

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.engine import Engine

from cleaner.errors import CleanerError, InputError, Refused
from cleaner.review import database
from cleaner.review.database import open_database, reading, schema, writing
from cleaner.review.journal import Journal
from cleaner.review.migrations import VERSION


def test_every_commit_is_on_the_disk_before_it_returns(engine: Engine) -> None:
    with engine.connect() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in pragmas]
    assert values == ["persist", 2, 1, database.BUSY_SECONDS * 1000]


def test_a_connection_of_another_thread_is_as_durable(engine: Engine) -> None:
    found: list[int] = []

    def look() -> None:
        with engine.connect() as connection:
            found.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [2]


def test_opening_twice_keeps_one_version(url: str, engine: Engine, tmp_path: Path) -> None:
    open_database(url)
    with sqlite3.connect(tmp_path / "cleaner.db") as connection:
        assert connection.execute("select version from schema").fetchall() == [(VERSION,)]


def test_a_newer_database_is_refused(url: str, engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(update(schema).values(version=VERSION + 1))
    with pytest.raises(
        InputError, match=rf"newer Cleaner \(schema {VERSION + 1}, this one knows {VERSION}\); update"
    ):
        open_database(url)


FIRST = """
create table schema (version integer not null primary key);
insert into schema values (1);
create table decisions (
  seq integer not null primary key autoincrement, batch bigint not null, item text not null,
  action text not null, label text, "by" text not null, at text not null, round integer not null,
  undoes bigint
);
insert into decisions values (1, 1, 'a.jpg', 'relabel', 'cat', 'ann', '2024-01-01', 1, null);
create table batches (
  id integer not null primary key, verb text not null, "by" text not null, at text not null,
  total integer not null, ended text
);
create table operations (
  id integer not null primary key, batch integer not null references batches (id),
  undoes integer references operations (id), item text not null, kind text not null, source text not null,
  target text not null, label text not null, new_label text, digest text not null, bytes bigint not null,
  state text not null, reason text, at text not null
);
"""  # as the first version made it


def test_a_database_of_the_first_version_is_brought_up_to_date_and_keeps_its_decisions(
    url: str, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "cleaner.db") as old:
        old.executescript(FIRST)
    old.close()
    for _ in range(2):
        engine = open_database(url)
        journal = Journal(engine, by="ann")
        (kept,) = journal.events()
        assert (kept.item, kept.label, kept.how) == ("a.jpg", "cat", "person")
        engine.dispose()
    journal.decide([("b.jpg", "keep", None)], round=1, how="bulk")
    with sqlite3.connect(tmp_path / "cleaner.db") as new:
        assert new.execute("select version from schema").fetchall() == [(VERSION,)]
        assert new.execute("select name from sqlite_master where name = 'ix_operations_item'").fetchall()
    new.close()


def test_two_windows_that_open_an_old_database_migrate_it_once(url: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "cleaner.db") as old:
        old.executescript(FIRST)
    old.close()
    failures: list[Exception] = []

    def open_it() -> None:
        try:
            open_database(url).dispose()
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_migration_that_fails_leaves_the_old_database_as_it_was(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(tmp_path / "cleaner.db") as old:
        old.executescript(FIRST + "create index ix_operations_item on batches (verb);")
    before = list(old.iterdump())
    with pytest.raises(InputError):
        open_database(url)
    assert list(old.iterdump()) == before
    old.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite://", "would forget every decision"),
        ("sqlite:///:memory:", "would forget every decision"),
        ("no address", "can't be read; write it like"),
        ("sqlite:////no/such/folder/x.db", "check that its folder exists"),
        ("nosuchbase://host/x", "nosuchbase"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_with_the_remedy(url: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        open_database(url)


def test_a_password_is_never_repeated() -> None:
    with pytest.raises(InputError) as caught:
        open_database("postgresql://ann:opensesame@127.0.0.1:1/x")
    assert "opensesame" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"not a database " * 500)
    with pytest.raises(InputError, match="is not a database; choose another file"):
        open_database(f"sqlite:///{path.as_posix()}")
    assert path.read_bytes() == b"not a database " * 500


def test_a_damaged_database_is_refused(url: str, engine: Engine, tmp_path: Path) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql("create table filler (text)")
        connection.exec_driver_sql("insert into filler values (printf('%.20000c', 'x'))")
    engine.dispose()
    path = tmp_path / "cleaner.db"
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 3] = b"\xff" * (4096 * 2)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged.*restore it from a copy"):
        open_database(url)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells what is open")
def test_a_database_that_is_refused_is_closed(url: str, engine: Engine, tmp_path: Path) -> None:
    """Or on Windows nobody could put a copy in its place."""
    path = tmp_path / "cleaner.db"
    with writing(engine) as connection:
        connection.execute(update(schema).values(version=99))
    engine.dispose()
    with pytest.raises(InputError, match="newer Cleaner") as caught:
        open_database(url)
    assert not _is_open(path)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))
    with pytest.raises(InputError) as caught:
        open_database(url)
    assert not _is_open(path), caught.value


def _is_open(path: Path) -> bool:
    handles = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    return any(handle.is_symlink() and os.readlink(handle) == str(path) for handle in handles)  # noqa: PTH115


def test_a_locked_database_refuses_the_write(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    engine = open_database(url)
    other = sqlite3.connect(tmp_path / "cleaner.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Refused, match=r"Nothing was saved: .* is locked by another program"), writing(engine):
        pass
    other.close()
    with writing(engine):
        pass


def test_a_failure_inside_a_write_keeps_nothing_of_it(engine: Engine) -> None:
    def fail_half_way() -> None:
        with writing(engine) as connection:
            connection.execute(update(schema).values(version=7))
            connection.exec_driver_sql("insert into no_such_table values (1)")

    with pytest.raises(Refused):
        fail_half_way()
    with reading(engine) as connection:
        assert connection.exec_driver_sql("select version from schema").scalar_one() == VERSION


def test_a_failing_read_is_told_in_a_sentence(engine: Engine) -> None:
    with pytest.raises(CleanerError, match="no such table"), reading(engine) as connection:
        connection.exec_driver_sql("select * from no_such_table")
