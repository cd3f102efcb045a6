"""What the catalog itself gives away, before any model: what is there twice, and checks that fail too often.

Findings never delete anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleaner.types import Catalog, Finding, Floats, Ints, Strings

NAMED = 3
ABNORMAL_SHARE = 0.3  # above this share of unreadable files the fault is more likely the disk's than theirs
BESIDE = 0.05  # of the images of a class, beside its folders: a stray one or two
AS_GOOD = 0.95  # of the largest or sharpest: no difference to choose by


@dataclass(frozen=True, slots=True)
class Likeness:
    """How the images of a group are alike, in words, and how soon to look at it; see `_kind`."""

    noun: str
    sentence: str
    conflict: float
    leak: float
    plain: float


EQUAL = Likeness("duplicate", "is the same file as", 1.0, 0.7, 0.4)
SAME = Likeness("duplicate", "is pixel for pixel the same picture as", 1.0, 0.7, 0.4)
NEAR = Likeness("near duplicate", "is nearly the same picture as", 0.95, 0.65, 0.35)
ALIKE = Likeness("lookalike", "is to the model nearly the same picture as", 0.6, 0.5, 0.2)


def duplicates(catalog: Catalog) -> list[Finding]:
    """Find files of equal bytes: with two labels (one must be wrong), across the split, or plainly twice."""
    every = _of_groups(_rows_together(catalog.digests))
    return [finding for rows in every for finding in _of_group(catalog, rows, likeness=EQUAL)]


def copies(catalog: Catalog, groups: Ints, *, looks: Strings, sharpness: Floats) -> list[Finding]:
    """Find among groups of copies [N] what is not simply the same file, like `duplicates`.

    `looks` [N] are equal for what has the same pixels; `sharpness` [N] helps to choose the one to keep.
    """
    found: list[Finding] = []
    for rows in _of_groups(_rows_together(groups)):
        if len(set(catalog.digests[rows])) > 1:
            likeness = SAME if len(set(looks[rows])) == 1 else NEAR
            found += _of_group(catalog, rows, likeness=likeness, sharpness=sharpness)
    return found


def lookalikes(catalog: Catalog, groups: Ints, *, known: Ints) -> list[Finding]:
    """Find among groups [N] by a model those that say more than the `known` ones [N] by pixels do."""
    every = _of_groups(_rows_together(groups))
    new = [rows for rows in every if len(set(known[rows])) > 1]
    return [finding for rows in new for finding in _of_group(catalog, rows, likeness=ALIKE)]


def nested(catalog: Catalog) -> list[Finding]:
    """Find classes that may themselves be folders of classes: a folder too far up was opened, perhaps.

    Their images lie in two folders or more below them, and at most BESIDE of them elsewhere.
    """
    if catalog.labels_in == "table" or catalog.class_level:
        return []
    below: dict[str, Counter[str]] = {}
    for path in catalog.paths:
        name, _, rest = path.partition("/")
        below.setdefault(name, Counter())[rest.rpartition("/")[0].partition("/")[0]] += 1
    return [
        Finding(name, "folder of folders", 0.3, _asked(catalog, name, [inner for inner in folders if inner]))
        for name, folders in below.items()
        if len(folders.keys() - {""}) > 1 and folders[""] <= BESIDE * folders.total()
    ]


def _asked(catalog: Catalog, name: str, inner: Sequence[str]) -> str:
    more = f" and {len(inner) - NAMED:,} more" if len(inner) > NAMED else ""
    return (
        f"The images of the class {name} lie in folders of their own ({', '.join(inner[:NAMED])}{more}): if "
        f"these are the classes, open {catalog.root / name} instead."
    )


def order(finding: Finding) -> tuple[float, str, str, str]:
    """Sort by this: the worst first, and what belongs together side by side."""
    return -finding.severity, finding.kind, finding.group, finding.item


def _rows_together(values: Strings | Ints) -> Iterable[list[int]]:
    together: dict[object, list[int]] = {}
    for row, value in enumerate(values.tolist()):
        together.setdefault(value, []).append(row)
    return together.values()


def _of_groups(groups: Iterable[list[int]]) -> list[NDArray[np.intp]]:
    return [np.array(rows, dtype=np.intp) for rows in groups if len(rows) > 1]


def _of_group(
    catalog: Catalog, rows: NDArray[np.intp], *, likeness: Likeness, sharpness: Floats | None = None
) -> list[Finding]:
    kind, severity, what = _kind(catalog, rows, likeness=likeness)
    best, why = _best(catalog, rows, sharpness=sharpness)
    agree = not kind.startswith("conflicting") and likeness is not ALIKE
    kept = f"; {catalog.paths[best]} is {why}" if agree and why else ""
    return [
        Finding(
            catalog.ids[row],
            kind,
            severity,
            f"{catalog.paths[row]} {likeness.sentence} {_others(catalog, rows, row)}: {what}{kept}.",
            group=catalog.ids[rows[0]],
            advice=("keep" if row == best else "delete") if agree else "",
        )
        for row in rows.tolist()
    ]


def _kind(catalog: Catalog, rows: NDArray[np.intp], *, likeness: Likeness) -> tuple[str, float, str]:
    """Say what is the matter with a group: labels that differ come first, then sides of the split."""
    labels = sorted({catalog.vocab[code] for code in catalog.labels[rows]})
    splits = sorted(set(catalog.splits[rows]))
    if len(labels) > 1:
        return f"conflicting {likeness.noun}", likeness.conflict, f"labelled {' and '.join(labels)}"
    if len(splits) > 1:
        kind = "leak" if likeness.noun == "duplicate" else f"{likeness.noun} leak"
        return kind, likeness.leak, f"on both sides of the split ({' and '.join(splits)})"
    return likeness.noun, likeness.plain, f"all labelled {labels[0]}"


def _best(catalog: Catalog, rows: NDArray[np.intp], *, sharpness: Floats | None) -> tuple[int, str]:
    """Choose the one to keep, and say why: the largest, then the sharpest, then the least compressed."""
    if sharpness is None:
        return int(rows[0]), ""
    pixels = catalog.widths.astype(np.int64) * catalog.heights
    for values, why in ((pixels, "the largest"), (sharpness, "the sharpest")):
        good = rows[values[rows] >= AS_GOOD * values[rows].max()]
        if len(good) == 1:
            return int(good[0]), why
        rows = good
    return int(rows[np.argmax(catalog.bytes[rows])]), "the least compressed"


def _others(catalog: Catalog, rows: NDArray[np.intp], row: int) -> str:
    """Name the rest of a group, three at most: a group may have thousands."""
    named = [catalog.paths[other] for other in rows[: NAMED + 1] if other != row][:NAMED]
    more = len(rows) - 1 - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def too_many_failures(damaged: Sequence[Finding], *, total: int) -> list[Finding]:
    """Warn when so many files fail that the cause is probably not the files."""
    if total < 10 or len(damaged) <= ABNORMAL_SHARE * total:
        return []
    detail = (
        f"{len(damaged)} of {total} files could not be read: more likely a disk or network fault than bad "
        "files; check the folder again before you remove anything."
    )
    return [Finding("", "abnormal failures", 1.0, detail)]
