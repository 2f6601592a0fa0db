# Stemwright. `make help` lists what there is.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LOCK := uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock"
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo up test lint bench proto lock clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}'

$(VENV)/run: requirements/run.lock pyproject.toml
	@echo "Installing into $(VENV) (about a minute the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --require-hashes -r requirements/run.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: requirements/dev.lock $(VENV)/run
	@echo "Installing what the tests need ..."
	@$(PIP_INSTALL) --require-hashes -r requirements/dev.lock
	@touch $@

lock: $(VENV)/dev ## Resolve the dependencies anew into requirements/*.lock
	$(BIN)/$(LOCK) --extra cpu --extra services --extra local pyproject.toml requirements/build.in -o requirements/run.lock
	$(BIN)/$(LOCK) --extra dev -c requirements/run.lock pyproject.toml -o requirements/dev.lock
