"""Problem files that are short and would fill a memory, or hold what cannot be: refused with a message, at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from forecasting.errors import UsageError
from forecasting.problem import yaml_text
from forecasting.problem.problem_file import Problem
from forecasting.problem.yaml_text import read_yaml

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))
BOMBS = {
    "size": ("series: " + "x" * yaml_text.MAX_BYTES, "more than 131072 bytes; shorten it"),
    "lists": ("a: " + "[" * 60_000, "more than 20 levels deep"),
    "mappings": ("a: " + "{a: " * 30_000, "more than 20 levels deep"),
    "dashes": ("- " * 60_000 + "x", "more than 20 levels deep"),
    "laughs": (LAUGHS, "more than 20 references"),
    "merges": (MERGES, "more than 20 references"),
    "digits": ("a: " + "9" * 100_000, "4300 digits"),
    "day": ("a: 2024-13-45", "month must be in 1..12"),
    "recursion": ("series: &a [*a]", "the section series is missing or is not a mapping"),
    "bytes": ("a: \x00", "not a readable YAML file"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    text, said = BOMBS[kind]
    (tmp_path / "p.yml").write_text(text)
    started = time.perf_counter()
    with pytest.raises(UsageError, match=said) as caught:
        _ = Problem(tmp_path / "p.yml").series
    assert time.perf_counter() - started < 5
    assert len(str(caught.value)) < 2_000


def test_a_number_that_nobody_can_write_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text(f"series: {{name: 0x{'f' * 10_000}}}")
    with pytest.raises(UsageError, match="found int of too many digits"):
        _ = Problem(tmp_path / "p.yml").series


DEEP = "[" * 5 + "]" * 5
CAPS = {"MAX_BYTES": (7, "a: 1234"), "MAX_DEPTH": (5, DEEP), "MAX_ALIASES": (2, "[&a x, *a, *a]")}


@pytest.mark.parametrize("cap", CAPS)
def test_at_a_cap_a_file_is_read_and_above_it_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cap: str
) -> None:
    most, text = CAPS[cap]
    (tmp_path / "p.yml").write_text(text)
    monkeypatch.setattr(yaml_text, cap, most)
    assert read_yaml(tmp_path / "p.yml") is not None
    monkeypatch.setattr(yaml_text, cap, most - 1)
    yaml_text._read_text.cache_clear()  # it remembers a text that was read, whatever the caps are now
    with pytest.raises(ValueError, match=f"more than {most - 1}"):
        read_yaml(tmp_path / "p.yml")


def test_who_changes_a_document_changes_nobody_elses(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("series: {name: a}")
    read_yaml(tmp_path / "p.yml")["series"]["name"] = "b"
    assert read_yaml(tmp_path / "p.yml") == {"series": {"name": "a"}}


TWICE = {
    "top": ("series: {}\n\nseries: {}\n", "series", 1, 3),
    "nested": ("gate:\n  tau: 1\n  step: 7\n  tau: 2\n", "tau", 2, 4),
    "in a list": ("a:\n- {x: 1,\n   x: 2}\n", "x", 2, 3),
    "quoted": ("a: 1\n'a': 2\n", "a", 1, 2),
    "of equal value": ("10: a\n0xA: b\n", "0xA", 1, 2),
    "merged inline": ("a:\n  <<: {x: 1, x: 2}\n", "x", 2, 2),
    "merge key": ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", "<<", 3, 4),
}


@pytest.mark.parametrize("kind", TWICE)
def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path: Path, kind: str) -> None:
    text, key, first, second = TWICE[kind]
    (tmp_path / "p.yml").write_text(text)
    with pytest.raises(UsageError) as caught:
        Problem(tmp_path / "p.yml")
    said = f"the key {key} is in line {first} and again in line {second}; keep one of the two"
    assert str(tmp_path / "p.yml") in str(caught.value)
    assert said in str(caught.value)


def test_a_key_that_overrides_a_merged_one_stands_once(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("a: &a {x: 1}\nb: {<<: *a, x: 2}\n")
    assert read_yaml(tmp_path / "p.yml")["b"] == {"x": 2}
