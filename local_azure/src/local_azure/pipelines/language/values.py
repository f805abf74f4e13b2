"""Conversions and comparisons of the values of expressions, as the service defines them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from local_azure.pipelines.language.limits import MOST_DIGITS
from local_azure.pipelines.language.tree import Fields, Items, Value, Version, nearest, shortened

_NUMBER = re.compile(r"[-+]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]++)?\Z")
_HEXADECIMAL = re.compile(r"0[xX][0-9A-Fa-f]++\Z")
_VERSION = re.compile(r"[0-9]++(?:\.[0-9]++){1,3}+\Z")
_KINDS = {
    bool: "boolean",
    float: "number",
    str: "string",
    Version: "version",
    Items: "list",
    Fields: "mapping",
    type(None): "null",
}


class ExpressionError(Exception):
    """An expression cannot be parsed or evaluated; the text says why and what to do."""

    def __init__(self, text: str) -> None:
        super().__init__(shortened(text))


def unknown_name(message: str, name: str, legal: Iterable[str]) -> ExpressionError:
    """Return the error about a name, with the most similar legal one."""
    return ExpressionError(f"{message} {nearest(name, legal)}")


def kind(value: Value) -> str:
    """Return the service's name of a value's type."""
    return next(name for cls, name in _KINDS.items() if isinstance(value, cls))


def to_text(value: Value) -> str:
    """Return the value as text; raises ExpressionError for lists and mappings, which have none."""
    if isinstance(value, Items | Fields):
        raise ExpressionError(f"A {kind(value)} cannot be written as text; convertToJson() can.")
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def truthy(value: Value) -> bool:
    """Return the value as a boolean: null, false, 0 and the empty text are false."""
    return isinstance(value, Items | Fields) or bool(value)


def to_number(value: Value) -> float:
    """Return the value as a number; raises ExpressionError."""
    text = value.strip() if isinstance(value, str) else ""
    if len(text) <= MOST_DIGITS and _NUMBER.match(text):
        return float(text)
    if len(text) <= MOST_DIGITS and _HEXADECIMAL.match(text):
        return float(int(text, 16))
    if text or isinstance(value, Version | Items | Fields):
        raise ExpressionError(f"'{text[:MOST_DIGITS] or kind(value)}' is not a number.")
    return float(value or 0)


def _converted_to_left(left: Value, right: Value) -> tuple[Any, Any]:
    """Convert the right side to the type of the left and return both; raises ExpressionError."""
    if isinstance(left, bool):
        return left, truthy(right)
    if isinstance(left, float):
        return left, to_number(right)
    if isinstance(left, str):
        return left.lower(), to_text(right).lower()
    if isinstance(left, Version) and len(to_text(right)) <= MOST_DIGITS and _VERSION.match(to_text(right)):
        return left, Version(map(int, to_text(right).split(".")))
    raise ExpressionError(f"A {kind(left)} cannot be compared with a {kind(right)}.")


def equal(left: Value, right: Value) -> bool:
    """Compare as `eq` does: the right side as the type of the left, false where that fails. Text ignores case."""
    if left is None:
        return right is None or right == ""
    try:
        one, other = _converted_to_left(left, right)
    except ExpressionError:
        return left is right
    return bool(one == other)


def less(left: Value, right: Value) -> bool:
    """Compare as `lt` does: the right side is converted to the type of the left; raises ExpressionError."""
    one, other = _converted_to_left(left, right)
    return bool(one < other)


def elements(container: Value) -> list[Value]:
    """Return the values of a list or mapping; none of anything else."""
    if isinstance(container, Fields):
        return [part for _, part in container]
    return list(container) if isinstance(container, Items) else []
