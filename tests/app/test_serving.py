"""`cleaner serve`: a model that was exported, served as its own process and asked over HTTP."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import httpx2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from cleaner import Project
from cleaner.app.exported import GRAPH, write_export
from cleaner.app.finished import load_model
from cleaner.app.serving import serving, usable_cores
from cleaner.errors import CleanerError
from tests.support.images import colour_fields

TOP = Path(__file__).parents[2]
CLASSES = ["black", "grizzly", "teddy"]
SIDE = 32
FOREIGN = {"--help"}

# The command where nothing is installed but what serving.lock names: the rest can't be imported.
ALONE = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"{name} is not in serving.lock", name=name)
missing = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Missing())
from cleaner.app.cli import main
main()
"""


@cache
def _missing() -> str:
    """List the modules of all packages here that serving.lock does not name."""
    lock = (TOP / "serving.lock").read_text(encoding="utf-8")
    named = {"cleaner", *re.findall(r"^([a-z0-9_.-]+)==", lock, re.MULTILINE)}
    plain = {re.sub("[-_.]+", "-", name) for name in named}
    missing = {
        module
        for module, packages in packages_distributions().items()
        if not plain & {re.sub("[-_.]+", "-", name).lower() for name in packages}
    }
    assert missing > {"ipywidgets", "scipy", "sqlalchemy", "torch", "fastai"}
    return ",".join(missing)


def _fill(part: Path) -> dict[str, object]:
    """Write a graph that tells pictures apart by their strongest colour."""
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", SIDE, SIDE, 3])
    said = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 3])
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
        helper.make_node("Div", ["means", "scale"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("scale", TensorProto.FLOAT, [1], [32.0]),
    ]
    graph = helper.make_graph(nodes, "colours", [images], [said], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(made, {"classes": json.dumps(CLASSES)})
    onnx.save(made, part / GRAPH)
    return {"classes": CLASSES, "size": SIDE}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    return write_export(place / "colours", root=place / "photos", fill=_fill)


@contextmanager
def _serving(
    exported: Path, *options: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        ALONE,
        _missing(),
        "serve",
        str(exported),
        "--port=0",
        *options,
    ]
    process = subprocess.Popen(
        command,
        cwd=TOP,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        first = process.stderr.readline()
        assert " at http://" in first, first + process.stderr.read()
        yield process, first.split(" at ")[1].split(";")[0]
    finally:
        process.kill()
        process.communicate()


def test_a_model_that_was_exported_answers_over_http_as_in_a_notebook(exported: Path, tmp_path: Path) -> None:
    photos = sorted(colour_fields(tmp_path / "photos", each=2).rglob("*.png"))
    expected = load_model(exported).predict(photos)
    with _serving(exported) as (process, address), httpx2.Client(base_url=address, trust_env=False) as client:
        assert client.get("/classes").json() == {"classes": CLASSES}
        files = [("files", (path.name, path.read_bytes())) for path in photos]
        results = client.post("/classify", files=files).json()["results"]
        for path, result, answer in zip(photos, results, expected, strict=True):
            assert result["name"] == path.name
            assert [name for name, _ in result["predictions"]] == [name for name, _ in answer]
            shares = [[share for _, share in pairs] for pairs in (result["predictions"], answer)]
            np.testing.assert_allclose(*shares, atol=1e-6)
            assert answer[0][0] == path.parent.name
        process.send_signal(signal.SIGTERM)
        written, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    assert [json.loads(line)["path"] for line in written.splitlines()] == ["/classes", "/classify"]


def test_what_others_can_reach_asks_for_a_token_and_fetches_nothing(exported: Path) -> None:
    with _serving(exported, "--host=0.0.0.0", CLEANER_SERVE_MAX_FILES="7") as (process, address):
        assert process.stderr
        token = process.stderr.readline().strip().partition("#token=")[2]
        assert len(token) >= 32
        with httpx2.Client(base_url=address, trust_env=False) as client:
            assert client.get("/classes").status_code == 401
            client.headers["Authorization"] = f"Bearer {token}"
            assert client.get("/classes").status_code == 200
            assert client.get("/classify-url?url=http://example.org/a.png").status_code == 403
            described = client.get("/openapi.json").json()
        assert "7 pictures" in described["paths"]["/classify"]["post"]["requestBody"]["description"]


def test_a_token_that_is_empty_is_none_and_the_one_made_up_is_told(exported: Path) -> None:
    with _serving(exported, "--host=0.0.0.0", CLEANER_SERVE_TOKEN="") as (process, _):
        assert process.stderr
        assert len(process.stderr.readline().strip().partition("#token=")[2]) >= 32


@pytest.mark.skipif(sys.platform != "linux", reason="has but one address of its own")
def test_it_answers_at_the_address_that_it_says_whichever_of_its_own_that_is(exported: Path) -> None:
    with _serving(exported, "--host=127.0.0.2") as (_, address):
        assert "127.0.0.2" in address
        with httpx2.Client(base_url=address, trust_env=False) as client:
            assert client.get("/classes").status_code == 200


def test_what_the_model_is_unsure_of_is_kept_and_opens_as_a_project(exported: Path, tmp_path: Path) -> None:
    unsure, sure = (io.BytesIO() for _ in range(2))
    Image.new("RGB", (40, 30), (90, 80, 80)).save(unsure, "PNG")
    Image.new("RGB", (40, 30), (0, 255, 0)).save(sure, "PNG")
    kept = tmp_path / "kept"
    options = ("--keep", str(kept), "--below", "0.9")
    with (
        _serving(exported, *options) as (_, address),
        httpx2.Client(base_url=address, trust_env=False) as client,
    ):
        for sent in (unsure, sure, unsure):
            assert client.post("/classify", content=sent.getvalue()).status_code == 200
    (picture,) = (path for path in kept.rglob("*.png"))
    assert picture.read_bytes() == unsure.getvalue()
    catalog = Project.open(kept).catalog
    assert [catalog.item(0).label, len(catalog)] == ["black", 1]


def test_what_somebody_says_a_picture_is_opens_as_a_project_too(exported: Path, tmp_path: Path) -> None:
    sure = io.BytesIO()
    Image.new("RGB", (40, 30), (0, 255, 0)).save(sure, "PNG")
    with (
        _serving(exported, "--keep", str(tmp_path / "kept"), "--threads=2") as (_, address),
        httpx2.Client(base_url=address, trust_env=False) as client,
    ):
        answer = client.post("/dispute?class=teddy", files={"file": ("a.png", sure.getvalue())})
        assert answer.json() == {"kept_as": "teddy"}
    catalog = Project.open(tmp_path / "kept").catalog
    assert [catalog.item(0).label, len(catalog)] == ["teddy", 1]


@pytest.mark.parametrize(
    ("quota", "affinity", "cores"),
    [
        ("200000 100000", 8, 2),
        ("150000 100000", 8, 2),
        ("50000 100000", 8, 1),
        ("max 100000", 8, 8),
        ("800000 100000", 3, 3),
        ("not a quota", 3, 3),
        (None, 3, 3),
    ],
)
def test_the_cores_of_a_container_are_those_it_may_use(
    quota: str | None, affinity: int, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(affinity)), raising=False)
    if quota is not None:
        (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert usable_cores(tmp_path / "cpu.max") == cores


def test_without_an_affinity_the_cores_of_the_machine_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert usable_cores(tmp_path / "there is none") == 5


def test_what_cannot_be_served_is_said_in_one_sentence(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: str) -> None:
        get_command(serving).main([*arguments], standalone_mode=False)

    with pytest.raises(CleanerError, match="no exported model"):
        run(str(tmp_path), "--port=0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CleanerError, match=f"port {port} can't be listened on"):
            run(str(exported), f"--port={port}")
    for option in ("--port=99999", "--waiting=0", "--max-mib=0"):
        refused = CliRunner().invoke(serving, [str(exported), option])
        assert (refused.exit_code, option.partition("=")[0] in refused.stderr) == (2, True)
    for option in ("max-mib", "max-megapixels", "upload-seconds", "answer-seconds"):
        for value in ("nan", "inf", "1e999", "-inf"):
            refused = CliRunner().invoke(serving, [str(exported), "--port=0", f"--{option}={value}"])
            assert isinstance(refused.exception, CleanerError | SystemExit), (option, value)
            assert refused.exit_code in (1, 2)
    monkeypatch.setenv("CLEANER_SERVE_TOKEN", "short")
    with pytest.raises(CleanerError, match="at least 16"):
        run(str(exported), "--port=0")


def test_the_guide_names_only_options_that_there_are() -> None:
    guide = (TOP / "SERVING.md").read_text(encoding="utf-8")
    parameters = get_command(serving).params
    names = {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}
    variables = {str(parameter.envvar) for parameter in parameters}
    inline = " ".join(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", guide, flags=re.DOTALL)))
    options = {name for name in re.findall(r"--[a-z-]+", inline) if name not in FOREIGN}
    assert options
    assert options <= names
    assert set(re.findall(r"CLEANER_SERVE_[A-Z_]+[A-Z]", guide)) <= variables


def test_what_serving_installs_is_of_the_same_versions_as_everything_else() -> None:
    pins = [
        set(re.findall(r"^([a-z0-9_.-]+==\S+)", (TOP / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("serving.lock", "requirements.lock")
    ]
    assert pins[0]
    assert pins[0] <= pins[1]
