"""What verdicts come to together: what survives undo, who contradicts whom, what can't be kept. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cleaner.errors import Refused
from cleaner.types import ACTIONS, Action, Decision

Verdict: TypeAlias = tuple[str, Action, "str | None"]  # item, action, label


def surviving(events: Iterable[Decision]) -> tuple[Decision, ...]:
    """Return the verdicts that are not taken back, in their order; undos and redos themselves are none."""
    kept: list[Decision] = []
    back: set[tuple[int, str]] = set()
    for event in reversed(tuple(events)):
        if (event.batch, event.item) in back:
            continue
        if event.undoes is None:
            kept.append(event)
        else:
            back.add((event.undoes, event.item))
    return tuple(reversed(kept))


def taken_back(history: Sequence[Decision], *, batch: int) -> tuple[Verdict, ...]:
    """Return the verdicts that restore what the items of a batch would have had without it.

    `history` holds all events of those items, in order. An item of which that changes nothing is left out:
    somebody has decided on it later, and that verdict is not ours to undo.
    """
    last = {event.item: event for event in surviving(history)}
    before = {event.item: event for event in surviving(event for event in history if event.batch != batch)}
    items = dict.fromkeys(event.item for event in history if event.batch == batch)
    return tuple(_restored(item, before.get(item)) for item in items if last.get(item) != before.get(item))


def _restored(item: str, before: Decision | None) -> Verdict:
    return (item, "clear", None) if before is None else (item, before.action, before.label)


@dataclass(frozen=True, slots=True)
class Conflict:
    """One image on which people do not agree: the last verdict of each, the oldest first."""

    item: str
    verdicts: tuple[Decision, ...]


def conflicts(events: Iterable[Decision]) -> tuple[Conflict, ...]:
    """Return the images of which people's own last verdicts differ, in the order of first mention.

    What was taken back counts as never said, and to restore somebody's verdict is not to say it. "unsure"
    and "clear" contradict nobody. A conflict ends when all who judged the image say the same, or take back
    what they said.
    """
    said: dict[str, dict[str, Decision]] = {}
    for event in surviving(events):
        mine = said.setdefault(event.item, {})
        mine.pop(event.by, None)  # what is said again is the latest
        if event.action not in ("clear", "unsure"):
            mine[event.by] = event
    differing = {
        item: tuple(of.values())
        for item, of in said.items()
        if len({(event.action, event.label) for event in of.values()}) > 1
    }
    return tuple(Conflict(item, verdicts) for item, verdicts in differing.items())


def repeats(kept: Decision | None, verdict: Verdict) -> bool:
    """Say whether a verdict is the one that stands: to write it again would make the next undo do nothing."""
    return kept is not None and (kept.item, kept.action, kept.label) == verdict


def check(verdicts: Sequence[Verdict]) -> None:
    """Refuse verdicts that can't be kept: none at all, an unknown action, a label missing or too much."""
    if not verdicts:
        raise Refused("No verdict was given; nothing was saved.")
    if len({item for item, _, _ in verdicts}) < len(verdicts):
        raise Refused("One image has two verdicts at once; give one verdict per image.")
    for item, action, label in verdicts:
        if action not in ACTIONS:
            raise Refused(f"{action!r} is no verdict; choose one of {', '.join(ACTIONS)}.")
        if action == "relabel" and not label:
            raise Refused(f"The new label of {item} is missing; a relabel needs one.")
        if action != "relabel" and label is not None:
            raise Refused(f"{action} of {item} came with the label {label!r}; only a relabel carries one.")
