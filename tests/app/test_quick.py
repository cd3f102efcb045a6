"""The quick look: a first order from cached features, and what a full training adds to it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cleaner import Project, TrainConfig, load_model
from cleaner.app.agenda import trusted
from cleaner.app.panels.train import train_each
from cleaner.app.training import disk_errors_explained
from cleaner.app.underway import underway
from cleaner.errors import InputError, NoWeights, Stopped, TrainingError
from cleaner.progress import Progress, never, quiet
from cleaner.types import Round
from tests.support.images import planted_error
from tests.support.weights import write_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights") / "resnet18.safetensors")


@pytest.fixture(scope="module")
def config(weights: Path) -> TrainConfig:
    return TrainConfig(mode="quick", arch="resnet18", weights=str(weights), size=32)


@pytest.fixture(scope="module")
def looked(tmp_path_factory, config: TrainConfig) -> Path:
    """A dataset with one planted error and one quick look, to be copied by each test."""
    root = planted_error(tmp_path_factory.mktemp("data") / "photos", each=30)
    Project.open(root).train(config)
    return root


@pytest.fixture
def project(looked: Path, tmp_path: Path) -> Project:
    return Project.open(shutil.copytree(looked, tmp_path / "photos"), by="tester")


def _phases(project: Project, config: TrainConfig) -> dict[str, int]:
    """Train, and return how many steps each phase had."""
    seen: list[Progress] = []
    project.train(config, report=seen.append)
    return {progress.phase: progress.total for progress in seen}


def test_the_planted_error_comes_first_after_a_quick_look(project: Project) -> None:
    first = project.queue().candidate(0)
    assert (first.id, first.label, first.suggested) == ("teddy/planted.png", "teddy", "black")
    assert project.rounds[0].config.mode == "quick"


def test_after_a_quick_look_every_image_is_scored_as_if_it_had_been_left_out(project: Project) -> None:
    said = project.predictions()
    assert list(said.ids) == list(project.catalog.ids)
    assert set(said.origins) == {"held-out", "out-of-fold"}
    np.testing.assert_allclose(said.probs.sum(axis=1), 1, atol=1e-5)
    assert said.margins is None


def test_a_second_look_decodes_and_embeds_nothing(project: Project, config: TrainConfig) -> None:
    assert not {"decoding", "embedding"} & _phases(project, config).keys()


def test_labels_do_not_change_what_is_cached(project: Project, config: TrainConfig) -> None:
    project.decide(["teddy/planted.png"], "relabel", label="black")
    project.apply()
    assert not {"decoding", "embedding"} & _phases(project, config).keys()
    assert project.queue().candidate(0).id != "teddy/planted.png"


def test_of_a_grown_folder_only_the_new_images_are_embedded(project: Project, config: TrainConfig) -> None:
    Image.new("RGB", (40, 40), "green").save(project.root / "grizzly" / "new.png")
    phases = _phases(project, config)
    assert (phases["decoding"], phases["embedding"]) == (1, 1)


def test_a_stopped_look_keeps_what_it_has_computed_and_leaves_no_round(looked, tmp_path, config) -> None:
    root = shutil.copytree(looked, tmp_path / "photos", ignore=shutil.ignore_patterns(".cleaner"))
    project = Project.open(root)
    seen: list[Progress] = []

    def decoded() -> bool:
        return any(p.phase == "decoding" and p.done == p.total for p in seen)

    with pytest.raises(Stopped):
        project.train(config, report=seen.append, stopped=decoded)
    assert project.rounds == ()
    assert "decoding" not in _phases(project, config)


def test_a_quick_look_can_be_asked_and_exported_as_one_network(project: Project, tmp_path: Path) -> None:
    paths = [project.root / path for path in project.catalog.paths]
    answers = project.predict(paths)
    right = [answer[0][0] == path.parent.name for answer, path in zip(answers, paths, strict=True)]
    assert sum(right) >= len(paths) - 1
    finished = load_model(project.export_model(tmp_path / "model"))
    np.testing.assert_allclose(finished.predict(paths).probs, answers.probs, atol=1e-4)
    assert finished.info["round"]["config"]["weights"] == "resnet18.safetensors"
    (network,) = (project.home / "rounds").glob("*/model.safetensors")
    assert network.stat().st_size < 50_000  # only the head; the body is what everybody has
    with pytest.raises(InputError, match="fastai's export needs a network trained in full"):
        project.export_model(tmp_path / "model", fastai=True)


def test_a_quick_look_whose_weights_have_changed_cannot_be_asked(
    project: Project, config: TrainConfig, tmp_path: Path
) -> None:
    own = shutil.copy(config.weights, tmp_path / "own.safetensors")
    project.train(replace(config, weights=str(own)))
    write_weights(own, arch="resnet18", seed=1)
    with pytest.raises(InputError, match="are others now; have another quick look"):
        project.predict(project.root / "grizzly")


def test_a_quick_look_without_weights_is_refused_in_a_sentence(project: Project) -> None:
    said: list[str] = []
    with pytest.raises(NoWeights) as refused:
        project.train(TrainConfig(mode="quick", weights="scratch"), report=lambda p: said.append(p.phase))
    assert "loading" not in said
    assert str(refused.value).count(". ") == 0
    assert len(project.rounds) == 1


def test_a_full_training_after_it_is_a_round_of_its_own(project: Project, config: TrainConfig) -> None:
    project.decide(["grizzly/001.png"], "keep")
    heard: list[Round] = []
    full = replace(config, mode="full", epochs=1, folds=0)
    last = train_each(project, (config, full), on_round=heard.append, report=quiet, stopped=never)
    assert [r.config.mode for r in project.rounds] == ["quick", "quick", "full"]
    assert heard == [project.rounds[1]]
    assert last == project.rounds[2]
    assert "grizzly/001.png" not in set(project.queue().ids)  # decided while the training ran
    assert project.predict([project.root / "grizzly" / "002.png"])


def test_what_a_killed_training_has_kept_outlasts_a_quick_look_and_one_by_hand(
    project: Project, config: TrainConfig
) -> None:
    full = replace(config, mode="full", epochs=2, folds=2)

    def kill(now: Progress) -> None:
        if "fold 2" in now.note:
            raise KeyboardInterrupt

    learner = project.by_hand.learner(full)
    with pytest.raises(KeyboardInterrupt):
        project.train(full, report=kill)
    kept = [path.name for path in (project.home / "training").iterdir()]
    assert kept
    project.train(config)
    project.by_hand.keep(learner)
    assert [path.name for path in (project.home / "training").iterdir()] == kept
    assert "Going on with the training that was interrupted" in project.train(full).notes[0]
    assert not (project.home / "training").exists()


def test_a_stop_asked_for_at_the_very_end_of_a_quick_look_ends_what_would_follow(
    project: Project, config: TrainConfig
) -> None:
    def stop(now: Progress) -> None:
        if now.phase == "fitting":
            project.stop_training()

    full = replace(config, mode="full", epochs=1, folds=0)
    with pytest.raises(Stopped, match="quick look was stopped"):
        train_each(project, (config, full), on_round=lambda _: None, report=stop, stopped=never)
    assert len(project.rounds) == 1


def test_where_there_are_no_weights_the_full_training_comes_at_once(project: Project) -> None:
    heard: list[Round] = []
    scratch = TrainConfig(weights="scratch", epochs=1, folds=0, size=32)
    last = train_each(
        project, (replace(scratch, mode="quick"), scratch), on_round=heard.append, report=quiet, stopped=never
    )
    assert (heard, last.number, last.config.mode) == ([], 2, "full")


def test_rounds_are_compared_with_their_like_only(project: Project, config: TrainConfig) -> None:
    project.train(replace(config, mode="full", epochs=1, folds=0))
    assert [rates.round for rates in project.compare().rates] == [2]
    project.train(config)
    assert [rates.round for rates in project.compare().rates] == [1, 3]


def test_confirmed_and_corrected_labels_are_trusted_and_no_others(project: Project) -> None:
    project.decide(["grizzly/001.png"], "keep")
    project.decide(["grizzly/002.png"], "unsure")
    project.decide(["teddy/planted.png"], "relabel", label="black")
    before = trusted(project.catalog, project.decisions())
    assert list(project.catalog.ids[before]) == ["grizzly/001.png"]
    project.apply()
    after = trusted(project.catalog, project.decisions())
    assert set(project.catalog.ids[after]) == {"grizzly/001.png", "teddy/planted.png"}


def test_a_cache_that_may_take_nothing_is_named_with_its_setting(
    looked: Path, tmp_path: Path, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shutil.copytree(looked, tmp_path / "photos", ignore=shutil.ignore_patterns(".cleaner"))
    for value, said in (("much", "is 'much', but must be a number"), ("0.00001", "CLEANER_CACHE_GB")):
        monkeypatch.setenv("CLEANER_CACHE_GB", value)
        with pytest.raises(Exception, match=said):
            Project.open(root).train(config)


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(TrainingError, match="is full; free some space"),
        disk_errors_explained(tmp_path),
        Path("/dev/full").open("w") as full,
    ):
        full.write("x" * 100_000)


def test_what_was_trained_by_hand_becomes_a_round(project: Project, config: TrainConfig) -> None:
    learner = project.by_hand.learner(replace(config, mode="full", flip=False))
    told: set[TrainConfig] = set()

    def listen(_: Progress) -> None:
        if now := underway(project.home):
            told.add(now.config)

    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(1, 3e-3)
        learner.unfreeze()
        learner.fit_one_cycle(1, slice(1e-5, 1e-3))
    kept = project.by_hand.keep(learner, report=listen)
    assert {(each.arch, each.size, each.flip) for each in told} == {(config.arch, 32, False)}
    assert (kept.number, kept.config.mode, len(kept.epochs)) == (2, "full", 2)
    assert project.predictions().quick is not None
    assert project.queue().candidate(0).id == "teddy/planted.png"


def test_a_learner_of_other_images_is_refused(project: Project, config: TrainConfig) -> None:
    learner = project.by_hand.learner(replace(config, mode="full"))
    project.decide(["teddy/planted.png"], "relabel", label="black")
    project.apply()
    with pytest.raises(InputError, match=r"have changed.*make a new one with project\.by_hand\.learner"):
        project.by_hand.keep(learner)
    assert len(project.rounds) == 1


def test_a_learning_rate_is_found_and_its_curve_can_be_seen(project: Project, config: TrainConfig) -> None:
    found = project.by_hand.find_lr(replace(config, mode="full"))
    assert 1e-6 < found.suggestion < 1
    assert len(found.lrs) == len(found.losses)
    assert "<svg" in found._repr_html_()


def test_a_training_killed_before_its_round_was_kept_is_not_lost(
    project: Project, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = replace(config, mode="full", epochs=1, folds=0)
    rounds = project.home / "rounds"
    rounds.rename(project.home / "elsewhere")
    rounds.write_text("in the way")  # as good as a power cut: nothing can be kept
    with pytest.raises(OSError, match="rounds"):
        project.train(full)
    rounds.unlink()
    (project.home / "elsewhere").rename(rounds)
    seen: list[Progress] = []
    assert project.train(full, report=seen.append).number == 2
    assert not any("epoch 1" in p.note for p in seen if p.phase == "training")
    assert not (project.home / "training").exists()


def test_a_classes_confusions_can_be_had(project: Project) -> None:
    matrix = project.interpret().confusion_matrix
    held_out: Callable[[], np.ndarray] = project.catalog.held_out
    assert matrix.sum() == held_out().sum()


def test_features_of_networks_not_used_for_long_make_room(
    looked: Path, tmp_path: Path, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.open(shutil.copytree(looked, tmp_path / "photos"))
    features = project.home / "embeddings"
    (used,) = (path for path in features.iterdir() if path.is_dir())
    for name, days in (("another", 2), ("oldest", 3)):
        shutil.copytree(used, features / name)
        (features / name / "rows-0000000000000000").write_bytes(bytes(10**6))
        os.utime(features / name, (time.time() - days * 86_400,) * 2)
    (features / "no cache").mkdir()
    monkeypatch.setenv("CLEANER_CACHE_GB", "0.002")
    project.train(config)
    assert {path.name for path in features.iterdir() if path.is_dir()} == {used.name, "another", "no cache"}
    assert project.looking.has_evidence
