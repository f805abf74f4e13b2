"""The service of a model with columns that are known in advance: what it asks for, answers and refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecasting.evaluation.calibration import served_intervals
from forecasting.known import Column, Holidays, Known
from forecasting.models.catalog import fit, forecast, make_recipe
from forecasting.models.model_file import read_model, write_model
from forecasting.models.recipe import FittedModel, History, Recipe
from forecasting.serving.forecaster import Forecaster
from forecasting.serving.live_check import difference, questions
from forecasting.serving.openapi import openapi
from forecasting.serving.questions import QuestionError

RIDGE = make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0})
WEEKLY = make_recipe("same_weekday_mean", {"weeks": 8})
FIRST, DAYS, AHEAD = date(2023, 1, 2), 200, 5
COLUMNS = (Column("Promotion"), Column("Weather", ("rain", "sun")))
Document = dict[str, Any]


def history(columns: tuple[Column, ...] = COLUMNS, holidays: Holidays | None = None) -> History:
    chance = np.random.default_rng(3)
    promotion, weather = (chance.integers(0, 2, (2, DAYS + AHEAD)).astype(np.float64) for _ in range(2))
    values = 50 + 30 * promotion + 10 * weather + chance.normal(size=promotion.shape)
    known = Known(columns, np.stack([promotion, weather], axis=2)[:, :, : len(columns)], DAYS, holidays)
    return History(values[:, :DAYS], FIRST + timedelta(days=DAYS - 1), 7, 14, known=known)


def model_of(recipe: Recipe, given: History) -> FittedModel:
    model = fit(recipe, given, ("a", "b"))
    return replace(model, intervals=served_intervals(((0.5,), (1.5,)), np.ones(2)))


@pytest.fixture
def service() -> Forecaster:
    return Forecaster(model_of(RIDGE, history()))


def ahead(promotion: list[float], weather: list[str]) -> Document:
    return {"Promotion": promotion, "Weather": weather}


def values_of(answer: Document) -> list[float]:
    return [entry["value"] for entry in answer["forecast"]]


def test_the_days_ahead_of_the_table_need_no_column(service: Forecaster) -> None:
    made = values_of(service.answer(service.read({"horizon": AHEAD})))
    assert made == forecast(service.model, AHEAD).ravel().tolist()
    with pytest.raises(QuestionError, match="future: expected an object for each requested series, such as a"):
        service.read({"horizon": AHEAD + 1})


def test_a_request_says_what_is_known_of_the_days_ahead(service: Forecaster) -> None:
    future = {"b": ahead([0, 1, 0], ["rain", "rain", "sun"])}
    question = service.read({"horizon": 3, "series": ["b"], "future": future})
    assert not question.always_the_same
    made = values_of(service.answer(question))
    assert made == pytest.approx([50, 80, 60], abs=3)


def test_a_history_brings_its_columns(service: Forecaster) -> None:
    promotion = [0.0, 1.0] * 30
    line: Document = {"from": "2024-01-01", "values": [50 + 30 * on for on in promotion]}
    line["columns"] = ahead(promotion, ["rain"] * 60)
    request = {"horizon": 2, "history": {"a": line}, "future": {"a": ahead([0, 1], ["rain", "rain"])}}
    answer = service.answer(service.read(request))
    assert answer["data_until"] == "2024-02-29"
    assert values_of(answer) == pytest.approx([50, 80], abs=6)
    del line["columns"]
    with pytest.raises(
        QuestionError, match=r"history.a.columns: expected an object with the columns Promotion, Weather"
    ):
        service.read(request)


@pytest.mark.parametrize(
    ("future", "part"),
    [
        ({"a": ahead([0], ["sun"])}, "future: expected an object for each requested series"),
        ([], "future: expected an object for each requested series"),
        ({"b": {"Promotion": [0, 0]}}, "future.b: expected an object with the columns Promotion, Weather"),
        ({"b": ahead([0], ["sun", "sun"])}, "future.b.Promotion: expected a list of 2 values, found '1 values'"),
        ({"b": ahead([0, float("nan")], ["sun", "sun"])}, r"future.b.Promotion\[1\]: expected a number"),
        ({"b": ahead([0, 1], ["sun", "snow"])}, r"future.b.Weather\[1\]: expected one of rain, sun, found 'snow'"),
        ({"b": ahead([0, 1], ["sun", 1])}, r"future.b.Weather\[1\]: expected one of rain, sun"),  # type: ignore[list-item]
    ],
)
def test_columns_that_cannot_be_used_are_refused(service: Forecaster, future: object, part: str) -> None:
    with pytest.raises(QuestionError, match=part):
        service.read({"horizon": 2, "series": ["b"], "future": future})


def test_a_recipe_that_learns_no_events_answers_without_them() -> None:
    service = Forecaster(model_of(WEEKLY, history()))
    alone = values_of(service.answer(service.read({"horizon": 14})))
    told = {"horizon": 2, "series": ["a"], "future": {"a": ahead([0, 1], ["sun", "sun"])}}
    assert values_of(service.answer(service.read(told))) == alone[:2]


def test_a_model_without_columns_refuses_them() -> None:
    service = Forecaster(model_of(RIDGE, replace(history(), known=None)))
    with pytest.raises(QuestionError, match="this model has no columns known in advance"):
        service.read({"horizon": 1, "future": {}})


def test_holidays_need_nothing_in_a_request_and_end_somewhere() -> None:
    last = FIRST + timedelta(days=DAYS + 40)
    holidays = Holidays("XX", FIRST - timedelta(days=1), last, tuple(FIRST + timedelta(days=day) for day in (5, 203)))
    service = Forecaster(model_of(RIDGE, history((), holidays)))
    assert len(values_of(service.answer(service.read({"horizon": 14})))) == 28
    days = {"from": FIRST.isoformat(), "values": [50.0] * DAYS}
    later = {"horizon": 14, "history": {"a": days, "b": days}}
    assert len(values_of(service.answer(service.read(later)))) == 28
    with pytest.raises(
        QuestionError, match="horizon: expected days before 2023-08-30, until which holidays are known"
    ):
        service.read({"horizon": 60})


@pytest.mark.parametrize("columns", [(), COLUMNS], ids=["no columns", "columns"])
def test_a_recipe_that_skips_holidays_skips_them_in_the_history_of_a_request(columns: tuple[Column, ...]) -> None:
    holidays = Holidays("XX", FIRST, FIRST + timedelta(days=900), (FIRST + timedelta(days=DAYS - 3),))
    given = history(columns, holidays)
    service = Forecaster(model_of(make_recipe("same_weekday_mean", {"weeks": 1, "skip_holidays": 1.0}), given))
    lines = {
        key: {"from": FIRST.isoformat(), "values": values.tolist()}
        for key, values in zip("ab", given.values, strict=True)
    }
    asked = {"horizon": 14, "history": lines}
    made = values_of(service.answer(service.read(asked)))
    assert made == forecast(service.model, 14).ravel().tolist()
    assert made[5] == given.values[0, DAYS - 9], "the day after the holiday is that of the week before"


@pytest.mark.parametrize("recipe", [RIDGE, WEEKLY], ids=lambda recipe: recipe.name)
def test_the_live_check_asks_with_columns(tmp_path: Path, recipe: Recipe) -> None:
    write_model(tmp_path, model_of(recipe, history()), "shop", 14, {})
    stored = read_model(tmp_path)
    service = Forecaster(stored.model)
    for asked in questions(stored, 14):
        answer = {**service.answer(service.read(asked)), "model": {"sha256": stored.sha256}}
        assert difference(answer, stored, asked) is None


def test_the_description_names_the_columns(service: Forecaster) -> None:
    shapes = openapi(3, "shop", service, 1000)["components"]["schemas"]["ServiceInput"]["properties"]
    columns = shapes["future"]["additionalProperties"]
    assert columns["required"] == ["Promotion", "Weather"]
    assert columns["properties"]["Weather"]["items"] == {"type": "string", "enum": ["rain", "sun"]}
    compact, _ = shapes["history"]["additionalProperties"]["oneOf"]
    assert compact["properties"]["columns"] == columns
