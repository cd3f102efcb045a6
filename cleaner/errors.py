"""What can go wrong, each said in one sentence: what, which value, what to do."""

from __future__ import annotations

import errno
from typing import Literal, TypeAlias

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)  # what an OSError says then
Problem: TypeAlias = Literal["url", "address", "name", "connection", "status", "redirects", "size", "time"]


class CleanerError(Exception):
    """Any error a person can do something about; its text is the sentence to show them."""


class InputError(CleanerError):
    """What was passed in can't be used: a folder, a label, a setting."""


class UnreadableImage(CleanerError):
    """One image can't be decoded; everything else goes on without it."""


class TrainingError(CleanerError):
    """A training could not finish; the rounds before it are intact."""


class NoWeights(TrainingError):
    """There are no pretrained weights to be had, and what was asked for needs some."""


class Stopped(CleanerError):
    """The person pressed Stop; nothing half-done was kept."""


class Refused(CleanerError):
    """A decision or a change was not taken; nothing was altered."""


class FetchError(CleanerError):
    """A URL that could not be fetched, and why.

    `problem` is the kind of reason; `retry` says whether another attempt may do better, `wait` after how many
    seconds at the earliest if the server named them; `status` is the HTTP status if there was an answer.
    """

    def __init__(
        self,
        sentence: str,
        *,
        problem: Problem,
        retry: bool = False,
        wait: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(sentence)
        self.problem, self.retry, self.wait, self.status = problem, retry, wait, status
