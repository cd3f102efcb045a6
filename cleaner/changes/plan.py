"""Turns decisions into a plan of what would be moved where, before anything is touched.

Pure: the disk is not asked, so names that only the disk knows to be taken are settled on apply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from cleaner.changes.names import WOULD_SPLIT, folded, folder_name_problem, numbered, path_problem
from cleaner.types import Catalog, Decision, Item, Operation, Plan, Refusal, Standing

IN_TABLE = (
    "The labels come from a table, so no file is ever moved: write the cleaned table with "
    "project.export.csv(…) or cleaner export."
)
LARGE_SHARE = 10  # more than one in so many removed is worth a warning


def make_plan(
    catalog: Catalog,
    standing: Standing,
    *,
    disputed: int = 0,
    trashed: int = 0,
    are_splits: Callable[[Collection[str]], bool] = lambda _: False,
) -> Plan:
    """Say what the standing decisions would change, in the order of the catalog.

    A delete has no target yet: its place in the trash is chosen on apply. Decisions on images that are not
    in the catalog (already in the trash) change nothing. `disputed` counts the images on which people do not
    agree, `trashed` those in the trash that are no longer to be removed, and `are_splits` says whether
    folders of some names would be taken for a split, not for classes.
    """
    positions = catalog.positions()
    rows = sorted(positions[identity] for identity in standing if identity in positions)
    folders = {folded(label): label for label in catalog.vocab}
    changes: dict[int, Operation] = {}
    refusals = []
    for row in rows:
        item = catalog.item(row)
        decision = standing[item.id]
        if not _changes(item, decision):
            continue
        reason = _problem(catalog, row=row, decision=decision, folders=folders, are_splits=are_splits)
        if reason:
            refusals.append(Refusal(item=item.id, reason=reason))
        else:
            changes[row] = _operation(catalog, row=row, decision=decision)
    operations = _with_free_targets(catalog, operations=tuple(changes.values()))
    warnings = _warnings(catalog, changes=changes, disputed=disputed, trashed=trashed)
    return Plan(operations=operations, refusals=tuple(refusals), warnings=warnings)


def overtaken(plan: Plan, standing: Standing) -> tuple[Plan, tuple[Refusal, ...]]:
    """Leave out of a plan what the decisions no longer say, and return that with a reason, once an image."""
    gone = dict.fromkeys(op.item for op in plan.operations if not _still_said(op, standing.get(op.item)))
    left = tuple(operation for operation in plan.operations if operation.item not in gone)
    refusals = tuple(Refusal(item, f"{item} was decided otherwise after this was planned.") for item in gone)
    return replace(plan, operations=left), refusals


def _still_said(operation: Operation, decision: Decision | None) -> bool:
    """Say whether a decision asks for an operation; what leaves the label alone comes from none."""
    if operation.kind == "trash":
        return decision is not None and decision.action == "delete"
    if operation.kind == "move" and operation.new_label != operation.label:
        return decision is not None and (decision.action, decision.label) == ("relabel", operation.new_label)
    return True


def plan_moves(catalog: Catalog, targets: Mapping[int, str]) -> Plan:
    """Say how some images, by their rows, come to lie elsewhere under their own labels; touches nothing."""
    drafts = [
        replace(_kept_label(catalog.item(row)), target=target) for row, target in sorted(targets.items())
    ]
    return Plan(operations=_with_free_targets(catalog, operations=tuple(drafts)))


def summary(plan: Plan) -> str:
    """Say in one sentence what a plan would do."""
    kinds = Counter(operation.kind for operation in plan.operations)
    trashed, along = kinds["trash"], kinds["sidecar"]
    moved = sum(op.kind == "move" and op.label != op.new_label for op in plan.operations)
    sides = kinds["move"] - moved
    parts = [f"{sides} {'image changes' if sides == 1 else 'images change'} folder"] if sides else []
    if moved:
        parts.append(f"{moved} {'image changes' if moved == 1 else 'images change'} class")
    if trashed:
        noun = "" if moved else (" image" if trashed == 1 else " images")
        parts.append(f"{trashed}{noun} {'goes' if trashed == 1 else 'go'} to the project's trash")
    if along:
        parts.append(f"{along} sidecar {'file goes' if along == 1 else 'files go'} along")
    text = f"{', '.join(parts)}; nothing is deleted for good" if parts else "No image would be changed"
    refused = len(plan.refusals)
    if refused:
        text += f"; {refused} {'decision' if refused == 1 else 'decisions'} can't be applied"
    return f"{text}."


def _changes(item: Item, decision: Decision) -> bool:
    if decision.action == "relabel":
        return decision.label != item.label
    return decision.action == "delete"


def _problem(
    catalog: Catalog,
    *,
    row: int,
    decision: Decision,
    folders: dict[str, str],
    are_splits: Callable[[Collection[str]], bool],
) -> str | None:
    """Say why a decision can't become a change; remembers a new class in `folders`, keyed by folded name."""
    if catalog.labels_in == "table":
        return "the labels come from a table"
    problem = path_problem(catalog.paths[row])
    if problem or decision.action == "delete":
        return problem
    label = decision.label or ""
    problem = folder_name_problem(label, exists=label in catalog.vocab)
    if problem:
        return problem
    new = folded(label) not in folders
    if new and not catalog.class_level and are_splits([*folders.values(), label]):
        return WOULD_SPLIT.format(label)
    known = folders.setdefault(folded(label), label)
    if label != known and label not in catalog.vocab:
        return f"the label {label!r} is spelled almost like {known!r}: many disks can't tell them apart"
    if len(PurePosixPath(catalog.paths[row]).parts) < catalog.class_level + 2:
        return f"{catalog.paths[row]} lies in no class folder"
    return path_problem(catalog.path_under(row, label))


def _operation(catalog: Catalog, *, row: int, decision: Decision) -> Operation:
    item = catalog.item(row)
    moved = decision.action == "relabel" and decision.label is not None
    return Operation(
        item=item.id,
        kind="move" if moved else "trash",
        source=item.path,
        target=catalog.path_under(row, decision.label) if moved and decision.label else "",
        label=item.label,
        new_label=decision.label if moved else None,
        digest=item.digest,
        bytes=item.bytes,
    )


def _kept_label(item: Item) -> Operation:
    return Operation(
        item=item.id,
        kind="move",
        source=item.path,
        target="",
        label=item.label,
        new_label=item.label,
        digest=item.digest,
        bytes=item.bytes,
    )


def _with_free_targets(catalog: Catalog, *, operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Give every move a target that no other image has and no other operation gets, whatever the case.

    The image's own name in another case is free: from `Dog/1.jpg` to `dog/1.jpg` nobody is in the way.
    """
    taken = Counter(folded(path) for path in catalog.paths)
    free = []
    for operation in operations:
        if operation.kind == "move":
            own = folded(operation.source)
            names = numbered(operation.target)
            target = next(name for name in names if taken[folded(name)] <= (folded(name) == own))
            taken[folded(target)] += 1
            operation = replace(operation, target=target)
        free.append(operation)
    return tuple(free)


def _warnings(
    catalog: Catalog, *, changes: dict[int, Operation], disputed: int, trashed: int
) -> tuple[str, ...]:
    left = Counter(catalog.vocab[label] for label in catalog.labels)
    left.subtract(operation.label for operation in changes.values())
    left.update(operation.new_label for operation in changes.values() if operation.new_label)
    warnings = [IN_TABLE] if catalog.labels_in == "table" else []
    warnings += [f"The class {label!r} would be left without images." for label in left if left[label] == 0]
    warnings += [
        f"There is no class {label!r} yet: its folder will be made."
        for label in left
        if label not in catalog.vocab
    ]
    removed = sum(operation.kind == "trash" for operation in changes.values())
    if removed * LARGE_SHARE > len(catalog):
        warnings.append(f"{removed} of {len(catalog)} images would be removed: more than a tenth.")
    held_out = int(catalog.held_out()[list(changes)].sum())
    if held_out:
        subject = "1 held-out image is" if held_out == 1 else f"{held_out} held-out images are"
        warnings.append(f"{subject} touched: rounds are compared on the held-out images that remain.")
    if disputed:
        about = "1 image" if disputed == 1 else f"{disputed} images"
        warnings.append(f"People do not agree on {about}: the last decision holds.")
    if trashed:
        subject = "1 image in the trash is" if trashed == 1 else f"{trashed} images in the trash are"
        warnings.append(f"{subject} no longer to be removed: put back what is wanted from the trash.")
    return tuple(warnings)
