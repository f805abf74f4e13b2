"""JSON that means two things, or no number, is refused."""

from __future__ import annotations

import pytest

from forecasting.json_text import strict_json


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', "[1]", "1", '{"a": 1e999}', "{", '{"a": -Infinity}'])
def test_json_that_means_two_things_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        strict_json(text.encode())


def test_a_key_that_occurs_twice_is_named() -> None:
    with pytest.raises(ValueError, match="a key occurs twice: 'b'"):
        strict_json(b'{"a": 1, "b": 2, "c": {}, "b": 3}')
