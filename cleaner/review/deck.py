"""Which images lie at which places of a round's pages: dealt once, they stay, in every window.

It knows no ranking: somebody else says which image comes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Boolean, Column, Integer, MetaData, Table, Text, insert, select
from sqlalchemy.engine import Connection, Engine

from cleaner.review.database import reading, writing

dealt = Table(
    "dealt",
    MetaData(),
    Column("round", Integer, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("item", Text, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("drawn", Boolean, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Card:
    """One image at one place, counted from 0.

    `drawn` says that chance chose it from all that had not been dealt, as a check on what the order leaves
    behind; else the order did.
    """

    place: int
    item: str
    drawn: bool = False


class Deck:
    """The cards of one round, in the database of the project."""

    def __init__(self, engine: Engine, *, round: int) -> None:
        self._engine, self.round = engine, round
        with writing(engine) as connection:
            dealt.create(connection, checkfirst=True)

    def cards(self) -> tuple[Card, ...]:
        """Return what has been dealt, in the order of dealing."""
        with reading(self._engine) as connection:
            return self._dealt(connection)

    def deal(self, cards: Sequence[Card]) -> tuple[Card, ...]:
        """Keep some cards, in this order, and return all: where another window was first, its cards stay.

        No image lies at two places. Raises Refused if the database can't be written.
        """
        with writing(self._engine) as connection:
            there = self._dealt(connection)
            places, items = {card.place for card in there}, {card.item for card in there}
            new = [card for card in cards if card.place not in places and card.item not in items]
            rows = [
                {"round": self.round, "place": c.place, "item": c.item, "turn": turn, "drawn": c.drawn}
                for turn, c in enumerate(new, start=len(there))
            ]
            if rows:
                connection.execute(insert(dealt), rows)
        return (*there, *new)

    def _dealt(self, connection: Connection) -> tuple[Card, ...]:
        columns = (dealt.c.place, dealt.c.item, dealt.c.drawn)
        rows = connection.execute(select(*columns).where(dealt.c.round == self.round).order_by(dealt.c.turn))
        return tuple(Card(*row) for row in rows)
