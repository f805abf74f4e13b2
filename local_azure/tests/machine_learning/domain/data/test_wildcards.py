"""Wildcards of a dataset's path: what they fit, and in time that grows with pattern times path."""

from __future__ import annotations

import itertools
import re
import time

import pytest

from local_azure.machine_learning.domain.data.dataset_paths import Source, fits

STEPS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def as_expression(pattern: str) -> str:
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return "".join(STEPS.get(piece, re.escape(piece)) for piece in pieces)


@pytest.mark.parametrize("size", range(6))
def test_it_fits_what_the_expression_fits(size: int) -> None:
    """Every short pattern against every short path."""
    paths = ["".join(letters) for length in range(5) for letters in itertools.product("a/b", repeat=length)]
    for letters in itertools.product("a/*?", repeat=size):
        pattern = "".join(letters)
        expression = re.compile(as_expression(pattern))
        wrong = [path for path in paths if fits(pattern, path) != bool(expression.fullmatch(path))]
        assert not wrong, pattern


def test_many_wildcards_take_no_longer_than_few() -> None:
    started = time.perf_counter()
    assert not Source("d", "in/" + "*a" * 30 + "b").matches("in/" + "a" * 1000)
    assert not Source("d", "**/" * 30 + "b").matches("a/" * 500)
    assert time.perf_counter() - started < 3
