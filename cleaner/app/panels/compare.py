"""Step 6: what got better from round to round."""

from __future__ import annotations

import ipywidgets as widgets

from cleaner.app.compare import Comparison
from cleaner.app.panels.desk import Desk
from cleaner.app.panels.parts import block, button, heading, sentence, table


class Compare:
    """Rounds side by side on the same held-out images, on cleaned and on original labels."""

    title = "Compare"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shown = block()
        self._again = button("Review the new order", primary=True)
        self._again.on_click(lambda _: desk.go("Review"))
        lead = "Every round is measured on the same held-out images, so that the numbers can be compared."
        self.view = widgets.VBox([heading("Compare", lead=lead), self._shown, self._again])

    def refresh(self) -> None:
        """Compare all rounds."""
        if not self._desk.is_open or not self._desk.project.rounds:
            self._shown.value = sentence("There is nothing to compare yet: train first.")
            return
        self._shown.value = comparison_view(self._desk.project.compare())


def comparison_view(comparison: Comparison) -> str:
    """Show a comparison as a sentence and a table."""
    rows = [
        [f"round {rates.round}", f"{rates.cleaned:.1%}", f"{rates.original:.1%}"]
        for rates in comparison.rates
    ]
    tone = "warn" if comparison.worse else "good"
    return sentence(comparison.sentence(), tone=tone) + table(
        ["", "error rate on cleaned labels", "error rate on original labels"], rows
    )
