"""YAML that is not ours: habits of other projects are not faults, what is unsupported is refused by its name.

PUBLIC_PIPELINES names a folder with pipelines of other projects, each project in a folder of its own with a `.git`.
"""

from __future__ import annotations

import os
import random
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from local_azure.pipelines.check.pipeline_check import check
from local_azure.pipelines.expand.final_yaml import final_yaml

Faults = Callable[..., list[str]]
FOLDER = os.environ.get("PUBLIC_PIPELINES", "")

FOREIGN = """
    trigger: none
    resources:
      pipelines:
      - {pipeline: upstream, source: Upstream}
    stages:
    - stage: First
      jobs:
      - template: jobs.yml
        parameters:
          jobs:
          - {job: Linux, image: ubuntu-24.04, steps: [{bash: 'echo one', displayName: One, env: {A: b}}]}
    - stage: Second
      dependsOn: First
      jobs:
      - deployment: Deploy
        environment: test
        strategy:
          runOnce:
            deploy:
              steps:
              - bash: echo "$(resources.pipeline.upstream.runID)"
"""
JOBS = """
    parameters:
    - {name: jobs, type: object}
    jobs:
    - ${{ each job in parameters.jobs }}:
      - job: ${{ job.job }}
        pool: {vmImage: '${{ job.image }}'}
        steps:
        - ${{ each step in job.steps }}:
          - ${{ each pair in step }}:
              ${{ if ne(pair.key, 'env') }}:
                ${{ pair.key }}: ${{ pair.value }}
            env:
              ALWAYS: '1'
              ${{ if step.env }}:
                ${{ step.env }}
"""


def test_a_step_that_is_made_of_pairs_is_no_fault(faults: Faults) -> None:
    assert faults(FOREIGN, **{"jobs.yml": JOBS}) == []


def test_a_deployment_may_be_named_like_its_hook_but_for_the_case(faults: Faults) -> None:
    found = faults(FOREIGN.replace("deployment: Deploy", "deployment: deploy"), **{"jobs.yml": JOBS})
    assert [line.partition(": ")[2] for line in found] == [
        "A deployment job cannot be named 'deploy'. Choose another name."
    ]


def test_variables_of_a_pipeline_resource_need_the_resource(faults: Faults) -> None:
    assert "pipelines:\n" in FOREIGN
    found = faults(
        FOREIGN.replace(
            "      pipelines:\n      - {pipeline: upstream, source: Upstream}\n", "      containers: []\n"
        ),
        **{"jobs.yml": JOBS},
    )
    assert len(found) == 1
    assert "The variable 'resources.pipeline.upstream.runID' is not defined" in found[0]


def test_behind_a_group_that_is_not_given_only_the_group_is_missing(faults: Faults) -> None:
    found = faults(
        """
        variables:
        - group: secrets
        jobs:
        - job: one
          condition: ne(variables.OWNER, '')
          steps:
          - bash: echo "$(OWNER)"
        """
    )
    assert len(found) == 1
    assert "--group secrets=FILE" in found[0]


def test_a_matrix_is_refused_and_what_it_defines_is_not_missed(faults: Faults) -> None:
    found = faults(
        """
        jobs:
        - job: one
          strategy:
            matrix:
              old: {PYTHON: '3.10'}
              new: {PYTHON: '3.11'}
          steps:
          - bash: echo "$(PYTHON)"
            condition: eq(variables['PYTHON'], '3.11')
        """
    )
    assert [line.partition(": ")[2] for line in found] == [
        "The strategy 'matrix' is not supported locally; only the runOnce strategy of deployment jobs is."
    ]


@pytest.mark.parametrize("pool", ["server", "{vmImage: ubuntu-24.04}"])
def test_the_task_of_an_extension_is_called_one(faults: Faults, pool: str) -> None:
    task = "acme.tools.polish-task.Polish@3"
    found = faults(f"jobs:\n- job: one\n  pool: {pool}\n  steps:\n  - task: {task}\n    inputs: {{anything: x}}\n")
    assert [line.partition(": ")[2] for line in found] == [
        f"'{task}' is not an in-box task of Azure DevOps; tasks of extensions are not supported locally."
    ]


def test_inputs_that_only_some_commands_of_a_task_need_are_not_demanded(faults: Faults) -> None:
    step = "- task: HelmDeploy@0\n  inputs: {connectionType: Kubernetes Service Connection, command: ls%s}\n"
    assert faults("steps:\n" + step % "") == []
    assert "Did you mean 'namespace'" in faults("steps:\n" + step % ", namespacee: x")[0]


def test_a_variable_that_the_web_page_may_set_is_named_with_the_option_for_it(faults: Faults) -> None:
    (found,) = faults("steps:\n- bash: echo\n  env: {TOKEN: $(UPLOAD_TOKEN)}\n")
    assert found.startswith("azure-pipelines.yml:3: The variable 'UPLOAD_TOKEN' is not defined")
    assert "pass -v UPLOAD_TOKEN=VALUE" in found


def broken(lines: list[str], chance: random.Random) -> str:
    """The lines with one to three of them damaged as an editor would."""
    damaged = list(lines)
    for _ in range(chance.randint(1, 3)):
        location = chance.randrange(len(damaged))
        head, other = damaged[location].split(":")[0], chance.randrange(len(damaged))
        ways = ["", f"  {damaged[location]}", damaged[location].lstrip(), f"{head}:", f"{head}: [a, {{b: c}}]"]
        ways += [damaged[location].replace("}}", ""), damaged[location].replace("'", "", 1), damaged[other]]
        damaged[location] = chance.choice(ways)
    return "\n".join(damaged)


def test_whatever_a_file_holds_is_answered_in_words(write: Callable[..., Path]) -> None:
    chance = random.Random(5)  # noqa: S311 - damage, no secret
    texts = [textwrap.dedent(text).lstrip("\n").splitlines() for text in (FOREIGN, JOBS)]
    for _ in range(400):
        pipeline, jobs = (broken(lines, chance) for lines in texts)
        expanded, problems = check(write(pipeline, **{"jobs.yml": jobs}))
        assert all(problem.location.file and problem.location.line > 0 and problem.text for problem in problems)
        if not expanded.problems:
            final_yaml(expanded.tree)


@pytest.mark.skipif(not FOLDER, reason="PUBLIC_PIPELINES names no folder with pipelines of other projects")
def test_pipelines_of_other_projects_expand_or_are_refused_by_name() -> None:
    files = sorted(path for path in Path(FOLDER).rglob("*.y*ml") if ".git" not in path.parts)
    assert files
    for file in files:
        expanded, problems = check(file)
        for problem in problems:
            assert problem.location.file, problem
            assert problem.location.line > 0, problem
            assert len(problem.text) > 10, problem
        if not expanded.problems:
            assert yaml.safe_load(final_yaml(expanded.tree))["stages"], file


@pytest.mark.parametrize("key", ["on", "'on'"])
def test_a_workflow_of_github_is_called_what_it_is(tmp_path: Path, key: str) -> None:
    file = tmp_path / "ci.yml"
    file.write_text(f"name: ci\n{key}: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n    - run: make\n")
    _, (fault,) = check(file)
    assert str(fault).startswith("ci.yml:2: This file is a workflow of GitHub Actions")
