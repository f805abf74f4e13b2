"""JSON as this package reads and writes it: one text for one document, and no document that is ambiguous."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

MAX_NUMBERS = 8_000_000  # values of one document, by its commas; a ridge for 20,000 series has 1.5 million
MAX_CONTAINERS = 1_000_000  # lists and mappings
MAX_KEYS = 1_000_000  # counted by its colons
_LONGEST_KEY = 80  # characters of a key that a message shows
LONGEST_REASON = 500  # characters of the message about a refused document
# What is needed of JSON that has been read: texts, as keys with their colon; mappings; ends of lines. A text that is
# not closed goes to the end, so that no character is looked at twice.
_MARK = re.compile(r'(?P<text>"(?:[^"\\]|\\.)*+"?)(?P<colon>\s*+:)?|[{}\n]', re.DOTALL)

# What reading raises for a document that was not written here: other types, numbers too large for a float, depth.
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)


def to_json(document: Mapping[str, Any]) -> bytes:
    """Write a document in its one canonical form: sorted keys, no NaN, a newline at the end."""
    return (json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def hash_of(document: Mapping[str, Any]) -> str:
    """Hash a document's meaning: compact JSON with sorted keys, independent of how a file lays it out."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def strict_json(content: bytes) -> dict[str, Any]:
    """Read one JSON object in UTF-8.

    Raises: ValueError (too many values, no object, NaN or infinity, a key that occurs twice), RecursionError (depth).
    """
    demand_few(content)
    text = content.decode("utf-8")
    try:
        document = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except _DuplicateKeyError:
        raise _named_with_lines(text) from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def demand_few(content: bytes) -> None:
    """Count before parsing: parsed, a list of two bytes takes eighty, so a document may hold only so many.

    Marks inside texts count as well. Raises: ValueError.
    """
    counts = (
        ("lists and mappings", content.count(b"[") + content.count(b"{"), MAX_CONTAINERS),
        ("values", content.count(b",") + 1, MAX_NUMBERS),
        ("keys", content.count(b":"), MAX_KEYS),
    )
    for what, found, most in counts:
        if found > most:
            raise ValueError(f"{found} {what}, expected at most {most}")


def reason(mistake: Exception) -> str:
    """What a mistake says, cut where it repeats a long document."""
    said = str(mistake)
    return said if len(said) <= LONGEST_REASON else f"{said[:LONGEST_REASON]}..."


class _DuplicateKeyError(ValueError):
    """A mapping has a key twice; the reader of JSON does not say where."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _DuplicateKeyError
    return document


def _named_with_lines(text: str) -> ValueError:
    """Return what to raise about the first key that occurs twice in a mapping."""
    line = 1
    lines: list[dict[str, int]] = []  # of the keys of each mapping that is open
    for mark in _MARK.finditer(text):
        if mark[0] == "{":
            lines.append({})
        elif mark[0] == "}":
            lines.pop()
        elif mark["colon"]:
            key = json.loads(mark["text"])
            if key in lines[-1]:
                where = f"in line {lines[-1][key]} and in line {line}; keep one of the two"
                return ValueError(f"the key {key[:_LONGEST_KEY]!r} occurs twice, {where}")
            lines[-1][key] = line
        line += mark[0].count("\n")
    return ValueError("a key occurs twice")


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a finite number")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number
