"""Small pipelines run on this machine: conditions, outputs, artifacts, approvals, hooks, secrets, time limits."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_azure.pipelines.logging_commands import logging_command
from local_azure.pipelines.queue_facts import QueueFacts
from local_azure.pipelines.variable_table import Masker

Run = Callable[..., Any]

OUTCOME = """
    variables: {WHERE: root}
    stages:
    - stage: Train
      jobs:
      - job: train
        steps:
        - bash: |
            echo "##vso[task.setvariable variable=outcome;isOutput=true]OUTCOME"
            echo "##vso[task.setvariable variable=later]seen"
            echo "now: ${LATER:-unset}"
          name: run
        - bash: echo "then $LATER $(later) $(run.outcome) $WHERE"
        - bash: mkdir out && echo model > out/model.txt
        - publish: out
          artifact: model
    - stage: Production
      dependsOn: Train
      condition: and(succeeded(), eq(dependencies.Train.outputs['train.run.outcome'], 'accepted'))
      jobs:
      - deployment: release
        environment: production
        variables:
          GOT: $[ stageDependencies.Train.train.outputs['run.outcome'] ]
          WHERE: job
        strategy:
          runOnce:
            deploy:
              steps:
              - bash: test "$GOT" = accepted && test $WHERE = job && cat "$(Pipeline.Workspace)/model/model.txt"
                name: check
              - bash: echo "##vso[task.setvariable variable=service;isOutput=true]http://x"
                name: cli
            on:
              success: {steps: [{bash: echo well done}]}
              failure: {steps: [{bash: echo rolled back}]}
    - stage: Verify
      dependsOn: Production
      jobs:
      - job: look
        variables: {SERVICE: "$[ stageDependencies.Production.release.outputs['release.cli.service'] ]"}
        steps: [{bash: test "$SERVICE" = http://x}]
"""


def test_outputs_artifacts_and_hooks_across_stages(run: Run) -> None:
    outcome = run(OUTCOME.replace("]OUTCOME", "]accepted"), approve=("production",))

    assert outcome.code == 0, outcome.logs
    assert {outcome.results[name] for name in ("Train", "Production", "Verify")} == {"Succeeded"}
    assert "now: unset" in outcome.logs["Train.train"]
    assert "then seen seen accepted root" in outcome.logs["Train.train"]
    assert "model\n" in outcome.logs["Production.release"]
    assert "well done" in outcome.logs["Production.release"]
    assert "rolled back" not in outcome.logs["Production.release"]
    assert outcome.document["artifacts"] == ["model"]


def test_kept_is_green_and_the_rest_skipped(run: Run) -> None:
    outcome = run(OUTCOME.replace("]OUTCOME", "]kept"), approve=("production",))

    assert outcome.code == 0
    assert outcome.results == {"Train.train": "Succeeded", "Train": "Succeeded", "Production": "Skipped",
                               "Verify": "Skipped"}  # fmt: skip


def test_a_rejected_approval_runs_no_job_and_ends_with_3(run: Run) -> None:
    outcome = run(OUTCOME.replace("]OUTCOME", "]accepted"), reject=("production",))

    assert outcome.code == 3
    assert outcome.document["rejected"] == ["production"]
    assert outcome.results["Production"] == "Failed"
    assert outcome.results["Verify"] == "Skipped"
    assert "Production.release" not in outcome.logs


def test_without_a_decision_and_a_terminal_nobody_approves(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = run(OUTCOME.replace("]OUTCOME", "]accepted"))

    assert outcome.code == 3
    assert "--approve production or --reject production decides" in capfd.readouterr().err


def test_a_failed_deployment_rolls_back_and_stays_red(run: Run) -> None:
    yaml = OUTCOME.replace("]OUTCOME", "]accepted").replace("test $WHERE = job", "false")
    outcome = run(yaml, approve=("production",))

    assert outcome.code == 1
    assert outcome.results["Production.release"] == "Failed"
    assert "rolled back" in outcome.logs["Production.release"]
    assert "well done" not in outcome.logs["Production.release"]
    assert "http://x" not in outcome.logs["Production.release"]


def test_conditions_of_jobs_after_failed_and_skipped_ones(run: Run) -> None:
    outcome = run(
        """
        jobs:
        - {job: bad, steps: [{bash: 'exit 1'}]}
        - {job: soft, continueOnError: true, steps: [{bash: 'exit 1'}]}
        - {job: no, condition: false, steps: [{bash: 'true'}]}
        - {job: after_bad, dependsOn: bad, steps: [{bash: 'true'}]}
        - {job: after_soft, dependsOn: soft, steps: [{bash: 'true'}]}
        - {job: after_no, dependsOn: no, steps: [{bash: 'true'}]}
        - {job: always, dependsOn: [bad, no], condition: always(), steps: [{bash: 'true'}]}
        - {job: failed, dependsOn: after_bad, condition: failed(), steps: [{bash: 'true'}]}
        - {job: told, dependsOn: no, condition: "in(dependencies.no.result, 'Succeeded', 'Skipped')",
           steps: [{bash: 'true'}]}
        """,
        parallel=4,
    )
    results = {name.partition(".")[2]: result for name, result in outcome.results.items() if "." in name}

    assert outcome.code == 1
    assert results == {
        "bad": "Failed", "soft": "SucceededWithIssues", "no": "Skipped", "after_bad": "Skipped",
        "after_soft": "Succeeded", "after_no": "Skipped", "always": "Succeeded", "failed": "Succeeded",
        "told": "Succeeded",
    }  # fmt: skip


def test_steps_after_a_failure(run: Run) -> None:
    log = run(
        """
        steps:
        - bash: exit 4
          continueOnError: true
        - bash: echo went on
        - bash: exit 5
        - bash: echo never printed
        - bash: echo $AGENT_JOBSTATUS
          condition: failed()
        - bash: echo cleaned
          condition: always()
        - bash: echo not this
          enabled: false
        - bash: echo flag off
          condition: and(always(), eq(variables['Build.Reason'], 'Schedule'))
        """
    ).logs["__default.Job"]

    assert "went on\n" in log
    assert "Failed\n" in log
    assert "cleaned\n" in log
    for line in ("never printed\n", "not this\n", "flag off\n"):
        assert f"\n{line}" not in log


def test_independent_jobs_run_at_the_same_time(run: Run, tmp_path: Path) -> None:
    meet = "touch $D/{own}; for i in $(seq 100); do [ -e $D/{other} ] && exit 0; sleep 0.05; done; exit 1"
    yaml = f"""
        variables: {{D: {tmp_path}}}
        jobs:
        - {{job: a, steps: [{{bash: '{meet.format(own="a", other="b")}'}}]}}
        - {{job: b, steps: [{{bash: '{meet.format(own="b", other="a")}'}}]}}
        """

    assert run(yaml).code == 0


def test_each_job_has_its_own_copy(run: Run) -> None:
    outcome = run(
        """
        jobs:
        - job: a
          steps: [{bash: 'test -f azure-pipelines.yml && echo x > left.txt && rm azure-pipelines.yml'}]
        - job: b
          dependsOn: a
          steps: [{bash: 'test -f azure-pipelines.yml && test ! -e left.txt'}]
        - job: c
          dependsOn: a
          steps: [{checkout: none}, {bash: 'test ! -e azure-pipelines.yml'}]
        """
    )

    assert outcome.code == 0, outcome.logs


def test_secrets_are_masked_and_not_in_the_environment(run: Run) -> None:
    outcome = run(
        """
        steps:
        - bash: |
            echo setting
            echo "##vso[task.setvariable variable=pw;isSecret=true]hunter2"
            echo "##vso[task.setsecret]ter2x"
        - bash: |
            echo "plain=${PW:-none} mapped=$MAPPED overlap=hunter2x macro=$(pw)"
            echo "##vso[task.logissue type=warning]it is hunter2"
            echo "# hunter2" > page.md
            echo "##vso[task.uploadsummary]$PWD/page.md"
          env: {MAPPED: $(pw)}
        - bash: echo done
          displayName: shows $(pw)
        """
    )
    log = outcome.logs["__default.Job"]
    everything = log + str(outcome.document)

    assert "plain=none mapped=*** overlap=*** macro=***" in log
    assert "hunter2" not in everything
    assert Path(outcome.document["kept"][0]).read_text(encoding="utf-8") == "# ***\n"


def test_time_limits_end_the_whole_process_group(run: Run) -> None:
    started = time.monotonic()
    outcome = run(
        """
        jobs:
        - job: step
          steps:
          - bash: (trap '' TERM INT; sleep 60) & sleep 60
            timeoutInMinutes: 0.01
          - bash: echo cleaned
            condition: always()
        - job: whole
          timeoutInMinutes: 0.01
          steps:
          - bash: sleep 60
          - bash: echo cleaned
            condition: always()
        """
    )

    assert time.monotonic() - started < 15
    assert outcome.code == 124
    assert outcome.results["__default.step"] == "Failed"
    assert outcome.results["__default.whole"] == "Canceled"
    assert all("cleaned\n" in log for log in outcome.logs.values())


def test_ctrl_c_cancels_and_cleans_up(run: Run) -> None:
    timer = threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    outcome = run(
        """
        jobs:
        - job: long
          steps:
          - bash: sleep 60
          - bash: echo cleaned
            condition: canceled()
        - {job: after, dependsOn: long, steps: [{bash: 'true'}]}
        - {job: last, dependsOn: long, condition: always(), steps: [{bash: echo last, condition: always()}]}
        """
    )

    assert outcome.code == 130
    assert outcome.results["__default.long"] == "Canceled"
    assert outcome.results["__default.after"] == "Skipped"
    assert "cleaned\n" in outcome.logs["__default.long"]
    assert "last\n" in outcome.logs["__default.last"]


def test_retries(run: Run) -> None:
    outcome = run(
        """
        steps:
        - bash: echo x >> tries; test $(wc -l < tries) = 2
          retryCountOnTaskFailure: 2
        """
    )

    assert outcome.code == 0


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
