"""The messages between the browser and the grid: parsed here, once, into values. It acts on nothing.

What the browser sends is untrusted: anything malformed is refused with a sentence. `static/grid.mjs`
exports the same lists of kinds; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast, get_args

from cleaner.errors import Refused
from cleaner.review.filters import STATES, Filter
from cleaner.types import ACTIONS, Action, Origin, Standing

PAGE, DECIDE, UNDO, REDO, FIND, FULL, EVIDENCE = "page", "decide", "undo", "redo", "find", "full", "evidence"
NEAR = "near"
SAVED, REFUSED, FOUND = "saved", "refused", "found"

ASKS = (PAGE, DECIDE, UNDO, REDO, FIND, FULL, EVIDENCE, NEAR)  # browser to Python
ANSWERS = (PAGE, SAVED, REFUSED, FOUND, FULL, EVIDENCE)  # Python to browser

MOST_VERDICTS = 10_000
LONGEST_NAME = 500  # characters of a file name to look for
SHOWN = 80  # characters of a hostile text that are worth repeating


@dataclass(frozen=True, slots=True)
class AskPage:
    """Send one page of what `found` numbers, None for the whole queue.

    A page of None means: the first with an image that waits for its verdict.
    """

    page: int | None
    found: int | None = None


@dataclass(frozen=True, slots=True)
class AskDecide:
    """Keep these verdicts, as one batch; `rest` spares what is decided meanwhile, in another window."""

    verdicts: tuple[tuple[str, Action, str | None], ...]
    rest: bool = False


@dataclass(frozen=True, slots=True)
class AskUndo:
    """Take back the latest batch, seen in what `found` numbers."""

    found: int | None = None


@dataclass(frozen=True, slots=True)
class AskRedo:
    """Take back the latest undo, seen in what `found` numbers."""

    found: int | None = None


@dataclass(frozen=True, slots=True)
class AskFind:
    """Look for the images that fit a filter."""

    filter: Filter


@dataclass(frozen=True, slots=True)
class AskFull:
    """Send one image in full size."""

    item: str


@dataclass(frozen=True, slots=True)
class AskEvidence:
    """Send what helps to judge one image."""

    item: str


@dataclass(frozen=True, slots=True)
class AskNear:
    """Show only the images most like one."""

    item: str


Message: TypeAlias = "dict[str, object]"
Ask: TypeAlias = AskPage | AskDecide | AskUndo | AskRedo | AskFind | AskFull | AskEvidence | AskNear


@dataclass(frozen=True, slots=True)
class Terms:
    """What a message may speak of; `label_of` gives an image's present label, None outside the queue.

    `found` maps the numbers of what filters found to their pages; `class_problem` says why a name can't
    become a new class, None where it can; without it no class can be added. `issues` are kinds of findings,
    `chosen` is the name of what was chosen elsewhere, if anything was.
    """

    label_of: Callable[[str], str | None]
    vocab: tuple[str, ...]
    pages: int
    found: Mapping[int, int] = field(default_factory=dict)
    class_problem: Callable[[str], str | None] | None = None
    issues: tuple[str, ...] = ()
    chosen: str | None = None


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
    if not isinstance(kind, str) or kind not in PARSERS:
        raise Refused(f"{_shown(kind)} is no kind of message that this grid knows; reload the page.")
    return PARSERS[kind](message, terms)


def stands(items: Sequence[str], standing: Standing) -> list[dict[str, str | None]]:
    """Write what stands for some images the way the browser reads it, "clear" where nothing does."""
    found = [(item, standing.get(item)) for item in items]
    return [
        {"id": item, "action": kept.action if kept else "clear", "label": kept.label if kept else None}
        for item, kept in found
    ]


def _ask_page(message: Message, terms: Terms) -> AskPage:
    found = _found(message, terms)
    pages = terms.pages if found is None else terms.found[found]
    page = message.get("page")
    if page is not None and (type(page) is not int or not 0 <= page < pages):
        raise Refused(f"There is no page {_shown(page)}; this queue has pages 0 to {pages - 1}.")
    return AskPage(page, found)


def _found(message: Message, terms: Terms) -> int | None:
    found = message.get("found")
    if found is not None and (type(found) is not int or found not in terms.found):
        raise Refused("What this filter found is gone; choose the filter again.")
    return found


def _ask_find(message: Message, terms: Terms) -> AskFind:
    entry = message.get("filter")
    if not isinstance(entry, dict):
        raise Refused("The filter did not come as one; reload the page.")
    given, suggested = (_choice(entry.get(key), terms.vocab) for key in ("given", "suggested"))
    origin, verdict = (
        _choice(entry.get("origin"), get_args(Origin)),
        _choice(entry.get("verdict"), tuple(STATES)),
    )
    name = entry.get("name")
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        raise Refused(f"A file name to look for has at most {LONGEST_NAME} characters.")
    issue = _choice(entry.get("issue"), terms.issues)
    chosen = _choice(entry.get("chosen"), () if terms.chosen is None else (terms.chosen,))
    return AskFind(Filter(given, suggested, origin, verdict, name, issue, chosen))


def _choice(value: object, choices: Sequence[str]) -> str | None:
    if value is not None and (not isinstance(value, str) or value not in choices):
        raise Refused(f"{_shown(value)} is nothing that a filter can look for.")
    return value


def _item(message: Message, terms: Terms) -> str:
    item = message.get("id")
    if not isinstance(item, str) or terms.label_of(item) is None:
        raise Refused(f"The image {_shown(item)} is not in this queue; reload the page.")
    return item


def _ask_decide(message: Message, terms: Terms) -> AskDecide:
    entries = message.get("verdicts")
    if not isinstance(entries, list):
        raise Refused("The verdicts did not come as a list; reload the page.")
    if len(entries) > MOST_VERDICTS:
        raise Refused(f"{len(entries):,} verdicts came at once; send at most {MOST_VERDICTS:,}.")
    new = message.get("new") is True
    verdicts = tuple(_verdict(entry, terms=terms, new=new) for entry in entries)
    return AskDecide(verdicts, rest=message.get("rest") is True)


def _verdict(entry: object, *, terms: Terms, new: bool) -> tuple[str, Action, str | None]:
    if not isinstance(entry, dict):
        raise Refused(f"{_shown(entry)} is no verdict; reload the page.")
    item, action, label = _item(entry, terms), entry.get("action"), entry.get("label")
    if not isinstance(action, str) or action not in ACTIONS:
        raise Refused(f"{_shown(action)} is no verdict; choose one of {', '.join(ACTIONS)}.")
    if action == "relabel":
        _check_label(item, label, terms=terms, new=new)
    elif label is not None:
        raise Refused(f"The verdict {action} came with a label; only a relabel carries one.")
    return item, action, cast("str | None", label)


def _check_label(item: str, label: object, *, terms: Terms, new: bool) -> None:
    if new and isinstance(label, str) and label not in terms.vocab:
        _check_new_class(label, terms=terms)
    elif not isinstance(label, str) or label not in terms.vocab:
        raise Refused(f"{_shown(label)} is not one of the {len(terms.vocab)} classes; choose one of them.")
    if label == terms.label_of(item):
        raise Refused(f"{_shown(item)} is labelled {_shown(label)} already; mark it as fine instead.")


def _check_new_class(label: str, *, terms: Terms) -> None:
    if terms.class_problem is None:
        raise Refused(f"No class can be added here; choose one of the {len(terms.vocab)} that there are.")
    if problem := terms.class_problem(label):
        raise Refused(f"This can't be a class: {problem}.")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


PARSERS: dict[str, Callable[[Message, Terms], Ask]] = {
    PAGE: _ask_page,
    DECIDE: _ask_decide,
    UNDO: lambda message, terms: AskUndo(_found(message, terms)),
    REDO: lambda message, terms: AskRedo(_found(message, terms)),
    FIND: _ask_find,
    FULL: lambda message, terms: AskFull(_item(message, terms)),
    EVIDENCE: lambda message, terms: AskEvidence(_item(message, terms)),
    NEAR: lambda message, terms: AskNear(_item(message, terms)),
}
