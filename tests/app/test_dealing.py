from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleaner.app.dealing import Dealer, arranged, verdicts
from cleaner.review.database import open_database
from cleaner.review.deck import Card, Deck
from cleaner.types import Decision, Queue, strings

PAGE = 20


def _queue(ids: list[str]) -> Queue:
    count = len(ids)
    flat = np.linspace(0.9, 0.1, count, dtype=np.float32)
    labels = np.zeros(count, dtype=np.int32)
    return Queue(
        vocab=("cat", "dog"),
        ids=strings(ids),
        scores=flat,
        labels=labels,
        suggested=labels,
        confidence=flat,
        given_probs=flat,
        origins=strings(["held-out"] * count),
        late=np.zeros(count, dtype=bool),
    )


def _verdict(item: str, action: str = "keep") -> Decision:
    return Decision(item, action, None, "ann", "", 1, 1)


class Desk:
    """A review whose order can be turned round at will."""

    def __init__(self, home: Path, count: int = 200, *, seed: int = 0) -> None:
        self.ids = [f"{n:03d}" for n in range(count)]
        self.standing: dict[str, Decision] = {}
        self.engine = open_database(f"sqlite:///{home / 'desk.db'}")
        self.dealer = self.another(seed=seed)

    def another(self, *, seed: int) -> Dealer:
        """Open one more window on the same review."""
        return Dealer(
            Deck(self.engine, round=1),
            ranked=lambda: _queue(self.ids),
            standing=lambda: self.standing,
            random=np.random.default_rng(seed),
        )

    def page(self, number: int, dealer: Dealer | None = None) -> list[str]:
        places = range(number * PAGE, (number + 1) * PAGE)
        return list((dealer or self.dealer).deal(places).ids[number * PAGE : (number + 1) * PAGE])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_page_is_the_head_of_the_order_and_two_by_chance_among_them(desk: Desk) -> None:
    page = desk.page(0)
    head = [item for item in page if item < "018"]
    assert head == [f"{n:03d}" for n in range(18)]
    assert len(set(page)) == PAGE
    drawn = {card.item for card in desk.dealer.deck.cards() if card.drawn}
    assert drawn == set(page) - set(head)
    assert page[-2:] != sorted(drawn), "they are not told by their place"


@pytest.mark.parametrize("size", [3, 5, 24])
def test_a_tenth_is_drawn_by_chance_however_small_the_pages(desk: Desk, size: int) -> None:
    """Without any drawn nothing could ever be said of what is left."""
    for start in range(0, 120, size):
        desk.dealer.deal(range(start, start + size))
    cards = desk.dealer.deck.cards()
    assert len(cards) == 120
    assert 5 <= sum(card.drawn for card in cards) <= 20


def test_a_page_in_view_does_not_jump_and_what_is_not_dealt_re_ranks(desk: Desk) -> None:
    first = desk.page(0)
    desk.ids.reverse()
    assert desk.page(0) == first
    expected = [item for item in desk.ids if item not in first][:18]
    assert [item for item in desk.page(1) if item in expected] == expected


def test_another_window_and_a_reload_show_the_same_pages(desk: Desk) -> None:
    first, fourth = desk.page(0), desk.page(3)
    desk.ids.reverse()
    other = desk.another(seed=7)
    assert desk.page(3, other) == fourth
    assert desk.page(0, other) == first


def test_two_windows_that_deal_at_once_end_up_with_the_same_page(desk: Desk) -> None:
    one, other = desk.another(seed=1), desk.another(seed=2)
    before = other.deck.cards()
    desk.page(0, one)
    mine = other.deck.deal(other._cards(_queue(desk.ids), range(PAGE), set(), before))
    assert mine == one.deck.cards()


def test_no_image_is_lost_and_none_comes_twice_however_one_leafs_through(desk: Desk) -> None:
    random = np.random.default_rng(3)
    for number in (0, 7, 3, 9, 1):
        desk.page(number)
        random.shuffle(desk.ids)
    pages = [item for number in range(10) for item in desk.page(number)]
    assert sorted(pages) == sorted(desk.ids)


def test_images_that_are_gone_leave_no_gap_for_others_on_a_page_already_seen(desk: Desk) -> None:
    first = desk.page(0)
    gone = set(first[3:8])
    desk.ids = [item for item in desk.ids if item not in gone]
    queue = desk.dealer.queue()
    assert list(queue.ids[:15]) == [item for item in first if item not in gone]
    desk.dealer.deal(range(15, 35))
    assert list(desk.dealer.queue().ids[:15]) == [item for item in first if item not in gone]
    assert len(desk.dealer.deck.cards()) == 40


def test_a_short_last_page_is_dealt_without_chance(tmp_path: Path) -> None:
    desk = Desk(tmp_path, count=25)
    desk.page(0)
    last = desk.page(1)
    assert len(last) == 5
    assert not any(card.drawn for card in desk.dealer.deck.cards()[PAGE:])


def test_chance_draws_from_all_that_was_neither_dealt_nor_judged(tmp_path: Path) -> None:
    desk = Desk(tmp_path, count=60)
    desk.standing = {item: _verdict(item) for item in desk.ids[20:]}
    assert set(desk.page(0)) == {f"{n:03d}" for n in range(20)}


@given(
    st.lists(st.integers(0, 40), unique=True), st.lists(st.integers(0, 30), unique=True), st.integers(0, 9)
)
def test_the_arrangement_is_always_a_permutation_that_keeps_the_order_of_both(places, rows, lost) -> None:
    cards = [Card(p, f"{r:03d}") for p, r in zip(sorted(places), rows, strict=False)]
    ranked = _queue([f"{n:03d}" for n in range(lost, 31)])
    queue = arranged(ranked, cards)
    assert sorted(queue.ids) == sorted(ranked.ids)
    known = [card.item for card in cards]
    assert [i for i in queue.ids if i in known] == [i for i in known if i in set(ranked.ids)]
    assert [i for i in queue.ids if i not in known] == [i for i in ranked.ids if i not in known]


def test_one_drawn_by_chance_counts_only_where_all_before_it_was_judged() -> None:
    cards = [Card(0, "a"), Card(1, "b", True), Card(2, "c"), Card(3, "d", True)]
    judged = {i: _verdict(i, action) for i, action in (("a", "keep"), ("b", "delete"), ("d", "unsure"))}
    assert verdicts(cards, judged) == ([False, True, True], [False, True, False], ["a", "b", "d"])


def test_the_outlook_bounds_what_is_left_by_what_chance_has_shown(desk: Desk) -> None:
    assert desk.dealer.outlook(upcoming=20).at_most is None
    for number in range(6):
        for item in desk.page(number):
            desk.standing[item] = _verdict(item, "relabel" if number == 0 else "keep")
    seen = desk.dealer.outlook(upcoming=20)
    assert (seen.reviewed, seen.remaining, seen.audited, seen.upcoming) == (120, 80, 12, 20)
    assert 0 < seen.at_most < 80
    assert seen.found == 20
    assert seen.expected < 5


def test_another_round_is_dealt_anew(desk: Desk) -> None:
    desk.page(0)
    assert Deck(desk.engine, round=2).cards() == ()
