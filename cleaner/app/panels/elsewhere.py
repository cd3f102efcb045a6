"""What the train step shows of a training that is not its own: one in another window, one that was killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import ipywidgets as widgets

from cleaner.app.panels.desk import Desk
from cleaner.app.panels.parts import block, button, sentence
from cleaner.app.plots import curves
from cleaner.app.project import Project
from cleaner.app.training import drop_killed
from cleaner.app.underway import Underway, underway
from cleaner.app.words import progress_line
from cleaner.errors import CleanerError
from cleaner.types import TrainConfig

RUNNING = (
    "A training of this project is running in another window, or since before this page was loaded; it goes "
    "on by itself. Wait until it ends, or stop it."
)
EVERY = 1.0  # seconds between two looks


class Elsewhere:
    """Follow a training in another window until it ends; offer to go on with one that was killed."""

    def __init__(self, desk: Desk, *, resume: Callable[[TrainConfig], None]) -> None:
        self._desk, self._resume = desk, resume
        self._said, self._curves = block(), block()
        self._bar = widgets.IntProgress(min=0, max=100, layout=widgets.Layout(width="100%"))
        self._stop = button("Stop that training", tooltip="It ends at its next step; nothing of it is kept")
        self._go_on = button("Go on with it", tooltip="From where it was last saved", primary=True)
        self._drop = button("Forget it", tooltip="Start anew instead")
        self._stop.on_click(lambda _: self._on_stop())
        self._go_on.on_click(lambda _: self._on_go_on())
        self._drop.on_click(lambda _: self._on_drop())
        self._buttons = widgets.HBox([])
        self.view = widgets.VBox([self._said, self._bar, self._buttons, self._curves])
        self.view.add_class("cleaner-elsewhere")
        self._watched: Project | None = None
        self.running = False

    def refresh(self) -> None:
        """Show what there is of another training now; nothing while this window's own work runs."""
        self.running = False
        if not self._desk.is_open or self._desk.busy:
            self.view.layout.display = "none"
            return
        running = self._desk.project.training_elsewhere
        told = underway(self._desk.project.home)  # after it: what has just ended must not seem killed
        self.running = running is not None
        self.view.layout.display = "" if running or told else "none"
        if running:
            self._show_running(told)
            self._watch()
        elif told:
            self._show_killed(told)

    def _show_running(self, told: Underway | None) -> None:
        self._buttons.children = (self._stop,)
        self._bar.layout.display = "" if told else "none"
        line = ""
        if told:
            now = told.progress
            self._bar.max, self._bar.value = max(now.total, 1), now.done
            line = progress_line(now)
            self._curves.value = curves(now.epochs)
        self._said.value = sentence(RUNNING, tone="warn") + sentence(line)

    def _show_killed(self, told: Underway) -> None:
        self._bar.layout.display, self._curves.value = "none", ""
        self._buttons.children = (self._go_on, self._drop)
        epochs = len(told.progress.epochs)
        far = f" after {epochs} of its epochs" if epochs else ""
        self._said.value = sentence(
            f"A training was interrupted{far}: its program was ended. All rounds before it are intact. You "
            "can go on with it from where it was last saved.",
            tone="warn",
        )

    def _watch(self) -> None:
        """Look again each second until the training has ended, then tell everyone."""
        project = self._desk.project
        if self._watched is project:
            return
        self._watched = project
        threading.Thread(target=self._follow, args=(project,), name="cleaner-watch", daemon=True).start()

    def _follow(self, project: Project) -> None:
        said: str | None = ""
        while said is not None and self._watched is project:
            time.sleep(EVERY)
            if self._desk.busy or self._desk.project is not project:
                break
            said = project.training_elsewhere
            if said is not None:
                self._show_running(underway(project.home))
        if self._watched is project:  # else another one is followed by now
            self._watched = None
        if said is None and self._desk.project is project:
            self._desk.changed()

    def _on_stop(self) -> None:
        self._desk.project.stop_training()
        self._said.value = sentence("It was asked to stop; train again in a moment.")

    def _on_go_on(self) -> None:
        told = underway(self._desk.project.home)
        if told is None:
            self.refresh()
            return
        self.view.layout.display = "none"
        try:
            self._resume(told.config)
        except CleanerError as error:
            self._said.value = sentence(str(error), tone="warn")

    def _on_drop(self) -> None:
        try:
            drop_killed(self._desk.project.home)
        except CleanerError as error:
            self._said.value = sentence(str(error), tone="warn")
            return
        self._desk.changed()
