"""The trash, below step 5: look at what was removed, put some of it back, or destroy it by typing a word."""

from __future__ import annotations

import ipywidgets as widgets
from rich import filesize

from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.parts import block, button, figure, figures, picture_of, sentence
from cleaner.app.settings import may_not_apply
from cleaner.app.words import count, receipt_line
from cleaner.changes.trash import WORD
from cleaner.progress import Report, Stop
from cleaner.types import Receipt

SHOWN = 24  # pictures; the list names all


class TrashBox:
    """List the removed images with their pictures; folded away while there are none."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shown = block()
        self._chosen = widgets.SelectMultiple(options=(), rows=8, layout=widgets.Layout(width="auto"))
        self._chosen.tooltip = "The removed images; hold Ctrl or Shift to choose several"
        self._restore = button("Put the chosen ones back", tooltip="To where they lay, and undecided")
        self._word = widgets.Text(placeholder=f"type {WORD} to empty", continuous_update=True)
        self._empty = button("Empty the trash", tooltip="Destroy all of it; nothing brings it back")
        self._runner = Runner(desk, self._restore, self._empty)
        self._restore.on_click(lambda _: self._on_restore())
        self._empty.on_click(lambda _: self._on_empty())
        self._word.observe(lambda _: self._refresh_buttons(), names="value")
        self._chosen.observe(lambda _: self._refresh_buttons(), names="value")
        self._inside = widgets.VBox([self._shown, self._chosen, self._word])
        self.view = widgets.VBox([self._inside, self._runner.view])

    def refresh(self) -> None:
        """Show what lies in the trash now."""
        held = self._desk.project.trash.list() if self._desk.is_open else ()
        self._inside.layout.display = "" if held else "none"
        for start in self._runner.starts:
            start.layout.display = "" if held else "none"
        self._chosen.options = [image.id for image in held]
        wanted = self._desk.project.trash.wanted() if held else ()
        self._chosen.value = [image.id for image in wanted]
        size = filesize.decimal(sum(image.bytes for image in held))
        shown = [
            figure(picture_of(self._desk.project, image.id), caption=f"{image.path}, by {image.by}")
            for image in held[:SHOWN]
        ]
        chosen = f"; chosen below is what is no longer to be removed ({len(wanted)})" if wanted else ""
        said = f"In the trash: {count(len(held), 'image')}, {size}{chosen}."
        self._shown.value = sentence(said) + figures(shown)
        self._refresh_buttons()

    def _refresh_buttons(self) -> None:
        denied = may_not_apply(self._desk.by) is not None
        self._restore.disabled = denied or self._desk.busy or not self._chosen.value
        self._empty.disabled = denied or self._desk.busy or self._word.value != WORD

    def _on_restore(self) -> None:
        items = list(self._chosen.value)

        def work(report: Report, stopped: Stop) -> Receipt:
            return self._desk.project.trash.restore(items, report=report, stopped=stopped)

        self._runner.run(work, on_done=lambda receipt: _said(receipt, undecided=True))

    def _on_empty(self) -> None:
        word = self._word.value
        self._word.value = ""

        def work(report: Report, stopped: Stop) -> Receipt:
            return self._desk.project.trash.empty(word, report=report, stopped=stopped)

        self._runner.run(work, on_done=lambda receipt: _said(receipt, undecided=False))


def _said(receipt: Receipt, *, undecided: bool) -> tuple[str, str]:
    tone = "warn" if receipt.failed or receipt.stopped else "good"
    return receipt_line(receipt, undecided=undecided), tone
