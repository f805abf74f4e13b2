"""`parameters:` as a mapping, the old untyped form, is legal in templates: names with their defaults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_azure.pipelines.expand.expansion import expand
from local_azure.pipelines.language.tree import to_plain

Write = Callable[..., Path]
Faults = Callable[..., list[str]]

OLD = """
    parameters:
      name: ''  # a default for what is not given
      condition: succeeded()
      steps: []
      env: {}
      flag: true
    jobs:
    - job: ${{ parameters.name }}
      condition: ${{ parameters.condition }}
      steps:
      - ${{ parameters.steps }}
      - ${{ each step in parameters.steps }}:
        - ${{ step }}
      - bash: echo
        env: ${{ parameters.env }}
        ${{ if eq(parameters.flag, 'true') }}:
          displayName: flag is ${{ parameters.flag }}
        ${{ if eq(parameters.flag, true) }}:
          enabled: true
"""
CALLER = """
    jobs:
    - template: old.yml
      parameters:
        name: first
        steps:
        - bash: one
        - template: more.yml
    - template: old.yml
      parameters: {Name: second, env: {A: b}, flag: false}
"""
MORE = "steps:\n- bash: more\n"


def test_defaults_arguments_and_templates_in_arguments(write: Write) -> None:
    result = expand(write(CALLER, **{"old.yml": OLD, "more.yml": MORE}))
    assert [str(problem) for problem in result.problems] == []
    plain: Any = to_plain(result.tree)
    first, second = plain["stages"][0]["jobs"]
    last = {"bash": "echo", "env": {}, "displayName": "flag is true", "enabled": "true"}
    assert first["steps"] == [{"bash": "one"}, {"bash": "more"}, {"bash": "one"}, {"bash": "more"}, last]
    assert (first["job"], first["condition"]) == ("first", "succeeded()")
    assert second == {"job": "second", "condition": "succeeded()", "steps": [{"bash": "echo", "env": {"A": "b"}}]}


def test_at_the_root_of_a_pipeline_it_is_refused(faults: Faults) -> None:
    (found,) = [fault for fault in faults("parameters:\n  a: b\nsteps: [{bash: echo}]\n") if "template" in fault]
    assert found.startswith("azure-pipelines.yml:2: ")
    assert "- name: a" in found


def test_an_empty_default_is_a_default(faults: Faults) -> None:
    old = "parameters:\n  a:\n  b: ''\nsteps: [{bash: 'echo ${{ length(parameters.a) }}'}]\n"
    assert faults("steps: [{template: old.yml}]", **{"old.yml": old}) == []


def test_the_old_form_takes_arguments_that_it_does_not_name(write: Write) -> None:
    """As in public templates that pass everything on: each parameter in parameters."""
    outer = """
        parameters:
          named: a
        jobs:
        - template: inner.yml
          parameters:
            ${{ each parameter in parameters }}:
              ${{ parameter.key }}: ${{ parameter.value }}
            ${{ if eq(parameters.absent, '') }}:
              absent: yes
    """
    inner = (
        "parameters:\n  other: b\njobs:\n- job: J\n  displayName: ${{ parameters.more }}-${{ parameters.absent }}\n"
    )
    inner += "  steps: [{bash: 'true'}]\n"
    caller = "jobs:\n- template: outer.yml\n  parameters: {more: x}\n"
    result = expand(write(caller, **{"outer.yml": outer, "inner.yml": inner}))
    assert [str(problem) for problem in result.problems] == []
    plain: Any = to_plain(result.tree)
    assert plain["stages"][0]["jobs"][0]["displayName"] == "x-yes"
