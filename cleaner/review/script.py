"""The browser's side of grid and map as texts: the modules of each joined into one, as a widget takes it.

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


SCRIPT = joined(MODULES)
STYLE = STATIC.joinpath("grid.css").read_text(encoding="utf-8")
MAP_SCRIPT = joined(MAP_MODULES)
MAP_STYLE = STATIC.joinpath("map.css").read_text(encoding="utf-8")
