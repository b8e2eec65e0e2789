# `make sandbox` and `make test` do all of their own set-up; they need Python 3.11+, pip, venv, make.

PYTHON ?= python3
BIN := .venv/bin
RUN := .venv/.run
DEV := .venv/.dev
PYTEST := $(BIN)/python -m pytest

.PHONY: sandbox test test-all test-slow test-long gates mutants nemesis bench bench-quick pictures docs lock clean

sandbox: $(RUN)
	@$(BIN)/nolone sandbox

test: $(DEV)
	@$(PYTEST) -q -n 2 -m "not synapse and not browser and not slow"

test-all: test test-slow

# what `make test` leaves out: real Synapse (in a venv of its own), Debian's Chromium, the crashes
test-slow: $(DEV)
	@tests/platforms/start_synapse.sh .work/synapse-venv
	@NOLONE_TEST_ALL=1 $(PYTEST) -q -n 2 -m "(synapse or browser or slow) and not long"

# what CI has no time for: every story on PostgreSQL too, each fault in the simulation
test-long: $(DEV)
	@$(PYTEST) -q -n 2 -m long

gates: $(DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict bot
	@$(BIN)/lint-imports
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q tests/core tests/ledger
	@$(BIN)/coverage report

mutants: $(DEV)
	@$(BIN)/python -m tests.mutants

# about 50 minutes, and root for a small disk: real processes that are killed, frozen and cut off
nemesis: $(DEV)
	@$(BIN)/python -m tests.crashes.nemesis --long

bench: $(DEV)
	@$(BIN)/python -m tests.bench

bench-quick: $(DEV)
	@$(BIN)/python -m tests.bench --quick

pictures: $(DEV)
	@$(BIN)/python -m tests.browser.pictures

docs: $(DEV)
	@$(BIN)/python -m tests.docs.generate

# the locks name no index
lock: $(DEV)
	@printf 'flit_core>=3.12,<4\n' | $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements.txt pyproject.toml -
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra dev -c requirements.txt -o requirements-dev.txt pyproject.toml

clean:
	rm -rf .venv .work

$(RUN): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): $(RUN) requirements-dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@
