"""Numbers, booleans and the keys of mappings are checked where the schema accepts any text."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from local_azure.pipelines.check.schema.schema_additions import OPEN_MAPPINGS
from local_azure.pipelines.check.schema.service_schema import service_schema

Faults = Callable[..., list[str]]

TEXT = """\
jobs:
- job: J
  timeoutInMinutes: 10
  cancelTimeoutInMinutes: 5
  continueOnError: false
  pool: {vmImage: ubuntu-24.04, name: x, demands: [a]}
  workspace: {clean: all}
  steps:
  - bash: echo
    env: {ONE: 1}
    timeoutInMinutes: 3
    retryCountOnTaskFailure: 10
    continueOnError: true
    enabled: true
  - checkout: self
    fetchDepth: 0
    clean: true
"""
CASES = [
    ("timeoutInMinutes: 10", "timeoutInMinutes: five", "must be a whole number from 0"),
    ("timeoutInMinutes: 10", "timeoutInMinutes: -1", "must be a whole number from 0"),
    ("timeoutInMinutes: 10", "timeoutInMinutes: 1.5", "must be a whole number from 0"),
    ("timeoutInMinutes: 10", "timeoutInMinutes: 99999999999", "must be a whole number from 0"),
    ("timeoutInMinutes: 10", "timeoutInMinutes: ²", "must be a whole number from 0"),
    ("timeoutInMinutes: 10", "timeoutInMinutes: $(minutes)", "must be a whole number from 0"),
    ("timeoutInMinutes: 10", "timeoutInMinutes: '$[ variables.x ]'", "must be a whole number from 0"),
    ("cancelTimeoutInMinutes: 5", "cancelTimeoutInMinutes: 35791", "from 0 to 35790, not '35791'"),
    ("cancelTimeoutInMinutes: 5", "cancelTimeoutInMinutes: soon", "from 0 to 35790"),
    ("timeoutInMinutes: 3", "timeoutInMinutes: three", "must be a whole number from 0"),
    ("retryCountOnTaskFailure: 10", "retryCountOnTaskFailure: 11", "from 0 to 10, not '11'"),
    ("retryCountOnTaskFailure: 10", "retryCountOnTaskFailure: 50", "from 0 to 10, not '50'"),
    ("retryCountOnTaskFailure: 10", "retryCountOnTaskFailure: $(x)", "from 0 to 10"),
    ("fetchDepth: 0", "fetchDepth: all", "must be a whole number from 0"),
    ("continueOnError: false", "continueOnError: maybe", "must be true or false"),
    ("continueOnError: false", "continueOnError: $(x)", "must be true or false"),
    ("continueOnError: true", "continueOnError: $(x)", "must be true or false"),
    ("enabled: true", "enabled: $(x)", "must be true or false"),
    ("clean: all", "clean: everything", "'clean' cannot be 'everything'. Allowed values: outputs, resources, all."),
    ("clean: true", "clean: perhaps", "'clean' cannot be 'perhaps'. Allowed values: true,"),
    ("ONE: 1", "ONE: [1]", "'ONE' must be a string, not a list"),
    ("ONE: 1", "ONE: {two: 1}", "'ONE' must be a string, not a mapping"),
    ("vmImage: ubuntu", "vmimage_: ubuntu", "Unexpected key 'vmimage_'. Did you mean 'vmImage'?"),
    ("vmImage: ubuntu", "vmimage: ubuntu", "Unexpected key 'vmimage'. Did you mean 'vmImage'?"),
]


def test_the_clean_one_has_no_fault(faults: Faults) -> None:
    assert faults(TEXT) == []


@pytest.mark.parametrize(("before", "after", "message"), CASES)
def test_a_wrong_scalar_or_key_is_one_fault_at_its_line(
    faults: Faults, before: str, after: str, message: str
) -> None:
    assert before in TEXT
    text = TEXT.replace(before, after, 1)
    found = faults(text)
    line = next(n for n, line in enumerate(text.splitlines(), 1) if after in line)
    assert len(found) == 1, found
    assert found[0].startswith(f"azure-pipelines.yml:{line}: ")
    assert message in found[0]


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ("repositories: [{repository: a, type: git, name: b, reff: c}]", "Did you mean 'ref'"),
        ("containers: [{container: a, image: b, prots: [c]}]", "Did you mean 'ports'"),
        ("repositories: [{repository: a, type: git, name: b, ref: c, fetchDepth: 1}]", ""),
        ("repositories: [{repository: a, type: GitHub, name: b, endpoint: c}]", ""),
        ("repositories: [{repository: a, type: gitlab, name: b}]", "'type' cannot be 'gitlab'"),
    ],
)
def test_resources_have_known_keys(faults: Faults, resources: str, message: str) -> None:
    found = faults(f"resources:\n  {resources}\nsteps: [{{bash: echo}}]\n")
    assert len(found) == bool(message)
    assert not found or message in found[0]


def test_in_a_branch_that_is_not_taken_too(faults: Faults) -> None:
    found = faults("steps:\n- bash: echo\n- ${{ if false }}:\n  - bash: echo\n    retryCountOnTaskFailure: 50\n")
    assert [fault.partition(": ")[0] for fault in found] == ["azure-pipelines.yml:5"]


def test_an_expression_is_a_number_once_it_is_replaced(faults: Faults) -> None:
    text = (
        "parameters: [{name: n, default: DEFAULT}]\nsteps:\n- {bash: echo, timeoutInMinutes: '${{ parameters.n }}'}\n"
    )
    assert faults(text.replace("DEFAULT", "5")) == []
    assert "must be a whole number" in faults(text.replace("DEFAULT", "five"))[0]


def test_every_mapping_that_takes_any_key_is_meant_to() -> None:
    open_ones = set()
    for name, schema in service_schema().definitions.items():
        for option in [schema, *schema.get("anyOf", [])]:
            is_open = option.get("type") == "object" and option.get("additionalProperties") is not False
            if is_open and "$ref" not in option:
                open_ones.add(name)
    assert open_ones == set(OPEN_MAPPINGS), json.dumps(sorted(open_ones))
    assert all(len(reason) > 10 for reason in OPEN_MAPPINGS.values())


def test_the_nearest_branch_of_an_alternative_is_explained(faults: Faults) -> None:
    text = """\
jobs:
- deployment: D
  environment: e
  strategy:
    runOnce:
      deploy:
        steps:
        - task: Bash@3
          inputs: {targetType: inline, scrpt: echo}
          displayNam: x
          retrycount: 4
"""
    found = faults(text)
    assert [fault.partition(": ")[2] for fault in found] == [
        "Bash@3 has no input 'scrpt'. Did you mean 'script'?",
        "Unexpected key 'displayNam'. Did you mean 'displayName'?",
        "Unexpected key 'retrycount'. Did you mean 'retryCountOnTaskFailure'?",
    ]


def test_keys_that_only_templates_of_1es_read_are_refused_once_expanded(faults: Faults) -> None:
    text = """\
jobs:
- job: J
  ${{ if FLAG }}:
    pool: {name: x, image: windows, os: windows}
  ${{ else }}:
    pool: {name: x}
  steps: [{bash: echo}]
"""
    assert faults(text.replace("FLAG", "false")) == []
    found = faults(text.replace("FLAG", "true"))
    assert [fault.partition(": ")[2][:7] for fault in found] == ["'image'", "'os' of"]
    assert found[0].startswith("azure-pipelines.yml:4: ")
