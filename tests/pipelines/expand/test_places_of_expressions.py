"""`${{ }}` is legal below stages, jobs, steps, variables and containers, and as a plain value in resources."""

# ruff: noqa: E501 - a table of cases, one a line

from __future__ import annotations

from collections.abc import Callable

import pytest

Faults = Callable[..., list[str]]

CLEAN = """\
trigger: [main]
pr: {branches: {include: [main]}}
parameters:
- {name: branch, type: string, default: main, values: [main]}
- {name: flag, type: boolean, default: true}
schedules:
- cron: '0 4 * * 1'
  branches: {include: [main]}
resources:
  repositories:
  - repository: other
    type: git
    name: p/r
    ref: refs/heads/x
    trigger: [main]
  pipelines:
  - pipeline: up
    source: X
    trigger: {branches: {include: [main]}}
  packages: []
pool: {vmImage: ubuntu-24.04}
steps:
- bash: echo a
"""
IF = "${{ if eq(variables['Build.Reason'], 'Manual') }}"
# (what is replaced, by what; the marked line is where the fault is)
REFUSED = [
    ("trigger: [main]\npr", "trigger:\n- ${{ parameters.branch }} #!\npr"),
    ("trigger: [main]\npr", "trigger: ${{ parameters.branch }} #!\npr"),
    ("trigger: [main]\npr", f"trigger:\n- {IF}: #!\n  - main\npr"),
    ("trigger: [main]\npr", f"{IF}: #!\n  trigger: none\npr"),
    ("trigger: [main]\npr", "${{ parameters.branch }}: none #!\npr"),
    ("pr: {branches: {include: [main]}}", "pr:\n  branches:\n    include:\n    - ${{ if true }}: #!\n      - main"),
    ("default: main,", "default: '${{ variables.x }}', #!\n "),
    ("values: [main]}", "values: ['${{ variables.x }}']} #!"),
    ("cron: '0 4 * * 1'", "cron: ${{ parameters.branch }} #!"),
    ("    ref: refs/heads/x", f"    {IF}: #!\n      ref: refs/heads/x"),
    ("  - repository: other", f"  - {IF}: #!\n    - repository: more\n  - repository: other"),
    ("  - repository: other", "  - ${{ parameters.branch }} #!\n  - repository: other"),
    ("    trigger: [main]", "    trigger: ['${{ parameters.branch }}'] #!"),
    ("    source: X", f"    source: X\n    {IF}: #!\n      version: '1'"),
    ("include: [main]}}\n  packages", "include: ['${{ parameters.branch }}']}} #!\n  packages"),
    ("  packages: []", "  packages: ${{ parameters.branch }} #!"),
    ("  packages: []", f"  {IF}: #!\n    packages: []"),
]
LEGAL = [
    ("ref: refs/heads/x", "ref: refs/heads/${{ parameters.branch }}"),
    ("source: X", "source: ${{ parameters.branch }}"),
    ("  packages: []", "  containers:\n  - ${{ if parameters.flag }}:\n    - {container: c, image: '${{ parameters.branch }}'}"),
    ("pool: {vmImage: ubuntu-24.04}", "pool:\n  ${{ if true }}:\n    vmImage: ubuntu-24.04\n  ${{ else }}:\n    name: own"),
    ("pool: {", "name: ${{ parameters.branch }}_1\npool: {"),
    ("pool: {", "variables:\n  ${{ if parameters.flag }}:\n    a: ${{ parameters.branch }}\npool: {"),
]  # fmt: skip


def _marked(text: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if "#!" in line)


def test_without_expressions_there_is_no_fault(faults: Faults) -> None:
    assert faults(CLEAN) == []


@pytest.mark.parametrize(("before", "after"), REFUSED)
def test_elsewhere_it_is_refused_with_its_line(faults: Faults, before: str, after: str) -> None:
    assert before in CLEAN
    text = CLEAN.replace(before, after, 1)
    found = faults(text)
    assert found[0].startswith(f"azure-pipelines.yml:{_marked(text)}: A template expression is not allowed"), found
    assert len(found) == 1, found


@pytest.mark.parametrize(("before", "after"), LEGAL)
def test_where_the_service_allows_it_it_stays_legal(faults: Faults, before: str, after: str) -> None:
    assert before in CLEAN
    assert faults(CLEAN.replace(before, after, 1)) == []


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("parameters:\n- {name: x, default: '${{ variables.y }}'}\nsteps: [{bash: echo}]\n", 2),
        ("${{ if true }}:\n  steps: [{bash: echo}]\nsteps: [{bash: echo}]\n", 1),
    ],
)
def test_templates_follow_the_same_rule(faults: Faults, template: str, line: int) -> None:
    found = faults("steps:\n- template: t.yml\n", **{"t.yml": template})
    assert [fault.partition(" A template expression")[0] for fault in found] == [f"t.yml:{line}:"], found


def test_the_template_of_extends_may_depend_on_a_branch(faults: Faults) -> None:
    pipeline = """
        parameters:
        - {name: official, type: boolean, default: false}
        extends:
          ${{ if parameters.official }}:
            template: official.yml
          ${{ else }}:
            template: other.yml
          parameters: {word: x}
    """
    template = "parameters: [{name: word}]\nsteps: [{bash: 'true', displayName: '${{ parameters.word }}'}]\n"
    assert faults(pipeline, **{"other.yml": template, "official.yml": template}) == []
