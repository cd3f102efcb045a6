"""Write the documentation of the API from its docstrings: `make docs`, into docs/api."""

from __future__ import annotations

import sys
from pathlib import Path

import pdoc

import cleaner

# besides the public names of `cleaner` itself: what its attributes and arguments are
MODULES = (
    "cleaner.types",
    "cleaner.errors",
    "cleaner.progress",
    "cleaner.app.export",
    "cleaner.app.trash",
    "cleaner.app.byhand",
    "cleaner.app.looking",
    "cleaner.app.compare",
    "cleaner.app.interpretation",
)


def make(out: Path) -> None:
    """Write the pages into a folder."""
    for name in cleaner.__all__:  # loaded when they are first used, and pdoc only looks
        setattr(cleaner, name, getattr(cleaner, name))
    pdoc.render.configure(docformat="markdown", search=True)
    pdoc.pdoc("cleaner", *MODULES, output_directory=out)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("api"))
