"""A small dataset on a real disk with a real database, and catalogs made by hand."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from sqlalchemy import Engine, create_engine, event

from cleaner.changes import recover as recovery
from cleaner.changes.apply import apply_plan
from cleaner.changes.ledger import Ledger
from cleaner.changes.plan import make_plan
from cleaner.changes.records import OPEN
from cleaner.changes.sidecars import with_sidecars
from cleaner.changes.trash import empty_trash
from cleaner.changes.undo import undo
from cleaner.types import Catalog, Decision, Plan, Receipt, strings


def digest_of(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def decision(item: str, action: str, label: str | None = None) -> Decision:
    return Decision(item=item, action=action, label=label, by="ann", at="2024-01-01", round=1, batch=1)


def build_catalog(
    paths: Sequence[str],
    *,
    ids: Sequence[str] | None = None,
    root: Path = Path("data"),
    held_out: Sequence[str] = (),
    class_level: int = 0,
    labels_in: str = "folder",
    labels: Sequence[str] | None = None,
    vocab: Sequence[str] = (),
    digests: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
) -> Catalog:
    """Make a catalog from paths; the label is the part of the path at `class_level` unless given."""
    ids = paths if ids is None else ids
    labels = [PurePosixPath(path).parts[class_level] for path in paths] if labels is None else labels
    vocab = tuple(sorted({*labels, *vocab}))
    order = sorted(range(len(paths)), key=lambda row: ids[row])
    column = {name: [values[row] for row in order] for name, values in (("ids", ids), ("paths", paths))}
    side = np.full(len(paths), 32, dtype=np.int32)
    return Catalog(
        root=root,
        vocab=vocab,
        ids=strings(column["ids"]),
        paths=strings(column["paths"]),
        labels=np.array([vocab.index(labels[row]) for row in order], dtype=np.int32),
        splits=strings(["valid" if ids[row] in held_out else "train" for row in order]),
        digests=strings([digests[row] if digests else "0" for row in order]),
        widths=side,
        heights=side,
        bytes=np.array([sizes[row] if sizes else 1 for row in order], dtype=np.int64),
        mtimes=np.zeros(len(paths), dtype=np.int64),
        class_level=class_level,
        labels_in=labels_in,
    )


def open_engine(home: Path) -> Engine:
    engine = create_engine(f"sqlite:///{home / 'cleaner.db'}", connect_args={"timeout": 5})
    event.listen(engine, "connect", lambda dbapi, _: dbapi.execute("PRAGMA synchronous=FULL"))
    return engine


class World:
    """A dataset in a folder, its project's own folder, and every verb of the stage upon them."""

    def __init__(self, root: Path, files: Mapping[str, bytes], *, engine: Engine | None = None) -> None:
        self.root, self.home = root, root / ".cleaner"
        self.home.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            self.write(path, content)
        self.engine = engine or open_engine(self.home)
        self.ledger = Ledger(self.engine)

    def limited(self, pages: int) -> World:
        """The same dataset, with a database that may not grow beyond some pages."""
        engine = open_engine(self.home)
        event.listen(engine, "connect", lambda dbapi, _: dbapi.execute(f"PRAGMA max_page_count={pages}"))
        return World(self.root, {}, engine=engine)

    def write(self, path: str, content: bytes) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def images(self) -> dict[str, bytes]:
        """The files outside of the project's own folder."""
        return {path: content for path, content in self.files().items() if not path.startswith(".cleaner/")}

    def files(self) -> dict[str, bytes]:
        """All files but the database and the lock."""
        found = (place for place in self.root.rglob("*") if place.is_file() and place.parent != self.home)
        return {place.relative_to(self.root).as_posix(): place.read_bytes() for place in found}

    def catalog(self) -> Catalog:
        """List the folder as a scan would: ids of moved files come from the ledger."""
        ids = {path: identity for identity, path in self.ledger.locations().items()}
        paths = sorted(p for p, content in self.images().items() if content and p.endswith(".jpg"))
        places = [self.root / path for path in paths]
        return build_catalog(
            paths,
            ids=[ids.get(path, path) for path in paths],
            root=self.root,
            digests=[digest_of(place) for place in places],
            sizes=[place.stat().st_size for place in places],
        )

    def plan(self, *decisions: Decision, sidecars: bool = False) -> Plan:
        catalog = self.catalog()
        plan = make_plan(catalog, {one.item: one for one in decisions})
        return with_sidecars(plan, catalog=catalog, digest_of=digest_of) if sidecars else plan

    def apply(self, plan: Plan, digest_of: Callable[[Path], str] = digest_of, **options: object) -> Receipt:
        options = {"by": "ann", **options}
        return apply_plan(
            plan, root=self.root, home=self.home, ledger=self.ledger, digest_of=digest_of, **options
        )

    def undo(self, number: int | None = None, **options: object) -> Receipt:
        return undo(number, **self._with({"seen": {}, **options}))

    def empty(self, items: Sequence[str] | None = None, **options: object) -> Receipt:
        return empty_trash(items, **self._with({"word": "destroy", **options}))

    def _with(self, options: dict[str, object]) -> dict[str, object]:
        mine = {"root": self.root, "home": self.home, "ledger": self.ledger, "digest_of": digest_of}
        return {"by": "ann", **mine, **options}

    def assert_agrees(self, before: Mapping[str, bytes], *, destroyed: Sequence[str] = ()) -> None:
        """Every file exists once with its bytes, nothing else lies about, the ledger knows where each is."""
        places = {_thing(path): path for path in before if path not in destroyed} | self.ledger.places()
        first = {_thing(path): content for path, content in before.items()}
        assert self.files() == {place: first[key] for key, place in places.items()}
        assert self.ledger.open_batches() == ()
        for number in range(1, 40):
            assert all(entry.state not in OPEN for entry in self.ledger.entries(number))

    def recover(self) -> str | None:
        return recovery.recover(root=self.root, home=self.home, ledger=self.ledger, digest_of=digest_of)


def _thing(path: str) -> tuple[str, str]:
    """Name a file as the ledger does; the tests' images are JPEGs."""
    place = PurePosixPath(path)
    return str(place.with_suffix(".jpg")), "" if place.suffix == ".jpg" else place.suffix


FILES = {
    "cat/1.jpg": b"one",
    "cat/2.jpg": b"two is longer",
    "cat/deep/3.jpg": b"three",
    "dog/1.jpg": b"a dog of the same name",
    "dog/4.jpg": b"four",
    "owl/5.jpg": b"five",
}


SIDECARS = {
    "cat/1.txt": b"a box around one",
    "cat/1.json": b"{}",
    "cat/deep/3.xml": b"<three/>",
    "owl/5.txt": b"what five is",
    "dog/1.txt": b"of the other one",
}


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    engine = None
    if request.param == "postgresql":
        engine = create_engine(request.getfixturevalue("postgres")())
    made = World(tmp_path / "data", FILES, engine=engine)
    yield made
    made.engine.dispose()


@pytest.fixture(scope="session")
def new_world() -> Callable[..., World]:
    return lambda root, files=FILES, engine=None: World(root, files, engine=engine)


@pytest.fixture
def sidecars() -> dict[str, bytes]:
    """The small dataset, with annotation files beside some images."""
    return FILES | SIDECARS


@pytest.fixture
def fast_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a killed process, unlike a power cut, needs no slow disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def decide() -> Callable[..., Decision]:
    return decision


@pytest.fixture(scope="session")
def build() -> Callable[..., Catalog]:
    return build_catalog


@pytest.fixture
def mixed(decide):
    """Two images change class, one of them to a new one and one to a taken name; one is removed."""
    return (
        decide("cat/1.jpg", "relabel", "dog"),
        decide("cat/deep/3.jpg", "relabel", "elk"),
        decide("owl/5.jpg", "delete"),
    )
