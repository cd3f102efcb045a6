"""The README's snippets and the notebooks run as they stand."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import cleaner
from tests.support.images import colour_fields
from tests.support.jupyter import kernel_in

TOP = Path(__file__).parents[1]
SNIPPETS = re.findall(r"```python\n(.*?)```", (TOP / "README.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def beside_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return colour_fields(tmp_path / "photos", each=20)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda text: text.split("\n")[-2])
def test_a_snippet_of_the_readme_runs(beside_photos: Path, snippet: str) -> None:
    exec(compile(snippet, "README.md", "exec"), {})


def test_every_public_name_is_documented_and_the_pages_are_made_without_a_warning(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-W", "error", str(TOP / "docs" / "make.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    pages = {path.stem: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")}
    for name in cleaner.__all__:
        assert inspect.getdoc(getattr(cleaner, name)), f"{name} has no docstring"
        assert f'id="{name}"' in pages["cleaner"]
    for name in public_methods(TOP / "cleaner" / "app" / "project.py", of="Project"):
        assert f'id="Project.{name}"' in pages["cleaner"]
    assert {"types", "errors", "progress", "export", "compare"} <= set(pages)
    assert not re.findall(r'src="https?://|<link[^>]+href="https?://', "".join(pages.values()))


def public_methods(path: Path, *, of: str) -> list[str]:
    """Return the names that a class offers, by its source."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == of)
    methods = [node.name for node in found.body if isinstance(node, ast.FunctionDef)]
    assert "open" in methods
    return [name for name in methods if not name.startswith("_")]


def test_the_readme_has_snippets() -> None:
    assert len(SNIPPETS) >= 2


def test_the_files_that_the_readme_shows_exist() -> None:
    shown = re.findall(r"\]\((?!http)([^)#]+)\)", (TOP / "README.md").read_text(encoding="utf-8"))
    assert shown
    assert [name for name in shown if not (TOP / name).exists()] == []


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookClient]:
    """Start one kernel for all notebooks: each begins without a name in it, but torch is loaded once."""
    with kernel_in(tmp_path_factory.mktemp("kernel")) as client:
        yield client


@pytest.mark.parametrize("path", sorted(TOP.glob("notebooks/*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_runs_and_is_kept_without_output(
    path: Path, tmp_path: Path, kernel: NotebookClient
) -> None:
    kernel.nb = nbformat.read(path, as_version=4)
    kernel.reset_execution_trackers()  # a display of the notebook before is in none of this one's cells
    code = [cell for cell in kernel.nb.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    kernel.nb.cells.insert(0, nbformat.v4.new_code_cell(f"%reset -f\n%cd -q {tmp_path}"))
    for place, cell in enumerate(kernel.nb.cells):
        kernel.execute_cell(cell, place)


def test_the_apps_notebook_is_one_cell_that_opens_the_folder_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = colour_fields(tmp_path / "photos")
    monkeypatch.setenv("CLEANER_FOLDER", str(root))
    notebook = nbformat.read(TOP / "notebooks" / "app.ipynb", as_version=4)
    assert len(notebook.cells) == 1
    exec(compile(notebook.cells[0].source, "app.ipynb", "exec"), {})
    assert (root / ".cleaner" / "cleaner.db").exists()
