"""The dataset as the decisions make it, applied or not: one row for each image that stays. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cleaner.types import Catalog, Split, Standing


@dataclass(frozen=True, slots=True)
class Row:
    """One image: where it lies now, relative to the dataset, its label as decided and as it came."""

    path: str
    label: str
    given_label: str
    split: Split
    decision: str
    id: str


def cleaned(catalog: Catalog, standing: Standing) -> Iterator[Row]:
    """Yield the images that are not deleted, in the order of their ids; `decision` is empty for undecided."""
    columns = (catalog.ids, catalog.paths, catalog.labels.tolist(), catalog.splits)
    for identity, path, number, split in zip(*columns, strict=True):
        decision = standing.get(identity)
        action = decision.action if decision else ""
        if action == "delete":
            continue
        label = catalog.vocab[number]
        relabelled = decision.label if decision and action == "relabel" else None
        given = first_label(catalog, identity=identity) or label
        yield Row(path, relabelled or label, given, split, action, identity)


def first_label(catalog: Catalog, *, identity: str) -> str | None:
    """Return the class folder in which an image first lay: its id is its first path."""
    parts = identity.split("/")
    in_folder = catalog.labels_in == "folder" and len(parts) > catalog.class_level + 1
    return parts[catalog.class_level] if in_folder else None
