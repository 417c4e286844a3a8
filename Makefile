# One environment, made once and again when pyproject.toml has changed. PYTHON names another interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test quick lint check bench clean

demo: $(INSTALLED)  ## call a node, talk, interrupt, see what was heard: no key, no network
	$(BIN)/ivrnode demo

test: $(INSTALLED)  ## the whole test suite; tests with real peers are skipped where the peers are missing
	$(BIN)/python -m pytest

quick: $(INSTALLED)  ## the tests that a change is tried with again and again: none that is slow or needs a peer
	$(BIN)/python -m pytest -m "not slow and not peer"

lint: $(INSTALLED)  ## form and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## what every change must pass

bench: $(INSTALLED)  ## what a call costs on this machine
	$(BIN)/python -m bench

clean:  ## the environment and every cache
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
