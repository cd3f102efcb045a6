"""Step 3: train a model on the images as they are, and watch it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import ipywidgets as widgets

from cleaner.app.byhand import RateSearch
from cleaner.app.demo import is_demo
from cleaner.app.engine import load_library
from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.elsewhere import Elsewhere
from cleaner.app.panels.parts import block, button, fold, heading, sentence
from cleaner.app.plots import curves
from cleaner.app.project import Project
from cleaner.app.settings import confined
from cleaner.app.words import duration, round_line
from cleaner.errors import CleanerError, NoWeights
from cleaner.progress import Progress, Report, Stop, quiet
from cleaner.types import Mode, Round, TrainConfig

MODES: dict[str, tuple[Mode, ...]] = {
    "a quick look first, then in full": ("quick", "full"),
    "a quick look only": ("quick",),
    "in full only": ("full",),
}
WEIGHTS = ("pretrained", "scratch")
FOLDS: dict[str, int | None] = {"auto": None, "none": 0, **{str(n): n for n in (2, 3, 5, 10)}}


class Train:
    """Train in the background with live progress, losses and Stop."""

    title = "Train"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shown: Round | None = None
        self._begun: Path | None = None
        self._train = button("Train", tooltip="Train on the images as they are now", primary=True)
        self._next = button("Next: review", primary=True)
        self._compare = button("Compare the rounds", tooltip="What got better since the first round")
        self._find_lr = button("Find a learning rate", tooltip="Try out rising rates for a moment")
        self._options = Options(self._find_lr)
        self._runner = Runner(desk, self._train, self._find_lr)
        self._curves, self._last, self._notes = block(), block(), block()
        self._elsewhere = Elsewhere(desk, resume=self._resume)
        self._loading: threading.Thread | None = None
        self._rates, self._confused = block(), block()
        self._train.on_click(lambda _: self.start())
        self._find_lr.on_click(lambda _: self._search_rate())
        self._next.on_click(lambda _: desk.go("Review"))
        self._compare.on_click(lambda _: desk.go("Compare"))
        lead = "A model learns your labels as they are; those it finds hardest to believe come first."
        self.view = widgets.VBox(
            [
                heading("Train", lead=lead),
                self._elsewhere.view,
                self._runner.view,
                self._last,
                self._curves,
                self._notes,
                widgets.HBox([self._next, self._compare]),
                self._confused,
                self._rates,
                self._options.view,
            ]
        )

    def load(self) -> None:
        """Load what trains in the background, so that a training begins at once."""
        if self._loading is None:
            self._loading = threading.Thread(target=load_library, args=(quiet,), daemon=True)
            self._loading.start()

    def start(self) -> None:
        """Train in the background: the quick look for a first order at once, then the full training."""
        if configs := self._configs():
            self._run(configs)

    def _configs(self) -> tuple[TrainConfig, ...]:
        """Read the options; nothing, and a sentence, where they can't be used."""
        try:
            return self._options.configs()
        except CleanerError as error:
            self._runner.say(str(error), tone="warn")
            return ()

    def _resume(self, config: TrainConfig) -> None:
        """Go on with a training that was killed."""
        self._run((config,))

    def _run(self, configs: Sequence[TrainConfig]) -> None:
        def work(report: Report, stopped: Stop) -> Round:
            return train_each(
                self._desk.project, configs, on_round=self._on_round, report=report, stopped=stopped
            )

        def progress(now: Progress) -> None:
            if now.epochs:
                self._curves.value = curves(now.epochs)
            self._notes.value = "".join(sentence(note, tone="warn") for note in now.notes)

        def done(result: Round) -> tuple[str, str]:
            took = duration(result.seconds)
            said = f"Round {result.number} is done after {took}; the images are ranked anew."
            return f"{said} Next: review them.", "good"

        self._last.value = self._notes.value = self._curves.value = self._rates.value = ""
        self._runner.run(work, on_done=done, on_progress=progress)

    def _search_rate(self) -> None:
        """Find a learning rate in the background, show the curve, and fill it in."""
        configs = self._configs()
        if not configs:
            return

        def work(report: Report, stopped: Stop) -> RateSearch:
            return self._desk.project.by_hand.find_lr(configs[-1], report=report, stopped=stopped)

        def done(found: RateSearch) -> tuple[str, str]:
            self._rates.value = found._repr_html_()
            self._options.take_rate(found.suggestion)
            return (
                f"A learning rate of {found.suggestion:.2g} is suggested; it stands in the options.",
                "good",
            )

        self._runner.run(work, on_done=done)

    def _on_round(self, result: Round) -> None:
        """Let the person begin to review while the full training goes on."""
        self._last.value = sentence(
            f"{round_line(result)} You can review now; the full training goes on and refines the order.",
            tone="good",
        )
        self._desk.changed()

    def refresh(self) -> None:
        """Show the last round, and whether a training runs in another window."""
        rounds = self._desk.project.rounds if self._desk.is_open else ()
        self._begin()
        self._next.disabled = not rounds
        self._compare.layout.display = "" if len(rounds) > 1 else "none"
        self._train.description = f"Train round {len(rounds) + 1}"
        self._elsewhere.refresh()
        idle = self._desk.is_open and not (self._desk.busy or self._elsewhere.running)
        self._train.disabled = self._find_lr.disabled = not idle
        self._point_at(self._next if rounds and not self._decided_since(rounds[-1]) else self._train)
        if self._desk.busy:
            return
        if not rounds:
            self._last.value = self._notes.value = self._curves.value = self._confused.value = ""
            return
        last = rounds[-1]
        if last != self._shown:  # else the person may have changed them since
            self._options.show(last)
            self._shown = last
            self._confused.value = fold("What the model confuses", confusion_view(self._desk.project))
        self._curves.value = curves(last.epochs)
        self._last.value = sentence(round_line(last))
        self._notes.value = "".join(sentence(said, tone="warn") for said in (*last.notes, *last.advice))

    def _decided_since(self, last: Round) -> bool:
        """Say whether there is something new to learn from since a round was trained."""
        return any(decision.at > last.finished for decision in self._desk.project.decisions().values())

    def _point_at(self, due: widgets.Button) -> None:
        """Let that one of the two buttons stand out that is to be pressed next."""
        for each in (self._train, self._next):
            each.button_style = "primary" if each is due else ""

    def _begin(self) -> None:
        """Start anew when another project is open: nothing chosen or said of the one before stays."""
        if self._desk.is_open and self._desk.project.root != self._begun:
            self._begun, self._shown = self._desk.project.root, None
            self._options.reset(mirrored=not is_demo(self._begun))  # a mirrored digit is another digit
            self._rates.value = ""


def confusion_view(project: Project) -> str:
    """Draw what the last round's model confuses with what, or say why that can't be done."""
    try:
        return project.interpret().plot_confusion_matrix().svg
    except CleanerError as error:
        return sentence(str(error), tone="warn")


def train_each(
    project: Project,
    configs: Sequence[TrainConfig],
    *,
    on_round: Callable[[Round], None],
    report: Report,
    stopped: Stop,
) -> Round:
    """Train one round after the other and return the last; `on_round` hears of each before it.

    Where there are no pretrained weights a quick look is left out, if a full training follows.
    """
    *first, last = configs
    for config in first:
        with contextlib.suppress(NoWeights):
            on_round(project.train(config, report=report, stopped=stopped))
    return project.train(last, report=report, stopped=stopped)


class Options:
    """What few people need to change, hidden until asked for; `too` is hidden and shown with it."""

    def __init__(self, *too: widgets.Widget) -> None:
        style = {"description_width": "110px"}
        self._modes = widgets.Dropdown(options=list(MODES), description="mode", style=style)
        # sent as a whole: or a quick hand's click would overtake the last letters
        self._arch = widgets.Text(
            "resnet34", description="architecture", style=style, continuous_update=False
        )
        self._weights = widgets.Combobox(
            value="pretrained",
            options=WEIGHTS,
            description="weights",
            style=style,
            continuous_update=False,
        )
        self._epochs = widgets.BoundedIntText(0, min=0, max=1000, description="epochs (0: auto)", style=style)
        self._size = widgets.BoundedIntText(0, min=0, max=1024, description="size (0: auto)", style=style)
        self._lr = widgets.BoundedFloatText(
            0, min=0, max=10, step=0.001, description="lr (0: auto)", style=style
        )
        self._batch = widgets.BoundedIntText(64, min=1, max=4096, description="batch size", style=style)
        self._folds = widgets.Dropdown(options=list(FOLDS), description="folds", style=style)
        self._flip = widgets.Checkbox(True, description="mirrored images mean the same", indent=False)
        numbers = (self._epochs, self._size, self._lr, self._batch)
        fields = (self._modes, self._arch, self._weights, *numbers, self._folds)
        for field in fields:
            field.layout.width = "min(100%, 440px)"
        self._first = {field: field.value for field in fields}
        self._inside = widgets.VBox([*fields, self._flip])
        self._hidden = (self._inside, *too)
        self._show(hidden=True)
        self._fold = button("Options", tooltip="What few people need to change")
        self._fold.on_click(lambda _: self._fold_or_unfold())
        self.view = widgets.VBox([self._fold, self._inside])

    def configs(self) -> tuple[TrainConfig, ...]:
        """Read the options: one config for each round that they ask for, in their order.

        Raises Refused for weights outside of the root that the operator has set.
        """
        weights = self._weights.value.strip()
        config = TrainConfig(
            arch=self._arch.value.strip(),
            weights=weights if weights in WEIGHTS else str(confined(Path(weights))),
            epochs=self._epochs.value or None,
            size=self._size.value or None,
            lr=self._lr.value or None,
            batch_size=self._batch.value,
            flip=self._flip.value,
            folds=FOLDS[self._folds.value],
        )
        return tuple(replace(config, mode=mode) for mode in MODES[self._modes.value])

    def _fold_or_unfold(self) -> None:
        """Show the fields, or hide them: an Accordion can't be opened by keyboard."""
        folded = self._inside.layout.display == "none"
        self._show(hidden=not folded)
        self._fold.description = "Hide the options" if folded else "Options"

    def _show(self, *, hidden: bool) -> None:
        for each in self._hidden:
            each.layout.display = "none" if hidden else ""

    def reset(self, *, mirrored: bool) -> None:
        """Take back what was chosen; `mirrored` says whether mirrored images mean the same."""
        for field, first in self._first.items():
            field.value = first
        self._flip.value = mirrored

    def take_rate(self, rate: float) -> None:
        """Fill in a learning rate, as exact as a person would say it."""
        self._lr.value = float(f"{rate:.2g}")

    def show(self, last: Round) -> None:
        """Start from how the last round was trained; what it had to fall back on is not taken over."""
        self._flip.value = last.config.flip
        if last.config.weights != "scratch" or not last.notes:
            self._weights.value = last.config.weights
        if last.config.weights != "scratch":
            self._arch.value = last.config.arch
