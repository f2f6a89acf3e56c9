# The developer interface. `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.runtime
DEV_STAMP := $(VENV)/.development
NODE_STAMP := tests/node/node_modules/.package-lock.json

.DEFAULT_GOAL := help
.PHONY: help setup run test check fuzz bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); deploy/install-system-package python3-venv; $(PYTHON) -m venv $(VENV); }

$(RUN_STAMP): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the packages (once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(RUN_STAMP)
	@echo "Installing the development packages (once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# Node comes from a Python package, so that no system needs it; the vendors' SDKs for it are locked by hash.
$(NODE_STAMP): tests/node/package-lock.json $(DEV_STAMP)
	@echo "Installing the Node packages of the tests (once)…"
	@cd tests/node && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

setup: $(DEV_STAMP) $(NODE_STAMP) ## install everything the other targets need
	@command -v chromium >/dev/null || deploy/install-system-package chromium

run: $(RUN_STAMP) ## start the web app, the gateway and the streamer; ARGS="--demo" passes options
	@exec $(BIN)/langwatch up $(ARGS)

check: setup ## lint, types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Databases of tests live in memory where the machine has a gigabyte for it: they are many, small and short-lived.
SCRATCH := $(shell test -w /dev/shm && df -Pk /dev/shm | awk 'NR == 2 && $$4 > 1048576 { print $$6 }')

test: check ## everything that must hold: check, then all tests
	@$(if $(SCRATCH),TMPDIR=$(SCRATCH) PYTEST_DEBUG_TEMPROOT=$(SCRATCH)) $(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

fuzz: setup ## fuzz one reader for longer than the tests do; ARGS="splice -max_total_time=600"
	@$(BIN)/python -m tests.fuzz $(or $(ARGS),every -max_total_time=60)

bench: setup ## measure against peers in the same run; prints ratios
	@command -v nginx >/dev/null || deploy/install-system-package nginx-light
	@command -v wrk >/dev/null || deploy/install-system-package wrk
	@$(BIN)/python -m bench $(ARGS)
	@$(BIN)/python -m bench.scale

clean: ## remove what setup and the tests made
	rm -rf $(VENV) tests/node/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
