"""A list item that holds only directives: lists below them are spliced, mappings become one item."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_azure.pipelines.expand.expansion import expand
from local_azure.pipelines.language.tree import to_plain

Write = Callable[..., Path]
Faults = Callable[..., list[str]]
WRAP = """
    parameters:
    - {name: work, type: stepList, default: []}
    jobs:
    - job: J
      steps:
      - checkout: none
      - ${{ each step in parameters.work }}:
        - ${{ each pair in step }}:
            ${{ if ne(pair.key, 'condition') }}:
              ${{ pair.key }}: ${{ pair.value }}
"""
WRAPPED = """
    trigger: none
    extends:
      template: wrap.yml
      parameters:
        work:
        - task: Bash@3
          displayName: First
          condition: always()
          inputs: {targetType: inline, script: echo one}
        - bash: echo two
          displayName: Second
"""


def _steps(file: Path) -> Any:
    result = expand(file)
    assert [str(problem) for problem in result.problems] == []
    plain: Any = to_plain(result.tree)
    return plain["stages"][0]["jobs"][0]["steps"]


def test_the_pairs_of_a_loop_make_one_item(write: Write, faults: Faults) -> None:
    assert faults(WRAPPED, **{"wrap.yml": WRAP}) == []
    assert _steps(write(WRAPPED, **{"wrap.yml": WRAP})) == [
        {"checkout": "none"},
        {"task": "Bash@3", "displayName": "First", "inputs": {"targetType": "inline", "script": "echo one"}},
        {"bash": "echo two", "displayName": "Second"},
    ]


def test_a_missing_dash_under_a_loop_is_refused(faults: Faults) -> None:
    found = faults(
        """
        parameters:
        - {name: words, type: object, default: [a, b]}
        steps:
        - checkout: none
        - ${{ each word in parameters.words }}:
            bash: echo ${{ word }}
        """
    )
    assert len(found) == 1
    assert found[0].startswith("azure-pipelines.yml:6: The key 'bash' is produced twice")
    assert "dash" in found[0]


@pytest.mark.parametrize(("flag", "expected"), [("true", {"bash": "a"}), ("false", {"script": "b"})])
def test_mappings_under_if_and_else_are_one_item_with_the_keys_beside_them(
    write: Write, flag: str, expected: dict[str, str]
) -> None:
    file = write(
        f"""
        steps:
        - ${{{{ if {flag} }}}}:
            bash: a
          ${{{{ else }}}}:
            script: b
          ${{{{ if true }}}}:
            displayName: shown
        """
    )
    assert _steps(file) == [{**expected, "displayName": "shown"}]


def test_lists_mappings_and_nothing_side_by_side(write: Write) -> None:
    file = write(
        """
        parameters:
        - {name: one, type: object, default: {bash: from a parameter}}
        - {name: many, type: object, default: [{bash: x}, {bash: y}]}
        steps:
        - ${{ if true }}:
          - bash: listed
          ${{ else }}:
            bash: never
        - ${{ if false }}:
            bash: never
        - ${{ elseif true }}:
            bash: alone
        - ${{ if true }}: ${{ parameters.one }}
        - ${{ if true }}: ${{ parameters.many }}
        - ${{ insert }}: ${{ parameters.one }}
        - ${{ each pair in parameters.one }}:
            ${{ pair.key }}: looped
        """
    )
    assert [step["bash"] for step in _steps(file)] == [
        "listed", "alone", "from a parameter", "x", "y", "from a parameter", "looped",
    ]  # fmt: skip


def test_lists_of_scalars_and_nested_loops_stay_lists(write: Write) -> None:
    file = write(
        """
        parameters:
        - {name: names, type: object, default: [a, b]}
        jobs:
        - ${{ each name in parameters.names }}:
          - ${{ each other in parameters.names }}:
            - job: ${{ name }}_${{ other }}
              dependsOn:
              - ${{ if eq(other, 'b') }}:
                - ${{ name }}_a
              steps: [{bash: 'true'}]
        """
    )
    result = expand(file)
    assert not result.problems
    plain: Any = to_plain(result.tree)
    jobs = plain["stages"][0]["jobs"]
    assert [(job["job"], job["dependsOn"]) for job in jobs] == [
        ("a_a", []), ("a_b", ["a_a"]), ("b_a", []), ("b_b", ["b_a"]),
    ]  # fmt: skip


def test_a_list_and_a_mapping_cannot_both_be_produced(faults: Faults) -> None:
    found = faults("steps:\n- ${{ if true }}:\n  - bash: a\n  ${{ if true }}:\n    bash: b\n")
    assert len(found) == 1
    assert "azure-pipelines.yml:5: " in found[0]
    assert "both a list and a mapping" in found[0]


@pytest.mark.parametrize("word", ["if", "elseif", "else", "each", "insert"])
@pytest.mark.parametrize("text", ["displayName: x ${{ WORD }} y", "displayName: ${{ WORD }}", "${{ WORD }}x: y"])
def test_a_directive_inside_a_text_must_be_the_whole_key(faults: Faults, word: str, text: str) -> None:
    source = {"if": "if eq(1, 1)", "elseif": "elseif eq(1, 1)", "each": "each a in b"}.get(word, word)
    found = faults(f"steps:\n- bash: echo\n  {text.replace('WORD', source)}\n")
    assert found[0].startswith("azure-pipelines.yml:3: ")
    assert f"'{word}' is a directive: it must be the whole key" in found[0]
