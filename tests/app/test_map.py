"""The map over a round: linked to the grid both ways, arranged once, and found again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cleaner import Project
from cleaner.app.mapping import RoundMap
from cleaner.app.panels.desk import Desk
from cleaner.app.panels.review import Review
from cleaner.app.places import overview
from cleaner.app.rounds import save_round
from cleaner.errors import InputError
from cleaner.review.map import ReviewMap
from cleaner.types import Floats, Pixels
from tests.support.images import planted_error
from tests.support.rounds import round_without_training


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return round_without_training(planted_error(tmp_path / "photos", each=12))


def drawn(view: ReviewMap, items: list[str]) -> None:
    """Do what a line around some points does."""
    rows = [list(view.queue.ids).index(item) for item in items]
    view._handle_custom_msg({"kind": "choose", "request": 1, "rows": rows}, [])


def test_what_is_drawn_around_is_what_the_grid_shows_until_all_are_asked_for(project: Project) -> None:
    grid = project.review()
    map = RoundMap(project, grid=grid)
    wanted = ["teddy/planted.png", "grizzly/003.png"]
    drawn(map.view, wanted)
    assert grid.chosen_items == set(wanted)
    assert grid.chosen["name"] == "from the map"
    drawn(map.view, [])
    assert grid.chosen_items == frozenset()
    assert grid.chosen == {}


def test_what_the_grid_is_narrowed_to_stands_out_on_the_map(project: Project) -> None:
    grid = project.review()
    map = RoundMap(project, grid=grid)
    grid.narrow(["grizzly/003.png"], name="for a reason")
    picked = map.view._picked
    assert [map.view.queue.ids[row] for row in np.flatnonzero(picked)] == ["grizzly/003.png"]


def test_a_verdict_in_the_grid_is_marked_on_the_map(project: Project) -> None:
    grid = project.review()
    map = RoundMap(project, grid=grid)
    verdict = {"id": "teddy/planted.png", "action": "relabel", "label": "black"}
    grid._handle_custom_msg({"kind": "decide", "request": 1, "verdicts": [verdict]}, [])
    (row,) = np.flatnonzero(map.view._verdicts)
    assert map.view.queue.ids[row] == "teddy/planted.png"
    assert map.view._vocab[map.view._labels[row]] == "black"


def test_images_are_arranged_once_and_found_again_in_the_next_session(project: Project) -> None:
    first = RoundMap(project, grid=project.review())
    assert first.wait(seconds=60)
    (kept,) = (project.home / "maps").glob("*.npy")
    written = kept.stat().st_mtime_ns
    again = Project.open(project.root)
    second = RoundMap(again, grid=again.review())
    assert second.wait(seconds=60)
    assert kept.stat().st_mtime_ns == written
    for one, other in zip(first.view._places.values(), second.view._places.values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_map_that_shows_others_meanwhile_arranges_these_in_the_end(project: Project) -> None:
    map = RoundMap(project, grid=project.review())
    project.decide(["grizzly/001.png"], "delete")
    project.apply()
    map.refresh()
    deadline = time.monotonic() + 60
    while len(map.view.state["layouts"]) < 2:
        assert time.monotonic() < deadline, "never arranged"
        time.sleep(0.02)
    assert len(map.view.queue) == 35
    assert map.view._places["neighbourhoods"].shape == (35, 2)
    assert map.view.work == ""


def test_places_that_come_while_a_round_of_fewer_images_is_taken_up_are_those_of_their_own_round(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, taking_up, failed = threading.Event(), threading.Event(), list[object]()

    def slow(vectors: Pixels, **_: object) -> Floats:
        found.set()
        taking_up.wait(20)
        return overview(vectors)

    def late(vectors: Pixels) -> Floats:
        taking_up.set()
        task.wait(seconds=20)
        return overview(vectors)

    monkeypatch.setattr("cleaner.app.mapping.neighbourhoods", slow)
    monkeypatch.setattr(threading, "excepthook", failed.append)
    map = RoundMap(project, grid=project.review())
    task = map._task
    assert task is not None
    assert found.wait(20)
    said, (before,) = project.predictions(), project.rounds
    some = {name: getattr(said, name)[3:] for name in ("ids", "labels", "probs", "losses", "origins")}
    save_round(before, replace(said, **some), folder=project.home / "rounds")
    monkeypatch.setattr("cleaner.app.mapping.overview", late)
    map.refresh()
    assert map.wait(seconds=60)
    assert failed == []
    assert len(map.view._places["neighbourhoods"]) == len(map.view.queue) == len(said) - 3


def test_the_planted_error_lies_among_its_own_kind(project: Project) -> None:
    map = RoundMap(project, grid=project.review())
    places = map.view._places["overview"]
    ids = list(map.view.queue.ids)
    apart = ((places - places[ids.index("teddy/planted.png")]) ** 2).sum(axis=1)
    assert all(ids[row].startswith("black/") for row in np.argsort(apart)[1:6])


def test_a_cell_shows_map_and_grid_or_the_map_of_a_grid_shown_elsewhere(project: Project) -> None:
    assert [type(child).__name__ for child in project.map().children] == ["QueueGrid", "ReviewMap"]
    grid = project.review()
    (view,) = project.map(grid=grid).children
    drawn(view, ["black/001.png"])
    assert grid.chosen_items == {"black/001.png"}


def test_without_a_round_there_is_no_map_but_a_sentence(folder: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="no round yet"):
        Project.open(folder()).map()


def test_which_pictures_are_alike_is_said_to_be_unknown_where_it_is(project: Project) -> None:
    with pytest.raises(InputError, match="pretrained weights"):
        project.looking.neighbours("black/001.png")


def test_choosing_only_what_the_grid_does_not_show_is_refused_in_a_sentence(project: Project) -> None:
    grid = project.review()
    with pytest.raises(InputError, match="None of these pictures"):
        grid.narrow(["nowhere.png"], name="from the map")
    assert grid.narrow(["nowhere.png", "black/001.png"], name="from the map") == 1


def test_the_map_is_folded_away_until_it_is_asked_for(project: Project) -> None:
    desk = Desk(go=lambda _: None)
    panel = Review(desk)
    desk.open(project)
    panel.refresh()
    assert [type(child).__name__ for child in panel._holder.children] == ["QueueGrid"]
    panel._fold.click()
    assert [type(child).__name__ for child in panel._holder.children] == ["QueueGrid", "ReviewMap"]
    panel._fold.click()
    assert [type(child).__name__ for child in panel._holder.children] == ["QueueGrid"]
    assert panel._fold.description == "Map"


def test_neither_scikit_learn_nor_a_plot_is_loaded_before_the_map(project: Project) -> None:
    import subprocess
    import sys

    code = f"""
import sys
from cleaner import Project
project = Project.open({str(project.root)!r})
project.review()
assert not {{"sklearn", "matplotlib", "pandas"}} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_another_project_leaves_nothing_of_the_grid_and_the_map_of_the_one_before(
    project: Project, tmp_path: Path
) -> None:
    desk = Desk(go=lambda _: None)
    panel = Review(desk)
    desk.open(project)
    panel.refresh()
    panel._fold.click()
    grid, map = panel._grid, panel._map
    assert grid is not None
    assert map is not None
    desk.open(round_without_training(planted_error(tmp_path / "others", each=4)))
    panel.refresh()
    assert panel._holder.children == (panel._grid,)
    assert grid.comm is None
    assert map.view.comm is None
    assert map.wait(seconds=60)
    assert all(threads._shutdown for threads in (*grid._threads, *map.view._threads))
    desk.open(Project.open(planted_error(tmp_path / "untrained", each=4)))
    panel.refresh()
    assert panel._holder.children == ()
    assert panel._map is None
