# The platform's commands. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON := .venv/bin/python
export DATA_HOME ?= $(CURDIR)/data
# dagster.yaml stands here; Dagster's own database lies with all other state
export DAGSTER_HOME ?= $(CURDIR)
export DAGSTER_STORAGE ?= $(DATA_HOME)/dagster
export DAGSTER_MODULE_NAME := platform_assets.definitions

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: run
run: setup sample ## Set up, load the sample data, run the weekly job, say what came out
	@set -o pipefail; PYTHONWARNINGS=ignore .venv/bin/dagster job execute -j weekly 2>&1 | $(PYTHON) scripts/progress.py; code=$$?; \
	  $(PYTHON) -m platform_assets.summary; exit $$code

.PHONY: ui
ui: setup ## The Dagster UI on http://127.0.0.1:3000, with sensors and the weekly schedule running
	@# the workspace file names the module: both at once would be two code locations
	@mkdir -p "$(DAGSTER_STORAGE)"; exec env -u DAGSTER_MODULE_NAME $(PYTHON) -m door

.PHONY: console
console: setup ## The stewards' console on http://127.0.0.1:8501 (start make ui beside it)
	@exec $(PYTHON) -m console

.PHONY: dashboard
dashboard: setup ## The clinicians' dashboard on http://127.0.0.1:8600 (make run first: it shows what was published)
	@exec $(PYTHON) -m dashboard

.PHONY: setup
setup: ## Install what is missing: Debian packages (R), .venv from the hashed lock file
	@scripts/setup.sh

.PHONY: sample
sample: setup ## Write the generated sample data into DATA_HOME/landing (once)
	@$(PYTHON) -m platform_assets.sample

.PHONY: summary
summary: ## What the platform holds: deliveries, rows, indicators
	@$(PYTHON) -m platform_assets.summary

PROCESSES = $(shell expr $$(nproc) + 1)
# a browser, a database and a proxy for the tests that need real ones
export PLATFORM_EXTRA_PACKAGES ?=
TEST_PACKAGES := chromium postgresql mariadb-server-core openssh-server nginx-light openssl $(if $(PLATFORM_TEST_IMAGE),podman debootstrap iproute2)
test test-python soak: export PLATFORM_EXTRA_PACKAGES := $(TEST_PACKAGES)

.PHONY: test
test: setup lint test-r test-python ## Everything that CI runs: lint, R tests, Python tests

.PHONY: test-python
test-python: setup ## Unit, component and end-to-end tests
	@# without what this file sets for people: tests bring their own folders and instances
	@# one process more than there are cores, as tests wait for servers and processes a tenth of their time; a file of tests stays in one, as its
	@# tests share servers; the order is that of tests/conftest.py
	$(PYTEST) --numprocesses $(PROCESSES) --maxprocesses 8 --dist loadfile --no-loadscope-reorder --durations=15

# the environment that people work in: tests bring their own folders and instances
PYTEST := env -u DATA_HOME -u DAGSTER_HOME -u DAGSTER_STORAGE -u DAGSTER_MODULE_NAME .venv/bin/python -m pytest -q

.PHONY: test-one
test-one: setup ## One folder, file or test: make test-one T=tests/ingest
	@test -n "$(T)" || { echo "Say which: make test-one T=tests/ingest"; exit 1; }
	$(PYTEST) $(T)

# the rooms whose rules can be told without a lake, a server, a browser or R: contracts, readers of files, texts, what R's processes may
FAST := tests/contracts tests/ingest/readers tests/r_child tests/resources/text $(wildcard tests/resources/test_*.py tests/test_*.py)

.PHONY: test-fast
test-fast: setup ## What needs no lake, server, browser or R; under two minutes
	$(PYTEST) -m "not slow and not soak" --numprocesses auto --maxprocesses 8 --dist loadfile $(FAST)

.PHONY: soak
soak: setup ## What takes too long for every change: the long variants, all of them; hours
	$(PYTEST) -m soak --durations=15

.PHONY: test-r
test-r: setup ## testthat: statistics library, indicators, harness
	Rscript -e 'testthat::test_dir("r_scripts/tests", reporter = "summary", stop_on_failure = TRUE)'

.PHONY: lint
lint: setup ## ruff, mypy, no markup from data, and the contracts of all datasets
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTHON) scripts/markup.py
	.venv/bin/dagster definitions validate

.PHONY: bench
bench: setup ## Measure speed and memory; writes benchmarks/results.md
	$(PYTHON) -m benchmarks

.PHONY: image
image: ## Build the container image: make image BASE_IMAGE=debian@sha256:...
	@test -n "$(BASE_IMAGE)" || { echo "Name the base by digest: make image BASE_IMAGE=debian@sha256:..."; exit 1; }
	podman build --isolation chroot --format docker --build-arg BASE_IMAGE=$(BASE_IMAGE) \
	  --build-arg REVISION=$$(git rev-parse HEAD) -t platform .

.PHONY: test-image
test-image: ## Build the image on a fresh Debian base and use it in every role (root, podman, debootstrap; 3 to 10 minutes)
	deploy/image/test.sh

.PHONY: lock
lock: setup ## Renew requirements.lock from pyproject.toml
	.venv/bin/uv pip compile pyproject.toml --group dev --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --python-version 3.11 --custom-compile-command "make lock" -q -o requirements.lock
	.venv/bin/uv pip compile pyproject.toml --constraint requirements.lock --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --python-version 3.11 --custom-compile-command "make lock" -q -o deploy/image/requirements.lock

.PHONY: clean
clean: ## Remove all state (DATA_HOME) after asking; code and .venv stay
	@read -r -p "Remove $(DATA_HOME) with everything that was loaded? [y/N] " answer && [ "$$answer" = y ] && rm -rf "$(DATA_HOME)"
