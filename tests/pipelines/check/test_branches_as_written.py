"""Every branch of every directive is checked as written, each alternative by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Faults = Callable[..., list[str]]

PARAMETERS = "parameters:\n- {name: kind, type: string, default: a, values: [a, b, c]}\n"


def test_exclusive_branches_of_an_item_are_alternatives(faults: Faults) -> None:
    found = faults(
        PARAMETERS
        + """\
jobs:
- job: J
  ${{ if eq(parameters.kind, 'a') }}:
    pool: {vmImage: ubuntu-24.04}
  ${{ elseif eq(parameters.kind, 'b') }}:
    pool: agents
  ${{ else }}:
    pool: {name: own}
  steps:
  - ${{ if eq(parameters.kind, 'a') }}:
      bash: echo a
    ${{ elseif eq(parameters.kind, 'b') }}:
      script: echo b
    ${{ else }}:
      task: Bash@3
      inputs: {targetType: inline, script: echo c}
    displayName: One of three
"""
    )
    assert found == []


def test_a_deployment_or_a_job_by_branch(faults: Faults) -> None:
    found = faults(
        PARAMETERS
        + """\
jobs:
- ${{ if eq(parameters.kind, 'a') }}:
    deployment: D
    environment: test
    strategy: {runOnce: {deploy: {steps: [{bash: echo}]}}}
  ${{ else }}:
    job: D
    steps: [{bash: echo}]
"""
    )
    assert found == []


def test_complementary_ifs_beside_each_other_are_alternatives_too(faults: Faults) -> None:
    found = faults(
        PARAMETERS
        + """\
steps:
- ${{ if eq(parameters.kind, 'a') }}:
    bash: echo a
  ${{ if ne(parameters.kind, 'a') }}:
    script: echo b
  displayName: One of two
"""
    )
    assert found == []


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        ("bash: x\n      displayNam: y", "Did you mean 'displayName'"),
        ("bsh: x", "Unexpected key 'bsh'"),
        ("task: Bash@9", "Bash@9 does not exist"),
        ("task: Bash@3\n      inputs: {targetTyp: inline}", "Did you mean 'targetType'"),
        ("bash: x\n      env: [a]", "must be a mapping"),
    ],
)
@pytest.mark.parametrize("location", [0, 1, 2])
def test_a_fault_of_one_branch_is_found_whichever_is_taken(
    faults: Faults, faulty: str, message: str, location: int
) -> None:
    bodies = ["bash: echo a", "script: echo b", "bash: echo c"]
    bodies[location] = faulty
    text = (
        PARAMETERS
        + """\
steps:
- ${{ if eq(parameters.kind, 'a') }}:
      BODY0
  ${{ elseif eq(parameters.kind, 'b') }}:
      BODY1
  ${{ else }}:
      BODY2
"""
    )
    for number, body in enumerate(bodies):
        text = text.replace(f"BODY{number}", body)
    found = faults(text)
    assert len(found) == 1, found
    assert message in found[0]


def test_branches_inside_branches(faults: Faults) -> None:
    text = (
        PARAMETERS
        + """\
steps:
- ${{ if eq(parameters.kind, 'a') }}:
    ${{ if eq(parameters.kind, 'b') }}:
      bash: echo a
    ${{ else }}:
      script: echo b
      displayNam: never taken
  ${{ else }}:
    bash: echo c
    env:
      ${{ if true }}:
        ONE: 1
      ${{ else }}:
        TWO: 2
"""
    )
    found = faults(text)
    assert [fault.partition(": ")[0] for fault in found] == ["azure-pipelines.yml:9"], found


LOOP = """\
        parameters:
        - name: work
          type: object
          default: [{task: Bash@3, displayName: one, inputs: {targetType: inline, script: echo}}]
        steps:
        - ${{ each step in parameters.work }}:
          - ${{ each pair in step }}:
              ${{ if eq(pair.key, 'displayName') }}:
                displayName: wrapped ${{ pair.value }}
              ${{ elseif eq(pair.key, 'inputs') }}:
                inputs:
                  ${{ each input in pair.value }}:
                    ${{ input.key }}: ${{ input.value }}
              ${{ else }}:
                ${{ pair.key }}: ${{ pair.value }}
"""


def test_the_turns_of_a_loop_may_take_different_branches_of_one_item(faults: Faults) -> None:
    assert faults(LOOP) == []
    found = faults(LOOP.replace("displayName: wrapped", "displayNam: wrapped"))
    assert any("azure-pipelines.yml:9: Unexpected key 'displayNam'" in fault for fault in found), found


@pytest.mark.parametrize("word", ["insert", "if true"])
def test_keys_of_a_branch_may_complete_what_a_parameter_gives(faults: Faults, word: str) -> None:
    text = f"""\
        parameters:
        - {{name: given, type: object, default: {{bash: echo}}}}
        steps:
        - ${{{{ {word} }}}}: ${{{{ parameters.given }}}}
          ${{{{ if true }}}}:
            env: {{ONE: 1}}
    """
    assert faults(text) == []
    (found,) = faults(text.replace("env:", "enf:"))
    assert "azure-pipelines.yml:6: Unexpected key 'enf'" in found


def test_inputs_that_a_parameter_gives_are_not_missed(faults: Faults) -> None:
    found = faults(
        """
        parameters:
        - {name: given, type: object, default: {targetType: inline, script: echo}}
        - {name: cli, type: object, default: {azureSubscription: x, scriptType: bash, scriptPath: x.sh}}
        steps:
        - task: Bash@3
          inputs: ${{ parameters.given }}
        - task: AzureCLI@2
          inputs: ${{ parameters.cli }}
        - task: AzureCLI@2
          inputs:
            ${{ if true }}: ${{ parameters.cli }}
        """
    )
    assert found == []


def test_more_alternatives_of_one_mapping_than_the_cap_are_refused(faults: Faults) -> None:
    from local_azure.pipelines.check.schema.alternatives import MOST_ALTERNATIVES

    def item(count: int) -> str:
        branches = "".join(
            f"  ${{{{ elseif eq(parameters.kind, '{i}') }}}}:\n    bash: echo {i}\n" for i in range(count - 1)
        )
        return PARAMETERS + "steps:\n- ${{ if eq(parameters.kind, 'a') }}:\n    bash: echo\n" + branches

    assert faults(item(MOST_ALTERNATIVES)) == []
    found = faults(item(MOST_ALTERNATIVES + 1))
    assert len(found) == 1
    assert str(MOST_ALTERNATIVES) in found[0]
