# Everything happens inside .venv/; nothing is installed anywhere else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev test test-fast test-real test-docker check drawings guide guide-check format protos toxiproxy images clean

help: ## This list
	@awk -F':.*## ' '/^[a-z%-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab-%: $(VENV)/.installed ## Start a lab, for instance make lab-raft; options: ARGS="--nodes 3"
	@$(BIN)/lab up $* $(ARGS)

setup: $(VENV)/.installed ## Make .venv/ with the lab command in it

setup-dev: $(VENV)/.installed-dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "python3 -m venv does not work here; on Debian and Ubuntu: apt install python3-venv" >&2; rm -rf $(VENV); exit 2; }

# Bytecode is compiled here, so that no node spends its start on it.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "setting up $(VENV) (once, about half a minute) ..."
	@$(PIP) --editable .
	@$(BIN)/python -m compileall -q labs nodes protos
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.installed
	@echo "installing the tools for tests and checks (once) ..."
	@$(PIP) --editable '.[dev]'
	@touch $@

test: test-fast test-real ## The whole suite that needs no Docker engine; more seeds: FAULTLAB_SEEDS=full, or all

test-fast: $(VENV)/.installed-dev ## Units, properties and simulations
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not real and not docker" $(ARGS)

test-real: $(VENV)/.installed-dev ## Real processes on loopback
	@# They wait more than they work: three at a time keep two cores busy.
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "real and not docker" $(ARGS)

test-docker: $(VENV)/.installed-dev ## Containers; needs a Docker engine and the images
	$(BIN)/python -m pytest -m docker $(ARGS)

check: $(VENV)/.installed-dev ## Lint, format, types, import walls, fresh protos
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory protos OUT=$(VENV)/protos-fresh
	@for file in protos/*_pb2.py protos/*_pb2.pyi; do \
		cmp "$$file" "$(VENV)/protos-fresh/$$file" || { echo "stale: run make protos" >&2; exit 1; }; done

guide-check: $(VENV)/.installed ## Hold every claim of the guide against a new run; ARGS="--runtime local"
	$(BIN)/python -m labs.kit.guide
	$(BIN)/lab compare --fresh --short $(ARGS)

guide: $(VENV)/.installed-guide $(VENV)/site-scripts ## The guide as a site: .lab/site/index.html
	NO_MKDOCS_2_WARNING=1 FAULTLAB_SITE_SCRIPTS=$(CURDIR)/$(VENV)/site-scripts \
		$(BIN)/mkdocs build --quiet --strict --config-file labs/kit/guide/site/mkdocs.yml
	@echo "open .lab/site/index.html"

drawings: $(VENV)/.installed ## Draw the guide's pictures anew, from the runs that they show
	$(BIN)/python -m labs.kit.guide.drawings $(ARGS)

$(VENV)/.installed-guide: pyproject.toml $(VENV)/.installed
	@echo "installing what makes the site (once) ..."
	@$(PIP) --editable '.[guide]'
	@touch $@

$(VENV)/site-scripts: .ci/site-scripts | $(BIN)/python
	@.ci/site-scripts $@
	@touch $@

format: $(VENV)/.installed-dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

OUT ?= .
protos: $(VENV)/.installed-dev ## Generate protos/*_pb2.py from protos/*.proto
	@mkdir -p $(OUT)
	@$(BIN)/python -m grpc_tools.protoc -I. --python_out=$(OUT) --pyi_out=$(OUT) protos/*.proto

toxiproxy: $(BIN)/python ## Compile the real Toxiproxy with Go, for the local runtime
	@.ci/toxiproxy $(BIN)

images: ## Make the base images where no image registry is reached
	@.ci/images

clean: ## Remove .venv, caches and the traces of labs
	rm -rf $(VENV) .lab .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
