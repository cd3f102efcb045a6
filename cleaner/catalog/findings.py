"""What the catalog itself gives away, before any model: the same file twice, and checks that fail too often.

Findings never delete anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from cleaner.types import Catalog, Finding

NAMED = 3
ABNORMAL_SHARE = 0.3  # above this share of unreadable files the fault is more likely the disk's than theirs


def duplicates(catalog: Catalog) -> list[Finding]:
    """Find files of equal bytes: with two labels (one must be wrong), across the split, or plainly twice."""
    groups: dict[str, list[int]] = {}
    for row, digest in enumerate(catalog.digests):
        groups.setdefault(digest, []).append(row)
    return [finding for rows in groups.values() if len(rows) > 1 for finding in _of_group(catalog, rows)]


def _of_group(catalog: Catalog, rows: Sequence[int]) -> list[Finding]:
    labels = sorted({catalog.vocab[catalog.labels[row]] for row in rows})
    splits = sorted({catalog.splits[row] for row in rows})
    if len(labels) > 1:
        kind, severity, what = "conflicting duplicate", 1.0, f"labelled {' and '.join(labels)}"
    elif len(splits) > 1:
        kind, severity, what = "leak", 0.7, f"on both sides of the split ({' and '.join(splits)})"
    else:
        kind, severity, what = "duplicate", 0.4, f"all labelled {labels[0]}"
    return [
        Finding(
            catalog.ids[row],
            kind,
            severity,
            f"{catalog.paths[row]} is the same file as {_others(catalog, rows, row)}: {what}.",
        )
        for row in rows
    ]


def _others(catalog: Catalog, rows: Sequence[int], row: int) -> str:
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
