"""The map over a round: joins where images lie, what a grid shows of them, and the work on better places.

Places depend on the pictures, not on labels: they are kept, and found again by any round of the same images.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import ipywidgets as widgets
import numpy as np

from cleaner.app.background import Task
from cleaner.app.places import neighbourhoods, overview
from cleaner.app.words import time_left
from cleaner.progress import Progress, Report, Stop
from cleaner.ranking.rows import blocks
from cleaner.review.grid import QueueGrid
from cleaner.review.map import CHOSEN, ReviewMap
from cleaner.types import Floats, Pixels, Queue
from cleaner.writing import whole

if TYPE_CHECKING:
    from cleaner.app.project import Project

KEPT = 8  # arrangements of a project; the oldest go first


class RoundMap:
    """The map of what a grid shows, of the project's last round; `view` is the widget."""

    def __init__(self, project: Project, *, grid: QueueGrid) -> None:
        self._project, self._grid = project, grid
        self._task: Task[Floats] | None = None
        self._changing = threading.Lock()  # what is on the map: shown by one thread, arranged by another
        queue = self._look()
        self.view = ReviewMap(
            queue,
            _placed(queue, overview(self._vectors), rows=self._rows),
            standing=project.decisions(),
            picture=project.picture,
            choose=lambda items: grid.narrow(items, name=CHOSEN),
            arrange=self._arrange,
            stop=self._stop,
        )
        grid.observe(lambda _: self.view.mark(project.decisions()), "revision")
        grid.observe(lambda _: self.view.pick(grid.chosen_items), "chosen")
        self._arrange()

    def refresh(self) -> None:
        """Show what there is to look at now: another round, or labels that were applied."""
        self._stop()
        queue = self._look()
        places = _placed(queue, overview(self._vectors), rows=self._rows)
        with self._changing:
            self.view.show(queue, places, standing=self._project.decisions())
        self.view.pick(self._grid.chosen_items)
        self._arrange()

    def close(self) -> None:
        """Take the map off the page, and end the work on it."""
        self._stop()
        self.view.close()

    def wait(self, *, seconds: float | None = None) -> bool:
        """Block until the images are arranged or the time is up; say whether they are."""
        return self._task is None or self._task.wait(seconds=seconds)

    def _look(self) -> Queue:
        looking = self._project.looking
        self._vectors, self._rows = looking.vectors(), looking.rows
        return looking.dealer.queue()

    def _arrange(self) -> None:
        """Look for better places in the background, or take those that are kept."""
        if self._task is not None and self._task.running:
            return
        vectors, rows, queue = self._vectors, self._rows, self.view.queue
        folder = self._project.home / "maps"

        def work(report: Report, stopped: Stop) -> Floats:
            kept = kept_places(vectors, folder=folder)
            if kept is not None:
                return kept
            places = neighbourhoods(vectors, report=report, stopped=stopped)
            keep_places(vectors, places, folder=folder)
            return places

        def ended(task: Task[Floats]) -> None:
            self.view.work = ""
            with self._changing:
                others = self.view.queue is not queue  # are on the map by now
                if task.result is not None and not others:
                    self.view.arranged(_placed(queue, task.result, rows=rows))
            if others:
                self._arrange()

        self._task = Task(work, on_progress=self._tell, on_end=ended)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.stop()

    def _tell(self, progress: Progress) -> None:
        left = time_left(progress)
        self.view.work = f"{progress.note[0].upper()}{progress.note[1:]}{f' · {left}' if left else ''} …"


def beside(project: Project, *, grid: QueueGrid | None = None) -> widgets.HBox:
    """Return a map of the last round with a grid beside it, or the map of a grid that is shown elsewhere."""
    shown = project.review() if grid is None else grid
    view = RoundMap(project, grid=shown).view
    view.layout.flex = "1 1 420px"
    if grid is not None:
        return widgets.HBox([view])
    shown.layout.flex = "2 1 560px"
    return widgets.HBox([shown, view], layout=widgets.Layout(flex_flow="row wrap", align_items="flex-start"))


def _placed(queue: Queue, places: Floats, *, rows: Mapping[str, int]) -> Floats:
    """Return the places of a queue's images, from those of all [N, 2] and the row of each id."""
    return np.ascontiguousarray(places[[rows[identity] for identity in queue.ids]])


def kept_places(vectors: Pixels, *, folder: Path) -> Floats | None:
    """Return the places kept for these very vectors [N, D]; None where there are none to be read."""
    try:
        places: Floats = np.load(_file(vectors, folder), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return places if places.shape == (len(vectors), 2) and places.dtype == np.float32 else None


def keep_places(vectors: Pixels, places: Floats, *, folder: Path) -> None:
    """Keep the places [N, 2] of vectors, whole or not at all; on a disk that takes nothing, do without."""
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        with whole(_file(vectors, folder)) as part, part.open("wb") as file:
            np.save(file, places, allow_pickle=False)
        for old in sorted(folder.glob("*.npy"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            old.unlink()


def _file(vectors: Pixels, folder: Path) -> Path:
    state = hashlib.blake2b(f"{vectors.shape} {vectors.dtype}".encode(), digest_size=16)
    for some in blocks(len(vectors)):
        state.update(np.ascontiguousarray(vectors[some]).tobytes())
    return folder / f"{state.hexdigest()}.npy"
