"""The expression language, as documented for the service."""

from __future__ import annotations

import pytest

from local_azure.pipelines.language.evaluation import evaluate
from local_azure.pipelines.language.grammar import parse
from local_azure.pipelines.language.tree import Value, from_plain, to_plain
from local_azure.pipelines.language.values import ExpressionError

CONTEXTS: dict[str, Value] = {
    "parameters": from_plain(
        {"flag": True, "off": False, "count": 3, "name": "Paid", "list": ["a", "b"], "empty": "",
         "items": [{"id": 1, "name": "x"}, {"id": 2, "name": "y"}], "map": {"Key": "v"}}
    ),
    "variables": from_plain({"Build.Reason": "Manual", "a": "1"}),
}  # fmt: skip
VALUES = {
    "true": True,
    "null": None,
    "'it''s'": "it's",
    "-1.50": -1.5,
    "0x1F": 31,
    "1.2.3": "1.2.3",
    "parameters.name": "Paid",
    "parameters.NAME": "Paid",
    "parameters['name']": "Paid",
    "parameters.list[1]": "b",
    "parameters.list[7]": None,
    "parameters.map.key": "v",
    "parameters.items.*.name": ["x", "y"],
    "parameters.map.*": ["v"],
    "parameters.nothing": None,
    "variables['Build.Reason']": "Manual",
    "eq(parameters.flag, true)": True,
    "eq(parameters.flag, 'True')": True,
    "eq(parameters.off, 'false')": False,  # a text that is not empty is true
    "eq('a', 'A')": True,
    "eq(null, '')": True,
    "eq('', null)": True,
    "eq(3, '3')": True,
    "eq(3, 'three')": False,
    "eq(0, '')": True,
    "eq('3', 3)": True,
    "eq(1.2.3, '1.2.3')": True,
    "ne(parameters.count, 4)": True,
    "lt(2, '10')": True,
    "lt('2', 10)": False,  # the left side is text
    "ge(1.10.0, '1.9.0')": True,
    "gt(2, 2)": False,
    "le(2, 2)": True,
    "and(true, 1, 'x')": True,
    "or(false, 0, '')": False,
    "xor(true, false)": True,
    "not('')": True,
    "in('b', 'A', 'B')": True,
    "notIn('c', 'a', 'b')": True,
    "contains('Hello', 'ELL')": True,
    "containsValue(parameters.list, 'B')": True,
    "containsValue(parameters.map, 'w')": False,
    "startsWith('refs/heads/main', 'refs/')": True,
    "endsWith('a.yml', '.YML')": True,
    "coalesce('', null, 'x')": "x",
    "iif(eq(1, 2), 'yes', 'no')": "no",
    "format('{0}-{1} {{x}}', 'a', parameters.count)": "a-3 {x}",
    "join(', ', parameters.list)": "a, b",
    "split('a,b', ',')": ["a", "b"],
    "replace('a_b', '_', '-')": "a-b",
    "upper(lower('aB'))": "AB",
    "trim(' a ')": "a",
    "length(parameters.list)": 2,
    "length('abc')": 3,
    "format('{0}', true)": "True",
    "convertToJson(parameters.list)": '[\n  "a",\n  "b"\n]',
}
ERRORS = {
    "nope(1)": "There is no function nope()",
    "eq(1)": "takes 2 arguments",
    "eq(1, 2": "is expected",
    "secrets.x": "is not available here",
    '"text"': "single quotes",
    "succeeded()": "in conditions only",
    "counter('a', 1)": "counter() is not supported",
    "1 2": "is not expected",
    "lt(1, 'one')": "is not a number",
    "format('{1}', 'a')": "has no argument {1}",
    "format('{0:x}', 'a')": "is not supported",
    "format('{', 1)": "is not supported in format()",
    "eq(parameters.list, )": "Expected a value",
    "upper(parameters.list)": "cannot be written as text",
    "parameters.": "Expected a name",
    "or(true, nope())": "There is no function",
}


@pytest.mark.parametrize("source", VALUES)
def test_value(source: str) -> None:
    value = evaluate(parse(source, tuple(CONTEXTS)), CONTEXTS)

    assert to_plain(value) == VALUES[source]


@pytest.mark.parametrize("source", ERRORS)
def test_error_says_what(source: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(parse(source, tuple(CONTEXTS)), CONTEXTS)

    assert ERRORS[source] in str(caught.value)


def test_status_functions_are_answered_by_the_caller() -> None:
    expression = parse("and(succeeded('A'), not(canceled()))", tuple(CONTEXTS), status=True)
    asked: list[tuple[str, tuple[str, ...]]] = []

    def status(name: str, names: tuple[str, ...]) -> bool:
        asked.append((name, names))
        return name == "succeeded"

    assert evaluate(expression, CONTEXTS, status) is True
    assert asked == [("succeeded", ("A",)), ("canceled", ())]


def test_a_misspelt_function_gets_the_nearest_name() -> None:
    with pytest.raises(ExpressionError, match="Did you mean 'startsWith'"):
        parse("startWith('a', 'b')", tuple(CONTEXTS))
