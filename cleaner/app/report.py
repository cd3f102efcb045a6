"""One HTML page about a cleaning, to send to a colleague: what was wrong, what was done, what may remain.

It holds everything that it shows, and no script; the dataset is only read.
"""

from __future__ import annotations

import base64
import io
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from PIL import Image

from cleaner.app.accounts import Change, account, kinds, pairs, some_of_each
from cleaner.app.compare import first_labels, with_todays_names
from cleaner.app.words import count
from cleaner.changes.export import text_file
from cleaner.errors import CleanerError, InputError
from cleaner.types import SPLITS

if TYPE_CHECKING:
    from cleaner.app.project import Project

TEMPLATE = Path(__file__).with_name("static") / "report.html"
PICTURES = 200  # at most; the others are counted
SIDE, QUALITY = 132, 76  # of a picture in the report: some 4 KB each
PAIRS, EXAMPLES = 12, 3
PACKAGES = ("cleaner", "torch", "fastai", "timm", "numpy", "scikit-learn", "pillow")


@dataclass(frozen=True, slots=True)
class Shown:
    """One wrong image with its picture as a data address, empty where it can't be shown."""

    change: Change
    picture: str


def write_report(project: Project, path: Path) -> Path:
    """Write the report of a project to `path`, whole or not at all; return it.

    Raises InputError for a place among the images or of their table, and for one that can't be written.
    """
    target = project.export.free(path).absolute()
    if target.resolve().is_relative_to(project.root):
        raise InputError(f"{path} lies in the dataset, which a report must not touch; choose another place.")
    page = render(project, today=datetime.now(timezone.utc))
    with text_file(target) as file:
        file.write(page)
    return target


def render(project: Project, *, today: datetime) -> str:
    """Return the report as HTML. Names that are no valid text come with their odd bytes spelled out."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": lambda n: f"{n:,}",
        "share": lambda share: f"{share:.1%}",
        "count": count,
    }
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(contents(project, today=today))
    return page.encode("utf-8", "backslashreplace").decode("utf-8")


def contents(project: Project, *, today: datetime) -> dict[str, Any]:
    """Gather what the template shows: of a project without rounds or decisions too."""
    catalog, standing, rounds = project.catalog, project.decisions(), project.rounds
    said = {r.number: with_todays_names(project.predictions(r.number), catalog=catalog) for r in rounds}
    first = first_labels(said)
    told = account(catalog, standing, first=first)
    shown = some_of_each(told.changes, most=PICTURES)
    applied = project.ledger.applied()
    return {
        "name": project.root.name,
        "date": today.strftime("%d %B %Y"),
        "told": told,
        "relabelled": sum(change.label is not None for change in told.changes),
        "removed": sum(change.label is None for change in told.changes),
        "unsure": sum(decision.action == "unsure" for decision in standing.values()),
        "pairs": pairs(told.changes)[:PAIRS],
        "more_pairs": max(0, len(pairs(told.changes)) - PAIRS),
        "shown": [Shown(change, _picture(project.picture, change.id)) for change in shown],
        "applied": [(a.batch, a.standing) for a in applied],
        "disputed": len(project.journal.conflicts()),
        "outlook": project.looking.outlook() if rounds else None,
        "rounds": rounds,
        "comparison": project.compare() if rounds else None,
        "findings": kinds(project.findings, shown=EXAMPLES),
        "splits": [(split, int((catalog.splits == split).sum())) for split in SPLITS],
        "versions": [*_versions(PACKAGES), ("Python", platform.python_version())],
    }


def _picture(picture: Callable[[str], bytes], identity: str) -> str:
    """Return a small picture as a data address, empty where there is none to be had."""
    try:
        image = Image.open(io.BytesIO(picture(identity)))
        image.thumbnail((SIDE, SIDE))
        out = io.BytesIO()
        image.convert("RGB").save(out, "JPEG", quality=QUALITY)
    except (CleanerError, OSError):
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def _versions(names: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for name in names:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found
