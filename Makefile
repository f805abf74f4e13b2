# One command each: `make run` walks the whole pipeline, `make test` proves it. Needs Python 3.11, make and git.
PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv || echo $(VENV)/bin/uv)
INSTALLED := $(VENV)/.installed
# With this variable set, every process compiles its imports again and starts three times as slowly.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run down test check unit lock coverage bench clean

help: ## show what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(INSTALLED) ## build .venv from the hashed lock files

$(INSTALLED): requirements/bootstrap.txt requirements/dev.txt local_azure/pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: $(PYTHON) was not found. Name another one: make PYTHON=/path/to/python3.11 setup"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null || $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	$(UV) pip sync --quiet --python $(PY) --require-hashes --compile-bytecode requirements/dev.txt
	$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable local_azure
	@touch $(INSTALLED)

run: $(INSTALLED) ## publish, train, register, deploy and ask for a forecast, all on this machine (KEEP=1 leaves it running)
	@$(PY) -m local_azure exec $(if $(KEEP),,--down) -- $(PY) -m ml_service rehearse
	@echo "On this machine put  $(PY) -m local_azure exec --  in front of these commands."
	$(if $(KEEP),@echo "Server and web service go on running; stop them with: make down")

down: $(INSTALLED) ## stop what KEEP=1 left running
	@$(PY) -m local_azure down

check: $(INSTALLED) ## style, types, import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	MYPYPATH=mlops_code $(VENV)/bin/mypy mlops_code/[a-z]*.py mlops_code/forecasting
	$(VENV)/bin/lint-imports
	$(VENV)/bin/yamllint --strict .

test: check ## everything that proves the product
	$(PY) -m pytest

unit: $(INSTALLED) ## the fast tests only
	$(PY) -m pytest tests/unit

coverage: $(INSTALLED) ## write local_azure/COVERAGE.md from the route table
	$(PY) -m local_azure.machine_learning.coverage > local_azure/COVERAGE.md

bench: $(INSTALLED) ## measure against dvc, side by side (see bench/README.md)
	bench/run

lock: $(INSTALLED) ## resolve requirements/*.in again
	for name in bootstrap dev; do $(UV) pip compile --quiet --generate-hashes --no-header --python-version 3.11 requirements/$$name.in -o requirements/$$name.txt; done

clean: ## remove the environment and all local data
	rm -rf $(VENV) .local_azure .azureml
