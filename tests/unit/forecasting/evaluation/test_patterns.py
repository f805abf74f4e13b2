"""Which patterns a panel seems to have, and which of them no candidate can learn."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from forecasting.calendars import MONTHLY
from forecasting.data.series import Panel
from forecasting.evaluation.patterns import not_learned, patterns_in
from forecasting.models.catalog import make_recipe
from forecasting.models.recipe import Array

FIRST = date(2021, 1, 4)
DAYS = np.arange(800, dtype=np.float64)
WINDOW = make_recipe("window_mean", {"days": 56})
HOLT = make_recipe("holt_winters", {})
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0})
YEARLY = make_recipe("ridge_direct", {"alpha": 1.0, "year": 1.0})


def panel_of(common: Array) -> Panel:
    """Four series of different size with a common pattern and their own noise."""
    chance = np.random.default_rng(5)
    size = np.array([1.0, 10.0, 100.0, 1000.0])[:, None]
    values = size * (20 + common + chance.normal(size=(4, len(common))))
    return Panel(FIRST, values, tuple("abcd"))


def events() -> Array:
    common = np.zeros(800)
    common[[100, 300, 500, 650]] = 15.0
    return common


@pytest.mark.parametrize(
    ("common", "expected"),
    [
        (0 * DAYS, []),
        (DAYS / 100, ["trend"]),
        (3.0 * (DAYS % 7 == 0), ["season"]),
        (5 * np.sin(2 * np.pi * DAYS / 364), ["year"]),
        (events(), ["events"]),
    ],
    ids=["noise", "trend", "season", "year", "events"],
)
def test_a_pattern_is_seen_where_it_is(common: Array, expected: list[str]) -> None:
    found = patterns_in(panel_of(common), 7)
    assert sorted(found) == sorted(expected)


def test_what_speaks_for_a_pattern_is_said() -> None:
    found = patterns_in(panel_of(events()), 7)
    assert found["events"].startswith("4 days stand out, such as 2021-")
    assert "2021-04-14" in found["events"], "the hundredth day"


def test_months_have_no_year_but_their_season() -> None:
    months = np.arange(150, dtype=np.float64)
    common = 5 * np.sin(2 * np.pi * months / 12)
    panel = Panel(date(2000, 1, 1), 20 + common[None], ("a",), calendar=MONTHLY)
    assert list(patterns_in(panel, 12)) == ["season"]


@pytest.mark.parametrize("days", [1, 50, 83])
def test_a_short_or_constant_history_shows_nothing(days: int) -> None:
    assert patterns_in(Panel(FIRST, np.arange(days, dtype=np.float64)[None], ("a",)), 7) == {}
    assert patterns_in(Panel(FIRST, np.zeros((2, 200)), ("a", "b")), 7) == {}


def test_what_no_candidate_can_learn_is_said_with_who_could() -> None:
    found = {"trend": "t", "season": "s", "year": "y", "events": "e"}
    assert [hint.split(" (")[0] for hint in not_learned(found, [WINDOW], future=True)] == [
        "the data seems to have a trend",
        "the data seems to have a season",
        "the data seems to have a yearly pattern",
        "the data seems to have events",
    ]
    assert not_learned(found, [HOLT, YEARLY], future=True) == []
    (blind,) = not_learned(found, [HOLT, YEARLY], future=False)
    assert "where the section future names columns or holidays" in blind
    (year,) = not_learned(found, [HOLT, RIDGE], future=True)
    assert year.endswith(
        "can learn; ridge_direct, histgb_direct and exponential_smoothing can with year: true, and last_year"
    )
