"""Writes what happened as JSON, a line each: never a picture, a query, a header or a token."""

from __future__ import annotations

import json
import logging
import threading
import traceback
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO, TypeAlias

Value: TypeAlias = str | int | float | None


class Log:
    """Lines of JSON on a stream; it makes them whole, whoever writes at the same time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._turn = threading.Lock()

    def say(self, event: str, **values: Value) -> None:
        """Write one event with what belongs to it."""
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps({"at": at, "event": event, **values}) + "\n"
        with self._turn:
            self._stream.write(line)
            self._stream.flush()

    def error(self, event: str, error: BaseException, **values: Value) -> None:
        """Write that something failed and where; its text only if the system wrote that."""
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-3:]]
        reason = error.strerror if isinstance(error, OSError) else None
        self.say(
            event, error=type(error).__name__, reason=reason, where=" < ".join(reversed(where)), **values
        )


class ServerRecords(logging.Handler):
    """Takes up what the HTTP server says by way of the logging module: warnings and worse."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as an event."""
        if record.exc_info and record.exc_info[1]:
            self._log.error("server", record.exc_info[1])
        else:
            self._log.say("server", message=record.getMessage()[:500])
