"""The browser's side of grid and map as texts: what belongs together joined into one, as a widget takes it.

It knows no message and no picture.
"""

from __future__ import annotations

import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
MODULES = (
    "rules",
    "deep",
    "pieces",
    "picker",
    "evidence",
    "full",
    "filter",
    "wire",
    "grid",
)  # each after what it needs
MAP_MODULES = ("rules", "pieces", "wire", "plane", "map")

IMPORT = re.compile(r"^import \{[^}]*\} from \"\./\w+\.mjs\";\n", re.MULTILINE)


def joined(names: tuple[str, ...]) -> str:
    """Join modules of `static/`, in order, into one without the imports between them."""
    texts = (STATIC.joinpath(f"{name}.mjs").read_text(encoding="utf-8") for name in names)
    return "\n".join(IMPORT.sub("", text) for text in texts)


def style(*names: str) -> str:
    """Join styles of `static/`, in order: the later ones have the last word."""
    return "\n".join(STATIC.joinpath(f"{name}.css").read_text(encoding="utf-8") for name in names)


SCRIPT, STYLE = joined(MODULES), style("theme", "grid")
MAP_SCRIPT, MAP_STYLE = joined(MAP_MODULES), style("theme", "map")
