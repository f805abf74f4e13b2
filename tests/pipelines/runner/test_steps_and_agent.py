"""What a step meets on the agent: logging commands, artifacts, results of tests, Python, variables, masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local_azure.pipelines.expand.queue_facts import QueueFacts
from local_azure.pipelines.run.logging_commands import logging_command
from local_azure.pipelines.run.variables import Masker

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("command", "result"),
    [
        ("task.complete result=SucceededWithIssues;", "SucceededWithIssues"),
        ("task.complete result=Failed;", "Failed"),
        ("task.complete", "Failed"),
        ("task.setvariable value=1", "Failed"),
        ("task.setvariable variable=Build.BuildId", "Failed"),
        ("task.logissue type=error", "Succeeded"),
        ("task.logissue type=note", "Failed"),
        ("task.uploadsummary", "Failed"),
        ("task.sing", "Failed"),
        ("build.addbuildtag", "Succeeded"),
        ("task.debug", "Succeeded"),
    ],
)
def test_logging_commands(run: Run, command: str, result: str) -> None:
    outcome = run(f'steps:\n- bash: "echo before the \\"##vso[{command}]value\\"; echo after"\n')

    assert outcome.results["__default.Job"] == result
    assert "after\n" in outcome.logs["__default.Job"]


def test_build_tags_numbers_and_uploads_are_kept(run: Run) -> None:
    outcome = run(
        """
        name: release-$(Build.BuildId)
        steps:
        - bash: |
            echo "##vso[build.addbuildtag]$BUILD_BUILDNUMBER"
            echo "##vso[build.updatebuildnumber]second"
            mkdir d && echo 1 > d/one
            echo "##vso[artifact.upload artifactname=late]$PWD/d"
            echo "##vso[task.prependpath]$PWD/d"
        - bash: echo "$BUILD_BUILDNUMBER $PATH"
        """
    )

    assert outcome.document["tags"] == ["release-1"]
    assert outcome.document["build_number"] == "second"
    assert outcome.document["artifacts"] == ["late"]
    assert "second /" in outcome.logs["__default.Job"]
    assert "/s/d:" in outcome.logs["__default.Job"]


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
    assert "exists already in this run" in outcome.logs["__default.twice"]


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
        ("{task: Docker@2, inputs: {command: build}}", "The task Docker@2 has no stand-in here"),
        ("{task: UsePythonVersion@0, inputs: {versionSpec: '3.x', githubToken: x}}", "knows no input 'githubToken'"),
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


def test_variables_reach_each_other_and_groups_need_values(run: Run) -> None:
    facts = QueueFacts(groups={"mine": {"SHARED": "from group"}}, variables={"ASKED": "by hand"})
    outcome = run(
        """
        variables:
        - group: mine
        - {name: A, value: $(B)-$(B)}
        - {name: B, value: b $(SHARED)}
        - {name: ROUND, value: $(ROUND)}
        steps:
        - bash: echo "$(A) / $(ASKED) / $A" '$(ROUND)' "$(lower)"
        """,
        facts=facts,
    )

    assert "b from group-b from group / by hand / b from group-b from group $(ROUND)" in outcome.logs["__default.Job"]


def test_masks_of_overlapping_secrets_become_one() -> None:
    masker = Masker()
    for secret in ("abc", "cde", "", "zz"):
        masker.add(secret)

    assert masker.mask("xabcdex abc zz z") == "x***x *** *** z"
    with pytest.raises(ValueError, match="line breaks"):
        masker.add("a\nb")


def test_a_logging_command_is_found_anywhere_and_unescaped_once() -> None:
    command = logging_command("dots... ##vso[Task.SetVariable variable=a%3Bb;isOutput=true]x%AZP253B]y")

    assert command is not None
    assert command.name == "task.setvariable"
    assert command.properties == {"variable": "a;b", "isoutput": "true"}
    assert command.message == "x%3B]y"
