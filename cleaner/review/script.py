"""The browser's side of the grid as two texts: its modules joined into one, as a widget takes it, its style.

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

IMPORT = re.compile(r"^import \{[^}]*\} from \"\./\w+\.mjs\";\n", re.MULTILINE)


def joined(names: tuple[str, ...]) -> str:
    """Join modules of `static/`, in order, into one without the imports between them."""
    texts = (STATIC.joinpath(f"{name}.mjs").read_text(encoding="utf-8") for name in names)
    return "\n".join(IMPORT.sub("", text) for text in texts)


SCRIPT = joined(MODULES)
STYLE = STATIC.joinpath("grid.css").read_text(encoding="utf-8")
