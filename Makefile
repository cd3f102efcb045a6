# Everything is installed into this folder: .uv/ (the installer) and .venv/ (Python and its packages).
# Only the installer's own cache lies elsewhere. PYTHON=… picks another interpreter, 3.10 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
READY := $(VENV)/.ready
DEMO := demo
# what serving a finished model needs, and nothing for training one
SERVED := filelock httpx2 numpy onnxruntime pillow prometheus-client python-multipart rich starlette typer \
  uvicorn

# what the libraries would otherwise write into the home folder
export FASTAI_HOME := $(CURDIR)/.cache/fastai
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
export UV_PYTHON_DOWNLOADS := never
export PIP_NO_CACHE_DIR := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# bytecode is kept, in .venv: else every start compiles PyTorch and fastai anew, which takes longer than their import
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test browser check docs bench grid picture lock clean

help:
	@echo "make demo     a small dataset with planted errors: train, rank, open the dashboard"
	@echo "make test     the tests (make browser: those that drive a real Chromium)"
	@echo "make check    lint and types"
	@echo "make docs     the API, from its docstrings, as pages in docs/api"
	@echo "make bench    how many errors are found, and how fast, beside other tools (an hour)"
	@echo "make grid     how quick the grid is in a browser, beside fastai's (a quarter of an hour)"
	@echo "make clean    remove everything that make has made"

demo: $(READY)
	@$(BIN)/cleaner demo "$(DEMO)" $(ARGS)

test: $(READY)
	@echo "Running the tests ..."
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not browser" -n logical --maxprocesses 4 --dist loadfile $(ARGS)

browser: $(READY)
	@echo "Running the browser tests ..."
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m browser -n logical --maxprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

docs: $(READY)
	@$(BIN)/python docs/make.py
	@echo "Open docs/api/index.html."

# the README's picture, taken of the real app
picture: $(READY)
	@PYTHONPATH=. $(BIN)/python assets/make.py

bench: $(READY)
	@$(BIN)/python tests/bench/loop.py
	@$(BIN)/python tests/bench/ranking.py
	@$(BIN)/python tests/bench/stopping.py
	@$(BIN)/python tests/bench/changes.py
	@$(BIN)/python tests/bench/check.py
	@$(BIN)/python tests/bench/parity.py
	@$(BIN)/python tests/bench/serve.py
	@$(BIN)/python tests/bench/map.py
	@$(BIN)/python tests/bench/engine.py $(ARGS)

grid: $(READY)
	@PYTHONPATH=. $(BIN)/python tests/bench/grid.py $(ARGS)
	@PYTHONPATH=. $(BIN)/python tests/bench/many.py

lock: | $(UV)
	@$(UV) pip compile -q pyproject.toml --group dev --universal --python-version 3.10 --generate-hashes \
	  --no-annotate --no-header -o requirements.lock
	@printf '%s\n' $(SERVED) | $(UV) pip compile -q - -c requirements.lock --universal --python-version 3.10 \
	  --generate-hashes --no-annotate --no-header -o serving.lock

clean:
	rm -rf $(VENV) .uv .cache docs/api "$(DEMO)" .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find cleaner tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml | $(UV)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Cleaner needs Python 3.10 or newer; pass PYTHON=...")'
	@echo "Installing the packages into $(VENV) (about 6 GB with PyTorch, once) ..."
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(VENV)
	@$(UV) pip sync -q --python $(VENV) --require-hashes requirements.lock
	@$(UV) pip install -q --python $(VENV) --no-deps --no-build-isolation --editable .
	@touch $@

# without the venv module's pip (Debian splits it off), any pip that the interpreter has will do
.uv/bin/uv: | .ci/uv.lock
	@echo "Getting the installer into .uv/ ..."
	@$(PYTHON) -m venv .uv 2>/dev/null && .uv/bin/python -m pip install -q --require-hashes -r .ci/uv.lock || \
	  { rm -rf .uv && $(PYTHON) -m pip install -q --require-hashes --target .uv -r .ci/uv.lock 2>/dev/null; } || \
	  { rm -rf .uv; echo "Neither venv nor pip works with $(PYTHON); install python3-venv, or uv." >&2; exit 1; }

