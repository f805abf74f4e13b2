"""Columns that are known in advance: what recipes learn from them, what they need, what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecasting.errors import ModelFileError
from forecasting.known import Column, Holidays, Known
from forecasting.models.catalog import fit, forecast, make_recipe, update
from forecasting.models.model_file import read_model, write_model
from forecasting.models.recipe import Array, History, Recipe

RIDGE = make_recipe("ridge_direct", {"alpha": 1.0})
SCALED = make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0})
FIRST, DAYS, HORIZON = date(2022, 1, 3), 400, 28
WEEK = np.array([0.0, 5.0, 8.0, 3.0, 20.0, 35.0, 10.0])


def promoted(effect: float, *, series: int = 1, multiplied: bool = False) -> tuple[History, Array, Array]:
    """A history, the values of the days after it, and the forecasts of a regression that knows the formula."""
    chance = np.random.default_rng(11)
    days = np.arange(DAYS + HORIZON)
    promotion = (chance.random((series, len(days))) < 0.15).astype(np.float64)
    level = np.geomspace(100, 1000, series)[:, None]
    size = level / 100
    usual = level + size * WEEK[days % 7]
    mean = usual * (1 + effect / 100 * promotion) if multiplied else usual + effect * size * promotion
    values = mean + size * chance.normal(scale=8, size=mean.shape)
    known = Known((Column("Promotion"),), promotion[:, :, None], DAYS)
    history = History(values[:, :DAYS], FIRST + timedelta(days=DAYS - 1), 7, HORIZON, known=known)
    return history, values[:, DAYS:], mean[:, DAYS:]


def error(made: Array, actual: Array) -> float:
    return float(np.abs(made - actual).mean())


@pytest.mark.parametrize("multiplied", [False, True], ids=["added", "multiplied"])
@pytest.mark.parametrize(("recipe", "series"), [(RIDGE, 1), (SCALED, 10)], ids=["one", "many"])
def test_a_promotion_is_forecast_nearly_as_well_as_by_its_formula(
    recipe: Recipe, series: int, multiplied: bool
) -> None:
    history, actual, formula = promoted(100, series=series, multiplied=multiplied)
    blind = forecast(fit(recipe, replace(history, known=None)), HORIZON)
    made = forecast(fit(recipe, history), HORIZON)
    assert error(made, actual) < 1.2 * error(formula, actual)
    assert error(blind, actual) > 2 * error(formula, actual)


def test_a_category_is_learned_whatever_the_order_of_its_names() -> None:
    history, _, _ = promoted(100)
    assert history.known is not None
    promotion = history.known.values
    forecasts = []
    for names, values in ((("no", "yes"), promotion), (("yes", "no"), 1 - promotion)):
        known = replace(history.known, columns=(Column("Promotion", names),), values=values)
        forecasts.append(forecast(fit(RIDGE, replace(history, known=known)), HORIZON))
    numbers = forecast(fit(RIDGE, history), HORIZON)
    assert forecasts[0] == pytest.approx(forecasts[1])
    assert forecasts[0] == pytest.approx(numbers, rel=0.05)


def test_holidays_are_learned() -> None:
    days = np.arange(DAYS + HORIZON)
    closed = tuple(FIRST + timedelta(days=day) for day in (*range(20, DAYS, 37), DAYS + 5))
    values = 100 + WEEK[days % 7]
    values[[(day - FIRST).days for day in closed]] = 0.0
    holidays = Holidays("XX", FIRST - timedelta(days=1), FIRST + timedelta(days=DAYS + HORIZON), closed)
    known = Known((), np.zeros((1, DAYS + HORIZON, 0)), DAYS, holidays)
    history = History(values[None, :DAYS], FIRST + timedelta(days=DAYS - 1), 7, HORIZON, known=known)
    made = forecast(fit(RIDGE, history), HORIZON)[0]
    assert made[5] < 20
    assert np.delete(made, 5).min() > 90


def test_the_flags_of_a_holiday_are_the_day_the_one_before_and_the_one_after() -> None:
    holidays = Holidays("XX", date(2023, 12, 1), date(2024, 1, 31), (date(2023, 12, 25),))
    days = [date(2023, 12, 23) + timedelta(days=place) for place in range(5)]
    assert holidays.flags(days) == [[0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]
    with pytest.raises(ValueError, match="the holidays of 2024-02-01 are not known, only those from 2023-12-01"):
        holidays.flags([date(2024, 1, 31)])


def test_a_day_whose_columns_are_not_known_is_not_forecast() -> None:
    history, _, _ = promoted(100)
    model = fit(RIDGE, history)
    with pytest.raises(ValueError, match="Promotion is known for 28 days ahead, expected 29"):
        forecast(model, HORIZON + 1)
    assert model.known is not None
    assert (model.known.past, model.known.ahead) == (56, HORIZON)


def test_a_model_takes_another_history_with_its_columns() -> None:
    history, _, _ = promoted(100)
    model, later = fit(RIDGE, history.until(380)), update(fit(RIDGE, history.until(380)), history)
    assert forecast(later, HORIZON).shape == (1, HORIZON)
    assert not np.array_equal(forecast(later, HORIZON), forecast(model, HORIZON))


@pytest.mark.parametrize("columns", [True, False], ids=["columns and holidays", "holidays alone"])
def test_a_model_file_carries_what_scoring_needs(tmp_path: Path, columns: bool) -> None:
    history, _, _ = promoted(100, series=2)
    assert history.known is not None
    days = (FIRST, FIRST + timedelta(days=450))
    holidays = Holidays("XX", FIRST - timedelta(days=1), FIRST + timedelta(days=900), days)
    known = replace(history.known, holidays=holidays)
    if not columns:
        known = replace(known, columns=(), values=known.values[:, :, :0])
    model = fit(SCALED, replace(history, known=known), ("a", "b"))
    write_model(tmp_path, model, "shop", HORIZON, {})
    found = read_model(tmp_path).model
    assert np.array_equal(forecast(found, HORIZON), forecast(model, HORIZON))
    assert found.known is not None
    assert model.known is not None
    assert found.known.columns == model.known.columns
    assert found.known.holidays == holidays


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda known: known.update(past=57), "shape"),
        (lambda known: known["values"][0].__setitem__(0, [1e99]), "number up to 1e"),
        (lambda known: known["columns"][0].update(categories=["yes"]), "category that does not exist"),
        (lambda known: known["columns"].append(known["columns"][0]), "shape"),
        (lambda known: known.update(columns=[{"name": "", "categories": []}]), "texts"),
        (lambda known: known.pop("holidays"), "holidays"),
        (lambda known: known.update(columns=[], values=None), "expected 14"),
    ],
)
def test_a_model_file_with_other_columns_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], part: str
) -> None:
    write_model(tmp_path, fit(RIDGE, promoted(100)[0]), "shop", HORIZON, {})
    document = json.loads((tmp_path / "model.json").read_text())
    change(document["known"])
    content = json.dumps(document).encode()
    (tmp_path / "model.json").write_bytes(content)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["model_sha256"] = hashlib.sha256(content).hexdigest()
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelFileError, match=part):
        read_model(tmp_path)
