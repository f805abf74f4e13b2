"""JSON that means two things, or no number, is refused."""

from __future__ import annotations

import re

import pytest

from forecasting.json_text import strict_json
from tests.processor_time import least_seconds


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', "[1]", "1", '{"a": 1e999}', "{", '{"a": -Infinity}'])
def test_json_that_means_two_things_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        strict_json(text.encode())


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ('{"a": 1, "b": 2, "c": {}, "b": 3}', "b", (1, 1)),
        ('{"a": {"b": 1},\n "b": "b\\\\",\n "c": [{"b": 1}],\n\n "b"\n: 3}', "b", (2, 5)),
        ('{\n"c": {\n"b}\\"": 1,\n"x": {"b}": 1},\n"\\u0062}\\"": 2}}', 'b}"', (3, 5)),
        ('{"a": ["\\\\"],\r\n "a": 1}', "a", (1, 2)),
    ],
)
def test_a_key_that_occurs_twice_is_named_with_both_lines(text: str, key: str, lines: tuple[int, int]) -> None:
    message = f"the key {key!r} occurs twice, in line {lines[0]} and in line {lines[1]}; keep one of the two"
    with pytest.raises(ValueError, match=re.escape(message)):
        strict_json(text.encode())


def test_the_lines_of_a_long_document_are_found_in_linear_time() -> None:
    text = b'{"x": "' + b'\\"' * 500_000 + b'",\n"y": ' + b'["{"]' + b',\n"a": 1,\n"a": 2}'

    def refuse() -> None:
        with pytest.raises(ValueError, match="in line 3 and in line 4"):
            strict_json(text)

    assert least_seconds(refuse, 4) < 4
