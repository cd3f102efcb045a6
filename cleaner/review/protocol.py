"""The messages between the browser and the grid: parsed here, once, into values. It acts on nothing.

What the browser sends is untrusted: anything malformed is refused with a sentence. `static/grid.mjs`
exports the same lists of kinds; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from cleaner.errors import Refused
from cleaner.types import ACTIONS, Action, Standing

PAGE, DECIDE, UNDO = "page", "decide", "undo"
SAVED, REFUSED = "saved", "refused"

ASKS = (PAGE, DECIDE, UNDO)  # browser to Python
ANSWERS = (PAGE, SAVED, REFUSED)  # Python to browser

MOST_VERDICTS = 10_000
SHOWN = 80  # characters of a hostile text that are worth repeating


@dataclass(frozen=True, slots=True)
class AskPage:
    """Send one page; None means: the first page with an image that waits for its verdict."""

    page: int | None


@dataclass(frozen=True, slots=True)
class AskDecide:
    """Keep these verdicts, as one batch; `rest` spares what is decided meanwhile, in another window."""

    verdicts: tuple[tuple[str, Action, str | None], ...]
    rest: bool = False


@dataclass(frozen=True, slots=True)
class AskUndo:
    """Take back the latest batch."""


Ask: TypeAlias = AskPage | AskDecide | AskUndo


@dataclass(frozen=True, slots=True)
class Terms:
    """What a message may speak of; `label_of` gives an image's present label, None outside the queue."""

    label_of: Callable[[str], str | None]
    vocab: tuple[str, ...]
    pages: int


def request_of(message: object) -> int | None:
    """Return the number to echo in the answer, None where there is no usable one."""
    number = message.get("request") if isinstance(message, dict) else None
    return number if type(number) is int else None


def parse(message: object, *, terms: Terms) -> Ask:
    """Turn a message into what it asks for. Errors: Refused."""
    if not isinstance(message, dict):
        raise Refused("The browser sent something that is no message; reload the page.")
    if request_of(message) is None:
        raise Refused("A message came without a request number; reload the page.")
    kind = message.get("kind")
    if kind == PAGE:
        return AskPage(_page(message.get("page"), pages=terms.pages))
    if kind == DECIDE:
        return AskDecide(_verdicts(message.get("verdicts"), terms=terms), rest=message.get("rest") is True)
    if kind == UNDO:
        return AskUndo()
    raise Refused(f"{_shown(kind)} is no kind of message that this grid knows; reload the page.")


def stands(items: Sequence[str], standing: Standing) -> list[dict[str, str | None]]:
    """Write what stands for some images the way the browser reads it, "clear" where nothing does."""
    found = [(item, standing.get(item)) for item in items]
    return [
        {"id": item, "action": kept.action if kept else "clear", "label": kept.label if kept else None}
        for item, kept in found
    ]


def _page(page: object, *, pages: int) -> int | None:
    if page is None:
        return None
    if type(page) is not int or not 0 <= page < pages:
        raise Refused(f"There is no page {_shown(page)}; this queue has pages 0 to {pages - 1}.")
    return page


def _verdicts(entries: object, *, terms: Terms) -> tuple[tuple[str, Action, str | None], ...]:
    if not isinstance(entries, list):
        raise Refused("The verdicts did not come as a list; reload the page.")
    if len(entries) > MOST_VERDICTS:
        raise Refused(f"{len(entries):,} verdicts came at once; send at most {MOST_VERDICTS:,}.")
    return tuple(_verdict(entry, terms=terms) for entry in entries)


def _verdict(entry: object, *, terms: Terms) -> tuple[str, Action, str | None]:
    if not isinstance(entry, dict):
        raise Refused(f"{_shown(entry)} is no verdict; reload the page.")
    item, action, label = entry.get("id"), entry.get("action"), entry.get("label")
    if not isinstance(item, str) or terms.label_of(item) is None:
        raise Refused(f"The image {_shown(item)} is not in this queue; reload the page.")
    if not isinstance(action, str) or action not in ACTIONS:
        raise Refused(f"{_shown(action)} is no verdict; choose one of {', '.join(ACTIONS)}.")
    if action == "relabel":
        _check_label(item, label, terms=terms)
    elif label is not None:
        raise Refused(f"The verdict {action} came with a label; only a relabel carries one.")
    return item, action, cast("str | None", label)


def _check_label(item: str, label: object, *, terms: Terms) -> None:
    if not isinstance(label, str) or label not in terms.vocab:
        raise Refused(f"{_shown(label)} is not one of the {len(terms.vocab)} classes; choose one of them.")
    if label == terms.label_of(item):
        raise Refused(f"{_shown(item)} is labelled {_shown(label)} already; mark it as fine instead.")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
