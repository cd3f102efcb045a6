"""What whoever operates the app has set: a file, overruled by the environment. It opens and serves nothing.

The file is CLEANER_CONFIG, else `cleaner/cleaner.ini` among the person's own settings: one section,
`[cleaner]`, of lines `name = value`. The variable of a setting is its name in capitals after `CLEANER_`.
"""

from __future__ import annotations

import configparser
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path

from cleaner.errors import InputError, Refused

CONFIG = "CLEANER_CONFIG"
PREFIX = "CLEANER_"
LOOPBACK = "127.0.0.1"
NAMES = {
    "folder": "the dataset that the app opens",
    "root": "the folder outside of which nothing is listed or opened",
    "start": "where the folder chooser begins",
    "user": "the name that decisions carry",
    "user_header": "the HTTP header in which a proxy names the person",
    "may_apply": "who may change files: all, none, or names with commas between them",
    "ip": "the address to listen on",
    "port": "the port to listen on",
    "token": "the token that a page asks for; off for none",
    "database": "the SQLAlchemy URL of the project's database",
    "cache_gb": "how many gigabytes the decoded images may take",
    "recent": "the file that lists the projects opened last",
}
PATHS = ("folder", "root", "start", "recent")
_RELATIVE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)([^?]+)")  # of SQLite alone: a file


def setting(name: str) -> str | None:
    """Return what is set under a name, None for nothing. Raises InputError for a file that can't be read.

    A path is whole, with `~` followed: the programs that we start run in other folders than we do.
    """
    assert name in NAMES
    value = os.environ.get(f"{PREFIX}{name.upper()}") or _of_file().get(name) or None
    if value is not None and name in PATHS:
        return _whole(value)
    if value is not None and name == "database":
        return _RELATIVE.sub(lambda found: found[1] + _whole(found[2]), value, count=1)
    return value


def exported() -> dict[str, str]:
    """Return all that is set as environment variables, for the programs that we start."""
    found = {name: setting(name) for name in NAMES}
    named = {CONFIG: _whole(os.environ[CONFIG])} if os.environ.get(CONFIG) else {}
    return named | {f"{PREFIX}{name.upper()}": value for name, value in found.items() if value is not None}


def _whole(path: str) -> str:
    try:
        return str(Path(path).expanduser().absolute())
    except RuntimeError as error:
        raise InputError(f"{path} is set, but nobody here has that name; write the path out.") from error


def _of_file() -> Mapping[str, str]:
    named = os.environ.get(CONFIG)
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    file = Path(_whole(named)) if named else Path(base) / "cleaner" / "cleaner.ini"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with file.open(encoding="utf-8") as text:
            parser.read_file(text)
    except FileNotFoundError as error:
        if named:
            raise InputError(f"{file} is not there; {CONFIG} must name a file of settings.") from error
        return {}
    except PermissionError as error:
        if named or os.access(file.parent, os.X_OK):
            raise InputError(f"The settings in {file} may not be read ({error.strerror}).") from error
        return {}  # somebody else's home: it is not known whether there are any
    except (OSError, UnicodeError, configparser.Error) as error:
        said = " ".join(str(error).split())
        raise InputError(f"The settings in {file} can't be read: {said}") from error
    values = dict(parser["cleaner"]) if parser.has_section("cleaner") else {}
    if unknown := sorted(set(values) - set(NAMES)):
        raise InputError(f"{file} sets {unknown[0]!r}, which is no setting; there are: {', '.join(NAMES)}.")
    return values


def confined(path: Path) -> Path:
    """Return a path with `~` and links followed. Raises Refused for one outside of the root that is set."""
    root = setting("root")
    try:
        real = path.expanduser().resolve()
        if root is None or real.is_relative_to(Path(root).resolve()):
            return real
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in it, or links in a circle
        raise Refused(f"{str(path)!r} is no path that can be opened.") from error
    raise Refused(f"{path} can't be opened here: only folders in {root} can.")


def known_user() -> str | None:
    """Return who the person is as the server knows it: by a setting, a proxy's header, or JupyterHub.

    Where a header is set only that counts: a person whom the proxy did not name is not known.
    """
    if header := setting("user_header"):  # Voila hands headers to the kernel like this
        return os.environ.get(f"HTTP_{header.upper().replace('-', '_')}") or None
    return setting("user") or os.environ.get("JUPYTERHUB_USER") or None


def served_to_others(ip: str | None = None) -> bool:
    """Say whether the app listens on another address than this machine's own; by default on the one set."""
    address = ip or setting("ip") or LOOPBACK
    try:
        return address != "localhost" and not ipaddress.ip_address(address).is_loopback
    except ValueError:  # a name, as of a network interface, or «*»
        return True


def may_not_apply(by: str) -> str | None:
    """Say in a sentence why a person may not change files here; None if they may."""
    allowed = setting("may_apply") or "all"
    if allowed == "all":
        return None
    names = appliers()
    if by in names:
        return None
    if not names:
        return "Nobody may change files here; whoever operates this set it so. Your verdicts are kept."
    return (
        f"{by} may not change files here, only {', '.join(names)} may; whoever operates this set it so. "
        "Your verdicts are kept."
    )


def appliers() -> tuple[str, ...]:
    """Return the names of those who alone may change files; empty if all or none may."""
    allowed = setting("may_apply") or "all"
    names = tuple(name.strip() for name in allowed.split(",") if name.strip())
    return () if allowed in ("all", "none") else names
