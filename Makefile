# The platform's commands. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON := .venv/bin/python
export DATA_HOME ?= $(CURDIR)/data
export DAGSTER_HOME ?= $(DATA_HOME)/dagster

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## Install what is missing: Debian packages (R), .venv from the hashed lock file
	@scripts/setup.sh

.PHONY: lint
lint: setup ## ruff and mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

.PHONY: lock
lock: setup ## Renew requirements.lock from pyproject.toml
	.venv/bin/uv pip compile pyproject.toml --group dev --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --python-version 3.11 --custom-compile-command "make lock" -q -o requirements.lock

.PHONY: sample
sample: setup ## Write the generated sample data into DATA_HOME/landing (once)
	@$(PYTHON) -m platform_assets.sample
