"""The grid's Python side: it always answers, and only with what the journal has."""

import queue as waiting
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy.engine import Engine

from cleaner.errors import InputError, UnreadableImage
from cleaner.review.database import writing
from cleaner.review.grid import ReviewGrid
from cleaner.review.journal import Journal
from cleaner.types import Queue, strings

VOCAB = ("cat", "dog", "cow")


class HeardGrid(ReviewGrid):
    """A grid whose messages go to the test instead of a browser."""

    def __init__(self, queue: Queue, **settings: Any) -> None:
        self.heard: waiting.Queue[tuple[dict[str, Any], list[bytes]]] = waiting.Queue()
        self.number = 0
        super().__init__(queue, **settings)

    def send(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self.heard.put((content, buffers or []))

    def ask(self, kind: str, **fields: object) -> tuple[dict[str, Any], list[bytes]]:
        self.number += 1
        self._handle_custom_msg({"kind": kind, "request": self.number, **fields}, [])
        answer, buffers = self.heard.get(timeout=5)
        assert answer["request"] == self.number
        return answer, buffers


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


@pytest.fixture
def journal(engine: Engine) -> Journal:
    return Journal(engine, by="ann")


@pytest.fixture
def grid(journal: Journal) -> Iterator[HeardGrid]:
    made = HeardGrid(a_queue(10), journal=journal, picture=picture, round=4, page_size=4)
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
        ReviewGrid(a_queue(1), journal=journal, picture=picture, page_size=0)


def test_the_rest_of_a_page_spares_what_another_window_decided(grid: HeardGrid, journal: Journal) -> None:
    journal.decide([("1.jpg", "delete", None)], round=4)
    answer, _ = grid.ask("decide", rest=True, verdicts=[keep("0.jpg"), keep("1.jpg")])
    assert {verdict["id"]: verdict["action"] for verdict in answer["verdicts"]} == {
        "0.jpg": "keep",
        "1.jpg": "delete",
    }
    assert journal.standing()["1.jpg"].action == "delete"


def test_a_verdict_that_stands_already_is_not_written_again(grid: HeardGrid, journal: Journal) -> None:
    grid.ask("decide", verdicts=[keep("0.jpg")])
    answer, _ = grid.ask("decide", verdicts=[keep("0.jpg")])
    assert answer["kind"] == "saved"
    assert len(journal.events()) == 1
    grid.ask("undo")
    assert journal.standing() == {}
