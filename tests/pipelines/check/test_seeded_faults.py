"""Faults of our own making, one a case: each is caught at the line that is marked with `#!`, and nothing else is."""

# ruff: noqa: E501 - a table of cases, one a line

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from local_azure.pipelines.check.pipeline_check import check
from tests.processor_time import least_seconds

CLEAN = """
    trigger: none
    parameters:
    - {name: mode, type: string, default: a, values: [a, b]}
    - {name: note, type: string, default: ''}
    variables:
    - {name: CONNECTION, value: some-connection}
    schedules:
    - cron: '0 4 * * 1'
      branches: {include: [main]}
      always: true
    stages:
    - stage: Build
      dependsOn: []
      jobs:
      - job: make
        pool: {vmImage: ubuntu-24.04}
        timeoutInMinutes: 10
        steps:
        - task: UsePythonVersion@0
          inputs: {versionSpec: '3.11'}
        - bash: echo "##vso[task.setvariable variable=outcome;isOutput=true]accepted"
          name: decide
        - bash: echo "$NOTE $(date) $(decide.outcome)"
          env: {NOTE: '${{ parameters.note }}'}
        - publish: out
          artifact: data
      - job: after
        dependsOn: make
        variables: {OUTCOME: "$[ dependencies.make.outputs['decide.outcome'] ]"}
        steps:
        - bash: echo $(OUTCOME)
    - stage: Release
      dependsOn: Build
      condition: and(succeeded(), eq(dependencies.Build.outputs['make.decide.outcome'], 'accepted'))
      jobs:
      - deployment: ship
        environment: production
        variables: {OUTCOME: "$[ stageDependencies.Build.make.outputs['decide.outcome'] ]"}
        strategy:
          runOnce:
            deploy:
              steps:
              - download: current
                artifact: data
              - task: AzureCLI@2
                name: cli
                inputs:
                  azureSubscription: $(CONNECTION)
                  scriptType: bash
                  scriptLocation: inlineScript
                  inlineScript: echo "##vso[task.setvariable variable=service;isOutput=true]x"
            on:
              failure:
                steps: [{bash: 'echo back'}]
    - stage: Verify
      dependsOn: [Release]
      jobs:
      - job: look
        variables: {SERVICE: "$[ stageDependencies.Release.ship.outputs['ship.cli.service'] ]"}
        steps: [{bash: 'echo $(SERVICE)'}]
"""
# (name, text of CLEAN, what it becomes with the faulty line marked, part of the message)
CASES: list[tuple[str, str, str, str]] = [
    # YAML
    ("duplicate key", "trigger: none", "trigger: none\n    trigger: none #!", "Duplicate key 'trigger' (first on line 1)"),
    ("anchor", "trigger: none", "trigger: &x none #!", "Anchors"),
    ("broken yaml", "dependsOn: Build\n", "dependsOn: [Build\n", "not YAML"),
    # schema
    ("unknown root key", "trigger: none", "triger: none #!", "Did you mean 'trigger'"),
    ("unknown job key", "timeoutInMinutes: 10", "timeoutMinutes: 10 #!", "Did you mean 'timeoutInMinutes'"),
    ("unknown step kind", "- publish: out", "- publsh: out #!", "Did you mean 'publish'"),
    ("bad boolean", "always: true", "always: maybe #!", "maybe"),
    ("mapping for a list", "      branches: {include: [main]}", "      branches: {include: {main: x}} #!", "must be a list"),
    ("first key", "- bash: echo $(OUTCOME)", "- displayName: x #!\n          bash: echo $(OUTCOME)", "must be the first key"),
    # tasks
    ("unknown task", "task: UsePythonVersion@0", "task: UsePyton@0 #!", "Did you mean 'UsePythonVersion@0'"),
    ("unknown version", "task: AzureCLI@2", "task: AzureCLI@9 #!", "AzureCLI@9 does not exist"),
    ("task without version", "task: UsePythonVersion@0", "task: UsePythonVersion #!", "names no version"),
    ("unknown input", "inputs: {versionSpec: '3.11'}", "inputs: {versionSpek: '3.11'} #!", "Did you mean 'versionSpec'"),
    ("missing input", "                  scriptType: bash\n", "", "needs 'scriptType'"),
    ("bad enumeration", "scriptType: bash", "scriptType: zsh #!", "Did you mean 'bash'"),
    ("documented input", "inlineScript: echo", "arguments: echo", "needs 'inlineScript'"),
    ("no result files", "- publish: out\n          artifact: data",
     "- task: PublishTestResults@2 #!\n        - publish: out\n          artifact: data", "testResultsFiles"),
    # parameters and expressions
    ("undeclared parameter", "'${{ parameters.note }}'}", "'${{ parameters.nott }}'} #!", "Did you mean 'note'"),
    ("default outside values", "default: a, values", "default: c, values", "not one of its values"),
    ("unknown type", "type: string, default: ''}", "type: text, default: ''} #!", "parameter type 'text'"),
    ("unknown function", "'${{ parameters.note }}'}", "'${{ uper(parameters.note) }}'} #!", "Did you mean 'upper'"),
    ("run-time variable too early", "'${{ parameters.note }}'}", "'${{ variables[''Build.BuildId''] }}'} #!",
     "only at run time"),
    ("unknown variable", "'${{ parameters.note }}'}", "'${{ variables.CONECTION }}'} #!", "Did you mean 'CONNECTION'"),
    ("not closed", "'${{ parameters.note }}'}", "'${{ parameters.note }'} #!", "not closed"),
    ("directive without colon", "- publish: out", "- ${{ if true }} #!\n        - publish: out", "needs a colon"),
    ("dead branch", "- publish: out", "- ${{ if false }}:\n          - bash: ${{ nope() }} #!\n        - publish: out",
     "no function nope"),
    ("lonely else", "- publish: out", "- ${{ else }}: #!\n          - bash: x\n        - publish: out", "must follow an 'if'"),
    ("missing template", "- publish: out", "- template: nowhere.yml #!\n        - publish: out", "was not found"),
    ("code from free text", "- bash: echo $(OUTCOME)", "- bash: echo ${{ parameters.note }} #!", "Script injection"),
    # graph
    ("unknown stage", "dependsOn: [Release]", "dependsOn: [Relase] #!", "unknown stage Relase. Did you mean 'Release'"),
    ("unknown job", "dependsOn: make", "dependsOn: mak #!", "unknown job mak"),
    ("no start", "dependsOn: []", "dependsOn: Verify", "at least one stage with no dependencies"),
    ("duplicate stage", "- stage: Verify", "- stage: Build #!", "appears more than once"),
    ("duplicate job", "- job: after", "- job: make #!", "appears more than once"),
    ("bad id", "- job: look", "- job: look-here #!", "is not a valid job name"),
    ("name of a deployment", "- deployment: ship", "- deployment: deploy #!", "cannot be named 'deploy'"),
    # jobs
    ("no environment", "        environment: production\n", "", "names no environment"),
    ("resource of environment", "environment: production", "environment: production.web #!", "Environment resources"),
    ("no deploy hook", "            deploy:\n", "            preDeploy:\n", "no strategy.runOnce.deploy"),
    ("server job", "pool: {vmImage: ubuntu-24.04}", "pool: server", "A server job cannot run"),
    ("server task", "- publish: out",
     "- task: ManualValidation@1 #!\n          inputs: {notifyUsers: ''}\n        - publish: out", "server job only"),
    ("matrix", "timeoutInMinutes: 10", "strategy: {matrix: {a: {X: 1}}} #!", "'matrix' is not supported"),
    ("pwsh", "- publish: out", "- pwsh: ls #!\n        - publish: out", "'pwsh' are not supported"),
    ("artifact nobody publishes", "                artifact: data", "                artifact: dat #!", "Did you mean 'data'"),
    ("artifact name", "artifact: data\n      - job", "artifact: a/b #!\n      - job", "not a valid artifact name"),
    ("bad cron", "'0 4 * * 1'", "'0 24 * * 1' #!", "between 0 and 23"),
    ("short cron", "'0 4 * * 1'", "'0 4 * *' #!", "4 fields"),
    # references
    ("output of no step", "dependencies.make.outputs['decide.outcome'] ]\"}",
     "dependencies.make.outputs['decid.outcome'] ]\"} #!", "has no step 'decid'"),
    ("output nobody sets", "dependencies.make.outputs['decide.outcome'] ]\"}",
     "dependencies.make.outputs['decide.outcom'] ]\"} #!", "sets no output 'outcom'"),
    ("no dependency", "        dependsOn: make\n", "", "does not depend on make"),
    ("stageDependencies in a stage condition", "eq(dependencies.Build.outputs['make.decide.outcome'], 'accepted'))",
     "eq(stageDependencies.Build.make.outputs['decide.outcome'], 'a')) #!", "not available in a stage condition"),
    ("key of a stage condition", "['make.decide.outcome'], 'accepted'))", "['decide.outcome'], 'accepted')) #!",
     "has no job 'decide'"),
    ("hook in the key", "['ship.cli.service'] ]\"}", "['deploy.cli.service'] ]\"} #!", "have keys 'ship.STEP.VARIABLE'"),
    ("stage not depended on", "dependsOn: [Release]", "dependsOn: [Build]", "does not depend on Release"),
    ("condition forgets failure", "condition: and(succeeded(), eq(", "condition: or(false, eq(", "also true if a dependency failed"),
    ("bad condition", "condition: and(succeeded(), eq(", "condition: and(succeded(), eq(", "Did you mean 'succeeded'"),
    ("parameter at run time", "'accepted'))", "parameters.mode)) #!", "Write ${{ parameters.x }}"),
    # macros
    ("unknown macro", "- bash: echo $(OUTCOME)", "- bash: echo $(OUTCOM) #!", "Did you mean 'OUTCOME'"),
    ("unknown connection", "$(CONNECTION)", "$(CONECTION) #!", "Did you mean 'CONNECTION'"),
    ("output without its step", "$(decide.outcome)\"", "$(outcome) $(Outcome)\" #!", "write $(decide.outcome)"),
    ("output of an unnamed step", "          name: decide\n", "", "its step has no name"),
    ("secret on a command line", "- bash: echo $(OUTCOME)", "- bash: echo $(System.AccessToken) #!", "command line"),
    ("unknown group", "- {name: CONNECTION, value: some-connection}",
     "- {name: CONNECTION, value: some-connection}\n    - group: secrets #!", "--group secrets=FILE"),
]  # fmt: skip
Faults = Callable[..., list[str]]


def test_the_clean_pipeline_has_no_fault(faults: Faults) -> None:
    assert faults(CLEAN) == []


@pytest.mark.parametrize(
    ("before", "after", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_seeded_fault_is_caught(faults: Faults, before: str, after: str, message: str) -> None:
    assert before in CLEAN
    seeded = CLEAN.replace(before, after, 1)
    marked = [n for n, line in enumerate(textwrap.dedent(seeded).lstrip("\n").splitlines(), 1) if "#!" in line]

    found = faults(seeded)

    hits = [fault for fault in found if message in fault]
    assert hits, found
    if marked:
        assert hits[0].startswith(f"azure-pipelines.yml:{marked[0]}: "), (marked, hits)


def test_there_are_enough_of_them() -> None:
    assert len({case[0] for case in CASES}) == len(CASES) >= 60


def test_a_cycle_is_reported_edge_by_edge(faults: Faults) -> None:
    found = faults(
        """
        jobs:
        - {job: start, steps: [{bash: 'true'}]}
        - {job: a, dependsOn: b, steps: [{bash: 'true'}]}
        - {job: b, dependsOn: a, steps: [{bash: 'true'}]}
        """
    )

    assert [line.partition(": ")[2] for line in found] == [
        f"Stage __default job {one} depends on job {other} which creates a cycle in the dependency graph."
        for one, other in (("a", "b"), ("b", "a"))
    ]


def test_a_fault_in_a_template_names_its_file(faults: Faults) -> None:
    found = faults("steps:\n- template: t/steps.yml\n", **{"t/steps.yml": "steps:\n- bash: x\n- task: Nope@1\n"})

    assert [line.partition(": ")[0] for line in found] == ["t/steps.yml:3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{}", "needs a value: -p name=VALUE"),
        ("{name: x, nmae: y}", "has no parameter 'nmae'. Did you mean 'name'"),
        ("{name: x, count: many}", "is of type number: 'many' is not a number"),
        ("{name: x, flag: maybe}", "is of type boolean"),
        ("{name: z}", "Allowed values: x, y."),
    ],
)
def test_arguments_of_templates_are_checked(faults: Faults, arguments: str, message: str) -> None:
    found = faults(
        f"steps:\n- template: one.yml\n  parameters: {arguments}\n",
        **{
            "one.yml": """
                parameters:
                - {name: name, type: string, values: [x, y]}
                - {name: count, type: number, default: 1}
                - {name: flag, type: boolean, default: false}
                steps: [{bash: 'true'}]
                """
        },
    )

    assert len(found) == 1
    assert message in found[0]
    assert found[0].startswith(("azure-pipelines.yml:3: ", "azure-pipelines.yml:2: "))


def test_templates_that_include_each_other_are_refused(faults: Faults) -> None:
    found = faults("steps:\n- template: a.yml\n", **{"a.yml": "steps:\n- template: a.yml\n"})

    assert any("levels deep" in line for line in found)


def test_check_is_fast(write: Callable[..., Path]) -> None:
    file = write(CLEAN)
    check(file)

    assert least_seconds(lambda: check(file), 0.2) < 0.2
