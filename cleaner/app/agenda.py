"""What is still to be looked at, and what may be said of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from cleaner.catalog.listing import are_splits
from cleaner.changes.names import WOULD_SPLIT, folded, folder_name_problem
from cleaner.errors import Refused
from cleaner.ranking.queue import without
from cleaner.types import Action, Catalog, Predictions, Queue, Receipt, Standing


def labels_by_id(table: Catalog | Queue | Predictions) -> dict[str, str]:
    """Map the id of each image to the label that it has there."""
    return {key: table.vocab[code] for key, code in zip(table.ids, table.labels, strict=True)}


def agenda(ranked: Queue, *, catalog: Catalog, standing: Standing, round: int) -> Queue:
    """Leave out of a round's order what was decided in earlier rounds, is gone, or has another label since.

    Of a label changed by apply or by hand the order says nothing. Class folders made since the round are
    added to the vocabulary, so that images can be given to them.
    """
    label_now = labels_by_id(catalog)
    changed = {key for key, label in labels_by_id(ranked).items() if label_now.get(key) != label}
    earlier = {key for key, decision in standing.items() if decision.round < round}
    new_classes = tuple(name for name in catalog.vocab if name not in ranked.vocab)
    return replace(without(ranked, earlier | changed), vocab=ranked.vocab + new_classes)


def check_verdict(catalog: Catalog, items: Sequence[str], action: Action, *, label: str | None) -> None:
    """Raise Refused for a verdict on what isn't there, and for a label that is no class or not new."""
    if isinstance(items, str | PurePath):
        raise Refused(f"Give a list of ids, not {str(items)!r} alone.")
    rows = catalog.positions()
    if missing := [item for item in items if item not in rows]:
        raise Refused(unknown_image(missing[0], catalog))
    if action != "relabel" or label is None:
        return
    if label not in catalog.vocab:
        if near := [name for name in catalog.vocab if folded(name) == folded(label)]:
            raise Refused(
                f"{label!r} is no class here, but {near[0]!r} is, which only looks the same; use that."
            )
        classes = ", ".join(catalog.vocab[:20])
        raise Refused(f"{label!r} is no class here (there are: {classes}); make a folder of that name first.")
    if same := [item for item in items if catalog.vocab[catalog.labels[rows[item]]] == label]:
        raise Refused(f"{same[0]!r} is labelled {label!r} already; keep it instead.")


def unknown_image(item: str, catalog: Catalog) -> str:
    """Say that there is no such image, and what an id is like."""
    such = f", such as {str(catalog.ids[0])!r}" if len(catalog) else ""
    return f"{item!r} is no image of this dataset; give an id, the path it was first found under{such}."


def class_problem(catalog: Catalog, name: str) -> str | None:
    """Say why a name can't become a new class of this dataset; None if it can."""
    known = {folded(label): label for label in catalog.vocab}.get(folded(name))
    if known is not None and known != name:
        return f"{name!r} is spelled almost like {known!r}: many disks can't tell them apart"
    by_folder = catalog.labels_in == "folder" and catalog.class_level == 0
    if by_folder and name not in catalog.vocab and are_splits([*catalog.vocab, name]):
        return WOULD_SPLIT.format(name)
    return folder_name_problem(name)


def unkept(undone: Receipt, standing: Standing) -> list[tuple[str, Action, str | None]]:
    """Return the verdicts that ask again for labels under which images were kept, and that an undo took."""
    lost = {op.item: op.label for op in undone.done if op.kind == "move" and op.label != op.new_label}
    kept = (item for item in lost if item in standing and standing[item].action == "keep")
    return [(item, "relabel", lost[item]) for item in kept]


def trusted(catalog: Catalog, standing: Standing) -> NDArray[np.bool_]:
    """Mark the images whose label, as it is now, a person has confirmed or given, shape [N]."""
    label_now = labels_by_id(catalog)
    confirmed = {
        key
        for key, decision in standing.items()
        if decision.action == "keep"
        or (decision.action == "relabel" and decision.label == label_now.get(key))
    }
    return np.array([key in confirmed for key in catalog.ids], dtype=bool)
