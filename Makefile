# make demo: set up and run the main job on a made market;  make test: set up and run the tests;  make docs: the site
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PYTHON ?= $(shell command -v python3.12 >/dev/null 2>&1 && python3.12 -c '' 2>/dev/null && echo python3.12 || (command -v python3.11 >/dev/null 2>&1 && python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3))
READY := $(VENV)/.ready

# by file, so that what a file's tests share is made once
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: demo test test-all fuzz check docs-accept lint types docs notebooks lock wheel clean

demo: $(READY)
	$(BIN)/kq demo

test: $(READY)
	$(BIN)/python -m pytest -m "not slow and not gpu" $(PARALLEL)

test-all: $(READY)
	$(BIN)/python -m pytest -rs $(PARALLEL)

# inputs that hypothesis makes, through every door, for so many minutes
fuzz: $(READY)
	FUZZ_MINUTES=$(or $(MINUTES),60) $(BIN)/python -m pytest -rs tests/fuzz

check: lint types test

# writes what the blocks of the pages really printed into the pages; PAGE=own_qlib takes those whose path holds the word
docs-accept: $(READY)
	$(BIN)/python -m pytest tests/docs --accept -k "$(or $(PAGE),page)"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# both languages in site/, opened from disk; the stamp says that the extra is installed
docs: $(VENV)/.docs
	$(BIN)/python -m docs.build --site site

notebooks: $(READY)
	$(BIN)/jupytext --quiet --to ipynb docs/notebooks/*.py

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs]"
	@touch $(VENV)/.docs

# requirements.lock: the versions of constraints.txt with the hashes that the index states, for all systems; torch, whose
# build is chosen at set-up, is left out. uv is asked for here only.
lock: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra docs --extra mlflow --extra ray --constraint constraints.txt \
		--universal --python-version 3.11.5 --generate-hashes --no-annotate --no-header --no-emit-package torch --upgrade \
		--quiet --output-file requirements.lock

wheel: $(READY)
	$(BIN)/python -m hatchling build

# the stamp is written last: an interrupted set-up is repeated, a finished one is not. pip compiles on one core, so that
# is left to compileall on all of them: without bytecode each command would compile all that it imports, again and again
# where Python may not write it (PYTHONDONTWRITEBYTECODE=1). The few files of other Python versions do not compile.
$(READY): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 12) else "error: Python 3.11 or 3.12 is needed, found %d.%d\nhint:  make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable ".[dev]"
	-@$(BIN)/python -m compileall -q -q -j 0 -x '/tests/' $(VENV) kronos_quant cli
	@touch $(READY)

clean:
	rm -rf $(VENV) dist build site
