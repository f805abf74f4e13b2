"""The answers of a live service are compared with the model's own forecasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecasting.data.series import Panel
from forecasting.evaluation.calibration import served_intervals
from forecasting.models.catalog import make_recipe
from forecasting.models.model_file import StoredModel, read_model
from forecasting.serving.forecaster import Forecaster
from forecasting.serving.live_check import COMPARED_SERIES, difference, questions
from tests.unit.forecasting.candidates import WEEKLY, write_candidate

Document = dict[str, Any]
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0})


def answered(stored: StoredModel, asked: Document) -> Document:
    """What a sound service answers."""
    forecaster = Forecaster(stored.model)
    return {**forecaster.answer(forecaster.read(asked)), "model": {"sha256": stored.sha256}}


@pytest.fixture
def stored(candidate: Path) -> StoredModel:
    return read_model(candidate)


@pytest.fixture
def many_series(tmp_path: Path, many: Panel) -> StoredModel:
    """A model of forty series with intervals."""
    write_candidate(tmp_path / "many", many, RIDGE)
    stored = read_model(tmp_path / "many")
    scales = np.linspace(1.0, 4.0, len(many.keys))
    return replace(stored, model=replace(stored.model, intervals=served_intervals(((0.5,), (1.5,)), scales)))


def test_several_horizons_and_a_history_are_asked_for(stored: StoredModel) -> None:
    asked = questions(stored, 3)
    assert [question["horizon"] for question in asked] == [3, 1, 7, 28, 56, 3]
    assert [list(question) for question in asked] == [["horizon"]] * 5 + [["horizon", "history"]]
    assert len({question["horizon"] for question in questions(stored, 28)}) == 4, "no horizon is asked for twice"


@pytest.mark.parametrize("model", ["stored", "many_series"])
def test_a_sound_service_answers_every_question_right(model: str, request: pytest.FixtureRequest) -> None:
    known = request.getfixturevalue(model)
    for asked in questions(known, 28):
        answer = answered(known, asked)
        assert difference(answer, known, asked) is None, asked
        assert len(answer["forecast"]) == asked["horizon"] * min(COMPARED_SERIES, len(known.model.keys))


def test_the_live_answer_is_compared_to_the_last_digit_that_counts(stored: StoredModel) -> None:
    asked = {"horizon": 28}
    answer = answered(stored, asked)
    days = answer["forecast"]
    assert "expected 27 days" in str(difference(answer, stored, {"horizon": 27}))
    assert "expected 28 days" in str(difference({"error": {"status": 500}}, stored, asked))
    assert "uses the model" in str(difference({**answer, "model": {"sha256": "other"}}, stored, asked))
    off = [*days[:3], {**days[3], "value": days[3]["value"] * (1 + 1e-8)}, *days[4:]]
    assert "2014-06-04" in str(difference({**answer, "forecast": off}, stored, asked))
    late = [{**days[0], "date": "2014-07-01"}, *days[1:]]
    assert "expected the day 2014-06-01" in str(difference({**answer, "forecast": late}, stored, asked))


def times_three(asked: Document, answer: Document) -> None:
    """Three times the forecast for each horizon but 28."""
    if asked["horizon"] != 28:
        for entry in answer["forecast"]:
            entry["value"] *= 3


def deaf_to_history(asked: Document, answer: Document) -> None:
    """What a history would have changed is left as it was."""
    if "history" in asked:
        for entry in answer["forecast"]:
            entry["value"] += 1


def bold(_: Document, answer: Document) -> None:
    """Right values, but intervals that promise too much."""
    for entry in answer["forecast"]:
        low, high = entry["intervals"]["0.95"]
        entry["intervals"]["0.95"] = [low, (high + entry["value"]) / 2]


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (times_three, "when asked for 1 day"),
        (deaf_to_history, "when asked for 28 days after a newer history"),
        (bold, "the interval 0.95"),
    ],
)
def test_a_script_that_is_right_for_one_question_only_is_found(
    many_series: StoredModel, tamper: Callable[[Document, Document], None], said: str
) -> None:
    found = []
    for asked in questions(many_series, 28):
        answer = answered(many_series, asked)
        tamper(asked, answer)
        found.append(difference(answer, many_series, asked))
    assert any(said in str(wrong) for wrong in found), found


def test_the_weekly_mean_needs_no_series_by_name(stored: StoredModel) -> None:
    assert stored.model.recipe == WEEKLY
    assert "series" not in questions(stored, 1)[0]
