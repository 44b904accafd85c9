# Everything from a fresh clone: `make train` runs the main job, `make test` the whole test suite.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help train test bench docs lint format clean

help:
	@echo "make train   set up, then train a network on sinc with Levenberg-Marquardt and draw its loss"
	@echo "make test    set up, then run the whole test suite"
	@echo "make bench   set up, then race lmrun against its peers (hours; make bench ARGS=--quick: minutes)"
	@echo "make docs    set up, then build the docs as a site: build/docs/index.html"
	@echo "make lint    set up, then ruff and mypy"
	@echo "make format  set up, then let ruff rewrite the code"
	@echo "make clean   remove the environment and all caches (runs/ stays)"

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

train: $(VENV)/.installed
	$(BIN)/lmrun train sinc
	$(BIN)/lmrun plot latest

test: $(VENV)/.installed
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.run $(ARGS)

$(VENV)/.docs-installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

docs: $(VENV)/.docs-installed
	$(BIN)/python -m sphinx -W --keep-going -q docs build/docs
	@echo build/docs/index.html

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .bench .mypy_cache .pytest_cache .ruff_cache .hypothesis
