"""JSON as RFC 8259 has it, and nothing beyond: what can be stored can be sent to every client again.

Python's own reader takes NaN, Infinity, numbers too large for any float, and halves of surrogate pairs; its writer
fails at some of them, when the document has long been stored.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

MAX_DEPTH = 100  # the SDK's deepest document, a graph with nested arguments, has 12
_SHOWN_KEY = 80  # characters
_SURROGATE = re.compile(rb"\\u[dD][89abABcdefCDEF]")
# Enough to find the lines of keys: texts, as keys with their colon; mappings; ends of lines. Linear: a text that is
# not closed goes to the end.
_MARK = re.compile(r'(?P<text>"(?:[^"\\]|\\.)*+"?)(?P<colon>\s*+:)?|[{}\n]', re.DOTALL)


class StrictJsonError(ValueError):
    """What was found in place of strict JSON."""


class _DuplicateKeyError(ValueError):
    """A mapping has a key twice; the reader of JSON does not say where."""


def parse(data: bytes | bytearray, constant: Callable[[str], Any] | None = None) -> Any:
    """The document in some bytes; raises ValueError with the reason.

    constant: what becomes of NaN, Infinity and -Infinity; refused without it.
    """
    try:
        text = data.decode("utf-8")
        document = json.loads(
            text, object_pairs_hook=_unique, parse_constant=constant or _refuse, parse_float=_finite
        )
    except UnicodeDecodeError as error:
        raise StrictJsonError(f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise _too_deep() from error
    except _DuplicateKeyError:
        raise _named_with_lines(text) from None
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH:
        _refuse_depth(document)
    if _SURROGATE.search(data):
        _refuse_surrogates(document)
    return document


def text(document: object) -> str:
    """The text of a document, as it is stored; raises ValueError for what no client could read."""
    written = json.dumps(document, allow_nan=False)
    if "\\ud" in written:
        _refuse_surrogates(document)
    return written


def readable(document: Any) -> Any:
    """A copy that can be written: numbers that JSON does not have as null, halves of surrogate pairs as "?"."""
    if isinstance(document, dict):
        return {_whole(key): readable(value) for key, value in document.items()}
    if isinstance(document, list):
        return [readable(value) for value in document]
    if isinstance(document, float) and not math.isfinite(document):
        return None
    return _whole(document) if isinstance(document, str) else document


def _whole(word: str) -> str:
    return word.encode("utf-8", "replace").decode("utf-8")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _DuplicateKeyError
    return document


def _named_with_lines(text: str) -> StrictJsonError:
    """What to raise about the first key that occurs twice in a mapping; up to its end the text is JSON."""
    line = 1
    open_mappings: list[dict[str, int]] = []  # keys and their lines
    for mark in _MARK.finditer(text):
        if mark[0] == "{":
            open_mappings.append({})
        elif mark[0] == "}":
            open_mappings.pop()
        elif mark["colon"]:
            key, keys = json.loads(mark["text"]), open_mappings[-1]
            if key in keys:
                where = f"in line {keys[key]} and in line {line}; keep one of the two"
                return StrictJsonError(f"the key {key[:_SHOWN_KEY]!r} occurs twice, {where}")
            keys[key] = line
        line += mark[0].count("\n")
    return StrictJsonError("a key occurs twice")


def _refuse(word: str) -> Any:
    raise StrictJsonError(f"{word} is not a number in JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise StrictJsonError(f"{digits[:40]} is larger than any number that can be kept")
    return number


def _too_deep() -> StrictJsonError:
    return StrictJsonError(f"it is nested more than {MAX_DEPTH} levels deep")


def _refuse_depth(document: object) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _inside(outer)]
        if not level:
            return
    raise _too_deep()


def _inside(container: Any) -> list[Any]:
    values = container.values() if isinstance(container, dict) else container
    return [value for value in values if isinstance(value, dict | list)]


def _refuse_surrogates(document: object) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise StrictJsonError("a text holds half of a surrogate pair, which is not a character") from error
