"""Evaluates parsed expressions, with the service's conversions and comparisons."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from local_azure.pipelines.language.grammar import (
    STATUS_FUNCTIONS,
    Expression,
    ExpressionError,
    Index,
    Literal,
    Name,
)
from local_azure.pipelines.language.tree import Fields, Items, Value, Version, to_plain

Status: TypeAlias = Callable[[str, tuple[str, ...]], bool]
_HOLE = re.compile(r"\{\{|\}\}|\{(\d+)(:[^}]*)?\}|[{}]")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\Z")
_VERSION = re.compile(r"\d+(?:\.\d+){1,3}\Z")


def evaluate(expression: Expression, contexts: Mapping[str, Value], status: Status | None = None) -> Value:
    """The value of an expression. `contexts` has names in lower case; `status` answers the status functions.

    Raises ExpressionError.
    """

    def value(part: Expression) -> Value:
        if isinstance(part, Literal):
            return part.value
        if isinstance(part, Index):
            return _read(value(part.target), None if part.key is None else (value(part.key),))
        return contexts.get(part.name) if isinstance(part, Name) else call(part.name, part.arguments)

    def call(name: str, arguments: tuple[Expression, ...]) -> Value:
        if name in STATUS_FUNCTIONS:
            return status is not None and status(name, tuple(to_text(value(part)) for part in arguments))
        if name in ("and", "or"):
            wanted = name == "or"
            return wanted if any(truthy(value(part)) == wanted for part in arguments) else not wanted
        if name == "iif":
            return value(arguments[1 if truthy(value(arguments[0])) else 2])
        return _FUNCTIONS[name](*map(value, arguments))

    return value(expression)


class _Filtered(Items):
    """The outcome of `.*`: a further index is read from each element."""


def _read(target: Value, key: tuple[Value] | None) -> Value:
    """What stands under a key; without a key all that stands there."""
    if key is None:
        values = [part for _, part in target] if isinstance(target, Fields) else target
        return _Filtered(values if isinstance(values, list) else [])
    if isinstance(target, _Filtered):
        return _Filtered(found for one in target if (found := _read(one, key)) is not None)
    if isinstance(target, Fields):
        return target.lookup(to_text(key[0]))
    if isinstance(target, Items):
        position = to_number(key[0])
        return target[int(position)] if position.is_integer() and 0 <= position < len(target) else None
    return None


def kind(value: Value) -> str:
    """The service's name of a value's type."""
    names = ((bool, "boolean"), (float, "number"), (str, "string"), (Version, "version"), (Items, "list"))
    found = next((name for cls, name in names if isinstance(value, cls)), "mapping")
    return "null" if value is None else found


def to_text(value: Value) -> str:
    """As text; lists and mappings have none. Raises ExpressionError."""
    if isinstance(value, Items | Fields):
        raise ExpressionError(f"A {kind(value)} cannot be written as text; convertToJson() can.")
    if isinstance(value, float) and not isinstance(value, bool):
        return str(int(value)) if value.is_integer() else repr(value)
    return "" if value is None else str(value)


def truthy(value: Value) -> bool:
    """As a boolean: null, false, 0 and the empty text are false."""
    return isinstance(value, Items | Fields) or bool(value)


def to_number(value: Value) -> float:
    """As a number; raises ExpressionError."""
    text = value.strip() if isinstance(value, str) else ""
    if _NUMBER.match(text):
        return float(text)
    if text.lower().startswith("0x"):
        return float(int(text, 16))
    if text or isinstance(value, Version | Items | Fields):
        raise ExpressionError(f"'{text or kind(value)}' is no number.")
    return float(value or 0)


def _alike(left: Value, right: Value) -> tuple[Any, Any]:
    """Both sides in a form that compares, by the type of the left; raises ExpressionError."""
    if isinstance(left, bool):
        return left, truthy(right)
    if isinstance(left, float):
        return left, to_number(right)
    if isinstance(left, str):
        return left.lower(), to_text(right).lower()
    if isinstance(left, Version) and _VERSION.match(to_text(right)):
        return left, Version(map(int, to_text(right).split(".")))
    raise ExpressionError(f"A {kind(left)} cannot be compared with a {kind(right)}.")


def equal(left: Value, right: Value) -> bool:
    """`eq`: the right side is converted to the type of the left; false where that fails. Text ignores case."""
    if left is None:
        return right is None or right == ""
    try:
        one, other = _alike(left, right)
    except ExpressionError:
        return left is right
    return bool(one == other)


def _less(left: Value, right: Value) -> bool:
    one, other = _alike(left, right)
    return bool(one < other)


def _contains_value(container: Value, wanted: Value) -> bool:
    values = [part for _, part in container] if isinstance(container, Fields) else container
    return isinstance(values, list) and any(equal(part, wanted) for part in values)


def _format(pattern: Value, *arguments: Value) -> str:
    def fill(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] is None or match[2]:
            raise ExpressionError(
                f"'{match[0]}' is not supported in format(). A brace itself is written {{{{ or }}}}."
            )
        if int(match[1]) >= len(arguments):
            raise ExpressionError(f"format() has no argument {{{match[1]}}}; it was given {len(arguments)}.")
        return to_text(arguments[int(match[1])])

    return _HOLE.sub(fill, to_text(pattern))


def _folded(value: Value) -> str:
    return to_text(value).lower()


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "xor": lambda a, b: truthy(a) != truthy(b),
    "not": lambda a: not truthy(a),
    "eq": equal,
    "ne": lambda a, b: not equal(a, b),
    "lt": _less,
    "ge": lambda a, b: not _less(a, b),
    "gt": lambda a, b: not _less(a, b) and not equal(a, b),
    "le": lambda a, b: _less(a, b) or equal(a, b),
    "in": lambda a, *rest: any(equal(a, b) for b in rest),
    "notin": lambda a, *rest: not any(equal(a, b) for b in rest),
    "contains": lambda a, b: _folded(b) in _folded(a),
    "containsvalue": _contains_value,
    "startswith": lambda a, b: _folded(a).startswith(_folded(b)),
    "endswith": lambda a, b: _folded(a).endswith(_folded(b)),
    "coalesce": lambda *values: next((value for value in values if value is not None and value != ""), None),
    "format": _format,
    "join": lambda mark, a: to_text(mark).join(map(to_text, a)) if isinstance(a, Items) else to_text(a),
    "split": lambda text, marks: Items(re.split(f"[{re.escape(to_text(marks) or chr(0))}]", to_text(text))),
    "replace": lambda text, old, new: to_text(text).replace(to_text(old), to_text(new)),
    "lower": _folded,
    "upper": lambda a: to_text(a).upper(),
    "trim": lambda a: to_text(a).strip(),
    "length": lambda a: float(len(a if isinstance(a, Items | Fields) else to_text(a))),
    "converttojson": lambda a: json.dumps(to_plain(a), indent=2, ensure_ascii=False),
}
