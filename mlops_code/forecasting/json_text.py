"""JSON as this package reads and writes it: one text for one document, and no document that is ambiguous."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

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
    """Read one JSON object. Raises: ValueError (no object, NaN or infinity, a key that occurs twice)."""
    document = json.loads(
        content, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite_float
    )
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key occurs twice")
    return document


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a finite number")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number
