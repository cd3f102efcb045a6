"""What can go wrong, each said in one sentence: what, which value, what to do."""

from __future__ import annotations

import errno

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)  # what an OSError says then


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
