"""Deals the pages of a round: the head of the live order, and a few images by chance among them.

What has been dealt stays where it is; what has not is ranked anew whenever a page is dealt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cleaner.ranking.stopping import Outlook, outlook
from cleaner.review.deck import Card, Deck
from cleaner.types import Queue, Standing

DRAWN = 0.1  # of all that is dealt: 2 of 20 by chance are what lets one say how much is left


@dataclass(eq=False)
class Dealer:
    """The pages of one round; `ranked` returns its images in the order of the moment."""

    deck: Deck
    ranked: Callable[[], Queue]
    standing: Callable[[], Standing]
    random: np.random.Generator = field(default_factory=np.random.default_rng)
    _lock: threading.Lock = field(default_factory=threading.Lock)  # pages are fetched on several threads

    def queue(self) -> Queue:
        """Return all images: the dealt ones at their places, the others in today's order around them."""
        with self._lock:
            return arranged(self.ranked(), self.deck.cards())

    def deal(self, places: range) -> Queue:
        """Deal the places of a page for good, as far as they are not, and return the queue as it then is."""
        with self._lock:
            ranked, cards = self.ranked(), self.deck.cards()
            queue = arranged(ranked, cards)
            known = {card.item for card in cards}
            open_places = [place for place in places if place < len(queue) and queue.ids[place] not in known]
            if not open_places:
                return queue
            cards = self.deck.deal(self._cards(queue, open_places, known, cards))
            return arranged(ranked, cards)

    def outlook(self, *, upcoming: int) -> Outlook:
        """Tell how the review stands, and what the next so many images hold."""
        queue, cards, standing = self.queue(), self.deck.cards(), self.standing()
        wrong, drawn, items = verdicts(cards, standing)
        row = {identity: number for number, identity in enumerate(queue.ids)}
        score = np.log(queue.scores.clip(1e-7, 1 - 1e-7) / (1 - queue.scores.clip(1e-7, 1 - 1e-7)))
        seen = np.array([score[row[item]] if item in row else np.nan for item in items])
        waiting = [number for identity, number in row.items() if identity not in standing]
        dealt = {card.item for card in cards}
        judged = (standing[key].action for key in row if key in standing and key not in dealt)
        return outlook(
            np.array(wrong, dtype=bool),
            audited=np.array(drawn, dtype=bool),
            scores=seen,  # none for what has left the queue, by an apply: its verdict counts even so
            upcoming=score[waiting[:upcoming]],
            remaining=len(waiting),
            passed=sum(action == "keep" for action in judged),
        )

    def _cards(
        self, queue: Queue, places: Sequence[int], known: set[str], cards: Sequence[Card]
    ) -> list[Card]:
        """Choose for some places: the order's choice first, then as many by chance from all that is left.

        How many is left to chance too where DRAWN of the places is no whole number: small pages have some.
        """
        stored = _stored_places(queue, cards)
        decided = self.standing()
        many = int(DRAWN * len(places) + self.random.random())
        ranked = [queue.ids[place] for place in places[: len(places) - many]]
        taken = known.union(ranked)
        pool = [item for item in queue.ids if item not in taken and item not in decided]
        if len(pool) <= many:  # too few are left for chance to say anything of them
            return [Card(stored(place), queue.ids[place]) for place in places]
        drawn = [pool[n] for n in self.random.choice(len(pool), many, replace=False)]
        by_chance = {places[n] for n in self.random.choice(len(places), many, replace=False)}
        chosen = [place for place in places if place not in by_chance]
        return [
            *(Card(stored(place), item) for place, item in zip(chosen, ranked, strict=True)),
            *(Card(stored(place), item, True) for place, item in zip(sorted(by_chance), drawn, strict=True)),
        ]


def arranged(ranked: Queue, cards: Sequence[Card]) -> Queue:
    """Put dealt images at their places, and the others in their order around them.

    Where a dealt image is no longer there the ones dealt after it move up, so that no other takes its place.
    """
    row = {identity: number for number, identity in enumerate(ranked.ids)}
    there = sorted((card.place, row[card.item]) for card in cards if card.item in row)
    gone = np.array(sorted(card.place for card in cards if card.item not in row))
    order = np.full(len(ranked), -1, dtype=np.intp)
    for last, (place, number) in enumerate(there, start=len(ranked) - len(there)):
        order[min(place - int(np.searchsorted(gone, place)), last)] = number
    order[order < 0] = np.setdiff1d(np.arange(len(ranked)), [number for _, number in there])
    return ranked.take(order)


def verdicts(cards: Sequence[Card], standing: Standing) -> tuple[list[bool], list[bool], list[str]]:
    """Return for each judged card, in the order of dealing: was it wrong, was it drawn by chance, its id.

    One drawn by chance counts as such only if everything dealt before it was judged: only then was it drawn
    from all the others.
    """
    wrong, drawn, items, all_judged = [], [], [], True
    for card in cards:
        decision = standing.get(card.item)
        if decision is None:
            all_judged = False
            continue
        wrong.append(decision.action != "keep")
        drawn.append(card.drawn and all_judged)
        items.append(card.item)
    return wrong, drawn, items


def _stored_places(queue: Queue, cards: Sequence[Card]) -> Callable[[int], int]:
    """Return what turns a place in the queue into the one to keep: images that are gone still hold theirs."""
    there = set(queue.ids)
    gone = sorted(card.place for card in cards if card.item not in there)

    def stored(place: int) -> int:
        for lost in gone:
            place += lost <= place
        return place

    return stored
