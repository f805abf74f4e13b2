"""Conversions and comparisons of the expression language, as documented for the service."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from local_azure.pipelines.tree import Fields, Items, Value, Version

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\Z")
_VERSION = re.compile(r"\d+(?:\.\d+){1,3}\Z")


_Comparable: TypeAlias = Any


class ConversionError(Exception):
    """A value cannot be taken as the type that is needed."""


def kind(value: Value) -> str:
    """The service's name of a value's type."""
    if value is None:
        return "null"
    names = ((bool, "boolean"), (float, "number"), (str, "string"), (Version, "version"), (Items, "list"))
    return next((name for cls, name in names if isinstance(value, cls)), "mapping")


def number_text(value: float) -> str:
    """A number as the service prints it: no trailing zeros."""
    return str(int(value)) if value.is_integer() else repr(value)


def to_text(value: Value) -> str:
    """As text; lists and mappings have none. Raises ConversionError."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, str | Version):
        return str(value)
    raise ConversionError(f"a {kind(value)} cannot be written as text; convertToJson() can")


def truthy(value: Value) -> bool:
    """As a boolean: null, false, 0 and the empty text are false."""
    if isinstance(value, Version | Items | Fields):
        return True
    return bool(value)


def to_number(value: Value) -> float:
    """As a number; raises ConversionError."""
    if value is None:
        return 0.0
    if isinstance(value, bool | float):
        return float(value)
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return 0.0
        if text.lower().startswith("0x"):
            try:
                return float(int(text, 16))
            except ValueError:
                pass
        if _NUMBER.match(text):
            return float(text)
    raise ConversionError(f"{_shown(value)} is no number")


def to_version(value: Value) -> Version:
    """As a version; raises ConversionError."""
    if isinstance(value, Version):
        return value
    text = str(value) if isinstance(value, str | float) and not isinstance(value, bool) else ""
    if _VERSION.match(text):
        return Version(tuple(int(part) for part in text.split(".")))
    raise ConversionError(f"{_shown(value)} is no version")


def _shown(value: Value) -> str:
    return f"'{value}'" if isinstance(value, str) else f"a {kind(value)}"


def equal(left: Value, right: Value) -> bool:
    """`eq`: the right side is converted to the type of the left; false where that fails. Text ignores case."""
    if left is None:
        return right is None or right == ""
    if isinstance(left, Items | Fields):
        return left is right
    try:
        one, other = _alike(left, right)
    except ConversionError:
        return False
    return bool(one == other)


def less(left: Value, right: Value) -> bool:
    """`lt`: as `equal`, but a failed conversion is an error (ConversionError)."""
    one, other = _alike(left, right)
    return bool(one < other)


def _alike(left: Value, right: Value) -> tuple[_Comparable, _Comparable]:
    """Both sides in a form that compares, by the type of the left."""
    if isinstance(left, bool):
        return (int(left),), (int(truthy(right)),)
    if isinstance(left, float):
        return (left,), (to_number(right),)
    if isinstance(left, str):
        return left.lower(), to_text(right).lower()
    if isinstance(left, Version):
        return left.parts, to_version(right).parts
    raise ConversionError(f"a {kind(left)} has no order")
