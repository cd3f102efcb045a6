"""Holds the code to its structure: who may import what, and how light it is to start with."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cleaner"

# besides the standard library, numpy and the modules that everybody shares
MAY_IMPORT = {
    "catalog": {"PIL", "filelock", "pyarrow"},
    "model": {
        "torch",
        "torchvision",
        "fastai",
        "fastcore",
        "fasttransform",
        "huggingface_hub",
        "onnxruntime",
        "safetensors",
        "timm",
    },
    "ranking": {"scipy", "faiss"},
    "review": {"ipywidgets", "anywidget", "traitlets", "sqlalchemy"},
    "changes": {"sqlalchemy", "filelock"},
    "app": {
        "anywidget",
        "traitlets",
        "filelock",
        "sqlalchemy",
        "ipywidgets",
        "ipyfilechooser",
        "jupyter_server",
        "typer",
        "rich",
        "PIL",
        "jinja2",
        "sklearn",
        "pandas",
    },
    "serve": {"PIL", "h11", "prometheus_client", "python_multipart", "starlette", "uvicorn"},
}
SHARED = {"cleaner.types", "cleaner.progress", "cleaner.errors", "cleaner.fetching", "cleaner.writing"}
NETWORK = {"fetching.py", "connecting.py"}  # the only modules that fetch what someone else has named
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def _imports(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where things come from"
            names.append(node.module or "")
    return names


def _stage(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def _allowed(name: str, *, stage: str) -> bool:
    top = name.split(".")[0]
    if top == "cleaner":
        return name in SHARED or _stage(name) == stage or stage == "app"
    return top in sys.stdlib_module_names or top == "numpy" or top in MAY_IMPORT[stage]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_stage_imports_only_what_the_table_allows(path: Path) -> None:
    stage = path.relative_to(PACKAGE).parts[0]
    names = _imports(ast.parse(path.read_text(encoding="utf-8")))
    assert [name for name in names if not _allowed(name, stage=stage)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_app_imports_models_inside_functions_only(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] == "model":
        return
    top_level = ast.Module(
        body=_outside_functions(ast.parse(path.read_text(encoding="utf-8"))), type_ignores=[]
    )
    heavy = {"torch", "torchvision", "fastai", "sklearn", "faiss", "pandas"}
    found = [n for n in _imports(top_level) if n.split(".")[0] in heavy or n.startswith("cleaner.model")]
    assert found == []


def _outside_functions(tree: ast.Module) -> list[ast.stmt]:
    """Return what runs on import: not the bodies of functions, nor what is for the type checker only."""
    return [
        node
        for node in tree.body
        if not isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]


def test_one_door_only_leads_to_the_network() -> None:
    clients = {"httpx2", "httpcore2"}
    users = {
        p.name for p in PACKAGE.rglob("*.py") if clients & set(_imports(ast.parse(p.read_text("utf-8"))))
    }
    assert users <= NETWORK


def test_modules_say_what_they_are() -> None:
    silent = [
        p for p in PACKAGE.rglob("*.py") if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_module_outgrows_one_idea() -> None:
    glossary = PACKAGE / "types.py"
    lines = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in PACKAGE.rglob("*.py")}
    long = {str(p): n for p, n in lines.items() if n > (400 if p == glossary else 300)}
    assert long == {}


def _loaded_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    return set(done.stdout.split("\n"))


def test_importing_cleaner_loads_next_to_nothing() -> None:
    loaded = _loaded_after("import cleaner")
    assert not loaded & {"numpy", "torch", "fastai", "ipywidgets", "sqlalchemy", "PIL"}


def test_the_commands_of_a_project_do_not_wait_for_what_they_do_not_need() -> None:
    loaded = _loaded_after("import cleaner.app.cli, cleaner; cleaner.Project")
    assert "sqlalchemy" in loaded
    assert not loaded & {"scipy", "ipywidgets", "anywidget", "jinja2", "httpx2", "pandas", "torch"}


def test_the_command_itself_loads_no_database() -> None:
    assert "sqlalchemy" not in _loaded_after("import cleaner.app.cli")


def test_opening_and_reviewing_a_project_never_loads_torch(folder) -> None:
    root = folder()
    code = f"""
import numpy as np
from cleaner import Project, Dashboard
from cleaner.app.rounds import save_round
from cleaner.types import *
project = Project.open({str(root)!r})
catalog = project.catalog
n, k = len(catalog), len(catalog.vocab)
said = Predictions(catalog.ids, catalog.vocab, catalog.labels, np.full((n, k), 1 / k, np.float32),
                   np.arange(n, dtype=np.float32), strings(['held-out'] * n))
done = Round(1, TrainConfig(), catalog.vocab, (), catalog.digest(), n, 0.5, 'elsewhere', (), 0.0, '')
save_round(done, said, folder=project.home / 'rounds', save_network=lambda path: None)
grid = project.review()
project.decide(['black/000.png'], 'relabel', label='teddy')
project.decide(['black/001.png'], 'delete')
assert len(project.apply().done) >= 1
Dashboard(project.root)
"""
    loaded = _loaded_after(code)
    assert "cleaner.review.grid" in loaded
    assert not loaded & {"torch", "torchvision", "fastai", "sklearn", "pandas", "matplotlib"}
