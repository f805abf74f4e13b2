"""JSON that means two things, or no number, is refused."""

from __future__ import annotations

import pytest

from forecasting.json_text import strict_json


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', "[1]", "1", '{"a": 1e999}', "{", '{"a": -Infinity}'])
def test_json_that_means_two_things_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        strict_json(text.encode())
