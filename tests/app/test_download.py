from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cleaner import Project, download
from cleaner.app.cli import app
from cleaner.catalog.download import Manners
from cleaner.errors import InputError
from tests.support.badserver import bad_server, picture


def test_downloaded_lists_open_as_a_project_with_a_row_for_each_url(tmp_path) -> None:
    with bad_server() as server:
        lists = {
            label: [server.serve(f"/{label}/{n}.jpg", picture(n + 10 * len(label))) for n in range(3)]
            for label in ("black", "teddy")
        }
        lists["teddy"].append(server.url("/page.jpg"))
        done = download(lists, to=tmp_path / "bears", allow_private=True, manners=Manners(gap=0))
    assert done.sentence().endswith("bears: 6 kept, 1 no image.")
    frame = done.frame()
    assert list(frame["result"]).count("kept") == 6
    catalog = Project.open(done.folder).catalog
    assert catalog.vocab == ("black", "teddy")
    assert set(catalog.paths) == set(frame["path"]) - {""}


def test_a_label_that_can_not_name_a_folder_is_refused_before_anything_is_asked(tmp_path) -> None:
    with bad_server() as server:
        for label in ("../out", "", ".hidden", "a/b"):
            with pytest.raises(InputError, match="can't name a folder"):
                download({label: [server.url("/good.jpg")]}, to=tmp_path / "bears", allow_private=True)
        assert not server.asked
    assert list(tmp_path.iterdir()) == []


def test_the_command_lists_what_became_of_each_url(tmp_path) -> None:
    with bad_server() as server:
        (tmp_path / "black.txt").write_text(f"{server.url('/good.jpg')}\n{server.url('/gone')}\n")
        words = ["download", str(tmp_path / "black.txt"), "--to", str(tmp_path / "bears")]
        refused = CliRunner().invoke(app, [*words[:3], str(tmp_path / "none")])
        done = CliRunner().invoke(app, [*words, "--allow-private"])
    assert refused.stdout.count("not to be had") == 2
    assert (refused.exit_code, done.exit_code) == (1, 0)  # 0: one of them came, and trying again is no use
    kept, gone = [line.split("\t") for line in done.stdout.splitlines()]
    assert kept[:2] == ["kept", "black"]
    assert (tmp_path / "bears" / kept[3]).is_file()
    assert gone[0] == "not to be had"
    assert "410" in gone[3]
