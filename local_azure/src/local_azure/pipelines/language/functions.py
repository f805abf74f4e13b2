"""The functions of the expression language: names, numbers of arguments, and what each computes.

To add a function, add a line to `FUNCTIONS`; parser and evaluation read that table.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import NamedTuple

from local_azure.pipelines.language.limits import MOST_FILE_NODES, MOST_SEPARATORS, MOST_TEXT_CHARACTERS
from local_azure.pipelines.language.tree import Items, Value, to_plain
from local_azure.pipelines.language.values import (
    ExpressionError,
    elements,
    equal,
    less,
    to_text,
    truthy,
)

_HOLE = re.compile(r"\{\{|\}\}|\{([0-9]{1,4})\}|[{}]")
_ANY_NUMBER = sys.maxsize


def _computed_by_evaluation(*_: Value) -> Value:
    raise NotImplementedError("This function decides itself which of its arguments are evaluated.")


class Function(NamedTuple):
    """A function as documented: spelling, fewest and most arguments, and what computes it from their values."""

    name: str
    fewest: int
    most: int
    compute: Callable[..., Value] = _computed_by_evaluation


def _format(pattern: Value, *arguments: Value) -> str:
    def fill(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] is None:
            raise ExpressionError(
                f"'{match[0]}' is not supported in format(). A brace itself is written {{{{ or }}}}."
            )
        if int(match[1]) >= len(arguments):
            raise ExpressionError(f"format() has no argument {{{match[1]}}}; it was given {len(arguments)}.")
        text = to_text(arguments[int(match[1])])
        counted[0] += len(text)
        _check_length(counted[0])
        return text

    counted = [0]
    return _HOLE.sub(fill, to_text(pattern))


def _check_length(characters: int) -> None:
    """Raise ExpressionError for a text that would be too long, before it is made."""
    if characters > MOST_TEXT_CHARACTERS:
        raise ExpressionError(f"The text would be longer than {MOST_TEXT_CHARACTERS} characters. Make it shorter.")


def _replace(value: Value, old: Value, new: Value) -> str:
    text, before, after = to_text(value), to_text(old), to_text(new)
    _check_length(len(text) + text.count(before) * max(0, len(after) - len(before)))
    return text.replace(before, after)


def _json(value: Value) -> str:
    text = json.dumps(to_plain(value), indent=2, ensure_ascii=False)
    _check_length(len(text))
    return text


def _lower(value: Value) -> str:
    return to_text(value).lower()


def _coalesce(*values: Value) -> Value:
    return next((value for value in values if value is not None and value != ""), None)


def _join(separator: Value, value: Value) -> str:
    if not isinstance(value, Items):
        return to_text(value)
    parts, between = [to_text(part) for part in value], to_text(separator)
    _check_length(sum(map(len, parts)) + len(between) * len(parts))
    return between.join(parts)


def _split(text: Value, separators: Value) -> Items:
    # Each character separates; a NUL, which no text holds, where none is given.
    characters, whole = to_text(separators) or "\0", to_text(text)
    if len(characters) > MOST_SEPARATORS:
        raise ExpressionError(f"split() takes {MOST_SEPARATORS} separators, not {len(characters)}.")
    if sum(map(whole.count, set(characters))) > MOST_FILE_NODES:
        raise ExpressionError(f"split() makes more than {MOST_FILE_NODES} parts. Make the text shorter.")
    return Items(re.split(f"[{re.escape(characters)}]", whole))


def _length(value: Value) -> float:
    return float(len(value)) if isinstance(value, list) else float(len(to_text(value)))


def _by_lower_name(*functions: Function) -> dict[str, Function]:
    return {function.name.lower(): function for function in functions}


FUNCTIONS = _by_lower_name(
    Function("and", 2, _ANY_NUMBER),
    Function("or", 2, _ANY_NUMBER),
    Function("xor", 2, 2, lambda a, b: truthy(a) != truthy(b)),
    Function("not", 1, 1, lambda a: not truthy(a)),
    Function("eq", 2, 2, equal),
    Function("ne", 2, 2, lambda a, b: not equal(a, b)),
    Function("lt", 2, 2, less),
    Function("le", 2, 2, lambda a, b: less(a, b) or equal(a, b)),
    Function("gt", 2, 2, lambda a, b: not less(a, b) and not equal(a, b)),
    Function("ge", 2, 2, lambda a, b: not less(a, b)),
    Function("in", 2, _ANY_NUMBER, lambda a, *rest: any(equal(a, b) for b in rest)),
    Function("notIn", 2, _ANY_NUMBER, lambda a, *rest: not any(equal(a, b) for b in rest)),
    Function("contains", 2, 2, lambda a, b: _lower(b) in _lower(a)),
    Function("containsValue", 2, 2, lambda container, a: any(equal(part, a) for part in elements(container))),
    Function("startsWith", 2, 2, lambda a, b: _lower(a).startswith(_lower(b))),
    Function("endsWith", 2, 2, lambda a, b: _lower(a).endswith(_lower(b))),
    Function("coalesce", 2, _ANY_NUMBER, _coalesce),
    Function("iif", 3, 3),
    Function("format", 1, _ANY_NUMBER, _format),
    Function("join", 2, 2, _join),
    Function("split", 2, 2, _split),
    Function("replace", 3, 3, _replace),
    Function("lower", 1, 1, _lower),
    Function("upper", 1, 1, lambda a: to_text(a).upper()),
    Function("trim", 1, 1, lambda a: to_text(a).strip()),
    Function("length", 1, 1, _length),
    Function("convertToJson", 1, 1, _json),
)
# Legal in conditions only; the caller of `evaluate` answers them.
STATUS_FUNCTIONS = _by_lower_name(
    Function("succeeded", 0, _ANY_NUMBER),
    Function("failed", 0, _ANY_NUMBER),
    Function("succeededOrFailed", 0, _ANY_NUMBER),
    Function("always", 0, 0),
    Function("canceled", 0, 0),
)
