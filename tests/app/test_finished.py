"""The finished model: exported, loaded again without torch, and of one mind with the project it came from."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cleaner import Project, TrainConfig, load_model
from cleaner.app.answers import found
from cleaner.app.cli import app
from cleaner.app.exported import write_export
from cleaner.app.keeper import Keeper
from cleaner.errors import InputError, Stopped, UnreadableImage
from cleaner.progress import Progress
from tests.support.images import colour_fields, odd_pictures

CONFIG = TrainConfig(weights="scratch", epochs=2, size=32, folds=0)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A small dataset with every odd kind of picture in it, trained on once."""
    root = colour_fields(tmp_path_factory.mktemp("data") / "photos", each=12)
    odd_pictures(root / "grizzly")
    project = Project.open(root, by="tester")
    project.train(CONFIG)
    project.decide(["teddy/000.png"], "keep")
    return project


@pytest.fixture(scope="module")
def exported(project: Project, tmp_path_factory) -> Path:
    return project.export_model(tmp_path_factory.mktemp("models") / "bears", fastai=True)


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported, tmp_path / "bears")


def test_what_was_scored_is_predicted_exported_and_loaded_the_same(project: Project, exported: Path) -> None:
    scored, paths = project.predictions(), [project.root / path for path in project.catalog.paths]
    assert {path.name for path in paths} > {"turned.jpg", "clear.png", "deep.png", "print.jpg", "grey.png"}
    assert np.ptp(scored.probs, axis=0).min() > 0.1  # it says different things of different pictures
    for model in (project.model(), load_model(exported), load_model(exported, engine="torch")):
        assert model.classes == scored.vocab
        answers = model.predict(paths, batch_size=7)
        np.testing.assert_allclose(answers.probs, scored.probs, atol=1e-4)


def test_bytes_and_files_are_prepared_alike_and_uprightly(project: Project, exported: Path) -> None:
    model = load_model(exported)
    for name in ("turned.jpg", "clear.png", "deep.png", "palette.gif"):
        file = project.root / "grizzly" / name
        prepared = model.prepare(file)
        assert (prepared.shape, prepared.dtype) == ((model.size, model.size, 3), np.uint8)
        for data in (str(file), file.read_bytes(), bytearray(file.read_bytes())):
            np.testing.assert_array_equal(model.prepare(data), prepared)
    for broken, said in (
        (b"", "is empty"),
        (b"GIF89a", "damaged|not an image"),
        (b"hello", "is not an image"),
    ):
        with pytest.raises(UnreadableImage, match=f"The picture.*({said})"):
            model.prepare(broken)


def test_a_model_is_loaded_and_asked_without_torch_or_pandas(project: Project, exported: Path) -> None:
    code = f"""
import sys
from cleaner import load_model
answers = load_model({str(exported)!r}, threads=1).predict({str(project.root)!r})
assert len(answers) == 43 and not answers.problems, (len(answers), answers.problems)
print("\\n".join(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split("\n"))
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "torchvision", "fastai", "pandas", "sqlalchemy", "ipywidgets", "sklearn"}


def test_a_model_asked_by_torch_keeps_quiet_about_other_libraries(exported: Path) -> None:
    code = f"from cleaner import load_model\nload_model({str(exported)!r}, engine='torch')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_class_folder_renamed_since_its_round_is_no_mistake_of_the_model(
    project: Project, tmp_path: Path
) -> None:
    again = Project.open(shutil.copytree(project.root, tmp_path / "photos"))
    (again.root / "teddy").rename(again.root / "bear")
    again.verify()
    about = load_model(again.export_model(tmp_path / "model")).info
    assert about["metrics"]["error_rate_on_cleaned_labels"] == pytest.approx(project.rounds[0].error_rate)


def test_the_description_says_what_the_model_is_and_where_it_comes_from(
    project: Project, exported: Path
) -> None:
    info = json.loads((exported / "model.json").read_text(encoding="utf-8"))
    assert info["classes"] == ["black", "grizzly", "teddy"]
    assert info["network"]["size"] == 32
    assert info["size"] == 36 == info["input"]["shape"][1]
    assert info["round"]["number"] == 1
    assert info["metrics"]["error_rate"] == project.rounds[0].error_rate
    assert info["metrics"]["error_rate_on_cleaned_labels"] == pytest.approx(project.rounds[0].error_rate)
    about = info["provenance"]
    assert (about["dataset"], about["images"], about["decisions"]) == ("photos", 43, 1)
    assert about["catalog_digest"] == project.rounds[0].catalog_digest
    assert about["versions"]["onnxruntime"]
    assert info["agreement"]["largest_difference"] < 1e-4
    assert str(project.root.parent) not in (exported / "model.json").read_text(encoding="utf-8")
    assert load_model(exported).info == info


def test_what_an_epoch_could_not_measure_is_no_number_in_the_description(folder, tmp_path: Path) -> None:
    project = Project.open(folder())
    rate, mirrored = np.float32(0.5**9), np.bool_(False)  # as numbers come that numpy has computed
    learner = project.by_hand.learner(
        TrainConfig(weights="scratch", size=32, epochs=1, lr=rate, flip=mirrored)
    )
    assert learner.lr == 0.5**9
    learner.metrics = []
    learner.fit_one_cycle(1)
    kept = project.by_hand.keep(learner)
    assert np.isnan(kept.epochs[0].error_rate)
    info = load_model(project.export_model(tmp_path / "model")).info
    assert info["round"]["epochs"][0]["error_rate"] is None
    assert project.model().info["round"]["epochs"][0]["error_rate"] is None


def test_fastais_own_export_loads_with_fastai_and_agrees_roughly(project: Project, exported: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fastai.learner import load_learner

        learner = load_learner(exported / "export.pkl")
        with learner.no_bar(), learner.no_logging():
            _, _, probs = learner.predict(project.root / "teddy" / "003.png")
    answers = load_model(exported).predict([project.root / "teddy" / "003.png"])
    assert tuple(learner.dls.vocab) == answers.classes
    np.testing.assert_allclose(probs, answers.probs[0], atol=0.05)


def test_of_a_folder_every_image_is_answered_and_what_is_unreadable_is_named(
    exported: Path, tmp_path: Path
) -> None:
    (tmp_path / "new" / "deeper" / ".hidden").mkdir(parents=True)
    for name in ("a.png", "deeper/b", "deeper/.c.png", "deeper/.hidden/d.png"):
        Image.new("RGB", (40, 30), "red").save(tmp_path / "new" / name, "PNG")
    (tmp_path / "new" / "e.png").write_bytes(b"no picture")
    (tmp_path / "new" / "a.json").write_text("{}")
    seen: list[Progress] = []
    answers = load_model(exported).predict(tmp_path / "new", batch_size=2, report=seen.append)
    assert answers.names == ("a.png", "deeper/b", "e.png")
    assert answers.problems == {"e.png": "e.png is not an image of any kind known here."}
    assert [len(answer) for answer in answers] == [3, 3, 0]
    assert [label for label, _ in answers[0]] == [label for label, _ in answers[1]]
    assert sum(share for _, share in answers[0]) == pytest.approx(1, abs=1e-5)
    assert [(p.done, p.total) for p in seen] == [(2, 3), (3, 3)]
    frame = answers.frame()
    assert list(frame["image"]) == list(answers.names)
    assert frame["label"][0] == answers[0][0][0]
    assert frame["problem"].notna().tolist() == [False, False, True]
    assert "deeper/b" in answers._repr_html_()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_of_a_folder_only_files_are_asked_about(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert found(tmp_path).names == ("a.png",)


def test_a_disk_on_which_nothing_can_be_kept_costs_no_answer(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "new").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "new" / name)
    seen: list[Progress] = []
    answers = load_model(exported).predict(tmp_path / "new", keep=keep, batch_size=2, report=seen.append)
    assert [len(answer) for answer in answers] == [3, 3, 3]
    assert answers.unkept == dict.fromkeys(answers.names, "No space left on device")
    assert seen[-1].note == "3 images could not be kept; a.png: No space left on device."
    monkeypatch.setattr(Keeper, "keep", keep)
    command = ("predict", exported, tmp_path / "new", "--keep", tmp_path / "kept")
    asked = CliRunner().invoke(app, [*map(str, command)])
    assert (asked.exit_code, len(asked.stdout.splitlines())) == (1, 3)
    assert "3 images could not be kept; a.png: No space left" in asked.stderr


def test_a_single_image_is_answered_or_refused(project: Project, exported: Path, tmp_path: Path) -> None:
    model = load_model(exported)
    (answer,) = model.predict(project.root / "teddy" / "003.png")
    assert [share for _, share in answer] == sorted((share for _, share in answer), reverse=True)
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(UnreadableImage, match=r"x\.png is empty"):
        model.predict(tmp_path / "x.png")
    with pytest.raises(InputError, match="There is no image or folder"):
        model.predict(tmp_path / "nowhere")
    with pytest.raises(Stopped, match="after 2 of 4 images"):
        model.predict([tmp_path / "x.png"] * 4, batch_size=2, stopped=iter([False, True]).__next__)
    assert len(model.predict([])) == 0


def test_a_pil_image_is_answered_as_its_file_is(project: Project, exported: Path, tmp_path: Path) -> None:
    model, file = load_model(exported), project.root / "grizzly" / "turned.jpg"
    with Image.open(file) as picture:
        # of a file no more is decoded than is needed
        np.testing.assert_allclose(model.predict(picture).probs, model.predict(file).probs, atol=1e-2)
        assert model.predict([picture, str(file)]).names == ("picture 1", str(file))
        with pytest.raises(InputError, match="Only files can be kept; pass their paths"):
            model.predict(picture, keep=lambda path, said: None)
    cut = tmp_path / "cut.png"
    cut.write_bytes((project.root / "teddy" / "001.png").read_bytes()[:-60])
    with Image.open(cut) as picture, pytest.raises(UnreadableImage, match="can't be decoded"):
        model.predict(picture)
    for name in ("deep.png", "clear.png", "palette.gif"):
        file = project.root / "grizzly" / name
        with Image.open(file) as picture:
            np.testing.assert_array_equal(model.prepare(picture), model.prepare(file))
    for nothing, kind in ((np.zeros((8, 8, 3)), "float64"), ([b"GIF"], "bytes"), (3, "int")):
        with pytest.raises(InputError, match=f"No image can be made of {kind}; pass a path"):
            model.predict(nothing)


def test_hostile_names_stay_text_in_a_notebook(exported: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "<img src=x onerror=alert(1)>.png"
    Image.new("RGB", (8, 8)).save(hostile)
    assert "<img" not in load_model(exported).predict(tmp_path)._repr_html_()


def test_batches_of_another_kind_are_refused_in_a_sentence(exported: Path) -> None:
    model = load_model(exported)
    assert model.probabilities(np.zeros((0, 36, 36, 3), np.uint8)).shape == (0, 3)
    for wrong in (
        np.zeros((1, 32, 32, 3), np.uint8),
        np.zeros((1, 36, 36, 3)),
        np.zeros((36, 36, 3), np.uint8),
    ):
        with pytest.raises(InputError, match=r"takes uint8 \[B, 36, 36, 3\], not "):
            model.probabilities(wrong)


def _edit(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        (folder / "model.json").write_text(json.dumps(info | changes), encoding="utf-8")

    return change


def _cut(name: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "There is no exported model in"),
        (lambda folder: (folder / "model.json").unlink(), "There is no exported model in"),
        (_cut("model.json"), r"model\.json can't be read"),
        (lambda folder: (folder / "model.json").write_text("[" * 100_000), r"model\.json can't be read"),
        (lambda folder: (folder / "model.json").write_bytes(b"\xff\xfe{"), r"model\.json can't be read"),
        (lambda folder: (folder / "model.json").write_text("[]"), "doesn't describe an exported model"),
        (_edit(version=2), "of version 2, and this program reads 1"),
        (_edit(classes=[]), "names no classes"),
        (_edit(classes=["a", "a", "b"]), "names a class twice"),
        (_edit(classes=["grizzly", "black", "teddy"]), "are for the classes black, grizzly, teddy, but its"),
        (_edit(classes=["black", "grizzly"]), "are for the classes black, grizzly, teddy, but its"),
        (_edit(size="36"), "says size '36', which is no number"),
        (_edit(size=40), "take squares of 36 px, but its model.json says 40"),
        (_edit(files=None), "is damaged, or belongs to another model"),
    ],
)
@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_a_model_that_is_not_whole_or_does_not_fit_says_so(copied: Path, engine, harm, said: str) -> None:
    harm(copied)
    with pytest.raises(InputError, match=said) as refused:
        load_model(copied, engine=engine)
    assert str(refused.value).count(". ") == 0


@pytest.mark.parametrize(("engine", "name"), [("onnx", "model.onnx"), ("torch", "model.safetensors")])
def test_weights_that_are_cut_changed_or_missing_are_named(copied: Path, engine, name: str) -> None:
    whole = (copied / name).read_bytes()
    _cut(name)(copied)
    with pytest.raises(InputError, match=f"{name} is damaged, or belongs to another model"):
        load_model(copied, engine=engine)
    (copied / name).write_bytes(whole[:-100] + bytes(100))
    with pytest.raises(InputError, match=f"{name} is damaged, or belongs to another model"):
        load_model(copied, engine=engine)
    (copied / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        load_model(copied, engine=engine)


def test_a_pickle_in_the_place_of_weights_is_never_unpickled(copied: Path, tmp_path: Path) -> None:
    import pickle

    from cleaner.catalog.digest import digest_of

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "unpickled"),)

    for engine, name in (("onnx", "model.onnx"), ("torch", "model.safetensors")):
        (copied / name).write_bytes(pickle.dumps(Hostile()))
        _edit(files={name: digest_of(copied / name)})(copied)
        with pytest.raises(InputError, match="is damaged"):
            load_model(copied, engine=engine)
    assert not (tmp_path / "unpickled").exists()


def test_settings_that_cannot_be_are_refused(exported: Path) -> None:
    for options, said in (
        ({"engine": "jax"}, "engine is 'jax', but must be 'onnx' or 'torch'"),
        ({"threads": 0}, "threads is 0, but must be at least 1"),
        ({"engine": "torch", "threads": 2}, "set OMP_NUM_THREADS"),
    ):
        with pytest.raises(InputError, match=said):
            load_model(exported, **options)


def test_an_export_is_replaced_by_the_next_and_nothing_else_ever_is(project: Project, copied: Path) -> None:
    def export(place: Path) -> Path:
        return write_export(place, root=project.root, fill=fill)

    def fill(part: Path) -> dict[str, object]:
        (part / "model.onnx").write_text("a graph")
        return {"classes": ["a", "b"]}

    assert export(copied) == copied
    assert sorted(path.name for path in copied.iterdir()) == ["model.json", "model.onnx"]
    assert json.loads((copied / "model.json").read_text())["classes"] == ["a", "b"]
    (copied / "notes.txt").write_text("mine")
    (copied.parent / "empty").mkdir()
    (copied.parent / "other").mkdir()
    (copied.parent / "other" / "model.json").write_text('{"format": "graph-model"}')
    (copied.parent / "file").write_text("mine")
    for place, said in (
        (copied, "also holds 'notes.txt', which is not of an export"),
        (copied.parent / "other", "is no exported model"),
        (copied.parent / "file", "is no exported model"),
        (project.root / "model", "lies in the dataset itself"),
        (copied.parent / "file" / "below", "can't be written to"),
    ):
        with pytest.raises(InputError, match=said):
            export(place)
    assert (copied / "notes.txt").read_text() == "mine"
    assert export(copied.parent / "empty") == copied.parent / "empty"
    left = sorted(path.name for path in copied.parent.iterdir())
    assert left == ["bears", "empty", "file", "other"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_an_export_that_finds_no_room_leaves_the_one_before_it_as_it_was(
    project: Project, copied: Path
) -> None:
    import resource

    from cleaner.errors import CleanerError

    before = {path.name: path.read_bytes() for path in copied.iterdir()}
    weights, graph = len(before["model.safetensors"]), len(before["model.onnx"])
    for most in (weights // 2, max(weights, graph) - 1):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
        try:
            with pytest.raises(CleanerError, match="can't be written"):
                project.export_model(copied)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert {path.name: path.read_bytes() for path in copied.iterdir()} == before
        assert [path.name for path in copied.parent.iterdir()] == ["bears"]


def test_without_a_round_there_is_nothing_to_export(folder, tmp_path: Path) -> None:
    project = Project.open(folder())
    with pytest.raises(InputError, match="There is no round yet; train first"):
        project.export_model(tmp_path / "model")
    with pytest.raises(InputError, match="There is no round yet; train first"):
        project.predict(project.root)


def test_on_the_command_line_a_model_is_exported_asked_and_keeps_what_it_is_unsure_of(
    project: Project, tmp_path: Path
) -> None:
    wrote = CliRunner().invoke(app, ["export-model", str(project.root), str(tmp_path / "model")])
    assert f"Wrote {tmp_path / 'model'}" in wrote.stdout
    (tmp_path / "new").mkdir()
    shutil.copy(project.root / "teddy" / "003.png", tmp_path / "new" / "a.png")
    (tmp_path / "new" / "b.png").write_bytes(b"no picture")
    options = ["--csv", tmp_path / "said.csv", "--keep", tmp_path / "kept", "--below", "1", "--threads", "1"]
    asked = CliRunner().invoke(app, [*map(str, ("predict", tmp_path / "model", tmp_path / "new", *options))])
    assert asked.exit_code == 1  # because of the one that can't be read
    (line,) = asked.stdout.splitlines()
    assert line.split("\t")[0] == "a.png"
    label = project.predict(tmp_path / "new" / "a.png")[0][0][0]
    assert line.split("\t")[1].startswith(f"{label} ")
    assert "b.png is not an image" in asked.stderr
    assert "Kept 1 picture in " in asked.stderr
    assert [path.parent.name for path in (tmp_path / "kept").glob("*/*.png")] == [label]
    with (tmp_path / "said.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["label"], row["problem"] != "") for row in rows] == [
        ("a.png", label, False),
        ("b.png", "", True),
    ]
    assert sum(float(rows[0][f"p({name})"]) for name in ("black", "grizzly", "teddy")) == pytest.approx(1)
    (tmp_path / "bare").mkdir()
    nothing = CliRunner().invoke(app, ["predict", str(tmp_path / "model"), str(tmp_path / "bare")])
    assert str(nothing.exception) == f"There are no images in {tmp_path / 'bare'}; give others."
    refused = CliRunner().invoke(app, ["predict", str(tmp_path / "new"), str(tmp_path / "new")])
    assert isinstance(refused.exception, InputError)
