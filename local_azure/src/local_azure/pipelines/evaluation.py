"""Evaluates parsed expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from local_azure.pipelines.grammar import STATUS_FUNCTIONS, Call, Expression, ExpressionError, Index, Literal, Name
from local_azure.pipelines.tree import Fields, Items, Value, to_plain
from local_azure.pipelines.values import ConversionError, equal, kind, less, to_number, to_text, truthy

Status: TypeAlias = Callable[[str, tuple[str, ...]], bool]
_HOLE = re.compile(r"\{\{|\}\}|\{(\d+)(:[^}]*)?\}|[{}]")


def evaluate(expression: Expression, contexts: Mapping[str, Value], status: Status | None = None) -> Value:
    """The value of an expression. `contexts` has names in lower case; `status` answers the status functions.

    Raises ExpressionError.
    """
    try:
        return _Evaluator(contexts, status).value(expression)
    except ConversionError as error:
        raise ExpressionError(f"A value does not fit: {error}.") from None


class _Evaluator:
    def __init__(self, contexts: Mapping[str, Value], status: Status | None) -> None:
        self._contexts = contexts
        self._status = status

    def value(self, expression: Expression) -> Value:
        if isinstance(expression, Literal):
            return expression.value
        if isinstance(expression, Name):
            return self._contexts.get(expression.name)
        if isinstance(expression, Index):
            return self._index(expression)
        return self._call(expression)

    def _index(self, expression: Index) -> Value:
        target = self.value(expression.target)
        if expression.key is None:
            values = [part for _, part in target] if isinstance(target, Fields) else target
            return _Filtered(values if isinstance(values, Items | list) else [])
        key = self.value(expression.key)
        if isinstance(target, _Filtered):
            return _Filtered(_read(part, key) for part in target if _read(part, key) is not None)
        return _read(target, key)

    def _call(self, call: Call) -> Value:
        if call.name in STATUS_FUNCTIONS:
            if self._status is None:
                raise ExpressionError(f"{call.name}() has no meaning here.")
            return self._status(call.name, tuple(to_text(self.value(part)) for part in call.arguments))
        if call.name in ("and", "or"):
            wanted = call.name == "or"
            return wanted if any(truthy(self.value(part)) == wanted for part in call.arguments) else not wanted
        if call.name == "iif":
            condition, yes, no = call.arguments
            return self.value(yes if truthy(self.value(condition)) else no)
        return _FUNCTIONS[call.name](*(self.value(part) for part in call.arguments))


class _Filtered(Items):
    """The outcome of `.*`: a further index is read from each element."""


def _read(target: Value, key: Value) -> Value:
    if isinstance(target, Fields):
        return target.lookup(to_text(key))
    if isinstance(target, Items):
        index = to_number(key)
        return target[int(index)] if index.is_integer() and 0 <= index < len(target) else None
    return None


def _contains_value(container: Value, wanted: Value) -> bool:
    if isinstance(container, Fields):
        return any(equal(part, wanted) for _, part in container)
    return isinstance(container, Items) and any(equal(part, wanted) for part in container)


def _coalesce(*values: Value) -> Value:
    return next((value for value in values if value is not None and value != ""), None)


def _format(pattern: Value, *arguments: Value) -> str:
    def fill(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] is None:
            raise ExpressionError("A lone brace in format(): write {{ or }} for the character itself.")
        if match[2]:
            raise ExpressionError(f"The format specifier {match[2]} of format() is not supported.")
        if int(match[1]) >= len(arguments):
            raise ExpressionError(f"format() has no argument {{{match[1]}}}; it was given {len(arguments)}.")
        return to_text(arguments[int(match[1])])

    return _HOLE.sub(fill, to_text(pattern))


def _join(separator: Value, values: Value) -> str:
    if not isinstance(values, Items):
        return to_text(values)
    return to_text(separator).join("" if isinstance(v, Items | Fields) else to_text(v) for v in values)


def _split(text: Value, separator: Value) -> Items:
    marks = to_text(separator)
    if not marks:
        raise ExpressionError("split() needs a separator that is not empty.")
    return Items(re.split("[" + re.escape(marks) + "]", to_text(text)))


def _length(value: Value) -> float:
    return float(len(value)) if isinstance(value, Items | Fields) else float(len(to_text(value)))


def _json(value: Value) -> str:
    if not isinstance(value, Items | Fields | None | bool | float | str):
        raise ExpressionError(f"A {kind(value)} has no JSON form.")
    return json.dumps(to_plain(value), indent=2, ensure_ascii=False)


def _folded(value: Value) -> str:
    return to_text(value).lower()


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "xor": lambda a, b: truthy(a) != truthy(b),
    "not": lambda a: not truthy(a),
    "eq": equal,
    "ne": lambda a, b: not equal(a, b),
    "lt": less,
    "ge": lambda a, b: not less(a, b),
    "gt": lambda a, b: not less(a, b) and not equal(a, b),
    "le": lambda a, b: less(a, b) or equal(a, b),
    "in": lambda a, *rest: any(equal(a, b) for b in rest),
    "notin": lambda a, *rest: not any(equal(a, b) for b in rest),
    "contains": lambda a, b: _folded(b) in _folded(a),
    "containsvalue": _contains_value,
    "startswith": lambda a, b: _folded(a).startswith(_folded(b)),
    "endswith": lambda a, b: _folded(a).endswith(_folded(b)),
    "coalesce": _coalesce,
    "format": _format,
    "join": _join,
    "split": _split,
    "replace": lambda text, old, new: to_text(text).replace(to_text(old), to_text(new)),
    "lower": lambda a: to_text(a).lower(),
    "upper": lambda a: to_text(a).upper(),
    "trim": lambda a: to_text(a).strip(),
    "length": _length,
    "converttojson": _json,
}
