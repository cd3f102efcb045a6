"""Step 7: ask the finished model about new images, and take it along."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import NamedTuple

import ipywidgets as widgets

from cleaner.app.answers import Answers
from cleaner.app.finished import FinishedModel
from cleaner.app.panels.desk import Desk, Runner
from cleaner.app.panels.parts import answer_row, block, button, heading, sentence, table
from cleaner.app.project import Project
from cleaner.app.settings import confined
from cleaner.app.uploads import Upload, Uploads
from cleaner.app.words import count
from cleaner.catalog.thumbnails import small
from cleaner.errors import InputError, Refused, UnreadableImage
from cleaner.progress import Report, Stop
from cleaner.serve.classifier import Prediction

SHOWN = 48  # answers with pictures; the rest are counted
BARS = 3  # classes shown for each image
SIDE = 160  # pixels of the small pictures


class Answer(NamedTuple):
    """What the model says of one image: classes, best first; or why it can't be asked."""

    name: str
    classes: Prediction = ()
    picture: bytes | None = None
    problem: str | None = None


class Use:
    """Ask the finished model about images from the browser or a folder, and write it to a folder."""

    title = "Use"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._model: tuple[Project, int, FinishedModel] | None = None
        self._of: Path | None = None  # the home of the project that the fields and answers belong to
        self._upload = Uploads(self._on_upload, say=lambda said: self._asking.say(said))
        self._folder = _path_field("folder", hint="path of a folder of images, where the app runs")
        self._target = _path_field("write to", hint="path of a new folder, where the app runs")
        self._ask = button("Ask about the folder", tooltip="All images in it and below it")
        self._export = button("Write the model", tooltip="For cleaner.load_model, ONNX Runtime and PyTorch")
        self._asking, self._exporting = Runner(desk, self._ask), Runner(desk, self._export)
        self._shown, self._line = block(), block()
        self._ask.on_click(lambda _: self._on_folder())
        self._export.on_click(lambda _: self._on_export())
        lead = "Ask the model about images that it has never seen, and take it along to where it is needed."
        asked, taken = widgets.HBox([self._upload, self._folder]), widgets.HBox([self._target])
        for row in (asked, taken):
            row.add_class("cleaner-row")
        self.view = widgets.VBox(
            [
                heading("Use", lead=lead),
                self._line,
                *(asked, self._asking.view, self._shown),
                *(taken, self._exporting.view),
            ]
        )

    def refresh(self) -> None:
        """Say which round's network answers, and whether there is one; of another project nothing stays."""
        home = self._desk.project.home if self._desk.is_open else None
        if home != self._of:
            self._of = home
            self._folder.value = self._target.value = self._shown.value = ""
        rounds = self._desk.project.rounds if self._desk.is_open else ()
        for field in (self._folder, self._target):
            field.disabled = not rounds
        for press in (self._upload, self._ask, self._export):
            press.disabled = not rounds or self._desk.busy
        if not rounds:
            self._line.value = sentence("There is no model yet: train first.", tone="warn")
            return
        last = next((done for done in reversed(rounds) if done.config.mode == "full"), rounds[-1])
        rate = f"It got {last.error_rate:.1%} of its held-out images wrong."
        self._line.value = sentence(f"The model of round {last.number} answers. {rate}")
        if not self._target.value:
            self._target.value = _beside(self._desk.project)

    def _on_upload(self, uploads: Sequence[Upload]) -> None:
        self._run(lambda report, stopped: ask_uploads(self._loaded(report), uploads, report, stopped))

    def _on_folder(self) -> None:
        def work(report: Report, stopped: Stop) -> tuple[Answer, ...]:
            if not self._folder.value.strip():
                raise InputError("Give the path of a folder of images, or choose images from your machine.")
            folder = confined(Path(self._folder.value.strip()))
            return with_pictures(self._loaded(report).predict(folder, report=report, stopped=stopped), folder)

        self._run(work)

    def _loaded(self, report: Report) -> FinishedModel:
        """Return the model that answers, loaded once for each round."""
        project = self._desk.project
        newest = project.rounds[-1].number
        if self._model is None or self._model[:2] != (project, newest):
            self._model = project, newest, project.model(report=report)
        return self._model[2]

    def _run(self, work: Callable[[Report, Stop], tuple[Answer, ...]]) -> None:
        def done(answers: tuple[Answer, ...]) -> tuple[str, str]:
            self._shown.value = answers_view(answers)
            failed = sum(answer.problem is not None for answer in answers)
            said = f"Asked about {count(len(answers), 'image')}"
            return (f"{said}; {failed:,} could not be read.", "warn") if failed else (f"{said}.", "good")

        self._rest()
        self._asking.run(work, on_done=done)

    def _on_export(self) -> None:
        def work(report: Report, _: Stop) -> Path:
            target = confined(Path(self._target.value.strip()))
            return self._desk.project.export_model(target, report=report)

        def done(written: Path) -> tuple[str, str]:
            return f"Wrote the model to {written}: cleaner.load_model({str(written)!r}) loads it.", "good"

        self._rest()
        self._exporting.run(work, on_done=done)

    def _rest(self) -> None:
        """Take nothing else meanwhile; said before the work begins, for it may end at once."""
        self._upload.disabled = self._ask.disabled = self._export.disabled = True


def ask_uploads(
    model: FinishedModel, uploads: Sequence[Upload], report: Report, stopped: Stop
) -> tuple[Answer, ...]:
    """Ask about the contents of files; nothing of them is kept.

    The names that a browser gives are only ever shown: the files get names of our own.
    """
    with tempfile.TemporaryDirectory(prefix="cleaner-ask-") as place:
        paths = [Path(place, f"upload-{number}") for number in range(len(uploads))]
        for path, (_, content) in zip(paths, uploads, strict=True):
            path.write_bytes(content)
        answers = with_pictures(model.predict(paths, report=report, stopped=stopped), Path(place))
    return tuple(
        answer._replace(name=PurePath(name).name, problem=_named(answer.problem, path.name, name))
        for answer, path, (name, _) in zip(answers, paths, uploads, strict=True)
    )


def _named(problem: str | None, ours: str, name: str) -> str | None:
    return None if problem is None else problem.replace(ours, name, 1)


def with_pictures(answers: Answers, folder: Path) -> tuple[Answer, ...]:
    """Join answers with small pictures of as many images as are shown."""
    made = []
    for row, name in enumerate(answers.names):
        problem = answers.problems.get(name)
        picture = _small(folder / name) if row < SHOWN and problem is None else None
        made.append(Answer(name, answers[row], picture, problem))
    return tuple(made)


def _small(path: Path) -> bytes | None:
    with suppress(UnreadableImage):
        return small(path, side=SIDE)
    return None


def answers_view(answers: Sequence[Answer]) -> str:
    """Show each image with its likeliest classes as bars, and of many, how many are taken for what."""
    if not answers:
        return sentence("There are no images in that folder.", tone="warn")
    taken = Counter(answer.classes[0][0] for answer in answers if answer.classes)
    summary = [[name, f"{times:,}"] for name, times in taken.most_common()]
    first = answers[:SHOWN]
    rows = [answer_row(a.picture, name=a.name, classes=a.classes[:BARS], problem=a.problem) for a in first]
    more = len(answers) - len(rows)
    return (
        (table(["taken for", "images"], summary) if len(answers) > 1 and summary else "")
        + f"<div class='cleaner-answers'>{''.join(rows)}</div>"
        + sentence(f"and {more:,} more" if more > 0 else "")
    )


def _beside(project: Project) -> str:
    """Return a place for the model beside the dataset, nothing where that lies out of bounds."""
    with suppress(Refused):
        return str(confined(project.root.with_name(f"{project.root.name}-model")))
    return ""


def _path_field(name: str, *, hint: str) -> widgets.Text:
    style = {"description_width": "initial"}
    # sent as a whole: or a quick hand's click would overtake its last letters
    made = widgets.Text(placeholder=hint, description=name, style=style, continuous_update=False)
    made.tooltip = hint
    made.layout.width = "min(100%, 480px)"
    return made
