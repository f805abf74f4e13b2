"""Every recipe on every calendar: no look ahead, the model file, the service; daily files are as they were."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from forecasting.calendars import BUSINESS_DAYS, DAILY, MONTH_ENDS, MONTHLY, Calendar, calendar_of
from forecasting.errors import ModelFileError
from forecasting.models.catalog import days_needed, fit, fits, forecast, make_recipe, update
from forecasting.models.model_file import read_model, write_model
from forecasting.models.recipe import FittedModel, History, Recipe
from forecasting.serving.forecaster import Forecaster
from forecasting.serving.live_check import difference, questions
from forecasting.serving.questions import QuestionError

SUNDAYS = calendar_of("week-sunday")
CALENDARS = pytest.mark.parametrize("calendar", [BUSINESS_DAYS, SUNDAYS, MONTHLY, MONTH_ENDS], ids=str)
TREES = {"rounds": 5.0, "leaves": 4.0, "min_rows": 20.0, "rate": 0.1, "scaled": 1.0}
RECIPES = [
    make_recipe("seasonal_naive", {}),
    make_recipe("season_mean", {"seasons": 2}),
    make_recipe("window_mean", {"steps": 6}),
    make_recipe("last_year", {}),
    make_recipe("exponential_smoothing", {}),
    make_recipe("holt_winters", {}),
    make_recipe("ridge_direct", {"alpha": 1.0}),
    make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0}),
    make_recipe("histgb_direct", TREES),
    make_recipe("mean_of", {}, [make_recipe("window_mean", {"steps": 6}), make_recipe("holt_winters", {})]),
    make_recipe(
        "median_of",
        {},
        [make_recipe(name, {}) for name in ("seasonal_naive", "holt_winters", "exponential_smoothing")],
    ),
]
EACH = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.label)
HORIZON = 6


def history(calendar: Calendar) -> History:
    """Three series with a season, a trend and noise."""
    steps = np.arange(400 if calendar.part == "weekday" else 5 * calendar.season)
    level = np.array([[10.0], [200.0], [3000.0]])
    wave = 1 + 0.4 * np.sin(2 * np.pi * steps / calendar.season) + steps / 500
    values = level * wave * np.random.default_rng(3).uniform(0.8, 1.2, (3, len(steps)))
    cutoff = calendar.last_until(date(2024, 6, 30))
    return History(values, cutoff, calendar.season, HORIZON, calendar=calendar)


def fitted(recipe: Recipe, calendar: Calendar) -> FittedModel:
    return fit(recipe, history(calendar), ("a", "b", "c"))


@CALENDARS
@EACH
def test_what_comes_after_a_cutoff_changes_nothing(calendar: Calendar, recipe: Recipe) -> None:
    known = history(calendar)
    cutoffs = [known.days - 5, known.days - 2]
    other = known.values.copy()
    other[:, cutoffs[0] :] *= 7
    changed = History(other, known.cutoff, known.season, HORIZON, calendar=calendar)
    ours, theirs = (next(iter(fits(recipe, each, cutoffs))) for each in (known, changed))
    assert ours.cutoff == calendar.after(known.cutoff, -5)
    assert np.array_equal(forecast(ours, HORIZON), forecast(theirs, HORIZON))


@CALENDARS
@EACH
def test_a_model_file_keeps_the_calendar(tmp_path: Path, calendar: Calendar, recipe: Recipe) -> None:
    model = fitted(recipe, calendar)
    write_model(tmp_path, model, "shops", HORIZON, {})
    stored = read_model(tmp_path)
    assert (stored.model.calendar, stored.manifest["frequency"]) == (calendar, calendar.frequency)
    assert np.array_equal(forecast(stored.model, 20), forecast(model, 20))


def test_a_daily_model_says_nothing_of_a_frequency(tmp_path: Path) -> None:
    write_model(tmp_path, fitted(RECIPES[0], DAILY), "shops", HORIZON, {})
    assert "frequency" not in json.loads((tmp_path / "model.json").read_text())
    assert "frequency" not in read_model(tmp_path).manifest


def test_a_manifest_of_another_frequency_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path, fitted(RECIPES[0], MONTHLY), "shops", HORIZON, {})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "frequency": "week-sunday"}))
    with pytest.raises(ModelFileError, match="differ in frequency"):
        read_model(tmp_path)


@CALENDARS
def test_a_service_answers_with_the_dates_of_the_calendar(tmp_path: Path, calendar: Calendar) -> None:
    model = fitted(RECIPES[4], calendar)
    service = Forecaster(model)
    write_model(tmp_path, model, "shops", HORIZON, {})
    stored = read_model(tmp_path)
    identity = {"sha256": stored.sha256}
    for asked in questions(stored, HORIZON):
        answer = service.answer(service.read(asked))
        assert difference({**answer, "model": identity}, stored, asked) is None
    dates = [entry["date"] for entry in service.answer(service.read({"horizon": 3, "series": ["b"]}))["forecast"]]
    assert dates == [str(calendar.after(model.cutoff, ahead)) for ahead in (1, 2, 3)]


def test_dates_of_a_history_that_are_none_of_the_calendar_are_refused() -> None:
    service = Forecaster(fitted(make_recipe("window_mean", {"steps": 2}), MONTHLY))

    def ask(*days: str) -> None:
        line = [{"date": day, "value": 1} for day in days]
        service.read({"horizon": 1, "history": {"a": line}})

    ask("2024-01-01", "2024-02-01")
    with pytest.raises(QuestionError, match=r"a\[1\].date: expected 2024-02-01, the month after the one before"):
        ask("2024-01-01", "2024-03-01")
    with pytest.raises(QuestionError, match=r"a\[0\].date: expected the first day of a month YYYY-MM-DD"):
        ask("2024-01-31", "2024-02-29")
    with pytest.raises(QuestionError, match=r"a list of 2 to 1500 months, .* found '1 month'"):
        ask("2024-01-01")
    with pytest.raises(QuestionError, match="horizon: expected a whole number of months from 1 to 366"):
        service.read({"horizon": 0})


@EACH
def test_a_history_as_long_as_is_said_is_long_enough(recipe: Recipe) -> None:
    model, known = fitted(recipe, SUNDAYS), history(SUNDAYS)
    needed = days_needed(recipe, SUNDAYS.season, 0, SUNDAYS)
    start = known.values[:, -needed:]
    moved = update(model, History(start, known.cutoff, known.season, HORIZON, calendar=SUNDAYS))
    assert np.isfinite(forecast(moved, HORIZON)).all()
    short = History(start[:, 1:], known.cutoff, known.season, HORIZON, calendar=SUNDAYS)
    with pytest.raises(ValueError, match="of history, found"):
        update(model, short)
