"""What an operator sets: where it is read from, and that it holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cleaner import Project
from cleaner.app.home import user
from cleaner.app.panels.choose import FolderChooser, chooser, start
from cleaner.app.panels.desk import Desk
from cleaner.app.panels.train import Options
from cleaner.app.recent import recent, remember
from cleaner.app.settings import NAMES, confined, exported, may_not_apply, served_to_others, setting
from cleaner.errors import InputError, Refused


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*NAMES, "config"):
        monkeypatch.delenv(f"CLEANER_{name.upper()}", raising=False)
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def _write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_the_environment_overrules_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "config/cleaner/cleaner.ini", "[cleaner]\nmay_apply = ann, bea\nport = 9000\n")
    assert setting("may_apply") == "ann, bea"
    monkeypatch.setenv("CLEANER_MAY_APPLY", "none")
    assert setting("may_apply") == "none"
    assert exported() == {"CLEANER_MAY_APPLY": "none", "CLEANER_PORT": "9000"}


@pytest.mark.parametrize(
    ("text", "said"),
    [("[cleaner]\nmayapply = all\n", "'mayapply', which is no setting"), ("port = 1\n", "can't be read")],
)
def test_a_mistake_in_the_file_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv("CLEANER_CONFIG", str(_write(tmp_path / "mine.ini", text)))
    with pytest.raises(InputError, match=said):
        setting("port")
    monkeypatch.setenv("CLEANER_CONFIG", str(tmp_path / "elsewhere.ini"))
    with pytest.raises(InputError, match="is not there"):
        setting("port")


@pytest.mark.parametrize(
    ("set_to", "is_"),
    [
        ("sqlite:///verdicts.db", "sqlite:///{here}/verdicts.db"),
        ("sqlite+pysqlite:///a/b.db?timeout=9", "sqlite+pysqlite:///{here}/a/b.db?timeout=9"),
        ("sqlite:///~/verdicts.db", "sqlite:///{home}/verdicts.db"),
        ("sqlite:////srv/verdicts.db", "sqlite:////srv/verdicts.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite://", "sqlite://"),
        ("postgresql://ann@server/birds", "postgresql://ann@server/birds"),
    ],
)
def test_a_database_lies_where_it_was_set_whichever_folder_a_program_runs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_to: str, is_: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "ann"))
    monkeypatch.setenv("CLEANER_DATABASE", set_to)
    assert exported() == {"CLEANER_DATABASE": is_.format(here=tmp_path, home=tmp_path / "ann")}


def test_paths_are_whole_for_the_programs_that_are_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "ann"))
    _write(tmp_path / "mine.ini", "[cleaner]\nroot = ~/data\nrecent = ~/recent.json\nstart = ../here\n")
    monkeypatch.setenv("CLEANER_CONFIG", "mine.ini")
    assert exported() == {
        "CLEANER_CONFIG": str(tmp_path / "mine.ini"),
        "CLEANER_ROOT": str(tmp_path / "ann/data"),
        "CLEANER_RECENT": str(tmp_path / "ann/recent.json"),
        "CLEANER_START": str(tmp_path / "../here"),
    }
    (tmp_path / "ann/data/photos").mkdir(parents=True)
    assert confined(Path("~/data/photos")) == tmp_path / "ann/data/photos"
    remember(tmp_path / "ann/data/photos")
    assert (tmp_path / "ann/recent.json").exists()
    monkeypatch.setenv("CLEANER_ROOT", "~nobody of that name/data")
    with pytest.raises(InputError, match="nobody here has that name"):
        confined(tmp_path)


def test_nothing_outside_of_the_root_is_opened_by_whatever_name(
    tmp_path: Path, folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, root = folder(), tmp_path / "root"
    root.mkdir()
    (root / "way out").symlink_to(secret)
    (root / "round").symlink_to(root / "round")
    table = root / "list.csv"
    table.write_text(f"path,label\n{secret / 'black' / '000.png'},black\n")
    monkeypatch.setenv("CLEANER_ROOT", str(root))
    desk = Desk(go=lambda _: None)
    ways = (secret, root / "way out", root / ".." / secret.name, Path(f"{root}2"), root / "round" / "x")
    for path in (*ways, table):
        with pytest.raises((Refused, InputError)):
            desk.open_folder(path)
    with pytest.raises(Refused, match="no path that can be opened"):
        confined(Path("a\0b"))
    assert not desk.is_open
    assert not (secret / ".cleaner").exists()
    weights = Options()
    weights._weights.value = str(secret / "black" / "000.png")
    with pytest.raises(Refused):
        weights.configs()
    remember(secret)
    assert recent() == ()


def test_the_chooser_lists_nothing_outside_of_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    for name in ("root/<img src=x>", "secret/inside"):
        (tmp_path / name).mkdir(parents=True)
    (root / "way out").symlink_to(tmp_path / "secret")
    monkeypatch.setenv("CLEANER_ROOT", str(root))
    monkeypatch.chdir(tmp_path)
    made: FolderChooser = chooser()
    assert start() == str(root)
    made._select.click()
    assert list(made._dircontent.options) == ["<img src=x>/", "way out/"]
    made._dircontent.value = "way out/"
    assert "inside/" not in made._dircontent.options
    assert all("secret" not in path for path in made._pathlist.options)
    made._select.click()
    assert confined(Path(made.selected_path)) == root
    assert "<img" not in made._label.value


def test_who_may_not_apply_moves_nothing(
    folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder()
    monkeypatch.setenv("CLEANER_MAY_APPLY", "ann, bea")
    ann, carl = (Project.open(root, by=name) for name in ("ann", "carl"))
    carl.decide(["black/000.png"], "delete")  # to say so is open to everyone
    for verb in (carl.apply, carl.undo, lambda: carl.trash.empty("destroy")):
        with pytest.raises(Refused, match="carl may not change files here, only ann, bea may"):
            verb()
    assert (root / "black" / "000.png").exists()
    assert len(ann.apply().done) == 1
    monkeypatch.setenv("CLEANER_MAY_APPLY", "none")
    with pytest.raises(Refused, match="Nobody may change files here"):
        ann.undo()
    assert not (root / "black" / "000.png").exists()


def test_nobody_takes_the_name_of_one_who_may_apply(
    folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEANER_MAY_APPLY", "ann")
    desk = Desk(go=lambda _: None)
    desk.open_folder(folder())
    desk.rename("  bea \n jones ")
    assert desk.project.journal.by == "bea jones"
    with pytest.raises(Refused, match="Only the server can say who is ann"):
        desk.rename("ann")
    assert desk.project.journal.by == "bea jones"
    monkeypatch.setenv("CLEANER_USER", "ann")
    assert Desk(go=lambda _: None).by == "ann"
    assert may_not_apply("ann") is None


def test_a_proxy_names_the_person_and_on_a_server_for_others_nobody_is_its_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not served_to_others()
    monkeypatch.setenv("CLEANER_IP", "0.0.0.0")
    assert served_to_others()
    assert user() == "someone"
    monkeypatch.setenv("CLEANER_USER", "root")
    monkeypatch.setenv("CLEANER_USER_HEADER", "X-Forwarded-User")
    assert user() == "someone"  # not the one that is set for all: the proxy did not say who it is
    monkeypatch.setenv("HTTP_X_FORWARDED_USER", "ann")
    assert user() == "ann"


def test_the_projects_opened_last_come_back_newest_first(tmp_path: Path) -> None:
    for name in ("a", "b", "gone"):
        (tmp_path / name).mkdir()
        remember(tmp_path / name)
    (tmp_path / "gone").rmdir()
    remember(tmp_path / "a")
    assert recent() == (tmp_path / "a", tmp_path / "b")
    (tmp_path / "data/cleaner/recent.json").write_text('{"odd": 1}')
    assert recent() == ()
