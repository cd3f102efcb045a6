"""Step 3: train a model on the images as they are, and watch it."""

from __future__ import annotations

import ipywidgets as widgets

from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.parts import block, button, curves, heading, sentence
from cleaner.app.words import duration, round_line
from cleaner.types import Progress, Report, Round, Stop, TrainConfig


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
        self._train.on_click(lambda _: self.start())
        self._next.on_click(lambda _: desk.go("Review"))
        self._compare.on_click(lambda _: desk.go("Compare"))
        lead = "A model learns your labels as they are; those it finds hardest to believe come first."
        self.view = widgets.VBox(
            [
                heading("Train", lead=lead),
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

        def done(result: Round) -> str:
            return (
                f"Round {result.number} is done after {duration(result.seconds)}; the images are ranked anew."
            )

        self._last.value = self._curves.value = ""
        self._runner.run(work, on_done=done, on_progress=progress)

    def refresh(self) -> None:
        """Show the last round."""
        rounds = self._desk.project.rounds if self._desk.is_open else ()
        self._next.disabled = not rounds
        self._compare.layout.display = "" if len(rounds) > 1 else "none"
        self._train.description = f"Train round {len(rounds) + 1}"
        if self._desk.busy:
            return
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
        self._flip = widgets.Checkbox(True, description="mirrored images mean the same", indent=False)
        box = widgets.VBox([self._arch, self._weights, self._epochs, self._size, self._flip])
        self.view = widgets.Accordion([box], titles=("Options",))

    def config(self) -> TrainConfig:
        """Read the options."""
        return TrainConfig(
            arch=self._arch.value.strip(),
            weights=self._weights.value.strip(),
            epochs=self._epochs.value or None,
            size=self._size.value or None,
            flip=self._flip.value,
        )

    def show(self, last: Round) -> None:
        """Start from how the last round was trained; what it had to fall back on is not taken over."""
        self._flip.value = last.config.flip
        if not last.notes:
            self._weights.value = last.config.weights
        if last.config.weights != "scratch":
            self._arch.value = last.config.arch
