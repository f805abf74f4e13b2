"""Small pipelines run on this machine: conditions, outputs, artifacts, approvals, hooks, secrets, time limits."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_azure.pipelines.run.builds.progress import read_progress

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


def test_kept_is_green_and_the_rest_skipped(run: Run, tmp_path: Path) -> None:
    outcome = run(OUTCOME.replace("]OUTCOME", "]kept"), approve=("production",))

    assert outcome.code == 0
    assert outcome.results == {"Train.train": "Succeeded", "Train": "Succeeded", "Production": "Skipped",
                               "Verify": "Skipped"}  # fmt: skip
    lines = read_progress(tmp_path / "state/pipelines/1")
    why = {line["stage"]: line["why"] for line in lines if "stage" in line and line["result"]}
    assert why["Production"] == "output outcome of Train is kept", "a page says why it was skipped"
    assert why["Verify"] == "Production was skipped"


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


def test_a_second_ctrl_c_ends_it_and_keeps_what_was_reached(run: Run) -> None:
    timers = [threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT)) for seconds in (0.7, 1.2)]
    for timer in timers:
        timer.start()
    outcome = run(
        """
        jobs:
        - job: stubborn
          steps: [{bash: "trap '' INT; sleep 60 & wait"}]
        """
    )

    assert outcome.code == 130
    assert outcome.document["result"] == "Canceled"


def test_each_hook_is_a_job_of_its_own(run: Run) -> None:
    see = 'cd $(Pipeline.Workspace); echo "KEY: ${TOKEN:-unset} ${MINE:-unset} $(ls *.txt 2>/dev/null | wc -l) files"'
    deploy = see.replace("KEY", "deploy") + ' $BUILD_BUILDNUMBER; echo "$PATH"'
    outcome = run(
        f"""
        jobs:
        - deployment: ship
          environment: staging
          variables: {{MINE: job}}
          strategy:
            runOnce:
              preDeploy:
                steps:
                - bash: |
                    echo data > $(Pipeline.Workspace)/left.txt
                    echo "##vso[task.setvariable variable=TOKEN]abc"
                    echo "##vso[task.setvariable variable=MINE]changed"
                    echo "##vso[task.setvariable variable=kept;isOutput=true]out"
                    echo "##vso[task.prependpath]/left"
                    echo "##vso[build.updatebuildnumber]second"
                  name: first
                - bash: '{see.replace("KEY", "same")}'
              deploy: {{steps: [{{bash: '{deploy}'}}]}}
              on: {{success: {{steps: [{{bash: '{see.replace("KEY", "success")}'}}]}}}}
        - job: later
          dependsOn: ship
          variables: {{GOT: "$[ dependencies.ship.outputs['ship.first.kept'] ]"}}
          steps: [{{bash: echo "got $GOT"}}]
        """,
        approve=("staging",),
    )
    log = outcome.logs["__default.ship"]

    assert "same: abc changed 1 files" in log
    assert "deploy: unset job 0 files" in log
    assert "second" in log
    assert "success: unset job 0 files" in log
    assert "/left:" not in log
    assert "got out" in outcome.logs["__default.later"]


def test_an_updated_build_number_reaches_the_whole_run(run: Run) -> None:
    outcome = run(
        """
        name: first-$(Build.BuildId)
        stages:
        - stage: a
          jobs:
          - job: sets
            steps: [{bash: 'echo "##vso[build.updatebuildnumber]second"'}]
          - job: same
            dependsOn: sets
            steps: [{bash: 'echo "same sees $(Build.BuildNumber) $BUILD_BUILDNUMBER"'}]
        - stage: b
          condition: and(succeeded(), eq(variables['Build.BuildNumber'], 'second'))
          jobs:
          - job: next
            steps: [{bash: 'echo "next sees $(Build.BuildNumber)"'}]
        """
    )

    assert "same sees second second" in outcome.logs["a.same"]
    assert "next sees second" in outcome.logs["b.next"]
    assert outcome.document["build_number"] == "second"


def test_a_build_number_that_the_service_refuses_fails_its_step(run: Run) -> None:
    for number in ("a/b", "x" * 256, ""):
        assert run(f"steps:\n- bash: echo '##vso[build.updatebuildnumber]{number}'\n").code == 1
    assert run(f"steps:\n- bash: echo '##vso[build.updatebuildnumber]{'x' * 255}'\n").code == 0
