"""Ends the grids that a test has made, and leaves alone what libraries share between their widgets."""

from __future__ import annotations

from ipywidgets.widgets.widget import _instances

from cleaner.review.grid import QueueGrid


def close_grids() -> None:
    """End the threads of all grids there are."""
    for widget in list(_instances.values()):
        if isinstance(widget, QueueGrid):
            widget.close()
