"""Logging commands in the output of steps: what they do, and which fail their step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local_azure.pipelines.run.logging_commands import logging_command

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


def test_a_logging_command_is_found_anywhere_and_unescaped_once() -> None:
    command = logging_command("dots... ##vso[Task.SetVariable variable=a%3Bb;isOutput=true]x%AZP253B]y")

    assert command is not None
    assert command.name == "task.setvariable"
    assert command.properties == {"variable": "a;b", "isoutput": "true"}
    assert command.message == "x%3B]y"
