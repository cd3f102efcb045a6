"""What a cleaning found and did, as values: the numbers and names that a report is made of. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from cleaner.app.agenda import labels_by_id
from cleaner.changes.cleaned import cleaned, first_label
from cleaner.types import Catalog, Decision, Finding, Standing

REMOVED = "removed"  # what becomes of an image that doesn't belong, where others have a new class


@dataclass(frozen=True, slots=True)
class Change:
    """One image whose label was wrong, or that did not belong: `label` is the new class, None for removed."""

    id: str
    given: str
    label: str | None
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class ClassAccount:
    """One class: images as they came and as the decisions leave them, and what was seen of those that came.

    `left` were wrong and got another class, `removed` don't belong, `came` are from other classes.
    """

    name: str
    first: int
    reviewed: int
    left: int
    removed: int
    came: int
    now: int


@dataclass(frozen=True, slots=True)
class PersonAccount:
    """What one person said, and from when to when, in UTC."""

    name: str
    fine: int
    relabelled: int
    removed: int
    unsure: int
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class KindAccount:
    """How many findings of one kind there are, and the details of some, worst first."""

    kind: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """What a cleaning found and did; `seen` maps the ids of all images to the label that each came with."""

    seen: Mapping[str, str]
    changes: tuple[Change, ...]
    classes: tuple[ClassAccount, ...]
    people: tuple[PersonAccount, ...]
    reviewed: int
    now: int


def account(catalog: Catalog, standing: Standing, *, first: Mapping[str, str]) -> Account:
    """Count what the decisions that stand make of a dataset.

    `first` gives the labels that images had in the first round that saw them; of others the path that they
    came with tells it. Images that are gone without a decision are not counted.
    """
    now = labels_by_id(catalog)
    seen = {key: _came_as(key, catalog, first=first, now=now) for key in {*now, *standing}}
    after = {row.id: row.label for row in cleaned(catalog, standing)}
    changes = tuple(_changes(standing, seen))
    return Account(
        seen,
        changes,
        tuple(_classes(seen, after, standing, changes)),
        tuple(_person(name, standing) for name in sorted({d.by for d in standing.values()})),
        reviewed=len(standing),
        now=len(after),
    )


def pairs(changes: Sequence[Change]) -> list[tuple[str, str, int]]:
    """Return what was labelled as what: given class, new class or «removed», and how often, most first."""
    counted = Counter((change.given, change.label) for change in changes)
    return [(given, REMOVED if label is None else label, n) for (given, label), n in counted.most_common()]


def some_of_each(changes: Sequence[Change], *, most: int) -> list[Change]:
    """Choose at most so many, from every pair of classes as evenly as there are; pairs stay together."""
    groups: dict[tuple[str, str | None], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.given, change.label), []).append(change)
    ordered = sorted(groups.values(), key=len, reverse=True)
    turns = [change for turn in zip_longest(*ordered) for change in turn if change is not None][:most]
    chosen = {change.id for change in turns}
    return [change for group in ordered for change in group if change.id in chosen]


def kinds(findings: Sequence[Finding], *, shown: int) -> list[KindAccount]:
    """Count findings by kind, worst first; of each, tell some."""
    of: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: -finding.severity):
        of.setdefault(finding.kind, []).append(finding)
    return [KindAccount(kind, len(all), tuple(f.detail for f in all[:shown])) for kind, all in of.items()]


def _came_as(identity: str, catalog: Catalog, *, first: Mapping[str, str], now: Mapping[str, str]) -> str:
    by_path = first_label(catalog, identity=identity)
    return first.get(identity) or by_path or now.get(identity, "")


def _changes(standing: Standing, seen: Mapping[str, str]) -> list[Change]:
    wrong = [d for d in standing.values() if d.action == "delete" or d.label not in (None, seen[d.item])]
    made = [Change(d.item, seen[d.item], d.label, d.by, d.at) for d in wrong]
    return sorted(made, key=lambda change: (change.given, change.label or "", change.id))


def _classes(
    seen: Mapping[str, str], after: Mapping[str, str], standing: Standing, changes: Sequence[Change]
) -> list[ClassAccount]:
    first, now = Counter(seen.values()), Counter(after.values())
    reviewed = Counter(seen[key] for key in standing)
    left = Counter(change.given for change in changes if change.label is not None)
    removed = Counter(change.given for change in changes if change.label is None)
    came = Counter(change.label for change in changes if change.label is not None)
    names = sorted({*first, *now})
    return [ClassAccount(n, first[n], reviewed[n], left[n], removed[n], came[n], now[n]) for n in names]


def _person(name: str, standing: Standing) -> PersonAccount:
    said: list[Decision] = [decision for decision in standing.values() if decision.by == name]
    of = Counter(decision.action for decision in said)
    times = [decision.at for decision in said]
    return PersonAccount(
        name, of["keep"], of["relabel"], of["delete"], of["unsure"], min(times)[:10], max(times)[:10]
    )
