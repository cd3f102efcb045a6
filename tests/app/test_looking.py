from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from cleaner import Project, TrainConfig
from cleaner.app.features import load_features
from cleaner.app.looking import Looking
from cleaner.app.panels.desk import Desk
from cleaner.app.panels.review import Review
from cleaner.app.rounds import round_folder
from cleaner.review.grid import QueueGrid
from tests.support.images import planted_error
from tests.support.stage import HeardGrid
from tests.support.weights import write_weights


@pytest.fixture(scope="module")
def looked(tmp_path_factory) -> Path:
    """A dataset with one planted error and one quick look, to be copied by each test."""
    weights = write_weights(tmp_path_factory.mktemp("weights") / "resnet18.safetensors")
    root = planted_error(tmp_path_factory.mktemp("data") / "photos", each=30)
    shutil.copy(root / "grizzly" / "000.png", root / "grizzly" / "copy.png")
    Project.open(root).train(TrainConfig(mode="quick", arch="resnet18", weights=str(weights), size=32))
    return root


@pytest.fixture
def project(looked: Path, tmp_path: Path) -> Project:
    return Project.open(shutil.copytree(looked, tmp_path / "photos"))


def test_a_round_keeps_what_ranking_needs_of_its_features(project: Project) -> None:
    kept = load_features(round_folder(project.home / "rounds", 1))
    assert kept is not None
    ids = list(project.catalog.ids)
    one, copy = ids.index("grizzly/000.png"), ids.index("grizzly/copy.png")
    assert kept.groups[one] == kept.groups[copy]
    assert copy not in kept.neighbours[one]
    embeddings = kept.embeddings(project.home)
    assert embeddings is not None
    assert np.isfinite(embeddings).all()
    np.testing.assert_array_equal(embeddings[one], embeddings[copy])


def test_verdicts_re_rank_what_is_not_yet_dealt(project: Project) -> None:
    grid = project.review(page_size=10)
    first = list(project.looking.dealer.deal(range(10)).ids[:10])
    before = list(project.queue().ids)
    project.decide([item for item in before[40:60] if not item.startswith("teddy")], "relabel", label="teddy")
    after = list(project.queue().ids)
    assert after[:10] == first == before[:10]
    assert after[10:] != before[10:]
    assert sorted(after) == sorted(before)
    assert grid is not None


def test_the_same_verdicts_give_the_same_order_in_another_window(project: Project) -> None:
    project.queue()
    project.decide(list(project.catalog.ids[5:25]), "keep")
    project.decide(list(project.catalog.ids[7:9]), "delete")
    again = Project.open(project.root)
    assert list(project.queue().ids) == list(again.queue().ids)


def test_a_round_is_opened_once_for_all_threads(project: Project) -> None:
    """It takes seconds with many images, and its pages are dealt from one place."""
    opened: list[Looking] = []
    asking = [threading.Thread(target=lambda: opened.append(project.looking)) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(60)
    assert len(opened) == 4
    assert len(set(map(id, opened))) == 1


def test_what_the_model_disputes_is_contested_and_what_it_agrees_with_is_not(project: Project) -> None:
    project.decide(["teddy/planted.png", "grizzly/003.png"], "keep")
    contested = project.looking.contested()
    assert list(contested.ids) == ["teddy/planted.png"]
    assert project.looking.suggestions("teddy/planted.png")[0][0] == "black"


def test_what_has_another_label_since_the_round_or_is_gone_is_no_longer_contested(project: Project) -> None:
    project.decide(["teddy/planted.png", "grizzly/003.png"], "keep")
    project.decide(["black/003.png"], "relabel", label="teddy")
    project.decide(["black/004.png", "black/005.png"], "unsure")
    assert set(project.looking.contested().ids) == {
        "teddy/planted.png",
        "black/003.png",
        "black/004.png",
        "black/005.png",
    }
    project.apply()
    (project.root / "black" / "005.png").unlink()
    (project.root / "polar").mkdir()
    shutil.copy(project.root / "grizzly" / "000.png", project.root / "polar" / "new.png")
    project.verify()
    contested = project.looking.contested()
    assert set(contested.ids) == {"teddy/planted.png", "black/004.png"}
    assert "polar" in contested.vocab  # so that images can be given to it


def test_the_outlook_is_said_in_words(project: Project) -> None:
    assert "can't be said yet" in project.looking.outlook().sentence()
    for start in range(0, 60, 10):
        page = project.looking.dealer.deal(range(start, start + 10)).ids[start : start + 10]
        project.decide(list(page), "keep")
    outlook = project.looking.outlook()
    assert (outlook.reviewed, outlook.audited, outlook.in_a_row) == (60, 6, 54)
    assert 0 < outlook.at_most < outlook.remaining == 31
    assert outlook.sentence().endswith("Fewer than 1 of the next 24 will be.")


LOST = ["embeddings", "rounds/001/neighbours.npy", "rounds/001/features.json"]


@pytest.mark.parametrize("lost", LOST)
def test_without_its_features_a_round_still_has_an_order_that_learns_from_the_reviewer(
    project: Project, lost
) -> None:
    path = project.home / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = Project.open(project.root)
    assert again.queue().ids[0] == "teddy/planted.png"
    again.decide(["black/001.png"], "delete")
    assert len(again.queue()) == len(project.catalog)


def test_a_lost_embedding_is_no_reason_not_to_rank(project: Project) -> None:
    kept = load_features(round_folder(project.home / "rounds", 1))
    kept.digests[3] = "0" * 64
    embeddings = kept.embeddings(project.home)
    assert np.isnan(embeddings[3]).all()
    assert np.isfinite(np.delete(embeddings, 3, axis=0)).all()


def test_reviewing_a_quick_look_never_imports_torch(project: Project) -> None:
    code = (
        "import sys; from cleaner import Project; "
        f"p = Project.open({str(project.root)!r}); p.queue(); p.decide([p.catalog.ids[0]], 'keep'); "
        "p.looking.outlook(); p.looking.contested(); p.review(); "
        "sys.exit(sum(name in sys.modules for name in ('torch', 'fastai', 'sklearn', 'faiss')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_evidence_shows_both_classes_and_says_why(project: Project) -> None:
    seen = project.looking.evidence("teddy/planted.png")
    assert len(seen.given) == len(seen.suggested) == 3
    assert all(item.startswith("teddy/") and item != "teddy/planted.png" for item in seen.given)
    assert all(item.startswith("black/") for item in seen.suggested)
    assert any("black" in reason for reason in seen.reasons)


def test_near_copies_are_named_and_say_nothing_of_each_other(project: Project) -> None:
    assert project.looking.copies("grizzly/000.png") == ("grizzly/copy.png",)
    seen = project.looking.evidence("grizzly/000.png")
    assert "grizzly/copy.png" not in seen.given
    assert any("the same picture as another image" in reason for reason in seen.reasons)


def test_what_was_removed_is_no_evidence(project: Project) -> None:
    before = project.looking.evidence("teddy/planted.png").suggested
    project.decide(before, "delete")
    assert not set(before) & set(project.looking.evidence("teddy/planted.png").suggested)


def test_an_apply_leaves_the_bound_as_it_was(project: Project) -> None:
    """What was wrong leaves the queue then, and must count all the same."""
    for start in range(0, 40, 10):
        page = list(project.looking.dealer.deal(range(start, start + 10)).ids[start : start + 10])
        project.decide(page[:5], "delete")
        project.decide(page[5:], "keep")
    before = project.looking.outlook()
    project.apply()
    after = project.looking.outlook()
    assert after.found == before.found == 20
    assert after.at_most == before.at_most


def test_the_grid_tells_the_outlook_and_keeps_it_true(project: Project) -> None:
    grid = project.review(page_size=10)
    deadline = time.monotonic() + 30
    while not grid.outlook and time.monotonic() < deadline:
        time.sleep(0.05)
    assert grid.outlook == project.looking.outlook(upcoming=10).sentence()


def test_the_outlook_follows_a_verdict_even_if_the_one_before_was_told_at_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AtOnce(ThreadPoolExecutor):
        """Has done what it is given before it returns, as a quick thread may."""

        def submit(self, work: Callable[[], object], /, *args: object) -> Future[object]:
            given = super().submit(work, *args)
            given.exception()
            return given

    monkeypatch.setattr("cleaner.review.talking.ThreadPoolExecutor", AtOnce)
    grid = project.review(page_size=10)
    assert "the 91 pictures you have not seen" in grid.outlook
    verdict = {"id": "teddy/planted.png", "action": "delete", "n": 1}
    grid._handle_custom_msg({"kind": "decide", "request": 1, "verdicts": [verdict], "new": True}, [])
    assert "the 90 pictures you have not seen" in grid.outlook


def _deciding(grid: QueueGrid, project: Project) -> Iterator[None]:
    """Give one image after the other its verdict, as the browser asks for it."""
    for number, item in enumerate(project.queue().ids, start=1):
        verdict = {"id": item, "action": "delete", "n": number}
        grid._handle_custom_msg({"kind": "decide", "request": number, "verdicts": [verdict], "new": True}, [])
        yield


def test_the_outlook_is_told_once_for_verdicts_that_follow_each_other(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cleaner.app.reviewing.LULL", 3)
    monkeypatch.setattr("cleaner.app.reviewing.LONGEST", 60)
    grid = project.review(page_size=10)
    while not grid.outlook:
        time.sleep(0.01)
    told: list[str] = []
    grid.observe(lambda change: told.append(change["new"]), names="outlook")
    for _ in islice(_deciding(grid, project), 10):
        pass
    while not told:
        time.sleep(0.05)
    assert "the 81 pictures you have not seen" in told[0]


def test_the_outlook_is_told_also_to_somebody_who_never_rests(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cleaner.app.reviewing.LONGEST", 0.5)
    grid = project.review(page_size=10)
    while not grid.outlook:
        time.sleep(0.01)
    first = grid.outlook
    for _ in _deciding(grid, project):
        if grid.outlook != first:
            return
        time.sleep(0.05)
    pytest.fail("91 verdicts were given, and nothing was told")


def test_what_tells_the_outlook_ends_with_the_grid(project: Project) -> None:
    before = set(threading.enumerate())
    grid = project.review()
    started = [thread for thread in set(threading.enumerate()) - before if "outlook" in thread.name]
    assert len(started) == 1
    grid.close()
    started[0].join(30)
    assert not started[0].is_alive()
    grid.show(project.queue(), round=2)  # as a panel does that has not heard of it


def test_what_is_contested_is_a_click_away_and_so_is_the_way_back(project: Project) -> None:
    desk = Desk(go=lambda _: None)
    panel = Review(desk)
    desk.open(project)
    panel.refresh()
    (grid,) = panel._holder.children
    panel._contested.click()
    assert "Nothing is contested" in panel._line.value
    desk.project.decide(["teddy/planted.png"], "keep")
    panel._contested.click()
    assert grid.state["total"] == 1
    assert "1 image that you have decided" in panel._line.value
    panel._newer.click()
    assert grid.state["total"] == len(project.catalog)


def test_the_pictures_most_like_one_are_shown_by_a_key_of_the_grid(project: Project) -> None:
    near = project.looking.neighbours("grizzly/000.png")
    assert near[0] == "grizzly/copy.png"
    assert len(set(near)) == len(near) > 5
    grid = project.review()
    grid._handle_custom_msg({"kind": "near", "request": 1, "id": "grizzly/000.png"}, [])
    assert grid.chosen_items == {"grizzly/000.png", *near} & set(project.queue().ids)
    assert grid.chosen["name"] == "most like one picture"


def test_a_grid_shows_its_pages_also_after_a_round_in_another_window_that_knows_fewer_images(
    project: Project,
) -> None:
    grid = HeardGrid(
        project.queue(),
        journal=project.journal,
        picture=project.picture,
        suggestions=lambda identity: project.looking.suggestions(identity),
    )
    other, gone = Project.open(project.root), project.queue().ids[0]
    (project.root / gone).unlink()
    other.train(project.rounds[0].config)
    answer, _ = grid.ask("page", page=0)
    tile = next(tile for tile in answer["tiles"] if tile["id"] == gone)
    assert "can't be read" in tile["sentence"]
    assert project.looking.suggestions(gone) == ()
    grid.close()
