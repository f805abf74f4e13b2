# One command each: `make run` walks the whole pipeline, `make test` proves it. Needs Python 3.11, make and git.
PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv || echo $(VENV)/bin/uv)
INSTALLED := $(VENV)/.installed
# With this variable set, every process compiles its imports again and starts three times as slowly.
unexport PYTHONDONTWRITEBYTECODE

# Data of local_azure stays in this folder, which git does not see; commands typed here find it.
STATE ?= $(CURDIR)/.local_azure

# The second workspace of local_azure stands in for production; environments/production.yml names the real one.
RELEASE = $(PY) -m local_azure --state '$(STATE)' exec $(if $(KEEP),,--down) -- $(PY) -m local_azure pipelines run .pipelines/release.yml \
	--pages --azure AZUREML_PRODUCTION_WORKSPACE_NAME=local-production
define NEXT
echo "What to try next, with  $(PY) -m local_azure exec --  in front of ml_service:"; \
echo "  make run                                again: training is reused, the champion kept, Production skipped"; \
echo "  make release                            the same; where a model is accepted, you approve it"; \
echo "  python -m ml_service status             what is published, registered, serving"; \
echo "  python -m ml_service verify             is production what was released? after:"; \
echo "                                          export AZUREML_PRODUCTION_WORKSPACE_NAME=local-production"; \
echo "  python -m ml_service data upload --file YOUR.csv    your own table, checked before it is taken"; \
echo "  python mlops_code/train.py --help       one step alone on plain files"; \
$(if $(KEEP),echo "Server and web services go on running; stop them with: make down",echo "Nothing that this command has started is left running.")
endef

.DEFAULT_GOAL := help
.PHONY: help setup run release down test check unit campaign lock golden coverage bench clean

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

run: $(INSTALLED) ## the release pipeline on this machine, approval given by make run itself (KEEP=1 leaves it running)
	@echo "make run approves the environment production by itself; make release asks you instead."
	@$(RELEASE) --approve production
	@$(NEXT)

release: $(INSTALLED) ## the same, and you are asked for the approval
	@$(RELEASE) --ask
	@$(NEXT)

down: $(INSTALLED) ## stop what KEEP=1 left running
	@$(PY) -m local_azure --state '$(STATE)' down

check: $(INSTALLED) ## style, types, import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	PYTHONPATH=mlops_code $(VENV)/bin/lint-imports
	$(VENV)/bin/yamllint --strict .

# Files of tests are shared out over the cores. The emulator's own tests bring the SDK into their process, which must
# not have met it before their server is there: they run apart.
PYTEST = $(PY) -m pytest -n logical --maxprocesses 4 --dist loadfile
test: check ## everything that proves the product
	$(PYTEST) tests
	$(PYTEST) local_azure/tests

unit: $(INSTALLED) ## the fast tests only
	$(PY) -m pytest tests/unit

campaign: $(INSTALLED) ## what takes long: 200 kills while clients write, at most 20 minutes (SEED=N repeats one, ONLY=NAMES)
	$(PY) -m tests.campaign $(if $(SEED),--seed $(SEED)) $(ONLY)

golden: $(INSTALLED) ## write the expected expansions of .pipelines/ anew; read the difference before you commit it
	$(PY) -m tests.pipelines.golden

coverage: $(INSTALLED) ## write local_azure/COVERAGE.md from the route table
	$(PY) -m local_azure.machine_learning.http.coverage > local_azure/COVERAGE.md

bench: $(INSTALLED) ## measure against dvc, side by side (see bench/README.md)
	bench/run

lock: $(INSTALLED) ## resolve requirements/*.in again
	for name in bootstrap dev; do $(UV) pip compile --quiet --generate-hashes --no-header --python-version 3.11 requirements/$$name.in -o requirements/$$name.txt; done

clean: ## remove the environment and all local data
	rm -rf $(VENV) .local_azure .azureml .campaign
