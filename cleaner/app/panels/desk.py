"""What the panels share: the open project, the one long task that may run, and word of what has changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import ipywidgets as widgets

from cleaner.app.background import Task
from cleaner.app.home import user
from cleaner.app.panels.parts import block, button, sentence
from cleaner.app.project import Project
from cleaner.app.recent import remember
from cleaner.app.settings import appliers, confined, known_user
from cleaner.app.words import progress_line
from cleaner.errors import InputError, Refused
from cleaner.progress import INTERVAL, Progress, Report, Stop

Result = TypeVar("Result")
LONGEST_NAME = 60  # characters


class Desk:
    """One person's open project; `changed` calls every listener after anything about it has changed."""

    def __init__(
        self, *, go: Callable[[str], None], on_busy: Callable[[bool], None] = lambda _: None
    ) -> None:
        self.go, self._on_busy = go, on_busy
        self.by = user()
        self._project: Project | None = None
        self._task: Task[Any] | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def project(self) -> Project:
        """The open project. Raises InputError while there is none."""
        if self._project is None:
            raise InputError("No folder is open yet; choose one first.")
        return self._project

    @property
    def is_open(self) -> bool:
        """Say whether a project is open."""
        return self._project is not None

    @property
    def place(self) -> Path:
        """The folder or table that opens the project again. Raises InputError while there is none."""
        return self.project.source.place or self.project.root

    @property
    def busy(self) -> bool:
        """Say whether a long task is running."""
        return self._task is not None and self._task.running

    def open(self, project: Project) -> None:
        """Take up another project. Raises InputError while a task runs on the one before."""
        self._check_idle()
        self._project = project
        self.changed()

    def open_folder(self, folder: str | Path) -> None:
        """Open a folder in the name of the person. Raises what `Project.open` does, and Refused for one
        outside of the root that the operator has set.
        """
        if not str(folder):
            raise InputError("No folder was chosen.")
        self._check_idle()  # before anything is written into it
        project = Project.open(confined(Path(folder)), by=self.by)
        confined(project.root)  # a table may name images anywhere
        self.open(project)
        remember(self.place)

    def _check_idle(self) -> None:
        if self.busy:
            raise InputError("Something is still running; stop it before opening another folder.")

    def rename(self, name: str) -> None:
        """Have further decisions carry another name.

        Raises Refused for a name that only the server may give, InputError while a task runs.
        """
        name = " ".join(name.split())[:LONGEST_NAME] or user()
        if name == self.by:
            return
        if known_user() is not None or name in appliers():
            raise Refused(f"Only the server can say who is {name}; ask whoever operates it.")
        if self.busy:
            raise InputError("Something is still running; give your name when it has ended.")
        self.by = name
        if self._project is not None:
            self.open_folder(self.place)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call a function after each change."""
        self._listeners.append(listener)

    def changed(self) -> None:
        """Tell every listener."""
        for listener in self._listeners:
            listener()

    def start(
        self,
        work: Callable[[Report, Stop], Result],
        *,
        on_progress: Report,
        on_end: Callable[[Task[Result]], None],
    ) -> Task[Result]:
        """Run long work in the background. Raises InputError while another task runs."""
        if self.busy:
            raise InputError("Something is still running; wait for it or stop it first.")

        def ended(task: Task[Result]) -> None:
            self._on_busy(False)
            on_end(task)

        self._on_busy(True)
        task = Task(work, on_progress=on_progress, on_end=ended)
        self._task = task
        return task


class Runner:
    """Buttons that start long work, one that stops it, and its progress: the same in every panel."""

    def __init__(self, desk: Desk, *starts: widgets.Button) -> None:
        self.starts = starts
        self.stop_button = button("Stop", tooltip="Stop after the step under way; what is done is kept")
        self.bar = widgets.IntProgress(min=0, max=100, layout=widgets.Layout(width="100%"))
        self.line = block()
        self.view = widgets.VBox([widgets.HBox([*starts, self.stop_button]), self.bar, self.line])
        self._desk, self._shown, self._stopping = desk, 0.0, False
        self._task: Task[Any] | None = None
        self._of = self._home()  # of the project that the line is about
        desk.listen(self._forget)
        self.stop_button.on_click(self._on_stop)
        self._show_running(running=False)

    def run(
        self,
        work: Callable[[Report, Stop], Result],
        *,
        on_done: Callable[[Result], tuple[str, str]],
        on_progress: Report | None = None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the work; `on_done` takes its result and returns the sentence to show, and its tone.

        `then` is called when all of that is over, however it ended.
        """

        def report(progress: Progress) -> None:
            self._show(progress)
            if on_progress is not None:
                on_progress(progress)

        def ended(task: Task[Result]) -> None:
            self._show_running(running=False)
            if task.failure is not None:
                self.say(str(task.failure), tone="warn")
            else:
                text, tone = on_done(cast(Result, task.result))
                self.say(text, tone=tone)
            self._desk.changed()
            then()

        if self._desk.busy:
            if self._task is None or not self._task.running:  # else its own progress says so
                self.say("Something is still running; wait for it or stop it first.", tone="warn")
            return
        self._stopping = False
        self._show_running(running=True)
        self._task = self._desk.start(work, on_progress=report, on_end=ended)

    def say(self, text: str, *, tone: str = "plain") -> None:
        """Show one sentence beneath the bar."""
        self.line.value = sentence(text, tone=tone)

    def _home(self) -> Path | None:
        return self._desk.project.home if self._desk.is_open else None

    def _forget(self) -> None:
        """Leave nothing standing that was said of another project."""
        if self._of != (home := self._home()):
            self._of = home
            self.say("")

    def _show(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._shown < INTERVAL and progress.done < progress.total:
            return
        self._shown = now
        self.bar.max, self.bar.value = max(progress.total, 1), progress.done
        if not self._stopping:
            self.say(progress_line(progress))

    def _show_running(self, *, running: bool) -> None:
        for start in self.starts:
            start.disabled = running
        self.stop_button.layout.display = "" if running else "none"
        self.bar.layout.display = "" if running else "none"
        self.bar.value = 0

    def _on_stop(self, _: widgets.Button) -> None:
        if self._task is not None and self._task.running:
            self._stopping = True
            self.say("Stopping …")  # before it ends and says how
            self._task.stop()
