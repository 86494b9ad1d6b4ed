SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test chaos mutants up down check bench format setup doctor image lock clean

export KILONOVA_CACHE ?= $(CURDIR)/.cache
DATA ?= .data

help: ## What can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r verb words; do printf '  make %-7s %s\n' "$$verb" "$$words"; done

demo: setup image ## A cloud, a real server in it built with the stock client, its nine steps; then everything is cleaned up
	@.venv/bin/kilonova demo

test: ## All checks and all tests, as CI runs them (ARGS='tests/build -x' for some)
	@scripts/setup --tests
	@scripts/image
	@scripts/test $(ARGS)

chaos: ## Every case of the matrix of faults, on real processes; writes the table of docs/reliability.md (ARGS='-k killed' for some)
	@scripts/setup --tests
	@scripts/image
	@scripts/chaos $(ARGS)

mutants: ## Deliberate defects, one at a time in a copy of the tree: which test turns red? Writes their table (ARGS='--nearest', some words)
	@scripts/setup --tests
	@scripts/mutants $(ARGS)

up: setup image ## Start a cloud and leave it running (DATA=FOLDER, default .data)
	@scripts/cloud up $(DATA)

down: ## End the cloud that `make up` started
	@scripts/cloud down $(DATA)

check: ## The quick ones: format, lint, types, layers, and the tests that start nothing outside of Python
	@scripts/setup
	@scripts/check

bench: setup image ## Measure, and compare with what was measured before (ARGS=...)
	@.venv/bin/python -m bench $(ARGS)

format: setup ## Put the code into its form, and mend what can be mended
	@.venv/bin/ruff check --fix-only -q .
	@.venv/bin/ruff format .

doctor: setup ## What this machine can do, and what is used instead of what it cannot
	@.venv/bin/kilonova doctor

image: setup ## The guest image, built or found in the cache
	@scripts/image

setup: ## Install what is missing: Debian packages and .venv
	@scripts/setup

lock: setup ## Write requirements.lock anew from pyproject.toml (ARGS=--upgrade for newer versions)
	@scripts/lock $(ARGS)

clean: ## End the cloud in DATA, and remove what was made here: it, .venv, caches
	@scripts/clean $(DATA)
