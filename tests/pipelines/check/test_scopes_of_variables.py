"""A variable is judged where it is used: in a step, in a job, on the server before the job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Faults = Callable[..., list[str]]
Run = Callable[..., Any]

REGIONS = """\
variables:
  rg: rg-$(environment)
stages:
- stage: Dev
  variables: {environment: dev}
  jobs: [{job: J, steps: [{checkout: none}, {bash: 'echo "rg=$(rg)"'}]}]
- stage: Prod
  variables: {environment: prod}
  jobs: [{job: J, steps: [{checkout: none}, {bash: 'echo "rg=$(rg)"'}]}]
"""


def test_a_root_variable_may_read_a_variable_of_each_stage(faults: Faults, run: Run) -> None:
    assert faults(REGIONS) == []
    outcome = run(REGIONS)
    assert "rg=rg-dev" in outcome.logs["Dev.J"]
    assert "rg=rg-prod" in outcome.logs["Prod.J"]


def test_a_stage_that_does_not_explain_it_is_named(faults: Faults) -> None:
    (found,) = faults(REGIONS.replace("  variables: {environment: prod}\n", ""))
    assert found.startswith("azure-pipelines.yml:2: The variable 'environment' is not defined (in the value of 'rg'")
    assert "Prod.J" in found


def test_a_stage_that_does_not_use_it_need_not_explain_it(faults: Faults) -> None:
    text = REGIONS.replace("  variables: {environment: prod}\n", "")
    assert faults(text[::-1].replace("$(rg)"[::-1], "x", 1)[::-1]) == []


def test_through_other_variables(faults: Faults) -> None:
    text = """\
variables:
  full: $(rg)-x
  rg: rg-$(environment)
jobs:
- job: A
  variables: {environment: a}
  steps: [{bash: 'echo $(full)'}]
- job: B
  steps: [{bash: 'echo $(full)'}]
"""
    (found,) = faults(text)
    assert found.startswith("azure-pipelines.yml:3: The variable 'environment' is not defined (in the value of 'rg'")
    assert "__default.B" in found


def test_a_variable_that_no_job_explains_is_a_fault_used_or_not(faults: Faults) -> None:
    (found,) = faults("variables:\n  a: $(nowhere)\nsteps: [{bash: echo}]\n")
    assert found.startswith("azure-pipelines.yml:2: The variable 'nowhere' is not defined")


def test_variables_that_read_each_other_do_not_hang(faults: Faults) -> None:
    assert faults("variables: {a: $(b), b: $(a)}\nsteps: [{bash: 'echo $(a)'}]\n") == []


def test_a_step_may_set_what_a_variable_reads(faults: Faults) -> None:
    text = """\
variables: {rg: rg-$(which)}
steps:
- bash: echo "##vso[task.setvariable variable=which]a"
- bash: echo $(rg)
"""
    assert faults(text) == []
    swapped = text.splitlines()
    swapped[2], swapped[3] = swapped[3], swapped[2]
    assert "The variable 'which' is not defined (in the value of 'rg'" in faults("\n".join(swapped))[0]


def test_a_shadowed_variable_is_not_judged(faults: Faults) -> None:
    text = "variables: {a: $(nowhere)}\njobs:\n- job: J\n  variables: {a: b}\n  steps: [{bash: 'echo $(a)'}]\n"
    assert faults(text) == []


DEPLOY = """\
variables: {target: staging, again: $(target)}
stages:
- stage: S
  jobs:
  - deployment: A
    environment: $(again)
    strategy: {runOnce: {deploy: {steps: [{bash: 'echo "to $(Environment.Name)"'}]}}}
"""


def test_an_environment_is_named_by_a_root_variable(faults: Faults, run: Run) -> None:
    assert faults(DEPLOY) == []
    outcome = run(DEPLOY, approve=("staging",))
    assert outcome.code == 0
    assert "to staging" in outcome.logs["S.A"]


@pytest.mark.parametrize("location", ["- stage: S", "  - deployment: A"])
def test_a_variable_of_a_stage_or_job_names_no_environment(faults: Faults, location: str) -> None:
    text = DEPLOY.replace("environment: $(again)", "environment: $(mine)")
    indent = " " * (len(location) - len(location.lstrip()) + 2)
    text = text.replace(location, f"{location}\n{indent}variables: {{mine: x}}")
    (found,) = faults(text)
    assert found.startswith("azure-pipelines.yml:7: ")
    assert "'$(mine)'" in found
    assert "pipeline-level" in found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("$(agan)", "Did you mean 'again'"),
        ("$(Agent.Name)", "pipeline-level"),
        ("'$[ variables.target ]'", "pipeline-level"),
        ("{name: $(nowhere)}", "$(nowhere)"),
        ("a.$(target)", "Environment resources are not supported"),
    ],
)
def test_other_names_are_faults(faults: Faults, name: str, message: str) -> None:
    (found,) = faults(DEPLOY.replace("environment: $(again)", f"environment: {name}"))
    assert message in found


def test_the_queue_may_name_the_environment(run: Run) -> None:
    from local_azure.pipelines.expand.queue_facts import QueueFacts

    text = DEPLOY.replace("target: staging, ", "")
    assert run(text, facts=QueueFacts(variables={"target": "test"}), approve=("test",)).code == 0


def test_a_pool_reads_variables_of_its_job_but_none_of_a_step(faults: Faults) -> None:
    text = (
        "jobs:\n- job: J\n  variables: {image: ubuntu-24.04}\n  pool: {vmImage: $(image)}\n  steps: [{bash: echo}]\n"
    )
    assert faults(text) == []
    for wrong in ("$(imag)", "$(Agent.Name)"):
        (found,) = faults(text.replace("$(image)", wrong))
        assert found.startswith("azure-pipelines.yml:4: ")
        assert wrong in found
        assert "pool" in found


CLI = """\
variables: {connection: ROOT}
jobs:
- job: J
  variables: {mine: x}
  steps:
  - bash: echo "##vso[task.setvariable variable=set]x"
  - task: AzureCLI@2
    inputs: {azureSubscription: $(connection), scriptType: bash, scriptPath: $(mine).sh}
"""


def test_a_service_connection_is_known_before_the_run(faults: Faults) -> None:
    assert faults(CLI) == []
    for wrong in ("$(mine)", "$(set)", "$(Build.BuildId)"):
        (found,) = faults(CLI.replace("$(connection)", wrong))
        assert found.startswith("azure-pipelines.yml:8: ")
        assert f"'{wrong}'" in found
        assert "service connection" in found
        (alias,) = faults(CLI.replace("azureSubscription: $(connection)", f"connectedServiceNameARM: {wrong}"))
        assert "service connection" in alias


@pytest.mark.parametrize("written", ["$(x)", "$[variables.x]"])
@pytest.mark.parametrize(
    "block",
    [
        "trigger: ['WRITTEN']",
        "pr: {branches: {include: ['WRITTEN']}}",
        "schedules: [{cron: '0 1 * * *', branches: {include: ['WRITTEN']}}]",
        "resources: {repositories: [{repository: a, type: git, name: b, ref: 'refs/heads/WRITTEN'}]}",
    ],
)
def test_what_is_read_before_variables_exist_takes_none(faults: Faults, block: str, written: str) -> None:
    text = block.replace("WRITTEN", written)
    (found,) = faults(f"{text}\nvariables: {{x: y}}\nsteps: [{{bash: echo}}]\n")
    assert found.startswith("azure-pipelines.yml:1: ")
    assert "Variables are not expanded" in found
    assert written in found


def test_the_name_of_a_group_is_known_when_the_run_is_queued(faults: Faults) -> None:
    (found,) = faults("variables:\n- {name: x, value: y}\n- group: $(x)-secrets\nsteps: [{bash: echo}]\n")
    assert "azure-pipelines.yml:3" in found
    assert "${{ }}" in found


def test_a_hook_knows_only_what_its_own_steps_set(faults: Faults) -> None:
    sets = """{bash: 'echo "##vso[task.setvariable variable=Token]abc"'}"""
    reads = """{bash: 'echo "$(Token)"', condition: "eq(variables.Token, 'abc')"}"""
    job = "jobs: [{deployment: D, environment: staging, strategy: {runOnce: {HOOKS}}}]\n"
    assert faults(job.replace("HOOKS", f"deploy: {{steps: [{sets}, {reads}]}}")) == []
    found = faults(job.replace("HOOKS", f"preDeploy: {{steps: [{sets}]}}, deploy: {{steps: [{reads}]}}"))
    assert len(found) == 2, found
    assert all("Token" in fault for fault in found)
