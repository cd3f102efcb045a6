"""Step 3: train a model on the images as they are, and watch it."""

from __future__ import annotations

import ipywidgets as widgets

from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.parts import block, button, curves, heading, sentence
from cleaner.app.words import duration, round_line
from cleaner.progress import Progress, Report, Stop
from cleaner.types import Round, TrainConfig


class Train:
    """Train in the background with live progress, losses and Stop."""

    title = "Train"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._options = Options()
        self._shown: Round | None = None
        self._train = button("Train", tooltip="Train on the images as they are now", primary=True)
        self._next = button("Next: review", primary=True)
        self._compare = button("Compare the rounds", tooltip="What got better since the first round")
        self._runner = Runner(desk, self._train)
        self._curves, self._last = block(), block()
        self._elsewhere = block()
        self._end_it = button("Stop that training", tooltip="It ends at its next step; nothing of it is kept")
        self._other = widgets.VBox([self._elsewhere, self._end_it])
        self._train.on_click(lambda _: self.start())
        self._end_it.on_click(lambda _: self._stop_elsewhere())
        self._next.on_click(lambda _: desk.go("Review"))
        self._compare.on_click(lambda _: desk.go("Compare"))
        lead = "A model learns your labels as they are; those it finds hardest to believe come first."
        self.view = widgets.VBox(
            [
                heading("Train", lead=lead),
                self._other,
                self._runner.view,
                self._curves,
                self._last,
                self._options.view,
                widgets.HBox([self._next, self._compare]),
            ]
        )

    def start(self) -> None:
        """Train the next round in the background."""
        config = self._options.config()

        def work(report: Report, stopped: Stop) -> Round:
            return self._desk.project.train(config, report=report, stopped=stopped)

        def progress(now: Progress) -> None:
            if now.epochs:
                self._curves.value = curves(now.epochs)
            self._last.value = "".join(sentence(note, tone="warn") for note in now.notes)

        def done(result: Round) -> tuple[str, str]:
            took = duration(result.seconds)
            return f"Round {result.number} is done after {took}; the images are ranked anew.", "good"

        self._last.value = self._curves.value = ""
        self._runner.run(work, on_done=done, on_progress=progress)

    def _stop_elsewhere(self) -> None:
        self._desk.project.stop_training()
        self._elsewhere.value = sentence("It was asked to stop; train again in a moment.")

    def refresh(self) -> None:
        """Show the last round, and whether a training runs in another window."""
        rounds = self._desk.project.rounds if self._desk.is_open else ()
        self._next.disabled = not rounds
        self._compare.layout.display = "" if len(rounds) > 1 else "none"
        self._train.description = f"Train round {len(rounds) + 1}"
        self._other.layout.display = "none"
        if self._desk.busy:
            return
        if self._desk.is_open and (problem := self._desk.project.training_elsewhere):
            self._elsewhere.value = sentence(problem, tone="warn")
            self._other.layout.display = ""
        if not rounds:
            self._last.value = self._curves.value = ""
            return
        last = rounds[-1]
        if last != self._shown:  # else the person may have changed them since
            self._options.show(last)
            self._shown = last
        self._curves.value = curves(last.epochs)
        notes = "".join(sentence(note, tone="warn") for note in last.notes)
        self._last.value = sentence(round_line(last)) + notes


class Options:
    """What few people need to change, hidden until asked for."""

    def __init__(self) -> None:
        style = {"description_width": "110px"}
        self._arch = widgets.Text("resnet34", description="architecture", style=style)
        self._weights = widgets.Combobox(
            value="pretrained", options=("pretrained", "scratch"), description="weights", style=style
        )
        self._epochs = widgets.BoundedIntText(0, min=0, max=1000, description="epochs (0: auto)", style=style)
        self._size = widgets.BoundedIntText(0, min=0, max=1024, description="size (0: auto)", style=style)
        self._lr = widgets.BoundedFloatText(
            0, min=0, max=10, step=0.001, description="lr (0: auto)", style=style
        )
        self._batch = widgets.BoundedIntText(64, min=1, max=4096, description="batch_size", style=style)
        self._flip = widgets.Checkbox(True, description="mirrored images mean the same", indent=False)
        numbers = (self._epochs, self._size, self._lr, self._batch)
        box = widgets.VBox([self._arch, self._weights, *numbers, self._flip])
        self.view = widgets.Accordion([box], titles=("Options",))

    def config(self) -> TrainConfig:
        """Read the options."""
        return TrainConfig(
            arch=self._arch.value.strip(),
            weights=self._weights.value.strip(),
            epochs=self._epochs.value or None,
            size=self._size.value or None,
            lr=self._lr.value or None,
            batch_size=self._batch.value,
            flip=self._flip.value,
        )

    def show(self, last: Round) -> None:
        """Start from how the last round was trained; what it had to fall back on is not taken over."""
        self._flip.value = last.config.flip
        if not last.notes:
            self._weights.value = last.config.weights
        if last.config.weights != "scratch":
            self._arch.value = last.config.arch
