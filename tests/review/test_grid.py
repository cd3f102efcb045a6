"""The grid's Python side: it always answers, and only with what the journal has."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances
from sqlalchemy.engine import Engine

from cleaner.errors import InputError, UnreadableImage
from cleaner.review.database import writing
from cleaner.review.grid import QueueGrid
from cleaner.review.journal import Journal
from cleaner.review.packing import Evidence
from cleaner.types import Decision, Finding, Queue, strings
from tests.support.stage import HeardGrid

VOCAB = ("cat", "dog", "cow")


def a_queue(size: int) -> Queue:
    rows = np.arange(size)
    return Queue(
        vocab=VOCAB,
        ids=strings([f"{row}.jpg" for row in rows]),
        scores=np.linspace(1, 0, size, dtype=np.float32),
        labels=(rows % 3).astype(np.int32),
        suggested=((rows + rows % 2) % 3).astype(np.int32),
        confidence=np.full(size, 0.75, dtype=np.float32),
        given_probs=np.full(size, 0.25, dtype=np.float32),
        origins=strings(["held-out"] * size),
        late=np.zeros(size, dtype=bool),
    )


def picture(identity: str) -> bytes:
    if identity == "2.jpg":
        raise UnreadableImage("2.jpg can't be read: it is empty.")
    if identity == "3.jpg":
        raise OSError("disk gone")
    return f"pixels of {identity}".encode()


def evidence(identity: str) -> Evidence | None:
    if identity == "3.jpg":
        raise RuntimeError("no neighbours")
    return (
        None
        if identity == "0.jpg"
        else Evidence(("4.jpg", "2.jpg"), ("8.jpg",), ("three neighbours are cows",))
    )


def full(identity: str) -> bytes:
    if identity == "3.jpg":
        raise UnreadableImage("3.jpg is gone.")
    return f"all of {identity}".encode()


@pytest.fixture
def journal(engine: Engine) -> Journal:
    return Journal(engine, by="ann")


@pytest.fixture
def grid(journal: Journal) -> Iterator[HeardGrid]:
    made = HeardGrid(
        a_queue(10),
        journal=journal,
        picture=picture,
        full=full,
        evidence=evidence,
        class_problem=lambda name: "it has a slash" if "/" in name else None,
        round=4,
        page_size=4,
    )
    yield made
    made.close()


def keep(identity: str) -> dict[str, object]:
    return {"id": identity, "action": "keep", "label": None}


def test_a_page_is_one_message_with_one_buffer(grid: HeardGrid) -> None:
    answer, buffers = grid.ask("page", page=1)
    assert (answer["kind"], answer["page"]) == ("page", 1)
    assert [tile["id"] for tile in answer["tiles"]] == ["4.jpg", "5.jpg", "6.jpg", "7.jpg"]
    (pixels,) = buffers
    for tile in answer["tiles"]:
        offset, length = tile["bytes"]
        assert pixels[offset : offset + length] == f"pixels of {tile['id']}".encode()


def test_a_bad_picture_shows_its_sentence_and_the_others_show_themselves(grid: HeardGrid) -> None:
    tiles = grid.ask("page", page=0)[0]["tiles"]
    assert [tile["sentence"] for tile in tiles[:2]] == [None, None]
    assert tiles[2]["sentence"] == "2.jpg can't be read: it is empty."
    assert "disk gone" in tiles[3]["sentence"]
    assert tiles[2]["bytes"] is None


def test_a_tile_says_what_the_model_thinks(grid: HeardGrid) -> None:
    first, second = grid.ask("page", page=0)[0]["tiles"][:2]
    assert (first["given"], first["suggested"]) == ("cat", None)
    assert (second["given"], second["suggested"], second["confidence"]) == ("dog", "cow", 0.75)
    assert (first["suggestions"], second["suggestions"]) == ([], [("cow", 0.75)])
    assert second["reasons"] == ["the model sees cow (75%) rather than dog (25%)"]


def test_a_verdict_is_in_the_journal_before_the_answer(grid: HeardGrid, journal: Journal) -> None:
    wanted = {"id": "1.jpg", "action": "relabel", "label": "cow"}
    answer, _ = grid.ask("decide", verdicts=[wanted, keep("0.jpg")])
    assert answer["kind"] == "saved"
    assert answer["verdicts"] == [wanted, keep("0.jpg")]
    assert {item: event.action for item, event in journal.standing().items()} == {
        "1.jpg": "relabel",
        "0.jpg": "keep",
    }
    assert journal.standing()["0.jpg"].round == 4
    assert grid.counts == {
        "total": 10,
        "reviewed": 2,
        "kept": 1,
        "relabelled": 1,
        "removed": 0,
        "unsure": 0,
        "errors": 1,
    }


def test_undo_answers_with_what_stands_again_and_its_page(grid: HeardGrid) -> None:
    grid.ask("decide", verdicts=[{"id": "9.jpg", "action": "delete", "label": None}])
    grid.ask("decide", verdicts=[keep("9.jpg")])
    answer, _ = grid.ask("undo")
    assert answer["verdicts"] == [{"id": "9.jpg", "action": "delete", "label": None}]
    assert answer["page"] == 2
    grid.ask("undo")
    assert grid.counts["reviewed"] == 0
    assert grid.ask("undo")[0] == {"kind": "refused", "request": 5, "sentence": "There is nothing to undo."}


def test_decided_pictures_stay_where_they_are_with_their_verdict(grid: HeardGrid) -> None:
    grid.ask("decide", verdicts=[keep("0.jpg")])
    answer, _ = grid.ask("page", page=0)
    assert [tile["id"] for tile in answer["tiles"]] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert answer["verdicts"] == [keep("0.jpg")]


def test_the_grid_opens_at_the_first_page_with_an_undecided_picture(grid: HeardGrid) -> None:
    assert grid.ask("page", page=None)[0]["page"] == 0
    grid.ask("decide", verdicts=[keep(f"{row}.jpg") for row in (0, 1, 2, 3, 4, 6)])
    assert grid.ask("page", page=None)[0]["page"] == 1
    grid.ask("decide", verdicts=[keep(f"{row}.jpg") for row in range(10)])
    assert grid.ask("page", page=None)[0]["page"] == 2


def test_a_new_round_replaces_the_queue(grid: HeardGrid) -> None:
    grid.ask("decide", verdicts=[keep("0.jpg"), keep("5.jpg")])
    grid.show(a_queue(10).take(np.array([5, 7])), round=5)
    assert (grid.state["total"], grid.state["pages"], grid.state["round"], grid.state["epoch"]) == (
        2,
        1,
        5,
        2,
    )
    assert (grid.counts["total"], grid.counts["reviewed"]) == (2, 1)
    answer, _ = grid.ask("page", page=None)
    assert [tile["id"] for tile in answer["tiles"]] == ["5.jpg", "7.jpg"]
    assert answer["epoch"] == 2
    refused, _ = grid.ask("decide", verdicts=[keep("1.jpg")])
    assert "'1.jpg' is not in this queue" in refused["sentence"]


def test_undoing_what_left_the_queue_names_no_page(grid: HeardGrid) -> None:
    grid.ask("decide", verdicts=[keep("0.jpg")])
    grid.show(a_queue(10).take(np.array([5])), round=5)
    assert grid.ask("undo")[0]["page"] is None


def test_an_empty_queue_has_one_empty_page(journal: Journal) -> None:
    grid = HeardGrid(a_queue(0), journal=journal, picture=picture)
    answer, _ = grid.ask("page", page=None)
    assert (answer["page"], answer["tiles"], grid.state["pages"]) == (0, [], 1)
    grid.close()


def test_malformed_messages_are_answered_and_change_nothing(grid: HeardGrid, journal: Journal) -> None:
    for hostile in (
        "text",
        None,
        {"kind": "decide"},
        {"kind": "decide", "request": 7, "verdicts": [{"id": 1}]},
    ):
        grid._handle_custom_msg(hostile, [])
        answer, _ = grid.heard.get(timeout=5)
        assert answer["kind"] == "refused"
        assert answer["sentence"].endswith(".")
    assert answer["request"] == 7
    assert journal.events() == ()


def test_a_database_that_fails_refuses_the_verdict_instead_of_staying_silent(
    grid: HeardGrid, engine: Engine
) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql("drop table decisions")
    answer, _ = grid.ask("decide", verdicts=[keep("0.jpg")])
    assert answer["kind"] == "refused"
    assert "no such table: decisions" in answer["sentence"]
    assert grid.ask("page", page=0)[0]["kind"] == "refused"


def test_an_error_of_our_own_is_answered_too(grid: HeardGrid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "undo", lambda *_, **__: 1 / 0)
    assert "ZeroDivisionError" in grid.ask("undo")[0]["sentence"]


def test_no_pixel_and_no_name_lies_in_the_traits(grid: HeardGrid) -> None:
    grid.ask("page", page=0)
    state = str({name: value for name, value in grid.get_state().items() if name not in ("_esm", "_css")})
    assert "pixels" not in state
    assert "jpg" not in state


def test_a_probability_that_is_no_number_is_left_out(journal: Journal) -> None:
    queue = a_queue(1)
    queue.confidence[0] = np.nan
    grid = HeardGrid(queue, journal=journal, picture=picture)
    assert grid.ask("page", page=0)[0]["tiles"][0]["confidence"] is None
    grid.close()


def test_a_page_without_room_is_refused(journal: Journal) -> None:
    with pytest.raises(InputError, match="page_size=0"):
        QueueGrid(a_queue(1), journal=journal, picture=picture, page_size=0)


def test_the_rest_of_a_page_spares_what_another_window_decided(grid: HeardGrid, journal: Journal) -> None:
    journal.decide([("1.jpg", "delete", None)], round=4)
    answer, _ = grid.ask("decide", rest=True, verdicts=[keep("0.jpg"), keep("1.jpg")])
    assert {verdict["id"]: verdict["action"] for verdict in answer["verdicts"]} == {
        "0.jpg": "keep",
        "1.jpg": "delete",
    }
    assert journal.standing()["1.jpg"].action == "delete"


def test_the_rest_of_a_page_spares_what_somebody_decides_in_the_same_instant(
    grid: HeardGrid, journal: Journal, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob, standing = Journal(engine, by="bob"), journal.standing

    def overtaken() -> dict[str, Decision]:
        seen = standing()
        if not bob.events():
            bob.decide([("1.jpg", "delete", None)], round=1)
        return seen

    monkeypatch.setattr(journal, "standing", overtaken)
    answer, _ = grid.ask("decide", rest=True, verdicts=[keep("0.jpg"), keep("1.jpg")])
    assert [verdict["action"] for verdict in answer["verdicts"]] == ["keep", "delete"]
    assert [(event.by, event.item) for event in journal.events()] == [("bob", "1.jpg"), ("ann", "0.jpg")]


def test_the_journal_knows_which_verdicts_were_given_one_by_one(grid: HeardGrid, journal: Journal) -> None:
    grid.ask("decide", verdicts=[keep("0.jpg")])
    grid.ask("decide", verdicts=[keep("1.jpg"), keep("2.jpg")])
    grid.ask("decide", rest=True, verdicts=[keep("3.jpg")])
    assert [event.how for event in journal.events()] == ["person", "bulk", "bulk", "bulk"]


def test_a_verdict_that_stands_already_is_not_written_again(grid: HeardGrid, journal: Journal) -> None:
    grid.ask("decide", verdicts=[keep("0.jpg")])
    answer, _ = grid.ask("decide", verdicts=[keep("0.jpg")])
    assert answer["kind"] == "saved"
    assert len(journal.events()) == 1
    grid.ask("undo")
    assert journal.standing() == {}


ANYTHING = {"given": None, "suggested": None, "origin": None, "verdict": None, "name": ""}


def found(grid: HeardGrid, **wanted: object) -> dict[str, Any]:
    return grid.ask("find", filter={**ANYTHING, **wanted})[0]


def ids_on(grid: HeardGrid, page: int | None, number: int) -> list[str]:
    return [tile["id"] for tile in grid.ask("page", page=page, found=number)[0]["tiles"]]


def test_a_filter_finds_in_the_order_of_the_queue_and_what_it_found_stays(grid: HeardGrid) -> None:
    grid.ask("decide", verdicts=[keep("0.jpg")])
    answer = found(grid, given="cat", verdict="undecided")
    assert (answer["total"], answer["pages"]) == (3, 1)
    assert ids_on(grid, 0, answer["found"]) == ["3.jpg", "6.jpg", "9.jpg"]
    grid.ask("decide", verdicts=[keep("6.jpg")])
    assert ids_on(grid, 0, answer["found"]) == ["3.jpg", "6.jpg", "9.jpg"]
    assert found(grid, given="cat", verdict="undecided")["total"] == 2


def test_pictures_are_found_by_what_a_check_says_and_a_group_lies_side_by_side(journal: Journal) -> None:
    checks = [
        Finding(f"{item}.jpg", kind, 0.4, f"{item} is {kind}.", group, advice)
        for item, kind, group, advice in (
            (1, "duplicate", "a", "keep"),
            (8, "duplicate", "a", "delete"),
            (3, "duplicate", "b", ""),
            (5, "duplicate", "b", ""),
            (3, "dark", "", ""),
            (77, "blurry", "", ""),
        )
    ]
    grid = HeardGrid(a_queue(10), journal=journal, picture=picture, findings=lambda: checks)
    assert grid.state["issues"] == [("dark", 1), ("duplicate", 4)]
    answer = found(grid, issue="duplicate")
    tiles = {tile["id"]: tile for tile in grid.ask("page", page=0, found=answer["found"])[0]["tiles"]}
    assert list(tiles) == ["1.jpg", "8.jpg", "3.jpg", "5.jpg"]
    assert [tile["advice"] for tile in tiles.values()] == ["keep", "delete", None, None]
    assert tiles["3.jpg"]["issues"] == ["duplicate", "dark"]
    assert tiles["3.jpg"]["reasons"][-2:] == ["3 is duplicate.", "3 is dark."]
    assert found(grid, issue="dark", given="cat")["total"] == 1
    assert "'blurry' is nothing that a filter" in found(grid, issue="blurry")["sentence"]
    grid.close()


def test_a_new_queue_has_the_findings_of_its_time(journal: Journal) -> None:
    checks: list[Finding] = []
    grid = HeardGrid(a_queue(10), journal=journal, picture=picture, findings=lambda: checks)
    assert grid.state["issues"] == []
    checks.append(Finding("4.jpg", "dark", 0.3, "4.jpg is dark."))
    grid.show(a_queue(5), round=5)
    assert grid.state["issues"] == [("dark", 1)]
    grid.close()


def test_pages_of_a_filter_are_counted_by_themselves(grid: HeardGrid) -> None:
    answer = found(grid, origin="held-out")
    assert (answer["total"], answer["pages"]) == (10, 3)
    grid.ask("decide", verdicts=[keep(f"{row}.jpg") for row in range(5)])
    assert ids_on(grid, None, answer["found"]) == ["4.jpg", "5.jpg", "6.jpg", "7.jpg"]
    refused = grid.ask("page", page=3, found=answer["found"])[0]
    assert "no page 3; this queue has pages 0 to 2" in refused["sentence"]


def test_a_filter_that_finds_nothing_has_one_empty_page(grid: HeardGrid) -> None:
    answer = found(grid, name="no such name")
    assert (answer["total"], answer["pages"]) == (0, 1)
    assert ids_on(grid, None, answer["found"]) == []


def test_names_are_found_in_any_case_and_errors_by_their_verdict(grid: HeardGrid) -> None:
    assert found(grid, name="7.JP")["total"] == 1
    grid.ask("decide", verdicts=[{"id": "1.jpg", "action": "delete", "label": None}, keep("2.jpg")])
    answer = found(grid, verdict="errors")
    assert ids_on(grid, 0, answer["found"]) == ["1.jpg"]


def test_the_pairs_confused_most_come_first_and_leave_when_they_are_decided(grid: HeardGrid) -> None:
    pairs = found(grid)["pairs"]
    assert pairs == [("dog", "cow", 2), ("cat", "dog", 2), ("cow", "cat", 1)]
    grid.ask("decide", verdicts=[keep("1.jpg"), keep("7.jpg")])
    assert found(grid)["pairs"] == [("cat", "dog", 2), ("cow", "cat", 1)]


def test_undo_within_a_filter_names_its_page_there(grid: HeardGrid) -> None:
    grid.ask("decide", verdicts=[keep("9.jpg")])
    cats, dogs = found(grid, given="cat")["found"], found(grid, given="dog")["found"]
    assert grid.ask("undo", found=cats)[0]["page"] == 0
    assert grid.ask("redo", found=dogs)[0]["page"] is None
    assert grid.ask("redo")[0]["sentence"] == "There is nothing to redo."


def test_results_of_old_filters_are_given_up_and_a_new_round_forgets_them_all(grid: HeardGrid) -> None:
    first = found(grid)["found"]
    for _ in range(20):
        last = found(grid)["found"]
    assert "choose the filter again" in grid.ask("page", page=0, found=first)[0]["sentence"]
    assert grid.ask("page", page=0, found=last)[0]["kind"] == "page"
    grid.show(a_queue(10), round=5)
    assert "choose the filter again" in grid.ask("page", page=0, found=last)[0]["sentence"]


def test_full_size_is_one_buffer_and_a_picture_that_vanished_is_a_sentence(grid: HeardGrid) -> None:
    answer, buffers = grid.ask("full", id="1.jpg")
    assert (answer["kind"], answer["id"], buffers) == ("full", "1.jpg", [b"all of 1.jpg"])
    refused, _ = grid.ask("full", id="3.jpg")
    assert (refused["kind"], refused["sentence"]) == ("refused", "3.jpg is gone.")


def test_without_full_pictures_the_small_one_is_shown_large(journal: Journal) -> None:
    grid = HeardGrid(a_queue(2), journal=journal, picture=picture)
    assert grid.ask("full", id="1.jpg")[1] == [b"pixels of 1.jpg"]
    grid.close()


def test_evidence_comes_with_its_pictures_in_one_message(grid: HeardGrid) -> None:
    answer, (pixels,) = grid.ask("evidence", id="1.jpg")
    assert answer["reasons"] == ["three neighbours are cows"]
    assert [tile["id"] for tile in answer["given"]] == ["4.jpg", "2.jpg"]
    assert answer["given"][1]["sentence"] == "2.jpg can't be read: it is empty."
    offset, length = answer["suggested"][0]["bytes"]
    assert pixels[offset : offset + length] == b"pixels of 8.jpg"


def test_no_evidence_is_an_empty_answer_and_a_failing_one_a_sentence(grid: HeardGrid) -> None:
    assert grid.offers["evidence"] is True
    answer, _ = grid.ask("evidence", id="0.jpg")
    assert (answer["given"], answer["suggested"], answer["reasons"]) == ([], [], [])
    assert "no neighbours" in grid.ask("evidence", id="3.jpg")[0]["sentence"]


def test_a_new_class_is_known_from_its_first_verdict_to_its_undo(grid: HeardGrid, journal: Journal) -> None:
    lynx = {"id": "1.jpg", "action": "relabel", "label": "lynx"}
    assert grid.ask("decide", verdicts=[lynx])[0]["kind"] == "refused"
    assert grid.ask("decide", verdicts=[lynx], new=True)[0]["kind"] == "saved"
    assert grid.added == ["lynx"]
    again = HeardGrid(a_queue(10), journal=journal, picture=picture)
    assert again.added == ["lynx"]
    again.close()
    assert grid.ask("decide", verdicts=[{**lynx, "id": "2.jpg"}])[0]["kind"] == "saved"
    grid.ask("undo")
    grid.ask("undo")
    assert grid.added == []


def test_every_saved_verdict_can_be_observed_also_one_that_changes_no_count(grid: HeardGrid) -> None:
    told: list[int] = []
    grid.observe(lambda change: told.append(change["new"]), "revision")
    for label in ("cat", "cow"):
        grid.ask("decide", verdicts=[{"id": "1.jpg", "action": "relabel", "label": label}])
    assert told == [1, 2]


def test_a_page_without_widgets_shows_a_sentence(grid: HeardGrid) -> None:
    bundle = grid._repr_mimebundle_()
    assert "HeardGrid of 10 images. If you read this instead" in repr(bundle)


def test_a_closed_grid_leaves_no_thread_behind(journal: Journal) -> None:
    before = set(threading.enumerate())
    grid = HeardGrid(a_queue(4), journal=journal, picture=picture)
    grid.ask("page", page=0)
    grid.close()
    deadline = time.monotonic() + 60
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) - before == set()


def test_every_image_of_a_class_can_be_reached_not_only_the_first_thirty(journal: Journal) -> None:
    grid = HeardGrid(a_queue(300), journal=journal, picture=picture)
    answer = found(grid, given="cow")
    seen = [item for page in range(answer["pages"]) for item in ids_on(grid, page, answer["found"])]
    assert seen == [f"{row}.jpg" for row in range(300) if row % 3 == 2]
    grid.close()


def test_turning_pages_and_changing_classes_makes_no_widget(grid: HeardGrid) -> None:
    before = set(_instances)
    for label in ("cat", "dog", "cow") * 4:
        ids_on(grid, None, found(grid, given=label)["found"])
        grid.ask("page", page=1)
    assert set(_instances) == before


def test_near_copies_that_wait_are_named_after_a_verdict_and_only_then(journal: Journal) -> None:
    copies = ["0.jpg", "1.jpg", "2.jpg", "gone.jpg"]
    grid = HeardGrid(a_queue(4), journal=journal, picture=picture, copies=lambda _: copies)
    grid.ask("decide", verdicts=[keep("2.jpg")])
    answer, _ = grid.ask("decide", verdicts=[keep("0.jpg")])
    assert answer["alike"] == [{"id": "1.jpg", "given": "dog"}]
    assert grid.ask("undo")[0]["alike"] == []
    cleared = {"id": "2.jpg", "action": "clear", "label": None}
    assert grid.ask("decide", verdicts=[cleared])[0]["alike"] == []
    grid.close()


def test_a_verdict_is_saved_also_where_its_copies_can_not_be_looked_for(journal: Journal) -> None:
    grid = HeardGrid(a_queue(4), journal=journal, picture=picture, copies=lambda _: 1 / 0)
    answer, _ = grid.ask("decide", verdicts=[keep("0.jpg")])
    assert (answer["kind"], answer["alike"]) == ("saved", [])
    grid.close()


def test_further_classes_are_offered_after_the_one_the_tile_shows(journal: Journal) -> None:
    others = [("dog", 0.5), ("cat", 0.2), ("cow", 0.1), ("a", 0.1), ("b", 0.1), ("c", 0.1), ("d", 0.1)]
    grid = HeardGrid(a_queue(2), journal=journal, picture=picture, suggestions=lambda _: others)
    agreed, doubted = grid.ask("page", page=0)[0]["tiles"]
    assert agreed["suggestions"] == []
    names = [name for name, _ in doubted["suggestions"]]
    assert (doubted["given"], names) == ("dog", ["cow", "cat", "a", "b", "c"])
    grid.close()


def test_the_grid_is_narrowed_to_what_was_chosen_elsewhere_in_its_own_order(grid: HeardGrid) -> None:
    assert grid.narrow(["9.jpg", "0.jpg", "4.jpg", "nowhere.jpg"], name="from the map") == 3
    answer = found(grid, chosen="from the map")
    assert answer["total"] == 3
    assert ids_on(grid, 0, answer["found"]) == ["0.jpg", "4.jpg", "9.jpg"]
    among = found(grid, chosen="from the map", given="dog")
    assert ids_on(grid, 0, among["found"]) == ["4.jpg"]
    assert grid.chosen_items == {"0.jpg", "4.jpg", "9.jpg"}


def test_whoever_asks_for_everything_ends_the_choice_for_all_views(grid: HeardGrid) -> None:
    grid.narrow(["9.jpg"], name="from the map")
    assert found(grid)["total"] == 10
    assert grid.chosen == {}
    assert grid.ask("find", filter={**ANYTHING, "chosen": "from the map"})[0]["kind"] == "refused"


def test_a_new_queue_begins_with_all_of_it(grid: HeardGrid) -> None:
    grid.narrow(["9.jpg"], name="from the map")
    grid.show(a_queue(5), round=5)
    assert grid.chosen == {}
    assert grid.chosen_items == frozenset()


def test_each_choice_is_told_apart_from_the_one_before(grid: HeardGrid) -> None:
    grid.narrow(["9.jpg"], name="from the map")
    first = grid.chosen
    grid.narrow(["8.jpg"], name="from the map")
    assert grid.chosen != first
    with pytest.raises(InputError, match="None of these"):
        grid.narrow(["nowhere.jpg"], name="from the map")
    assert grid.chosen_items == {"8.jpg"}


def test_a_page_that_is_being_dealt_does_not_bring_back_the_queue_before(journal: Journal) -> None:
    """Verdicts would be kept under the round of before, on pictures that nobody is shown any more."""
    dealing, shown = threading.Event(), threading.Event()

    def slow(_: range) -> Queue:
        dealing.set()
        shown.wait(0.5)
        return a_queue(8)

    grid = HeardGrid(a_queue(8), journal=journal, picture=picture, page_size=4, round=1, deal=slow)
    asking = threading.Thread(target=grid.ask, args=("page",), kwargs={"page": 1})
    asking.start()
    assert dealing.wait(20)
    grid.show(a_queue(3), round=2)
    shown.set()
    asking.join(20)
    grid.ask("decide", verdicts=[keep("0.jpg")])
    assert grid.state["epoch"] == grid.ask("page", page=0)[0]["epoch"] == 2
    assert journal.standing()["0.jpg"].round == 2
    grid.close()


def test_a_filters_page_leaves_out_what_has_left_the_queue_since(journal: Journal) -> None:
    left = a_queue(8).take(np.arange(1, 8))
    grid = HeardGrid(a_queue(8), journal=journal, picture=picture, page_size=4, deal=lambda _: left)
    answer = found(grid, given="cat")
    assert ids_on(grid, 0, answer["found"]) == ["0.jpg", "3.jpg", "6.jpg"]
    grid.ask("page", page=1)
    assert ids_on(grid, 0, answer["found"]) == ["3.jpg", "6.jpg"]
    grid.close()
