"""How long work tells how far it is, and how it is asked to stop: what every stage takes as arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from cleaner.types import Epoch

INTERVAL = 0.1  # seconds between two reports, or the browser has no time to draw them


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long piece of work is: `done` of `total` steps after `elapsed` seconds.

    `note` is what it does just now; `notes` are what a person should know of it before it has ended.
    """

    phase: str
    done: int
    total: int
    elapsed: float = 0.0
    note: str = ""
    epochs: tuple[Epoch, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def seconds_left(self) -> float | None:
        """Estimate what is left at the pace so far; None before the first step is done."""
        if not self.done or not self.total:
            return None
        return self.elapsed * (self.total - self.done) / self.done


Report: TypeAlias = Callable[[Progress], None]
Stop: TypeAlias = Callable[[], bool]


def quiet(_: Progress) -> None:
    """Report to nobody."""


def never() -> bool:
    """Let work run to its end."""
    return False
