"""The projects opened last, newest first, in one small file among the person's own data."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from cleaner.app.settings import confined, setting
from cleaner.errors import CleanerError
from cleaner.writing import whole

MOST = 10


def recent() -> tuple[Path, ...]:
    """Return the folders and tables opened last that are still there and may be opened, newest first."""
    places = []
    for name in _names():
        with contextlib.suppress(CleanerError, OSError):
            place = confined(Path(name))
            if place.exists():
                places.append(place)
    return tuple(dict.fromkeys(places))


def remember(place: Path) -> None:
    """Put a folder or a table at the top; a file that can't be written costs the memory, nothing else."""
    names = [str(place), *(name for name in _names() if name != str(place))]
    file = _file()
    with contextlib.suppress(OSError, UnicodeError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as part:
            part.write_text(json.dumps(names[:MOST]), encoding="utf-8")


def _names() -> list[str]:
    try:
        kept = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [name for name in kept if isinstance(name, str)] if isinstance(kept, list) else []


def _file() -> Path:
    named = setting("recent")
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(named) if named else Path(data) / "cleaner" / "recent.json"
