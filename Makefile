# Two commands do everything on a machine with Python 3.11 or later, git and make: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: setup demo test check fix protos conform clients crash bench clean

setup: .venv/runtime

demo: .venv/runtime
	@$(BIN)/interchange demo $(ARGS)

test: .venv/dev check
	$(BIN)/pytest $(ARGS)

check: .venv/dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/basedpyright --warnings
	$(BIN)/lint-imports

fix: .venv/dev
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format --quiet .

protos: .venv/dev
	$(BIN)/python -m registry.protoc.generate

conform: .venv/dev
	$(BIN)/python examples/conformance/run.py

clients: .venv/dev
	$(BIN)/python -m tests.clients.run $(ARGS)

crash: .venv/dev
	$(BIN)/python -m tests.crash run --engine both --seconds 600 --at-least 50000 $(ARGS)
	$(BIN)/python -m tests.crash.turns --engine both --seconds 300

bench: .venv/dev
	$(BIN)/python -m bench

clean:
	rm -rf .venv state results

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv

.venv/runtime: .venv/bin/python pyproject.toml clients/python/pyproject.toml constraints.txt
	@echo "Installing about 100 packages, one to three minutes …"
	$(PIP) --editable 'clients/python[langgraph]' --editable .
	@touch $@

.venv/dev: .venv/runtime
	$(PIP) --editable '.[dev]'
	@touch $@
