# One command each: `make run` walks the whole pipeline, `make test` proves it. Needs Python 3.11, make and git.
PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv || echo $(VENV)/bin/uv)
INSTALLED := $(VENV)/.installed
TOOLS := .venv-tools
# With this variable set, every process compiles its imports again and starts three times as slowly.
unexport PYTHONDONTWRITEBYTECODE

# Data of local_azure stays in this folder, which git does not see; commands typed here find it.
STATE ?= $(CURDIR)/.local_azure

# The second workspace of local_azure stands in for production; environments/production.yml names the real one.
# WARM= starts every command of it plainly; else they start preloaded, which a python on the PATH can.
WARM ?= 1
RELEASE = PATH='$(CURDIR)/$(VENV)/bin':"$$PATH" $(PY) -m local_azure --state '$(STATE)' exec $(if $(WARM),--warm) $(if $(KEEP),,--down) -- .ci/release_and_forecast $(PY) -m local_azure pipelines run .pipelines/release.yml \
	--pages --azure AZUREML_PRODUCTION_WORKSPACE_NAME=local-production
define NEXT
report=$$(ls -t '$(STATE)'/pipelines/*/artifacts/evidence-*/report.html 2>/dev/null | head -n 1); \
echo; $(if $(KEEP),echo "Server and web services keep running; stop them with: make down",echo "Nothing that this command has started is left running."); \
echo "report     $${report:-none was kept}"; \
echo "studio     $(PY) -m local_azure studio"; \
echo "again      make run                             training is reused, the champion kept, Production skipped"; \
echo "status     AZUREML_PRODUCTION_WORKSPACE_NAME=local-production $(PY) -m local_azure exec -- $(PY) -m ml_service status"
endef
# make itself ends with 2 whatever a command ends with; the line that it prints, "Error N", has the command's own code.
define KEEP_CODE
{ code=$$?; echo "Exit code $$code (make shows it as Error $$code and itself ends with 2)."; \
echo "failed step  $(PY) -m local_azure runs log"; echo "all pages    $(PY) -m local_azure studio"; exit $$code; }
endef

.DEFAULT_GOAL := help
.PHONY: help setup run release down test product-tests check sbom advisories unit lock schema clean

# What only the template itself has: tests of local_azure, campaigns, measurements. `adopt` removes the file.
-include template.mk

help: ## show what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# An environment holds absolute paths. Its marker says for which folder it was built: in one that was renamed, moved or
# copied since, it would run the sources of the old folder, or nothing, so it is built again.
ifneq ($(shell cat $(INSTALLED) 2>/dev/null),$(CURDIR))
.PHONY: $(INSTALLED)
endif
ifneq ($(shell cat $(TOOLS)/.installed 2>/dev/null),$(CURDIR))
.PHONY: $(TOOLS)/.installed
endif

setup: $(INSTALLED) ## build .venv from the hashed lock files

$(INSTALLED): requirements/bootstrap.txt requirements/build.txt requirements/dev.txt requirements/install $(wildcard local_azure/pyproject.toml vendor/local_azure.txt)
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: $(PYTHON) was not found. Name another one: make PYTHON=/path/to/python3.11 setup"; exit 2; }
	requirements/install $(PYTHON) $(VENV)
	@echo '$(CURDIR)' > $@

$(TOOLS)/.installed: requirements/tools.txt | $(INSTALLED)
	$(PY) -m venv --clear --without-pip $(TOOLS)
	$(UV) pip sync --quiet --python $(TOOLS)/bin/python --require-hashes requirements/tools.txt
	@echo '$(CURDIR)' > $@

run: $(INSTALLED) ## the release pipeline on this machine, approval given by make run itself (KEEP=1 leaves it running)
	@echo "make run approves the environment production by itself; make release asks you instead."
	@$(RELEASE) --approve production || $(KEEP_CODE)
	@$(NEXT)

release: $(INSTALLED) ## the same, and you are asked for the approval
	@$(RELEASE) --ask || $(KEEP_CODE)
	@$(NEXT)

down: $(INSTALLED) ## stop what KEEP=1 left running
	@$(PY) -m local_azure --state '$(STATE)' down

check: $(INSTALLED) $(TOOLS)/.installed ## style, types, import rules, shape of the code, locked packages, secrets
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	PYTHONPATH=mlops_code $(VENV)/bin/lint-imports
	$(VENV)/bin/yamllint --strict .
	$(TOOLS)/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(TOOLS)/bin/check-jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
	$(PY) -m tests.structure.shape
	$(TOOLS)/bin/python -m requirements.sbom
	$(TOOLS)/bin/python -m requirements.secret_scan

sbom: $(INSTALLED) $(TOOLS)/.installed ## write dist/sbom/*.json: what the laptop, training and scoring install (CycloneDX)
	$(TOOLS)/bin/python -m requirements.sbom

advisories: $(TOOLS)/.installed ## known advisories about the locked packages (asks the network)
	$(TOOLS)/bin/python -m requirements.advisories

test: $(INSTALLED) $(TOOLS)/.installed ## everything that proves the product
	@$(MAKE) --no-print-directory -j3 check product-tests $(EMULATOR_TESTS)

# Files of tests are shared out over processes, more than two cores need: tests wait for servers much of their time.
# conftest.py says which files begin first.
WORKERS ?= 4
product-tests: $(INSTALLED) $(TOOLS)/.installed
	$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 30 tests

unit: $(INSTALLED) $(TOOLS)/.installed ## the fast tests only
	$(PY) -m pytest tests/unit

schema: $(INSTALLED) ## write docs/*.schema.json from the typed documents
	PYTHONPATH=mlops_code $(PY) -c 'import sys; from forecasting.decision.record import schema; sys.stdout.write(schema())' > docs/decision.schema.json
	PYTHONPATH=mlops_code $(PY) -c 'import sys; from ml_service.audit.approval.card import schema; sys.stdout.write(schema())' > docs/approval_card.schema.json
	PYTHONPATH=mlops_code $(PY) -c 'import sys; from ml_service.audit.board.document import schema; sys.stdout.write(schema())' > docs/status_board.schema.json

# Training, scoring and arima_202 get the versions of the laptop's lock. Targets are Linux, as the build agents are.
COMPILE = $(UV) pip compile --quiet --generate-hashes --no-header --python-version 3.11 --python-platform linux
lock: $(INSTALLED) ## resolve requirements/*.in again and what is written from them (UPGRADE=1 takes newer releases)
	for name in bootstrap build tools dev; do $(COMPILE) $(if $(UPGRADE),--upgrade) requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	$(COMPILE) $(if $(UPGRADE),--upgrade) --no-deps --no-annotate requirements/widgets.in -o requirements/widgets.txt
	for name in training scoring arima; do $(COMPILE) -c requirements/dev.txt requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	$(MAKE) --no-print-directory setup
	$(PY) -m requirements.conda
	$(PY) -m requirements.held_back

clean: ## remove the environment and all local data
	rm -rf $(VENV) $(TOOLS) .venv-widgets dist .local_azure .azureml .campaign
