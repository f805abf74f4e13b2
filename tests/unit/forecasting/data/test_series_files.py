"""The series that steps hand to each other: written and read without losing a bit, refused where edited by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forecasting.data.series import Panel, facts_of, read_series, write_series
from forecasting.errors import ContractError


@pytest.mark.parametrize("size", ["one", "many"])
def test_the_series_travel_without_losing_a_bit(tmp_path: Path, panel: Panel, many: Panel, size: str) -> None:
    chosen = panel if size == "one" else Panel(many.first, many.values / 3, many.keys)
    facts = facts_of(chosen, "0" * 64, 889, "daily.csv")
    write_series(tmp_path, chosen, facts)
    again, found = read_series(tmp_path)
    assert (again.first, again.keys) == (chosen.first, chosen.keys)
    assert np.array_equal(again.values, chosen.values)
    assert found == facts


def test_many_series_edited_by_hand_are_refused(tmp_path: Path, many: Panel) -> None:
    write_series(tmp_path, many, facts_of(many, "0" * 64, 889, "daily.csv"))
    path = tmp_path / "series.csv"
    whole = path.read_text()
    for old, new, part in (
        ("S/700,", "S/700,1,", "unreadable"),
        ("P/701", "S/700", "occurs twice"),
        ("2013-08-02,", "2013-08-03,", "does not follow"),
        ("S/700,", "S/700,nan,", "unreadable"),
    ):
        path.write_text(whole.replace(old, new, 1))
        with pytest.raises(ContractError, match=part):
            read_series(tmp_path)
    path.write_text("\n".join(whole.splitlines()[:-1]) + "\n")
    with pytest.raises(ContractError, match="differ from"):
        read_series(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("2013-08-02,", "2013-08-03,", "does not follow"),
        ("date,value", "day,value", "unreadable"),
        ("2013-08-01,", "2013-08-01,nan\n2013-08-02,1\n2013-08-03,", "NaN or infinite"),
        ("2013-08-01,", "2013-08-01;", "unreadable"),
    ],
)
def test_a_series_edited_by_hand_is_refused(candidate: Path, old: str, new: str, part: str) -> None:
    path = candidate / "series.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ContractError, match=part):
        read_series(candidate)


@pytest.mark.parametrize(
    ("text", "part"),
    [('{"name": "a", "name": "b"}', "the key 'name' occurs twice"), ("{", "Expecting"), ("[]", "object")],
)
def test_facts_that_mean_two_things_or_nothing_are_refused(candidate: Path, text: str, part: str) -> None:
    (candidate / "facts.json").write_text(text)
    with pytest.raises(ContractError, match=part):
        read_series(candidate)
