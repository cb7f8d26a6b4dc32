PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
.DEFAULT_GOAL := help

lock: ## Recompute the two hashed locks (needs uv)
	uv pip compile pyproject.toml --extra postgres --extra samples --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --only-binary :all: -o requirements.lock
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --only-binary :all: --constraints requirements.lock -o requirements-services.lock
.PHONY: lock
