"""The map's Python side: one binary message of points, and every question answered."""

from __future__ import annotations

import queue as waiting
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from cleaner.errors import InputError, Refused
from cleaner.review.map import LAYOUTS, ReviewMap
from cleaner.types import Decision, Standing
from tests.review import pictures


class HeardMap(ReviewMap):
    """A map whose messages go to the test instead of a kernel."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        self.heard: waiting.Queue[tuple[dict[str, Any], list[bytes]]] = waiting.Queue()
        super().__init__(*args, **settings)

    def send(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self.heard.put((content, buffers or []))

    def answer(self, message: object) -> tuple[dict[str, Any], list[bytes]]:
        self._handle_custom_msg(message, [])
        return self.heard.get(timeout=20)

    def ask(self, kind: str, **fields: object) -> tuple[dict[str, Any], list[bytes]]:
        return self.answer({"kind": kind, "request": 7, **fields})


def verdict(item: str, action: str, label: str | None = None) -> Standing:
    return {item: Decision(item, action, label, "ann", "", 1, 1)}  # type: ignore[arg-type]


@pytest.fixture
def chosen() -> list[list[str]]:
    return []


@pytest.fixture
def shown(chosen: list[list[str]]) -> Iterator[HeardMap]:
    def choose(items: Sequence[str]) -> int:
        chosen.append(list(items))
        return len(items)

    places = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    places[3] = np.nan
    made = HeardMap(pictures.queue(12), places, standing={}, picture=pictures.picture, choose=choose)
    yield made
    made.close()


def test_all_points_are_one_message_of_sixteen_bytes_or_less_each(shown: HeardMap) -> None:
    content, buffers = shown.ask("points", layout="overview")
    places, labels, doubted, verdicts, picked = buffers
    assert sum(map(len, buffers)) <= 16 * 12
    queue = pictures.queue(12)
    assert np.frombuffer(labels, np.uint16).tolist() == queue.labels.tolist()
    assert list(doubted) == [1] + [0] * 11  # the first tenth of the order
    assert np.frombuffer(places, "<f4").reshape(-1, 2).shape == (12, 2)
    assert not any(verdicts)
    assert not any(picked)
    assert content["vocab"][:2] == ["beagle", "basset"]
    assert shown.state["lost"] == 1


def test_what_is_chosen_is_handed_on_by_id(shown: HeardMap, chosen: list[list[str]]) -> None:
    content, _ = shown.ask("choose", rows=[2, 4])
    assert content == {"kind": "chosen", "request": 7, "shown": 2}
    assert chosen == [["dogs/0002.jpg", "dogs/0004.jpg"]]


@pytest.mark.parametrize(
    "message",
    [
        None,
        "points",
        {"kind": "points"},
        {"kind": "points", "request": 7, "layout": "neighbourhoods"},
        {"kind": "points", "request": 7, "layout": ["overview"]},
        {"kind": "choose", "request": 7, "rows": [12]},
        {"kind": "choose", "request": 7, "rows": [-1]},
        {"kind": "choose", "request": 7, "rows": [True]},
        {"kind": "choose", "request": 7, "rows": ["0"]},
        {"kind": "look", "request": 7, "row": "../../etc/passwd"},
        {"kind": "<b>", "request": 7},
    ],
)
def test_what_no_map_would_ask_is_refused_in_a_sentence(
    shown: HeardMap, chosen: list[list[str]], message: object
) -> None:
    content, buffers = shown.answer(message)
    assert content["kind"] == "refused"
    assert content["sentence"].endswith(".")
    assert buffers == []
    assert chosen == []


def test_a_function_that_refuses_is_told_as_its_sentence() -> None:
    def choose(_: Sequence[str]) -> int:
        raise Refused("Not now.")

    places = np.zeros((2, 2), dtype=np.float32)
    made = HeardMap(pictures.queue(2), places, standing={}, picture=pictures.picture, choose=choose)
    assert made.ask("choose", rows=[0])[0]["sentence"] == "Not now."
    made.close()


def test_only_the_verdicts_that_changed_are_sent(shown: HeardMap) -> None:
    shown.mark({})
    assert shown.heard.empty()
    shown.mark({**verdict("dogs/0001.jpg", "relabel", "new class"), **verdict("dogs/0007.jpg", "delete")})
    content, (rows, labels, verdicts) = shown.heard.get_nowait()
    assert content["kind"] == "marks"
    assert np.frombuffer(rows, np.uint32).tolist() == [1, 7]
    assert content["vocab"][np.frombuffer(labels, np.uint16)[0]] == "new class"
    assert list(verdicts) == [2, 3]
    shown.mark({})
    _, (rows, labels, verdicts) = shown.heard.get_nowait()
    assert np.frombuffer(labels, np.uint16).tolist() == [1, 1]
    assert list(verdicts) == [0, 0]


def test_a_view_that_comes_later_sees_verdicts_and_choice(shown: HeardMap) -> None:
    shown.mark(verdict("dogs/0002.jpg", "keep"))
    shown.pick(["dogs/0002.jpg", "not on the map"])
    *_, verdicts, picked = (
        shown.ask("points", layout="overview")[1] if shown.heard.empty() else _drained(shown)
    )
    assert [row for row, kept in enumerate(verdicts) if kept] == [2]
    assert [row for row, kept in enumerate(picked) if kept] == [2]


def _drained(shown: HeardMap) -> list[bytes]:
    while not shown.heard.empty():
        shown.heard.get_nowait()
    return shown.ask("points", layout="overview")[1]


def test_better_places_are_offered_without_taking_the_others_away(shown: HeardMap) -> None:
    better = np.ones((12, 2), dtype=np.float32)
    epoch = shown.state["epoch"]
    shown.arranged(better)
    assert shown.state["layouts"] == list(LAYOUTS)
    assert shown.state["epoch"] == epoch
    assert np.frombuffer(shown.ask("points", layout="neighbourhoods")[1][0], "<f4").tolist() == [1.0] * 24
    assert len(shown.ask("points", layout="overview")[1][0]) == 96


def test_a_picture_comes_with_its_reasons_and_a_broken_one_with_a_sentence(shown: HeardMap) -> None:
    content, (pixels,) = shown.ask("look", row=1)
    assert pixels.startswith(b"\xff\xd8")
    assert content["id"] == "dogs/0001.jpg"
    assert content["reasons"]
    content, (pixels,) = shown.ask("look", row=5)
    assert "it ends in the middle" in content["sentence"]
    assert pixels == b""


def test_places_that_do_not_fit_the_images_are_refused() -> None:
    with pytest.raises(InputError, match="12 images, places must be"):
        ReviewMap(
            pictures.queue(12),
            np.zeros((11, 2), dtype=np.float32),
            standing={},
            picture=pictures.picture,
            choose=len,
        )
