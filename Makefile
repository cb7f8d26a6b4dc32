# Everything a person does with this checkout. `make` alone lists it. PYTHON=… chooses the interpreter.
VENV     := .venv
BIN      := $(VENV)/bin
PYTHON   ?= $(shell tools/find-python)
PYTEST   := $(BIN)/python -m pytest
STAGE    := $(BIN)/python -m tools.stage
# Three on two cores: these tests wait, for processes to start and time-outs to pass, more than they compute.
THREE    := -n 3
# T chooses tests: make test T="tests/unit -k stages"
.DEFAULT_GOAL := help
.PHONY: help install up test services test-services check format compiled bench bench-facade bench-sync chaos fuzz docs lock clean

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "make %-15s %s\n", $$1, $$2 }'

install: ## Make .venv and fill it from the hashed lock (quick when nothing changed)
	@$(PYTHON) tools/preflight.py
	@$(PYTHON) tools/install.py requirements.lock

up: install ## Start the sample shop, the facade and everything else, with traffic; Ctrl-C stops it all
	@$(BIN)/strangler up --demo || [ $$? -eq 130 ]  # Ctrl-C is how it ends, no error

test: install ## Every test that needs no server: the quick ones, the slow ones, then one by one those that measure
ifdef T
	$(PYTEST) -m "not services" $(T)
else
	$(STAGE) -m "not services and not slow" $(THREE)
	$(STAGE) -m "not services and slow and not alone" $(THREE) --durations=15
	$(STAGE) -m "not services and slow and alone" --durations=15
endif

services: install ## Install the real servers that the last tests need (as root by apt; else it names the packages)
	@$(BIN)/python tools/services.py

test-services: services ## The tests against real PostgreSQL, Unleash and Chromium
ifdef T
	$(PYTEST) -m services $(T)
else
	$(STAGE) -m "services and not alone" $(THREE) --durations=15
	$(STAGE) -m "services and alone" --durations=15
endif

check: install ## Format, lint, types, arrows, unit tests with full coverage of core
	@$(BIN)/python tools/check.py

format: install ## Let ruff format and mend what it can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

compiled: install ## The facade's data path compiled, as a wheel and an environment in var/compiled (needs a C compiler)
	@$(BIN)/python -m tools.compile

bench: bench-facade bench-sync ## Measure everything (QUICK=1: some minutes)
	-$(BIN)/python -m bench.compare $(if $(QUICK),--rounds 3)

bench-facade: install ## What a request costs beside nginx and Envoy, into bench/results (QUICK=1: under five minutes)
	$(BIN)/python -m bench.facade $(if $(QUICK),--quick) $(if $(KEPT),--kept $(KEPT)) $(if $(WORKERS),--workers $(WORKERS))

chaos: services ## Kill processes and servers under load (KILLS=1000 on each engine), all of the crash matrix, 20 flips of the shop
	$(BIN)/python -m tests.sync.chaos --kills $(or $(KILLS),1000)
	$(BIN)/python -m tests.sync.chaos --kills $(or $(KILLS),1000) --engine postgres
	MATRIX=all $(PYTEST) -q -m services tests/sync/test_crash_matrix.py
	E2E_FLIPS=20 $(PYTEST) -q -o faulthandler_timeout=14400 -m services tests/e2e/test_writes_move.py
	FULL=1 $(PYTEST) -q -o faulthandler_timeout=14400 tests/sync/test_planted_drift.py tests/sync/test_no_false_alarms.py \
	  tests/sync/test_backfill_killed.py tests/sync/test_flip_under_writers.py tests/sync/test_unnoticed.py \
	  tests/sync/test_conflicts_in_bulk.py

bench-sync: services ## What keeping two databases in step costs, into bench/results (QUICK=1: some minutes)
	$(BIN)/python -m bench.sync $(if $(QUICK),--quick)

fuzz: install ## Throw changed HTTP at the facade's parsers (MINUTES=10), guided by coverage where there is atheris
	@$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),10)

docs: install ## Write the generated pages anew, then check every link and command in the docs
	$(BIN)/python -m tools.docs
	$(PYTEST) -q tests/architecture -k "docs or links or generated"

lock: ## Recompute the two hashed locks (needs uv)
	uv pip compile pyproject.toml --extra postgres --extra samples --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --only-binary :all: -o requirements.lock
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --only-binary :all: --constraints requirements.lock -o requirements-services.lock

clean: ## Remove what the targets above made (.strangler, where a migration's state is, stays)
	rm -rf $(VENV) var dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
