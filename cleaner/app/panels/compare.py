"""Step 6: what got better from round to round, and whether that is more than chance."""

from __future__ import annotations

import ipywidgets as widgets

from cleaner.app.agenda import labels_by_id
from cleaner.app.cleaned import Cleaned, cleaned
from cleaner.app.compare import Comparison, Difference, Mind
from cleaner.app.panels.desk import Desk
from cleaner.app.panels.parts import (
    beside,
    block,
    button,
    figure,
    figures,
    fold,
    heading,
    picture_of,
    sentence,
    table,
)
from cleaner.app.plots import confusion_plot
from cleaner.app.project import Project
from cleaner.app.words import count

SHOWN = 24  # pictures; the rest are counted
PAIRS = 8  # kinds of corrections listed


class Compare:
    """Rounds side by side on the same held-out images, on cleaned and on original labels."""

    title = "Compare"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shown = block()
        self._again = button("Review the new order", tooltip="What the last round ranks first")
        self._next = button("Next: use the model", primary=True)
        self._again.on_click(lambda _: desk.go("Review"))
        self._next.on_click(lambda _: desk.go("Use"))
        lead = "Every round is measured on the same held-out images, so that the numbers can be compared."
        below = widgets.HBox([self._next, self._again])
        self.view = widgets.VBox([heading("Compare", lead=lead), self._shown, below])

    def refresh(self) -> None:
        """Compare all rounds."""
        rounds = self._desk.project.rounds if self._desk.is_open else ()
        self._again.disabled = self._next.disabled = not rounds
        if not rounds:
            self._shown.value = sentence("There is nothing to compare yet: train first.")
            return
        project = self._desk.project
        comparison, first = project.compare(), project.predictions(rounds[0].number)
        done = cleaned(project.decisions(), first=labels_by_id(first))
        self._shown.value = comparison_view(comparison) + cleaned_view(done) + minds_view(project, comparison)


def comparison_view(comparison: Comparison) -> str:
    """Show a comparison as a sentence, a table, and what was confused before and after."""
    if not comparison.images:
        return sentence(comparison.sentence(), tone="warn")
    rows = [
        [f"round {rates.round}", f"{rates.cleaned:.1%}", f"{rates.original:.1%}"]
        for rates in comparison.rates
    ]
    changes = (comparison.cleaned, comparison.original)
    if all(changes):
        rows.append(["change, 95 % interval", *(_interval(change) for change in changes)])
    tone = "warn" if comparison.worse else "good" if comparison.better else "plain"
    head = ["", "error rate on cleaned labels", "error rate on original labels"]
    return sentence(comparison.sentence(), tone=tone) + table(head, rows) + _confusions(comparison)


def _interval(difference: Difference | None) -> str:
    if difference is None:
        return ""
    low, high = difference.low * 100, difference.high * 100
    return f"{difference.change * 100:+.1f} points ({low:+.1f} to {high:+.1f})"


def _confusions(comparison: Comparison) -> str:
    if not comparison.vocab:
        return ""
    first, last = comparison.rates[0].round, comparison.rates[-1].round
    drawn = beside(
        [
            (f"Round {number}, against the cleaned labels", confusion_plot(matrix, comparison.vocab))
            for number, matrix in ((first, comparison.before), (last, comparison.after))
        ]
    )
    return fold("What was confused with what, before and after", drawn)


def cleaned_view(done: Cleaned) -> str:
    """Show what was decided so far: a sentence, and which labels became which."""
    rows = [[old, new, f"{times:,}"] for (old, new), times in list(done.relabelled.items())[:PAIRS]]
    more = len(done.relabelled) - len(rows)
    if not rows:
        return sentence(done.sentence())
    listed = table(["was", "is now", "images"], rows)
    rest = sentence(f"and {count(more, 'other pair')}" if more > 0 else "")
    return sentence(done.sentence()) + fold("Which labels became which", listed + rest)


def minds_view(project: Project, comparison: Comparison) -> str:
    """Show the images of which the first and the last round say different things, with pictures."""
    minds = comparison.minds
    if not minds:
        return ""
    right = sum(mind.after == mind.label for mind in minds)
    wrong = sum(mind.before == mind.label for mind in minds)
    said = (
        f"Of {count(len(minds), 'held-out image')} the model thinks otherwise now: {right:,} became right, "
        f"{wrong:,} became wrong."
    )
    shown = figures([figure(picture_of(project, mind.id), caption=_change(mind)) for mind in minds[:SHOWN]])
    more = len(minds) - SHOWN
    rest = sentence(f"and {more:,} more" if more > 0 else "")
    return fold(said, shown + rest, opened=True)


def _change(mind: Mind) -> str:
    verdict = "right" if mind.after == mind.label else "wrong" if mind.before == mind.label else "still wrong"
    return f"{mind.before} → {mind.after}, {verdict} (labelled {mind.label})"
