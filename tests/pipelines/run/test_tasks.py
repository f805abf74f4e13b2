"""Task emulations: artifacts, results of tests, Python; and what is refused because it has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local_azure.pipelines.check.schema.service_schema import service_schema
from local_azure.pipelines.language.tree import NOWHERE, fields_of, from_plain
from local_azure.pipelines.run.step_context import TaskEmulation
from local_azure.pipelines.run.tasks.steps import EMULATIONS

Run = Callable[..., Any]


@pytest.mark.parametrize("emulation", EMULATIONS, ids=lambda emulation: emulation.name)
def test_an_emulation_names_task_and_inputs_as_the_schema_does(emulation: TaskEmulation) -> None:
    step = {"task": emulation.name, "inputs": dict.fromkeys(emulation.inputs, "$(ANY)")}
    problems = service_schema().check(fields_of(from_plain({"steps": [step]})), "pipeline", NOWHERE)

    assert [str(problem) for problem in problems] == []
    assert {service_schema().input_name(emulation.name, name) for name in emulation.inputs} == set(emulation.inputs)


def test_artifacts_are_published_once_and_downloaded_by_pattern(run: Run) -> None:
    outcome = run(
        """
        jobs:
        - job: make
          steps:
          - bash: mkdir -p o/deep && touch o/a.txt o/b.md o/deep/c.txt && echo hi > single
          - task: PublishPipelineArtifact@1
            inputs: {targetPath: o, artifactName: many}
          - publish: single
            artifact: one
        - job: read
          dependsOn: make
          steps:
          - task: DownloadPipelineArtifact@2
            inputs: {artifact: many, patterns: "**/*.txt\\n!**/c.txt", path: here}
          - download: current
            artifact: one
          - bash: test -f here/a.txt && ! test -e here/deep/c.txt && cat $(Pipeline.Workspace)/one/single
        - job: twice
          dependsOn: make
          steps: [{bash: touch again}, {publish: again, artifact: one}]
        """
    )

    assert outcome.results["__default.read"] == "Succeeded", outcome.logs
    assert outcome.results["__default.twice"] == "Failed"
    assert "already exists; names must be unique within a run" in outcome.logs["__default.twice"]


def test_results_of_tests_and_coverage_are_read(run: Run) -> None:
    outcome = run(
        """
        jobs:
        - job: fine
          steps:
          - bash: |
              echo '<testsuites><testsuite tests="3" failures="0" errors="0"/></testsuites>' > ok.xml
              echo '<coverage line-rate="0.875"/>' > coverage.xml
          - task: PublishTestResults@2
            inputs: {testResultsFiles: '*.xml'}
          - task: PublishCodeCoverageResults@2
            inputs: {summaryFileLocation: coverage.xml, failIfCoverageEmpty: true}
        - job: red
          steps:
          - bash: echo '<testsuite tests="3" failures="1"/>' > bad.xml
          - task: PublishTestResults@2
            inputs: {testResultsFiles: bad.xml, failTaskOnFailedTests: true}
        - job: missing
          steps:
          - task: PublishTestResults@2
            inputs: {testResultsFiles: none.xml, failTaskOnMissingResultsFile: true}
        """
    )

    assert outcome.results["__default.fine"] == "Succeeded", outcome.logs
    assert "line coverage 87.5%" in outcome.logs["__default.fine"]
    assert outcome.results["__default.red"] == outcome.results["__default.missing"] == "Failed"


def test_python_comes_from_its_task_alone(run: Run) -> None:
    outcome = run(
        """
        jobs:
        - job: with_task
          steps:
          - task: UsePythonVersion@0
            inputs: {versionSpec: '3.11'}
          - task: UsePythonVersion@0
            inputs: {versionSpec: 3.x}
          - bash: python -c 'import sys, yaml; assert "_tool/python" in sys.prefix, sys.prefix'
        - job: other
          steps:
          - task: UsePythonVersion@0
            inputs: {versionSpec: '3.8'}
        """
    )

    assert outcome.results["__default.with_task"] == "Succeeded", outcome.logs
    assert outcome.results["__default.other"] == "Failed"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("{task: Docker@2, inputs: {command: build}}", "The task Docker@2 is unsupported here"),
        ("{task: UsePythonVersion@0, inputs: {versionSpec: '3.x', githubToken: x}}", "has no input 'githubToken'"),
        ("{download: other, artifact: x}", "cannot be downloaded here"),
    ],
)
def test_what_has_no_stand_in_is_refused_before_anything_runs(
    run: Run, capfd: pytest.CaptureFixture[str], step: str, message: str
) -> None:
    outcome = run(f"resources: {{pipelines: [{{pipeline: other, source: x}}]}}\nsteps:\n- {step}\n")

    assert outcome.code == 3
    assert outcome.document == {}
    assert message in capfd.readouterr().err
