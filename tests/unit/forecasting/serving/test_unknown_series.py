"""A global recipe forecasts a series that it was not fitted on, from the history that the request gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from forecasting.data.series import Panel
from forecasting.evaluation.calibration import served_intervals
from forecasting.evaluation.metrics import scales_of
from forecasting.models.catalog import fit, forecast, make_recipe
from forecasting.models.recipe import History, Recipe
from forecasting.serving.forecaster import Forecaster
from forecasting.serving.questions import QuestionError

GLOBAL = [
    make_recipe("same_weekday_mean", {"weeks": 8}),
    make_recipe("window_mean", {"days": 56}),
    make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0}),
]
GLOBAL.append(make_recipe("mean_of", {}, GLOBAL[1:]))
HOLT_WINTERS = make_recipe("holt_winters", {})


def service(panel: Panel, recipe: Recipe) -> Forecaster:
    model = fit(recipe, History(panel.values, panel.last, 7, 28), panel.keys)
    scales, _ = scales_of(panel.values, (panel.days,), 7)
    return Forecaster(replace(model, intervals=served_intervals(((1.0,), (2.0,)), scales[:, 0])))


def history(panel: Panel, row: int, days: int) -> list[dict[str, Any]]:
    values = panel.values[row, -days:].tolist()
    first = panel.days - days
    return [{"date": str(panel.day(first + number)), "value": value} for number, value in enumerate(values)]


@pytest.mark.parametrize("recipe", GLOBAL, ids=lambda recipe: recipe.name)
def test_an_unknown_series_is_forecast_as_a_known_one_with_its_history(many: Panel, recipe: Recipe) -> None:
    asked = service(many, recipe)
    known, line = many.keys[7], history(many, 7, 100)
    both = asked.answer(asked.read({"horizon": 9, "history": {known: line, "new": line}}))["forecast"]
    values = {name: [entry["value"] for entry in both if entry["series"] == name] for name in (known, "new")}
    assert values["new"] == pytest.approx(values[known], rel=1e-12)
    alone = asked.answer(asked.read({"horizon": 9, "series": ["new"], "history": {"new": line}}))["forecast"]
    assert [entry["value"] for entry in alone] == pytest.approx(values["new"], rel=1e-12)
    recent = many.values[7, -100:]
    size = np.abs(recent[7:] - recent[:-7]).mean()
    low, high = alone[0]["intervals"]["0.8"]
    assert high - alone[0]["value"] == pytest.approx(size)
    assert low == pytest.approx(max(0.0, alone[0]["value"] - size))


def test_weights_of_an_unknown_series_come_from_its_history(many: Panel) -> None:
    smoothed = make_recipe("exponential_smoothing", {})
    recipe = make_recipe("median_of", {}, [make_recipe("seasonal_naive", {}), GLOBAL[0], smoothed])
    asked, known = service(many, recipe), many.keys[7]
    lines = {known: history(many, 7, 100), "new": history(many, 30, 100)}
    both = asked.answer(asked.read({"horizon": 9, "history": lines}))["forecast"]
    recent = History(many.values[[30], -100:], many.last, 7, 28)
    assert [entry["value"] for entry in both if entry["series"] == "new"] == forecast(fit(recipe, recent), 9)[
        0
    ].tolist()
    alone = asked.answer(asked.read({"horizon": 9, "history": {known: lines[known]}}))["forecast"]
    assert [entry for entry in both if entry["series"] == known] == alone


def test_a_series_without_history_must_be_one_of_the_model(many: Panel) -> None:
    asked = service(many, GLOBAL[0])
    with pytest.raises(QuestionError, match=r"series: expected .*, or of others with their history, found 'new'"):
        asked.read({"horizon": 1, "series": ["new"]})
    with pytest.raises(QuestionError, match="the history of each requested series"):
        asked.read({"horizon": 1, "series": [many.keys[0]], "history": {"new": history(many, 0, 60)}})
    with pytest.raises(QuestionError, match="history: expected names"):
        asked.read({"horizon": 1, "history": {"": history(many, 0, 60)}})


def test_a_recipe_with_parameters_of_each_series_knows_no_others(many: Panel, panel: Panel) -> None:
    for asked in (service(many, HOLT_WINTERS), service(panel, GLOBAL[0])):
        with pytest.raises(
            QuestionError, match=r"history: expected names of series of this model, such as .*, found 'new'"
        ):
            asked.read({"horizon": 1, "history": {"new": history(many, 0, 60)}})


def test_an_unknown_series_needs_more_than_a_season(many: Panel) -> None:
    asked = service(many, make_recipe("window_mean", {"days": 3}))
    asked.read({"horizon": 1, "history": {many.keys[0]: history(many, 0, 3)}})
    with pytest.raises(QuestionError, match="a list of 8 to 1500 days"):
        asked.read({"horizon": 1, "history": {"new": history(many, 0, 7)}})
