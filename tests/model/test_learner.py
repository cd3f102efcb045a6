"""fastai's own Learner over the cached pixels, the finding of a learning rate, and what is kept of both."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from fastai.learner import Learner
from safetensors.torch import save_file
from torch.nn.modules.module import register_module_forward_pre_hook
from torchvision.models import get_model

from cleaner.errors import InputError, Stopped
from cleaner.model import finder
from cleaner.model.finder import find_lr
from cleaner.model.learner import make_learner
from cleaner.model.train import scored, train

# by fastai's Learner.load, of numpy
pytestmark = pytest.mark.filterwarnings("ignore:numpy.core is deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(get_model("resnet18", weights=None).state_dict(), file)
    return file


@pytest.fixture
def fine(few, quick, weights, tmp_path):
    """A Learner of a ResNet-18."""
    config = replace(quick, arch="resnet18", weights=str(weights), size=32, batch_size=16)
    return make_learner(few.catalog, few.pixels, config=config, workplace=tmp_path / "stages")


@pytest.fixture
def small(few, quick, tmp_path):
    """A Learner from scratch."""
    return make_learner(few.catalog, few.pixels, config=quick, workplace=tmp_path / "stages")


def learning(learner: Learner) -> list[bool]:
    """Say of each group of layers whether its weights, those of normalisation aside, are learned."""
    return [any(p.requires_grad for p in group if p.ndim > 1) for group in learner.opt.param_lists]


def test_it_is_fastais_own_and_begins_with_the_new_head_alone(fine):
    assert type(fine) is Learner
    assert learning(fine) == [False, False, True]
    fine.freeze_to(1)
    assert learning(fine) == [False, True, True]
    fine.unfreeze()
    assert learning(fine) == [True, True, True]


def test_one_cycle_takes_discriminative_rates_and_prints_its_figures(fine, capfd):
    fine.unfreeze()
    fine.fit_one_cycle(1, slice(1e-5, 1e-3))
    rates = [hyper["lr"] for hyper in fine.opt.hypers]
    assert rates[0] < rates[1] < rates[2]
    printed = capfd.readouterr().out
    assert "train_loss" in printed
    assert "error_rate" in printed


def test_fine_tune_leaves_figures_and_margins_of_all_epochs_and_can_be_kept(few, fine):
    fine.fine_tune(2, 1e-3)
    kept = scored(fine)
    assert [epoch.number for epoch in kept.epochs] == [1, 2, 3]
    assert kept.config.epochs == 3
    assert kept.notes == ("Trained by hand, in 3 epochs.",)
    said = kept.predictions
    assert said.margins.shape == (60, 3)
    assert (np.isnan(said.margins).all(axis=1) == few.catalog.held_out()).all()
    assert (said.origins == "held-out").tolist() == few.catalog.held_out().tolist()
    loss, error = fine.validate()
    held_out = few.catalog.held_out()
    assert said.losses[held_out].mean() == pytest.approx(loss, rel=1e-4)
    assert (said.probs.argmax(axis=1) != said.labels)[held_out].mean() == pytest.approx(error, abs=1e-6)
    np.testing.assert_array_equal(scored(fine).predictions.probs, said.probs)


def test_what_is_kept_no_longer_changes_when_the_learner_goes_on(small):
    small.fit_one_cycle(1)
    kept = scored(small)
    before = [tensor.clone() for tensor in kept.network.state_dict().values()]
    small.fit_one_cycle(1)
    assert all(map(torch.equal, before, kept.network.state_dict().values()))
    assert len(scored(small).epochs) == 2


def test_stages_are_saved_to_the_workplace_and_loaded_again(small, tmp_path):
    small.fit_one_cycle(1)
    saved = small.save("stage-1")
    assert saved.parent == tmp_path / "stages"
    before = scored(small).predictions.probs
    small.fit_one_cycle(3, 0.05)
    assert (scored(small).predictions.probs != before).any()
    small.load("stage-1")
    np.testing.assert_array_equal(scored(small).predictions.probs, before)


def test_predictions_by_fastai_itself_are_those_that_are_kept(few, small):
    small.fit_one_cycle(2)
    said = scored(small).predictions
    for part, rows in ((0, ~few.catalog.held_out()), (1, few.catalog.held_out())):
        probs, labels = small.get_preds(ds_idx=part)
        np.testing.assert_allclose(probs.numpy(), said.probs[rows], atol=1e-5)
        assert labels.tolist() == said.labels[rows].tolist()
    shuffled, labels = small.get_preds(dl=small.dls.train)
    np.testing.assert_allclose(shuffled.numpy(), said.probs[~few.catalog.held_out()], atol=1e-5)


def test_fastais_trial_of_learning_rates_changes_nothing(small):
    before = [tensor.clone() for tensor in small.model.state_dict().values()]
    found = small.lr_find(show_plot=False, num_it=20)
    assert 1e-7 < found.valley < 10
    assert all(map(torch.equal, before, small.model.state_dict().values()))
    assert small.history.figures == ()
    assert scored(small).predictions.margins is None


def test_trusted_labels_count_more_here_too(few, quick, tmp_path):
    trusted = np.arange(60) < 20
    made = make_learner(few.catalog, few.pixels, config=quick, trusted=trusted, workplace=tmp_path)
    assert (made.loss_func.weights.numpy() == np.where(trusted, 3, 1)).all()


def test_a_learner_from_elsewhere_is_refused(small):
    other = Learner(small.dls, small.model, loss_func=small.loss_func)
    with pytest.raises(InputError, match=r"knows no catalog; make one with project\.by_hand\.learner"):
        scored(other)


def test_scoring_a_learner_can_be_stopped(small):
    with pytest.raises(Stopped):
        scored(small, stopped=lambda: True)


def test_a_learning_rate_is_found_that_trains(digits, quick):
    reports = []
    found = find_lr(digits.catalog, digits.pixels, config=quick, report=reports.append)
    assert len(found.lrs) == len(found.losses) >= 10
    assert (np.diff(found.lrs) > 0).all()
    assert np.isfinite(found.losses).all()
    assert found.lrs[0] < found.suggestion < found.lrs[-1]
    assert 1e-4 < found.suggestion < 1e-1
    assert {report.phase for report in reports} == {"finding the learning rate"}
    config = replace(quick, epochs=3, lr=found.suggestion)
    epochs = train(digits.catalog, digits.pixels, config=config).epochs
    assert epochs[-1].train_loss < epochs[0].train_loss - 0.2


def test_finding_is_the_same_twice_prints_nothing_and_leaves_no_state_behind(few, quick, capfd, monkeypatch):
    monkeypatch.setattr(finder, "STEPS", 20)
    state = torch.get_rng_state()
    first, second = (find_lr(few.catalog, few.pixels, config=quick) for _ in range(2))
    np.testing.assert_array_equal(first.losses, second.losses)
    assert first.suggestion == second.suggestion
    assert torch.equal(torch.get_rng_state(), state)
    assert capfd.readouterr() == ("", "")


def test_for_weights_from_elsewhere_the_head_alone_is_tried(few, quick, weights, monkeypatch):
    monkeypatch.setattr(finder, "STEPS", 20)
    config = replace(quick, arch="resnet18", weights=str(weights), size=32)
    frozen: set[bool] = set()

    def look(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, torch.nn.Conv2d):
            frozen.add(module.weight.requires_grad)

    handle = register_module_forward_pre_hook(look)
    try:
        assert np.isfinite(find_lr(few.catalog, few.pixels, config=config).suggestion)
    finally:
        handle.remove()
    assert False in frozen


def test_finding_can_be_stopped(few, quick):
    with pytest.raises(Stopped, match=r"stopped while finding the learning rate \(lr "):
        find_lr(few.catalog, few.pixels, config=quick, stopped=lambda: True)


@pytest.mark.parametrize("error", [Stopped, ValueError])
def test_no_thread_is_left_after_a_training_that_ends_early(few, quick, error):
    def report(progress) -> None:
        raise error("that is enough")

    with pytest.raises(error):
        train(few.catalog, few.pixels, config=replace(quick, batch_size=4), report=report)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]
