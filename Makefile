# Each target is one command and needs no other. Everything installed goes to .venv.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint slow bench accuracy fuzz mutate lock clean

# The first Python that is new enough; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
BIN := .venv/bin
PIP := PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --group build

unexport PYTHONPATH PYTHONHOME

help:  ## Show what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: .venv/run.stamp  ## Analyse the sample logs: a summary here, the report in authforensics-report.html
	$(BIN)/python -m authforensics analyze sample_logs/

test: lint  ## Check and test everything but what is slow
	$(BIN)/python -m pytest -n 2

lint: .venv/dev.stamp  ## Check style, types and architecture
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-logo

slow: .venv/all.stamp  ## Run the slow tests (browser, Spark, large inputs)
	$(BIN)/python -m pytest -m slow || [ $$? -eq 5 ] # 5: no test is marked slow

bench: .venv/all.stamp  ## Measure beside GoAccess and DuckDB (AUTHFORENSICS_BENCH_LINES=5000000)
	$(BIN)/python -m pytest -m bench -s tests/benchmarks

accuracy: .venv/dev.stamp  ## Measure how right it is on simulated logs (half an hour; AUTHFORENSICS_ACCURACY_SEEDS=1)
	$(BIN)/python -m pytest -m accuracy -s tests/benchmarks

fuzz: .venv/all.stamp  ## Draw twenty times as many examples for each property, others each time
	$(BIN)/python -m pytest -n 2 -m "hypothesis and not bench" --hypothesis-profile=fuzz

mutate: .venv/all.stamp  ## Change the code, see that tests fail (hours; MUTANTS='authforensics.detect.patterns.refresh_loop*')
	$(BIN)/python -m mutmut run $(if $(MUTANTS),'$(MUTANTS)')
	$(BIN)/python -m mutmut results | grep -v ': not checked$$' || true # 1: nothing is left to show

lock: .venv/dev.stamp  ## Resolve the locked requirements anew
	$(PIP) install uv
	$(LOCK) pyproject.toml --upgrade --output-file requirements.lock
	$(LOCK) pyproject.toml --upgrade --extra dev --output-file requirements-dev.lock
	$(LOCK) pyproject.toml --upgrade --all-extras --output-file requirements-all.lock

clean:  ## Remove what was made here
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist mutants authforensics-report.html

.venv/bin/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "authforensics needs Python 3.11 or newer; found: $$(python3 --version 2>&1 || true)" >&2; \
		echo "Install it, or name it: make PYTHON=/path/to/python3.12 demo" >&2; exit 1; fi
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "authforensics needs Python 3.11 or newer; $(PYTHON) is $$("$(PYTHON)" --version 2>&1)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) can't make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making .venv with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv --clear .venv

.venv/run.stamp: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing what authforensics needs into .venv"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: requirements-dev.lock pyproject.toml | .venv/bin/python
	@echo "Installing what developing authforensics needs into .venv"
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch .venv/run.stamp $@

.venv/all.stamp: requirements-all.lock pyproject.toml | .venv/bin/python
	@echo "Installing what the slow tests need, too, into .venv: Spark and DuckDB, 500 MB"
	@$(PIP) install --require-hashes --requirement requirements-all.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch .venv/run.stamp .venv/dev.stamp $@
