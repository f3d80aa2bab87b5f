# Two commands for a newcomer: `make demo` and `make test`. Python 3.11 or later is all they need.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo setup test test-thorough check lint types contracts unit notebooks docs site bench data-check clean help

help:
	@echo "make demo    create $(VENV), install dcsite, run the sample scenario, name its report"
	@echo "make test    lint, types, import contracts, tests, notebooks (what CI runs)"
	@echo "make test-thorough  thousands of generated cases against other solvers (a few minutes)"
	@echo "make bench   benchmarks, ratios within one run: writes docs/benchmarks.md"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[report]"
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[report,parquet,grid,cluster,postgis,fuzz,test,oracle,browser,notebook,docs,dev]"
	@touch $@

setup: $(VENV)/.demo

demo: $(VENV)/.demo
	$(BIN)/dcsite demo --out runs/demo --force

test: $(VENV)/.test
	$(MAKE) check

check: lint types contracts notebooks unit

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.test
	$(BIN)/mypy

contracts: $(VENV)/.test
	$(BIN)/lint-imports

unit: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term:skip-covered

test-thorough: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 -m thorough

notebooks: $(VENV)/.test
	$(BIN)/python scripts/notebooks.py --check --run

docs: $(VENV)/.test
	$(BIN)/python scripts/reference.py
	$(BIN)/python scripts/accuracy_latency.py
	$(BIN)/python scripts/accuracy.py

site: $(VENV)/.test
	$(BIN)/mkdocs build --strict

bench: $(VENV)/.test
	$(BIN)/python scripts/benchmarks.py

clean:
	rm -rf runs dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
