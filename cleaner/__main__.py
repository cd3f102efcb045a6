"""The `cleaner` command, also as `python -m cleaner`: it listens to Ctrl+C before anything else is loaded."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command. Ctrl+C while it is still being loaded ends it without a traceback."""
    try:
        from cleaner.app import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
