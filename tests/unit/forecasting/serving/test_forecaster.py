"""Some series of a model are answered as in the answer for all, whatever its recipe; histories move every recipe."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.calendars import DAILY
from forecasting.data.series import Panel
from forecasting.evaluation.calibration import served_intervals
from forecasting.json_text import strict_json
from forecasting.limits import LARGEST
from forecasting.models.catalog import fit, forecast, make_recipe, update
from forecasting.models.recipe import FittedModel, History, Recipe, intervals_of
from forecasting.problem.sections import Contract
from forecasting.serving import histories
from forecasting.serving.forecaster import MAX_POINTS, Forecaster
from forecasting.serving.histories import Line, line_of
from forecasting.serving.openapi import openapi
from forecasting.serving.questions import QuestionError

WINDOW = make_recipe("window_mean", {"days": 56})
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0})
BOOSTING = make_recipe("histgb_direct", {"rounds": 5, "leaves": 4, "min_rows": 50, "rate": 0.1, "scaled": 1.0})
RECIPES = [make_recipe("same_weekday_mean", {"weeks": 8}), WINDOW, RIDGE, BOOSTING]
RECIPES += [make_recipe("mean_of", {}, [WINDOW, RIDGE])]
RECIPES += [make_recipe("median_of", {}, RECIPES[:3])]


def history_of(panel: Panel, days: int) -> History:
    return History(panel.values[:, :days], panel.day(days - 1), 7, 14)


def fitted(panel: Panel, recipe: Recipe) -> FittedModel:
    scales = np.arange(1, len(panel.keys) + 1, dtype=np.float64)
    model = fit(recipe, history_of(panel, 280), panel.keys)
    return replace(model, intervals=served_intervals(((0.5,), (1.5,)), scales))


def answered(service: Forecaster, document: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request, as a client reads it."""
    return strict_json(orjson.dumps(service.answer(service.read(document))))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_chosen_series_are_those_of_the_whole(many: Panel, recipe: Recipe) -> None:
    model = fitted(many, recipe)
    service = Forecaster(model)
    names = [many.keys[place] for place in (7, 0, 33)]
    chosen = answered(service, {"horizon": 14, "series": names})["forecast"]
    whole = answered(service, {"horizon": 14})["forecast"]
    expected = [entry for name in names for entry in whole if entry["series"] == name]
    assert [(entry["series"], entry["date"]) for entry in chosen] == [
        (entry["series"], entry["date"]) for entry in expected
    ]
    assert [entry["value"] for entry in chosen] == pytest.approx([entry["value"] for entry in expected], rel=1e-12)
    for one, other in zip(chosen, expected, strict=True):
        assert one["intervals"]["0.95"] == pytest.approx(other["intervals"]["0.95"], rel=1e-12)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_history_is_what_the_model_is_updated_with(many: Panel, recipe: Recipe) -> None:
    model = fitted(many, recipe)
    service = Forecaster(model)
    rows = [5, 2]
    given = {
        many.keys[row]: [
            {"date": many.day(day).isoformat(), "value": float(many.values[row, day])} for day in range(100, 310)
        ]
        for row in rows
    }
    answer = answered(service, {"horizon": 14, "history": given})
    newer = History(many.values[rows, 100:310], many.day(309), 7, 14)
    known = replace(model, arrays=dict(model.arrays))
    moved = update(known, newer, tuple(many.keys[row] for row in rows))
    values = forecast(moved, 14)
    assert answer["data_until"] == many.day(309).isoformat()
    assert answer["forecast"][0]["date"] == (many.day(309) + timedelta(days=1)).isoformat()
    assert [entry["value"] for entry in answer["forecast"]] == pytest.approx(values.ravel().tolist(), rel=1e-12)
    assert model.intervals is not None
    served = replace(moved, intervals=replace(model.intervals, scales=model.intervals.scales[rows]))
    low, high = intervals_of(served, values)[0.8]
    assert answer["forecast"][-1]["intervals"]["0.8"] == pytest.approx([low[-1, -1], high[-1, -1]], rel=1e-12)


@pytest.mark.parametrize("keys", [("a%s", 'b"c', "d\\e"), ("ü/ß", "%(x)r", "{0}")])
def test_an_answer_is_json_whatever_the_series_are_called_and_to_the_last_bit(
    many: Panel, keys: tuple[str, ...]
) -> None:
    model = fit(RIDGE, History(many.values[:3, :280] / 3, many.day(279), 7, 14), keys)
    model = replace(model, intervals=served_intervals(((0.1,), (1 / 3,)), np.array([1.0, 2.0, 3.0])))
    values = forecast(model, 14)
    answer = answered(Forecaster(model), {"horizon": 14})
    expected = [
        {
            "series": key,
            "date": (many.day(280) + timedelta(days=ahead)).isoformat(),
            "value": values[row, ahead],
            "intervals": {
                f"{level:g}": [low[row, ahead], high[row, ahead]]
                for level, (low, high) in intervals_of(model, values).items()
            },
        }
        for row, key in enumerate(keys)
        for ahead in range(14)
    ]
    assert answer == {"forecast": expected, "data_until": many.day(279).isoformat()}


def test_an_answer_has_a_limit(many: Panel) -> None:
    model = fitted(many, WINDOW)
    wide = 60
    assert wide * len(many.keys) * 9 > MAX_POINTS
    service = Forecaster(
        replace(
            model,
            keys=tuple(str(number) for number in range(wide * len(many.keys))),
            arrays={"level": np.tile(model.arrays["level"], wide)},
            intervals=None,
        )
    )
    with pytest.raises(QuestionError, match="name fewer series"):
        service.read({"horizon": 9})
    assert len(answered(service, {"horizon": 8})["forecast"]) == wide * len(many.keys) * 8
    assert "intervals" not in answered(service, {"horizon": 1, "series": ["3"]})["forecast"][0]


def test_what_is_not_finite_is_never_answered(many: Panel) -> None:
    model = fitted(many, WINDOW)
    for broken in (
        replace(model, arrays={"level": np.full(len(many.keys), np.nan)}),
        replace(model, intervals=served_intervals(((0.5,), (1.5,)), np.full(len(many.keys), np.inf))),
    ):
        service = Forecaster(broken)
        with pytest.raises(ValueError, match="not finite"):
            service.answer(service.read({"horizon": 2}))


@pytest.mark.parametrize("version", [2, 3])
def test_every_reference_of_the_description_leads_somewhere(many: Panel, version: int) -> None:
    document = openapi(version, "shop", Forecaster(fitted(many, WINDOW)), 1000)

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            return [part["$ref"]] if "$ref" in part else references(list(part.values()))
        return [found for of in part for found in references(of)] if isinstance(part, list) else []

    found = references(document["paths"])
    assert len(found) == 8
    for reference in found:
        place = document
        for key in reference.removeprefix("#/").split("/"):
            place = place[key]
        assert place["type"] == "object"


DAYS = [{"date": f"2024-02-{day:02}", "value": day * 1.5} for day in range(1, 30)]
ODD = st.sampled_from(
    [None, True, -1, -0.0, 0, 7, 1e15, 2e15, 10**400, float("nan"), float("inf"), "7", [7], {"date": "2024-02-03"}]
)
ODD_DAYS = st.sampled_from(["2024-02-03", "2024-2-3", "2024-03-01", "2024-02-30", "1899-12-31", "", None, 20240203])


@given(
    place=st.integers(0, 28),
    part=st.sampled_from(["entry", "date", "value", "more", "none"]),
    odd=ODD,
    day=ODD_DAYS,
    lower=st.sampled_from([0.0, None]),
)
def test_a_history_is_read_at_once_as_it_is_read_day_by_day(
    place: int, part: str, odd: object, day: object, lower: float | None
) -> None:
    """Whatever stands anywhere in it: the same numbers, or the same refusal."""
    given_days: list[Any] = [dict(entry) for entry in DAYS]
    if part == "entry":
        given_days[place] = odd
    elif part != "none":
        given_days[place][part] = day if part == "date" else odd

    def read() -> object:
        try:
            return line_of("history.a", given_days, 2, lower, DAILY)
        except QuestionError as refusal:
            return (refusal.field, refusal.expected, str(refusal))

    at_once = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(histories, "_plain_list", lambda *_: None)
        assert at_once == read()


@pytest.mark.parametrize("first", [date(1900, 1, 1), date(2200, 12, 3), date(2200, 12, 4), date(2024, 2, 20)])
def test_the_days_of_a_history_may_lie_between_1900_and_2200(first: date) -> None:
    days = [{"date": (first + timedelta(days=number)).isoformat(), "value": number} for number in range(29)]
    if first == date(2200, 12, 4):
        with pytest.raises(
            QuestionError, match=r"a\[28\].date: expected a day YYYY-MM-DD from 1900-01-01 to 2200-12-31"
        ):
            line_of("a", days, 2, 0.0, DAILY)
    else:
        assert line_of("a", days, 2, 0.0, DAILY) == Line(first, [float(number) for number in range(29)])


def test_the_service_takes_what_the_contract_takes(many: Panel) -> None:
    assert Contract().max_value == LARGEST
    shapes = openapi(3, "forecast", Forecaster(fitted(many, WINDOW)), 100)["components"]["schemas"]
    compact, listed = shapes["ServiceInput"]["properties"]["history"]["additionalProperties"]["oneOf"]
    assert compact["properties"]["values"]["items"]["maximum"] == LARGEST
    assert listed["items"]["properties"]["value"]["maximum"] == LARGEST


def test_a_compact_history_is_the_same_as_one_day_by_day(many: Panel) -> None:
    service = Forecaster(fitted(many, RIDGE))
    values, first = many.values[5, 200:300].tolist(), many.day(200).isoformat()
    days = [{"date": many.day(200 + place).isoformat(), "value": value} for place, value in enumerate(values)]
    asked = [
        {"horizon": 9, "history": {many.keys[5]: history}} for history in (days, {"from": first, "values": values})
    ]
    assert answered(service, asked[0]) == answered(service, asked[1])


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"from": "2014-02-30"}, "history.a.from: expected a day YYYY-MM-DD"),
        ({"from": "2200-12-30"}, "history.a.values: expected days until 2200-12-31, found '29 days'"),
        ({"values": [1.0]}, "history.a.values: expected 2 to 1500 numbers, found '1 day'"),
        ({"values": "many"}, "history.a.values: expected 2 to 1500 numbers, found 'many'"),
        ({"values": [1.0, -1.0]}, r"history.a.values\[1\]: expected a number from 0 to 1e\+15, found -1.0"),
        ({"values": [1.0, True]}, r"history.a.values\[1\]: expected a number"),
        ({"values": [10**400, 1.0]}, r"history.a.values\[0\]: expected a number"),
        ({"until": "2024-03-01"}, "an object with from and as many values"),
    ],
)
def test_a_compact_history_that_cannot_be_is_refused(change: dict[str, object], part: str) -> None:
    history = {"from": "2024-02-01", "values": [float(day) for day in range(29)], **change}
    with pytest.raises(QuestionError, match=part):
        line_of("history.a", history, 2, 0.0, DAILY)
