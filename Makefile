# `make` alone prints what there is. Everything a target needs is installed by it, into .venv and the user's cache folder.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3.11
NODE ?= real
STACK ?= prod
VENV := .venv
BIN := $(VENV)/bin
MARKS ?= -m "not full"
PYTEST = $(BIN)/python -m pytest $(MARKS)
export PYTHONUNBUFFERED := 1
# Set on some machines: each Python, the program's too, would compile Pulumi's packages again, for seconds.
unexport PYTHONDONTWRITEBYTECODE
# Outside the clone: a fresh clone would have mypy read all of Pulumi's packages again, for minutes.
export MYPY_CACHE_DIR := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/observability-stack/mypy

.PHONY: help up test test-full test-beside test-stack check format docs preview down clean bench lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/ready ## the stack on this machine: sandbox, `pulumi up`, URLs (NODE=simulated: no root, pods do not run)
	@$(BIN)/python -m sandbox up --node $(NODE)
	@$(BIN)/python -m sandbox deploy

test: check ## checks, native checks, rules, end to end: begins by destroying the stack, ends with make down; make up brings it back
test-full: check ## as test (destroys the stack too), and what takes long
test-full: export MARKS :=
test test-full:
	@$(BIN)/python -m sandbox up --node $(NODE)
	@$(MAKE) --no-print-directory -j 2 test-beside test-stack
	@$(PYTEST) tests/e2e/test_9_down.py

# What computes runs beside what mostly waits for the stack, whose times count; its report comes when it is done.
test-beside: $(VENV)/ready ## the part of test that needs no stack: native checks, rules, clusters of its own
	@mkdir -p build && echo "what needs no stack runs beside what does; its report comes at the end: build/beside.log"
	@nice $(PYTEST) tests/native tests/rules tests/simulated >build/beside.log 2>&1 || { cat build/beside.log; exit 1; }
	@cat build/beside.log

test-stack: $(VENV)/ready ## the part of test that needs the sandbox, whose stack it destroys: end to end
	@$(PYTEST) tests/e2e --ignore=tests/e2e/test_9_down.py

check: $(VENV)/ready ## format, lint, types, quick tests; no cluster, no toolchain
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/unit tests/components tests/program

format: $(VENV)/ready ## rewrite the code in the one style
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(VENV)/ready ## write the generated pages anew: configuration, cost, alerts, recording rules
	@$(BIN)/python -m components.settings.reference
	@$(BIN)/python -m rendering.reference
	@$(BIN)/python -m components.cost_page

preview: $(VENV)/ready ## `pulumi preview` of STACK=prod|staging|sandbox on a fresh simulated cluster and the local AWS
	@$(BIN)/python -m sandbox preview $(STACK)

down: $(VENV)/ready ## stack destroyed, sandbox stopped, nothing left running or mounted
	@$(BIN)/python -m sandbox destroy
	@$(BIN)/python -m sandbox down

clean: $(VENV)/ready ## as down, and the caches go too: the next `make up` builds everything again
	@$(BIN)/python -m sandbox clean
	@rm -rf $(VENV) build

bench: $(VENV)/ready ## benchmarks, side by side in one run; writes build/bench.json
	@$(BIN)/python -m bench

lock: $(VENV)/ready ## write the lock files anew from pyproject.toml
	@$(BIN)/pip-compile -q --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-header -o requirements.txt pyproject.toml
	@$(BIN)/pip-compile -q --generate-hashes --strip-extras --allow-unsafe --extra dev --no-emit-index-url --no-emit-find-links --no-header -o requirements-dev.txt pyproject.toml
	@cd delivery && ../$(BIN)/pip-compile -q --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --no-header -o requirements.txt requirements.in

$(VENV)/ready: requirements-dev.txt
	@echo "Python packages -> $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Python 3.11 is needed; name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --no-compile --require-hashes -r requirements-dev.txt # most modules are never imported
	@touch $@

.DEFAULT:
	@echo "make $@ is no command; these are:" && $(MAKE) --no-print-directory help && exit 2
