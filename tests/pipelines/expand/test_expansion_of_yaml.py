"""Templates, parameters and directives become the pipeline that the service would run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from local_azure.pipelines.expand.expansion import expand
from local_azure.pipelines.expand.final_yaml import final_yaml
from local_azure.pipelines.expand.queue_facts import QueueFacts
from local_azure.pipelines.language.tree import to_plain

Write = Callable[..., Path]


def expanded(file: Path, facts: QueueFacts | None = None, **parameters: str) -> Any:
    result = expand(file, parameters, facts)
    assert [str(problem) for problem in result.problems] == []
    return to_plain(result.tree)


def test_bare_steps_become_a_stage_and_a_job(write: Write) -> None:
    tree = expanded(write("pool: {vmImage: ubuntu-24.04}\nsteps:\n- bash: echo hi\n"))

    assert tree["stages"] == [
        {"stage": "__default", "jobs": [
            {"job": "Job", "pool": {"vmImage": "ubuntu-24.04"}, "steps": [{"bash": "echo hi"}]}]}
    ]  # fmt: skip


def test_if_else_and_each_in_lists_and_mappings(write: Write) -> None:
    file = write(
        """
        parameters:
        - {name: many, type: object, default: [{id: a, last: 'no'}, {id: b, last: 'yes'}]}
        - {name: env, type: object, default: {ONE: '1', TWO: '2'}}
        steps:
        - ${{ each one in parameters.many }}:
          - ${{ if eq(one.last, 'yes') }}:
            - bash: last ${{ one.id }}
          - ${{ elseif eq(one.id, 'zz') }}:
            - bash: never
          - ${{ else }}:
            - bash: other ${{ one.id }}
        - bash: mapped
          env:
            ${{ each name, value in parameters.env }}:
              ${{ name }}_X: ${{ value }}
            ${{ if false }}:
              NO: 1
            ${{ else }}:
              YES: 1
            ${{ insert }}: ${{ parameters.env }}
        """
    )
    steps = expanded(file)["stages"][0]["jobs"][0]["steps"]

    assert [step["bash"] for step in steps] == ["other a", "last b", "mapped"]
    assert steps[2]["env"] == {"ONE_X": "1", "TWO_X": "2", "YES": "1", "ONE": "1", "TWO": "2"}


def test_templates_see_their_own_parameters_and_the_variables_so_far(write: Write) -> None:
    file = write(
        """
        variables:
        - template: variables.yml
        - {name: greeting, value: '${{ variables.word }} there'}
        jobs:
        - template: parts/jobs.yml
          parameters:
            wanted: true
            extra:
            - bash: extra
            - template: parts/one.yml
        """,
        **{
            "variables.yml": "variables:\n  word: hello\n",
            "parts/jobs.yml": """
                parameters:
                - {name: wanted, type: boolean}
                - {name: extra, type: stepList, default: []}
                jobs:
                - job: one
                  ${{ if parameters.wanted }}:
                    displayName: ${{ variables.greeting }} ${{ parameters.wanted }}
                  steps:
                  - ${{ parameters.extra }}
                  - template: one.yml
                """,
            "parts/one.yml": "steps:\n- bash: one\n",
        },
    )
    tree = expanded(file)

    assert tree["variables"] == [{"name": "word", "value": "hello"}, {"name": "greeting", "value": "hello there"}]
    job = tree["stages"][0]["jobs"][0]
    assert job["displayName"] == "hello there True"
    assert [step["bash"] for step in job["steps"]] == ["extra", "one", "one"]


def test_extends_takes_its_stages_from_the_template(write: Write) -> None:
    file = write(
        "trigger: none\nextends:\n  template: base.yml\n  parameters: {name: x}\n",
        **{"base.yml": "parameters:\n- name: name\nstages:\n- stage: S_${{ parameters.name }}\n  jobs: []\n"},
    )

    assert expanded(file) == {"trigger": "none", "stages": [{"stage": "S_x", "jobs": []}]}


def test_a_value_that_is_one_expression_keeps_its_type(write: Write) -> None:
    file = write(
        """
        parameters:
        - {name: pool, type: object, default: {vmImage: ubuntu-24.04}}
        - {name: branches, type: object, default: [a, b]}
        jobs:
        - job: one
          dependsOn: ${{ parameters.branches }}
          pool: ${{ parameters.pool }}
          steps: [{bash: 'echo ${{ length(parameters.branches) }}'}]
        """
    )
    tree = expanded(file)

    assert tree["stages"][0]["jobs"][0]["dependsOn"] == ["a", "b"]
    assert tree["stages"][0]["jobs"][0]["pool"] == {"vmImage": "ubuntu-24.04"}
    assert tree["stages"][0]["jobs"][0]["steps"] == [{"bash": "echo 2"}]


def test_reason_branch_and_parameters_decide(write: Write) -> None:
    file = write(
        """
        parameters:
        - {name: dry, type: boolean, default: false}
        - {name: many, type: object, default: []}
        steps:
        - ${{ if eq(variables['Build.Reason'], 'Schedule') }}:
          - bash: scheduled
        - ${{ if parameters.dry }}:
          - bash: dry on ${{ variables['Build.SourceBranchName'] }}
        - ${{ each one in parameters.many }}:
          - bash: ${{ one }}
        """
    )
    tree = expanded(file, QueueFacts(reason="Schedule", branch="topic"), dry="true", many="[p, q]")

    steps = tree["stages"][0]["jobs"][0]["steps"]
    assert [step["bash"] for step in steps] == ["scheduled", "dry on topic", "p", "q"]


def test_the_final_yaml_has_the_shape_of_the_service(write: Write) -> None:
    file = write(
        """
        stages:
        - stage: A
          jobs:
          - deployment: d
            environment: production
            strategy:
              runOnce:
                deploy:
                  steps:
                  - bash: |
                      one
                      two
                    displayName: two lines
                    workingDirectory: x
                  - publish: out
                    artifact: data
                  - download: none
        """
    )
    job = yaml.safe_load(final_yaml(expand(file).tree))["stages"][0]["jobs"][0]
    bash, publish, download = job["strategy"]["runOnce"]["deploy"]["steps"]

    assert job["environment"] == {"name": "production"}
    assert bash == {
        "task": "Bash@3", "displayName": "two lines",
        "inputs": {"targetType": "inline", "script": "one\ntwo\n", "workingDirectory": "x"},
    }  # fmt: skip
    assert publish["inputs"] == {"path": "out", "artifactName": "data"}
    assert download["condition"] is False


def test_a_template_of_another_repository_is_a_local_folder(write: Write, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "steps.yml").write_text("steps:\n- bash: shared\n- template: more.yml\n", encoding="utf-8")
    (shared / "more.yml").write_text("steps:\n- bash: more\n", encoding="utf-8")
    file = write("steps:\n- template: steps.yml@lib\n")
    tree = expanded(file, QueueFacts(repositories={"lib": shared}))

    assert [step["bash"] for step in tree["stages"][0]["jobs"][0]["steps"]] == ["shared", "more"]
