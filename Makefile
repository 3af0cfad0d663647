# `make help` lists what there is. `make demo` and `make test` do all the set-up themselves.

# The first interpreter that runs and is new enough: a name on PATH may be a shim for a version not there.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	if "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; \
	then command -v "$$name"; break; fi; done)
BIN := .venv/bin
# One more than the processors of a small machine: tests with processes of their own often wait for these. Files are
# taken in their order, so that those tests come first and the short ones of tests/unit fill up the end.
TEST_PROCESSES ?= 3
STORM_SECONDS ?= 60
ORACLE_CHARTS ?= 10000
UV = $(shell command -v uv || echo .cache/uv/bin/uv)
COMPILE = $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet \
	--custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) pyproject.toml --all-extras

# Where it is set, every process that is started would compile all that it imports once more.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo dev test check format docs storm oracle bench bench-steps bench-deliveries bench-requests lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.developer  ## everything for working on it, into .venv, from the lock (uv where it is on PATH)

.venv/.demo: requirements.lock pyproject.toml
	@echo "setting up .venv from requirements.lock ..."
	@tools/setup.sh requirements.lock "$(PYTHON)"
	@touch $@

.venv/.developer: requirements-dev.lock pyproject.toml
	@echo "setting up .venv from requirements-dev.lock ..."
	@tools/setup.sh requirements-dev.lock "$(PYTHON)"
	@touch .venv/.demo $@

demo: .venv/.demo  ## the whole way of a command once, on a real support desk's log
	@$(BIN)/interlock demo $(ARGS)

dev: .venv/.demo  ## server, workers and all on this machine until Ctrl-C (ARGS='--data-dir DIR')
	@$(BIN)/interlock dev $(ARGS)

test: .venv/.developer  ## every test but the storms (ARGS='tests/unit -k chart')
	$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/.developer  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.developer  ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.developer  ## the pages of docs/lifecycles and the README's picture, from the charts
	$(BIN)/python -m tools.lifecycles

storm: .venv/.developer  ## kill workers and the server under load for STORM_SECONDS, then count
	INTERLOCK_STORM_SECONDS=$(STORM_SECONDS) $(BIN)/pytest -m storm --ignore tests/oracle $(ARGS)

oracle: .venv/.developer  ## ORACLE_CHARTS random charts, each 20 events, in our engine and in XState (needs node)
	INTERLOCK_ORACLE_CHARTS=$(ORACLE_CHARTS) $(BIN)/pytest -m storm tests/oracle $(ARGS)

bench: .venv/.developer  ## commands a second and latency, beside plain RQ
	$(BIN)/python -m benchmarks.commands $(ARGS)

.cache/bench/.ready: benchmarks/requirements-steps.txt benchmarks/steps/package-lock.json
	@echo "setting up .cache/bench from benchmarks/requirements-steps.txt ..."
	@rm -rf .cache/bench && mkdir -p .cache/bench/node
	@if command -v uv >/dev/null 2>&1; \
	then uv venv --quiet --python $(BIN)/python .cache/bench/venv && \
	     VIRTUAL_ENV=.cache/bench/venv uv pip install --quiet -r benchmarks/requirements-steps.txt; \
	else $(BIN)/python -m venv .cache/bench/venv && \
	     .cache/bench/venv/bin/pip install --quiet --disable-pip-version-check -r benchmarks/requirements-steps.txt; fi
	@if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; \
	then cp tests/oracle/package.json benchmarks/steps/package-lock.json .cache/bench/node && \
	     npm ci --silent --no-fund --no-audit --prefix .cache/bench/node; fi
	@touch $@

bench-steps: .venv/.developer .cache/bench/.ready  ## steps a second, beside other statechart libraries
	$(BIN)/python -m benchmarks.steps --peers .cache/bench/venv/bin/python $(ARGS)

.cache/bench-deliveries/.ready: benchmarks/requirements-deliveries.txt
	@echo "setting up .cache/bench-deliveries from benchmarks/requirements-deliveries.txt ..."
	@rm -rf .cache/bench-deliveries
	@$(BIN)/python -m venv .cache/bench-deliveries
	@.cache/bench-deliveries/bin/pip install --quiet --disable-pip-version-check -r benchmarks/requirements-deliveries.txt
	@touch $@

bench-deliveries: .venv/.developer .cache/bench-deliveries/.ready  ## signed deliveries a second, beside plain RQ with requests
	$(BIN)/python -m benchmarks.deliveries --plain .cache/bench-deliveries/bin/python $(ARGS)

bench-requests: .venv/.developer  ## requests a second through the gateway, beside FastAPI with plain RQ
	$(BIN)/python -m benchmarks.requests $(ARGS)

lock:  ## make the locks again from pyproject.toml (UPGRADE=1: newest versions)
	@command -v $(UV) >/dev/null 2>&1 || { "$(PYTHON)" -m venv .cache/uv && .cache/uv/bin/pip install --quiet uv; }
	$(COMPILE) --group build -o requirements.lock
	$(COMPILE) --group dev -c requirements.lock -o requirements-dev.lock

clean:  ## remove what was built or set up here
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build demo-output
