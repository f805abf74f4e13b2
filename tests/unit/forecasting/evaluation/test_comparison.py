"""From forecasts of the same windows to what the rules look at: segments, bootstrap."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from forecasting.evaluation.comparison import Side, compare
from tests.unit.forecasting.decision.gate_cases import EARLIER, POLICY, outcome, windows_of


def test_segments_are_weekday_week_ahead_activity_and_group() -> None:
    actuals, ours, theirs, setting = windows_of(2, 12)
    found = compare(actuals, challenger=ours, champion=theirs, simple={}, setting=setting, policy=POLICY).segments
    points = {(part.kind, part.name): part.points for part in found}
    assert points[("weekday", "Mon")] == 12 * 8 * 4
    assert points[("ahead", "4")] == 12 * 8 * 7
    assert points[("activity", "dense")] == 12 * 8 * 28
    assert points[("kind", "S")] == points[("kind", "P")] == 6 * 8 * 28
    alone = windows_of(2, 1)
    few = compare(
        alone[0], challenger=alone[1], champion=alone[2], simple={}, setting=alone[3], policy=POLICY
    ).segments
    assert {part.kind for part in few} == {"weekday", "ahead"}
    assert max(part.points for part in few) < POLICY.guards.segment_points


@pytest.mark.parametrize("day", range(7))
def test_a_weekday_is_the_calendars(day: int) -> None:
    """One series that is wrong on one weekday alone is wrong in the segment of that name alone."""
    actuals, _, theirs, setting = windows_of(6, 1)
    calendar = np.array(
        [[(date(1970, 1, 1) + timedelta(days=int(of))).weekday() for of in row] for row in setting.days]
    )
    ours = Side(actuals.values + 10.0 * (calendar == day))
    found = compare(actuals, challenger=ours, champion=theirs, simple={}, setting=setting, policy=POLICY).segments
    names = [f"{date(2024, 1, 1) + timedelta(days=number):%a}" for number in range(7)]  # a Monday
    assert [part.name for part in found if part.kind == "weekday" and part.challenger > 0] == [names[day]]


def test_the_bootstrap_asks_whether_the_gain_is_that_of_a_few_series() -> None:
    actuals, ours, _, setting = windows_of(3, 40)
    same = ours.predictions.copy()
    same[0] += 500  # one series makes the champion bad; the other 39 are equal
    found = compare(actuals, challenger=ours, champion=Side(same), simple={}, setting=setting, policy=POLICY)
    assert found.better == pytest.approx(1 - (39 / 40) ** 40, abs=0.05)
    assert outcome(found) == ("accepted", "margin"), "in most draws that series is among them"
    assert outcome(found, EARLIER) == ("kept", "significance")
    again = compare(actuals, challenger=ours, champion=Side(same), simple={}, setting=setting, policy=POLICY)
    assert again == found


@pytest.mark.parametrize(("origin", "expected"), [(0, 20.0), (1, 0.2)])
def test_a_forecast_is_measured_by_what_was_known_at_its_origin(origin: int, expected: float) -> None:
    """A peak that came later excuses no forecast before it, and a growing series may be forecast as it has become."""
    actuals, ours, theirs, setting = windows_of(7, 1)
    highest = np.where(np.arange(8) < 1, 100.0, 10_000.0)[None]
    ours.predictions[0, :, :] = 10.0
    ours.predictions[0, origin, 3] = 2000.0
    setting = replace(setting, highest=highest)
    found = compare(actuals, challenger=ours, champion=theirs, simple={}, setting=setting, policy=POLICY)
    assert found.largest == pytest.approx(expected)


@pytest.mark.parametrize(("series", "asked"), [(19, False), (20, True)])
def test_the_bootstrap_needs_enough_series(series: int, asked: bool) -> None:
    actuals, ours, theirs, setting = windows_of(4, series)
    found = compare(actuals, challenger=ours, champion=theirs, simple={}, setting=setting, policy=POLICY)
    assert ((found.better is None), (found.worse is None)) == (not asked, not asked)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_forecast_of_a_series_that_cannot_be_scored_must_be_finite_too(value: float) -> None:
    """A constant series is in no average, but it would be served."""
    actuals, ours, theirs, setting = windows_of(5, 3)
    actuals.scales[0] = 0
    ours.predictions[0, 3, 4] = value
    found = compare(actuals, challenger=ours, champion=theirs, simple={}, setting=setting, policy=POLICY)
    assert found.series == 2
    assert not found.challenger.not_finite()
    assert outcome(found) == ("failed", "nan")
