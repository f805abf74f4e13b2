# Commands that work on the template itself, as it is developed; a repository that was adopted does not have them.
WIDGETS := .venv-widgets
EMULATOR_TESTS := emulator-tests
.PHONY: emulator-tests campaign golden coverage bench

# The real azureml-widgets, which one test shows runs with. Where it cannot be installed, that test is skipped.
$(WIDGETS)/.installed: requirements/widgets.txt | $(INSTALLED)
	$(UV) pip install --quiet --python $(PY) --target $(WIDGETS) --no-deps --require-hashes -r requirements/widgets.txt
	@touch $@

# These tests bring the SDK into their processes, which must not have met it before their server is there: they run apart,
# at the same time, each process with a server of its own. What they print is shown when they have ended.
EMULATOR_WORKERS ?= 2
emulator-tests: $(INSTALLED)
	-@$(MAKE) --no-print-directory $(WIDGETS)/.installed
	@log=$$(mktemp); $(PY) -m pytest -n $(EMULATOR_WORKERS) --dist loadfile --no-loadscope-reorder --durations 30 local_azure/tests > "$$log" 2>&1; \
	code=$$?; cat "$$log"; rm -f "$$log"; exit $$code

campaign: $(INSTALLED) ## what takes long: kills while clients write, raced and killed releases; at most an hour (SHORT=1, SEED=N repeats one, ONLY=NAMES)
	$(PY) -m tests.campaign $(if $(SHORT),--short) $(if $(SEED),--seed $(SEED)) $(ONLY)

golden: $(INSTALLED) ## write the expected expansions of .pipelines/ anew; read the difference before you commit it
	$(PY) -m tests.pipelines.golden

coverage: $(INSTALLED) ## write local_azure/COVERAGE.md from the route table
	$(PY) -m local_azure.machine_learning.planes.coverage > local_azure/COVERAGE.md

bench: $(INSTALLED) ## measure against dvc, side by side (see bench/README.md)
	bench/run
