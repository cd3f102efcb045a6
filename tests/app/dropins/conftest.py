"""One small Learner for all tests of the drop-ins: loading fastai and training take longer than they do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.images import planted_error
from tests.support.widgets import close_grids


@dataclass(frozen=True, eq=False)
class Bears:
    """A folder of class folders, `teddy/planted.png` being black, and a Learner on it."""

    path: Path
    learn: Any


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Return the folder and the Learner that the tests copy."""
    from fastai.vision.all import (
        ImageDataLoaders,
        Resize,
        aug_transforms,
        error_rate,
        resnet18,
        set_seed,
        vision_learner,
    )

    path = planted_error(tmp_path_factory.mktemp("learner") / "bears", each=16)
    set_seed(1)
    dls = ImageDataLoaders.from_folder(
        path, valid_pct=0.25, seed=1, bs=8, item_tfms=Resize(32), batch_tfms=aug_transforms(), num_workers=0
    )
    learn = vision_learner(dls, resnet18, pretrained=False, metrics=error_rate)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(3, 1e-3)
    return path, learn


@pytest.fixture
def bears(trained: tuple[Path, Any], tmp_path: Path) -> Bears:
    """Return a copy of the folder with DataLoaders on it, and the trained network."""
    from fastai.vision.all import ImageDataLoaders, Learner, Resize, aug_transforms

    path = tmp_path / "bears"
    shutil.copytree(trained[0], path)
    dls = ImageDataLoaders.from_folder(
        path, valid_pct=0.25, seed=1, bs=8, item_tfms=Resize(32), batch_tfms=aug_transforms(), num_workers=0
    )
    return Bears(path, Learner(dls, trained[1].model, loss_func=trained[1].loss_func))


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """End the threads of the grids that a test has made."""
    yield
    close_grids()


@pytest.fixture(scope="session")
def verdict() -> Callable[..., None]:
    """Return what gives a verdict as the browser would."""

    def say(grid: Any, path: Path | str, action: str, label: str | None = None) -> None:
        verdicts = [{"id": str(path), "action": action, "label": label}]
        before = grid.revision
        grid._handle_custom_msg({"kind": "decide", "request": 1, "verdicts": verdicts, "new": True}, [])
        assert grid.revision == before + 1

    return say
