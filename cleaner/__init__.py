"""Find and fix wrong labels in image folders: train first, clean second.

The public names are loaded when they are first used, so that `import cleaner` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cleaner.app.dashboard import Dashboard
    from cleaner.app.download import download
    from cleaner.app.dropins.cleaners import ImageClassifierCleaner, ImagesCleaner
    from cleaner.app.dropins.deleter import FileDeleter
    from cleaner.app.dropins.formatter import DatasetFormatter
    from cleaner.app.dropins.version1 import ImageCleaner, PredictionsCorrector
    from cleaner.app.finished import load_model
    from cleaner.app.project import Project
    from cleaner.app.reviewgrid import ReviewGrid
    from cleaner.catalog.table import Table
    from cleaner.errors import CleanerError
    from cleaner.ranking.scores import rank, score
    from cleaner.types import TrainConfig

__version__ = "0.1.0"

_HOMES = {
    "CleanerError": "cleaner.errors",
    "Dashboard": "cleaner.app.dashboard",
    "DatasetFormatter": "cleaner.app.dropins.formatter",
    "FileDeleter": "cleaner.app.dropins.deleter",
    "ImageClassifierCleaner": "cleaner.app.dropins.cleaners",
    "ImageCleaner": "cleaner.app.dropins.version1",
    "ImagesCleaner": "cleaner.app.dropins.cleaners",
    "PredictionsCorrector": "cleaner.app.dropins.version1",
    "Project": "cleaner.app.project",
    "ReviewGrid": "cleaner.app.reviewgrid",
    "Table": "cleaner.catalog.table",
    "TrainConfig": "cleaner.types",
    "download": "cleaner.app.download",
    "load_model": "cleaner.app.finished",
    "rank": "cleaner.ranking.scores",
    "score": "cleaner.ranking.scores",
}

__all__ = [
    "CleanerError",
    "Dashboard",
    "DatasetFormatter",
    "FileDeleter",
    "ImageClassifierCleaner",
    "ImageCleaner",
    "ImagesCleaner",
    "PredictionsCorrector",
    "Project",
    "ReviewGrid",
    "Table",
    "TrainConfig",
    "download",
    "load_model",
    "rank",
    "score",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'cleaner' has no attribute {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
