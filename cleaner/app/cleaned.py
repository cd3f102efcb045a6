"""What a cleaning has changed so far, in counts: labels corrected and confirmed, images removed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cleaner.app.words import count
from cleaner.types import Standing


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What people have decided, applied or not. `relabelled` maps (first label, new label) to images."""

    relabelled: Mapping[tuple[str, str], int]
    removed: int
    confirmed: int
    unsure: int

    def sentence(self) -> str:
        """Say in one sentence what was cleaned."""
        corrected, removed = count(sum(self.relabelled.values()), "label"), count(self.removed, "image")
        said = f"{corrected} corrected, {self.confirmed:,} confirmed, {removed} removed"
        return f"Decided so far: {said}{f', {self.unsure:,} left open' if self.unsure else ''}."


def cleaned(standing: Standing, *, first: Mapping[str, str]) -> Cleaned:
    """Count the decisions that stand; `first` gives the label that each image had in the first round.

    An image given back its first label counts as confirmed; one that no round saw is counted from «new».
    """
    actions = Counter(decision.action for decision in standing.values())
    pairs = Counter(
        (first.get(item, "new"), decision.label)
        for item, decision in standing.items()
        if decision.action == "relabel" and decision.label is not None
    )
    back = sum(times for (old, new), times in pairs.items() if old == new)
    return Cleaned(
        relabelled={pair: times for pair, times in pairs.most_common() if pair[0] != pair[1]},
        removed=actions["delete"],
        confirmed=actions["keep"] + back,
        unsure=actions["unsure"],
    )
