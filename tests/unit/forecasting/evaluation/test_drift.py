"""Drift statistics: each shift raises its own statistic, a stable history none; ended is not quiet."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.evaluation.drift import Drift, drift_of
from forecasting.models.recipe import Array

SERIES, DAYS, WINDOW = 60, 420, 28


def history(seed: int = 1) -> Array:
    chance = np.random.default_rng(seed)
    week = chance.uniform(0.5, 1.5, (SERIES, 7))[:, np.arange(DAYS) % 7]
    values: Array = np.maximum(100 * week * (1 + chance.normal(0, 0.2, (SERIES, DAYS))), 1.0)
    return values


def drifted(values: Array) -> Drift:
    """By the forecasts of the mean of eight weeks, at windows that end before the newest, and calibrated on them."""

    def errors(origin: int) -> Array:
        profile = values[:, origin - 56 : origin].reshape(SERIES, 8, 7).mean(axis=1)
        return np.asarray(np.abs(np.tile(profile, 4) - values[:, origin : origin + WINDOW]))

    by_origin = [errors(DAYS - WINDOW * back) for back in (6, 5, 4, 3, 2, 1)]
    widths = np.quantile(np.concatenate(by_origin[:-1], axis=1), 0.8, axis=1, keepdims=True)
    means = np.stack([error.mean(axis=1) for error in by_origin], axis=1)
    return drift_of(values, WINDOW, 7, means, (by_origin[-1] <= widths).mean(axis=1))


@pytest.mark.parametrize("seed", range(5))
def test_a_stable_history_raises_no_alarm(seed: int) -> None:
    assert drifted(history(seed)).alarms == ()


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(1.5, {"error", "level", "coverage"}), (0.5, {"error", "level", "coverage"}), (1.0, set())],
)
def test_a_level_that_moves_is_found_by_three_statistics(factor: float, expected: set[str]) -> None:
    values = history()
    values[:, -WINDOW:] *= factor
    assert set(drifted(values).alarms) == expected


def test_weekdays_that_move_leave_the_level_alone() -> None:
    values = history()
    values[:, -WINDOW:] = np.roll(values[:, -WINDOW:], 3, axis=1)
    found = drifted(values)
    assert "level" not in found.alarms
    assert {"error", "coverage"} <= set(found.alarms)


def test_a_share_of_the_series_raises_the_alarm_and_one_does_not() -> None:
    values = history()
    values[0, -WINDOW:] *= 3
    one = drifted(values)
    assert one.flags["level"].tolist() == [True] + [False] * (SERIES - 1)
    assert one.alarms == ()
    values[:20, -WINDOW:] *= 3
    assert "level" in drifted(values).alarms
    assert drifted(values).shares["level"] == pytest.approx(1 / 3)


def test_an_ended_series_is_told_from_one_that_is_often_silent() -> None:
    values = np.ones((4, 140))
    values[0, 110:] = 0  # 30 days of silence, never any before
    values[1, :] = 0
    values[1, ::20] = 1  # always 19 days between two sales, 19 since the last one
    values[2, :] = 0  # never began
    values[3, 128:] = 0  # 12 days: less than half of the window
    errors = np.ones((4, 3))
    assert drift_of(values, WINDOW, 7, errors, None).ended.tolist() == [True, False, False, False]


def test_what_cannot_be_said_stands_out_nowhere() -> None:
    short = np.ones((2, 35))
    found = drift_of(short, WINDOW, 7, np.ones((2, 1)), None)
    assert np.isnan(found.error_ratio).all()
    assert np.isnan(found.level_z).all()
    assert found.coverage is None
    assert found.shares == {"error": 0.0, "level": 0.0, "ended": 0.0}
    flat = drift_of(np.ones((2, 140)), WINDOW, 7, np.zeros((2, 3)), np.ones(2))
    assert flat.alarms == ()
