"""One megabyte of the worst input for every expression and parser that meets a stranger's YAML.

What is quadratic takes minutes for it. Processor time is measured, so that other work of the machine does not count.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_azure.pipelines.check.pipeline_check import check
from local_azure.pipelines.check.schema.service_schema import service_schema
from local_azure.pipelines.expand.directives import directive_of, loop_of
from local_azure.pipelines.language.evaluation import evaluate
from local_azure.pipelines.language.grammar import parse
from local_azure.pipelines.language.limits import MOST_EXPRESSION_CHARACTERS
from local_azure.pipelines.language.reader import read_text
from local_azure.pipelines.language.tree import PipelineError, Text
from local_azure.pipelines.language.values import ExpressionError
from tests.processor_time import least_seconds

SIZE = 1_000_000
MOST_SECONDS = 10.0


def _full(piece: str, less: int = 300) -> str:
    return piece * ((SIZE - less) // len(piece))


YAML = {
    "lists inside lists": _full("["),
    "mappings inside mappings": _full("{"),
    "dashes": _full("- "),
    "question marks": _full("? "),
    "anchors": _full("&a "),
    "aliases": _full("- *a\n"),
    "open quote": "'" + _full("a"),
    "open double quote": '"' + _full("\\"),
    "comment": _full("#"),
    "blanks": _full(" "),
    "tags": _full("!"),
    "items": "[" + _full("a,") + "]",
    "indentation": "\n".join(" " * i + "a:" for i in range(1_400)),
    "keys": "".join(f"k{i}: 1\n" for i in range(80_000)),
    "block": "a: |\n" + _full("  x\n"),
    "folded": "a: >\n" + _full("  x\n\n"),
    "documents": _full("---\n"),
    "continued": "a: " + _full("b\n  "),
}


@pytest.mark.parametrize("name", YAML)
def test_reading(name: str) -> None:
    def read() -> None:
        try:
            read_text(YAML[name], "a.yml")
        except PipelineError as error:
            assert error.problem.location.line > 0

    assert least_seconds(read, MOST_SECONDS) < MOST_SECONDS


PARAMETER = "parameters: [{name: x, type: object, default: y}]\n"


def _script(text: str, before: str = "") -> str:
    return f"{before}steps:\n- bash: {json.dumps(text)}\n"


PIPELINES = {
    "open commands": _script(_full("##vso[task.setvariable ")),
    "blanks of a command": _script("##vso[task.setvariable" + _full(" ")),
    "commands": _script(_full("##vso[task.setvariable variable=a]b ")),
    "one property": _script("##vso[task.setvariable " + _full("a") + "]"),
    "properties": _script("##vso[task.setvariable " + _full("a=b;") + "]"),
    "open macros": _script(_full("$(")),
    "unknown macros": _script("".join(f"$(A{i}) " for i in range(90_000))),
    "known macros": _script(_full("$(a) "), "variables: {a: b}\n"),
    "one long macro": _script("$(" + _full("a") + ")"),
    "open expressions": _script(_full("${{"), PARAMETER),
    "expressions": _script(_full("${{ parameters.x }} "), PARAMETER),
    "free text": _script(_full("${{ parameters.x }} "), "parameters: [{name: x, default: y}]\n"),
    "quotes of expressions": _script(_full("${{ '"), PARAMETER),
    "quotes": _script("${{ " + _full("'") + " }}", PARAMETER),
    "braces": _script("${{ " + _full("{") + " }}", PARAMETER),
    "parentheses": "steps:\n- bash: a\n  condition: " + _full("(") + "\n",
    "tasks": "steps:\n" + "".join(f"- task: abc{i}@1\n" for i in range(30_000)),
    "unknown keys": "steps:\n- bash: a\n" + "".join(f"  key{i}: 1\n" for i in range(45_000)),
    "unknown inputs": "steps:\n- task: Bash@3\n  inputs:\n" + "".join(f"    key{i}: 1\n" for i in range(45_000)),
    "variables that read each other": "variables:\n"
    + "".join(f"  a{i}: $(a{i + 1})\n" for i in range(4_900))
    + "steps:\n- bash: echo $(a0)\n",
    "dependencies": "jobs:\n- {job: a, steps: [{bash: a}]}\n- job: b\n  steps: [{bash: a}]\n  dependsOn: ["
    + ",".join(f"x{i}" for i in range(45_000))
    + "]\n",
    "artifacts": "steps:\n" + "- {publish: a, artifact: x}\n- {download: current, artifact: x}\n" * 5_000,
    "a schedule": 'schedules: [{cron: "' + _full("1,") + '1 * * * *"}]\nsteps: [{bash: a}]\n',
    "an environment": 'variables: {a: b}\njobs:\n- deployment: d\n  environment: "' + _full("$(a)") + '"\n'
    "  strategy: {runOnce: {deploy: {steps: [{bash: a}]}}}\n",
    "branches": PARAMETER
    + "steps:\n- bash: a\n- ${{ if false }}:\n  - bash: a\n"
    + "".join(f"- ${{{{ elseif eq(1, {i}) }}}}:\n  - bash: a\n" for i in range(10_000)),
    "a name": f"jobs:\n- job: {_full('a')}-\n  steps: [{{bash: a}}]\n",
    "a value with a pattern": f"trigger: {_full('a/')}\nsteps: [{{bash: a}}]\n",
    "a branch": f"trigger: [{_full('a/')}]\nsteps: [{{bash: a}}]\n",
}


# Linear like the others, and with so many faults that each takes seconds.
IN_A_CAMPAIGN = ("tasks", "unknown inputs", "unknown keys", "artifacts")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.campaign) if name in IN_A_CAMPAIGN else name for name in PIPELINES],
)
def test_checking(name: str, write: Callable[..., Path]) -> None:
    service_schema()
    file = write(PIPELINES[name])
    assert least_seconds(lambda: check(file), MOST_SECONDS) < MOST_SECONDS


def _expressions() -> Iterator[str]:
    length = MOST_EXPRESSION_CHARACTERS - 50
    yield "1" * length + "a"
    yield "1." * (length // 2)
    yield "0x" + "F" * length + "g"
    yield " " * length + ";"
    yield "'" * length
    yield "'" + "a" * length
    yield "a" * length
    yield "eq(" + "1," * (length // 2) + "1)"
    yield "coalesce(" + "v.a," * (length // 4) + "1)"
    yield "not(" * (length // 4)
    yield "v" + ".a" * (length // 2)


@pytest.mark.parametrize("source", list(_expressions()), ids=lambda source: str(source)[:10])
def test_parsing_the_longest_expression(source: str) -> None:
    def parsed() -> None:
        try:
            parse(source, ("v",))
        except ExpressionError as error:
            assert len(str(error)) < 1_100

    assert least_seconds(parsed, MOST_SECONDS / 10) < MOST_SECONDS / 10


@pytest.mark.parametrize(
    ("source", "piece"),
    [
        ("lt(1, p)", "1"),
        ("lt(1, p)", "1."),
        ("eq(1.2.3, p)", "1."),
        ("format(p, 1)", "{1:"),
        ("format(p, 1)", "{0"),
        ("replace(p, 'aa', 'b')", "a"),
        ("split(p, ',')", "a"),
        ("contains(p, 'aaab')", "a"),
        ("trim(p)", " "),
    ],
)
def test_functions_of_a_long_text(source: str, piece: str) -> None:
    def computed() -> None:
        try:
            evaluate(parse(source, ("p",)), {"p": Text(_full(piece) + "x")})
        except ExpressionError as error:
            assert len(str(error)) < 1_100

    assert least_seconds(computed, MOST_SECONDS / 10) < MOST_SECONDS / 10


@pytest.mark.parametrize(
    "key",
    ["${{ if " + _full("}} ") + "x", "${{ if " + _full("}}") + " ", _full(" "), "${{ each " + _full("a ") + "}}"],
)
def test_directives(key: str) -> None:
    def read() -> None:
        directive = directive_of(Text(key))
        if directive is not None and directive.word == "each":
            with pytest.raises(PipelineError):
                loop_of(directive)

    assert least_seconds(read, MOST_SECONDS / 10) < MOST_SECONDS / 10
