"""Intervals have a half-width of their own for each place in the season, where the windows show enough seasons."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from forecasting.calendars import BUSINESS_DAYS, DAILY, MONTHLY, WEEKLY, Calendar
from forecasting.data.series import Panel, facts_of, write_series
from forecasting.decision import words
from forecasting.decision.blocks import Request
from forecasting.decision.decide import decide_candidate
from forecasting.decision.record import parse_decision
from forecasting.decision.report import report
from forecasting.evaluation.backtest import Windows, actuals_of, backtest, history_of
from forecasting.evaluation.calibration import half_widths_of, interval_score
from forecasting.evaluation.selection import choose, fit_choice
from forecasting.models.catalog import forecast, make_recipe
from forecasting.models.model_file import read_model, write_model
from forecasting.models.recipe import HalfWidth, Intervals, intervals_of
from forecasting.problem.problem_file import Problem
from forecasting.serving.forecaster import Forecaster
from tests.unit.forecasting.candidates import fitted

MEAN = make_recipe("same_weekday_mean", {"weeks": 8})
MONDAY = date(2023, 1, 2)
BEFORE, AFTER = (Windows(tuple(range(first, first + 56, 7)), 28) for first in (140, 230))
REQUEST = Request(
    reason="manual", build_id="1", commit="c", run_id="run-1", step_run_id="step-1", model_name="shops",
    decided_at="2026-01-01T00:00:00+00:00", workspace=None,
)  # fmt: skip


@pytest.fixture(scope="module")
def shops() -> Panel:
    """Twenty shops whose weekend is five times as uncertain as their week."""
    chance = np.random.default_rng(5)
    spread = np.where(np.arange(320) % 7 >= 5, 25.0, 5.0)
    return Panel(MONDAY, 200 + chance.normal(size=(20, 320)) * spread, tuple(f"shop {row}" for row in range(20)))


def widths_of(panel: Panel, problem: Problem, windows: Windows) -> tuple[HalfWidth, ...]:
    history = history_of(panel, problem.training, 0.0)
    made = backtest(history, [MEAN], windows)[MEAN.label]
    return half_widths_of(made, actuals_of(history, windows), windows.places(panel.calendar))


def test_an_uncertain_weekend_has_wide_intervals_and_every_weekday_is_covered(shops: Panel, problem: Problem) -> None:
    narrow, wide = widths_of(shops, problem, BEFORE)
    assert (len(narrow), len(wide)) == (7, 7)
    assert min(narrow[5:]) > 3 * max(narrow[:5])
    assert all(one < other for one, other in zip(narrow, wide, strict=True))
    history = history_of(shops, problem.training, 0.0)
    made, actuals = backtest(history, [MEAN], AFTER)[MEAN.label], actuals_of(history, AFTER)
    by_day = interval_score(made, actuals, narrow, 0.8, 0.0)
    (everywhere, _) = half_widths_of(backtest(history, [MEAN], BEFORE)[MEAN.label], actuals_of(history, BEFORE))
    overall = interval_score(made, actuals, everywhere, 0.8, 0.0)
    assert list(by_day.by_place) == list(range(7))
    assert all(0.7 < share < 0.9 for share in by_day.by_place.values())
    assert min(overall.by_place.values()) < 0.6
    assert max(overall.by_place.values()) > 0.95
    assert by_day.winkler < overall.winkler
    assert len(by_day.by_step) == 28
    assert np.mean(by_day.by_step) == pytest.approx(by_day.coverage)


def test_few_seasons_and_seasons_of_a_year_have_one_half_width(shops: Panel, problem: Problem) -> None:
    short = Windows((140, 147, 154), 28)
    assert [len(width) for width in widths_of(shops, problem, short)] == [1, 1]
    long: dict[Calendar, int] = {DAILY: 7, BUSINESS_DAYS: 5, WEEKLY[0]: 1, MONTHLY: 1}
    assert {calendar: BEFORE.places(calendar) for calendar in long} == long


def test_a_place_that_no_window_shows_has_the_half_width_of_all(shops: Panel, problem: Problem) -> None:
    """Windows of two days, from Mondays on: of the other days nothing is known."""
    windows = Windows(tuple(range(140, 203, 7)), 2)
    narrow, _ = widths_of(shops, problem, windows)
    assert len(narrow) == 7
    assert len({*narrow[2:]}) == 1
    assert narrow[0] != narrow[2] != narrow[1]


def test_a_rare_place_is_drawn_to_all_the_others(shops: Panel, problem: Problem) -> None:
    """One series shows a weekday 32 times: its own quantile weighs a quarter."""
    one, all_ = (widths_of(panel, problem, BEFORE)[0] for panel in (shops.rows([0]), shops))
    assert 1 < min(one[5:]) / max(one[:5]) < min(all_[5:]) / max(all_[:5])


def test_what_happens_after_the_windows_changes_no_half_width(shops: Panel, problem: Problem) -> None:
    values = shops.values.copy()
    values[:, BEFORE.last_day + 1 :] *= 1e3
    later = Panel(shops.first, values, shops.keys)
    assert widths_of(later, problem, BEFORE) == widths_of(shops, problem, BEFORE)


def test_a_service_answers_with_the_half_width_of_the_day_after_any_history(
    tmp_path: Path, shops: Panel, problem: Problem
) -> None:
    panel = shops.rows([0, 1])
    model = fit_choice(panel, problem.training, choose(panel, problem.training, 0.0), 0.0)
    assert model.intervals is not None
    write_model(tmp_path, model, "shops", 28, {})
    stored = read_model(tmp_path).model
    assert stored.intervals is not None
    assert stored.intervals.half_widths == model.intervals.half_widths
    service = Forecaster(stored)
    values = [200.0 + day % 3 for day in range(70)]
    # The newest history ends on a Thursday, so that another weekday is the first one that is forecast.
    for history, first in (({}, 320 % 7), ({"history": {"shop 1": {"from": "2024-01-05", "values": values}}}, 4)):
        answer = service.answer(service.read({"horizon": 7, "series": ["shop 1"], **history}))
        widths = [
            (high - low) / 2 / stored.intervals.scales[1]
            for low, high in (entry["intervals"]["0.8"] for entry in answer["forecast"])
        ]
        expected = np.roll(stored.intervals.half_widths[0], -first)
        assert widths == pytest.approx(expected.tolist())


def test_a_model_of_an_earlier_version_has_the_same_intervals_to_the_last_bit(tmp_path: Path, panel: Panel) -> None:
    model = replace(fitted(panel, MEAN), intervals=Intervals((0.8, 0.95), ((0.7,), (1.3,)), np.array([311.25])))
    write_model(tmp_path, model, "paid_amount", 28, {})
    described = json.loads((tmp_path / "model.json").read_text())["intervals"]
    assert described == {"levels": [0.8, 0.95], "radii": [0.7, 1.3], "scales": [311.25]}
    made = forecast(model, 28)
    bounds = intervals_of(read_model(tmp_path).model, made)
    for level, width in ((0.8, 0.7), (0.95, 1.3)):
        reach = width * np.array([[311.25]])
        assert np.array_equal(bounds[level][0], np.maximum(made - reach, 0.0))
        assert np.array_equal(bounds[level][1], made + reach)


def test_the_decision_and_its_report_show_coverage_by_weekday_and_by_step(
    tmp_path: Path, shops: Panel, problem: Problem
) -> None:
    choice = choose(shops, problem.training, 0.0)
    model = fit_choice(shops, problem.training, choice, 0.0)
    facts = facts_of(shops, "d" * 64, 6400, "shops.csv")
    write_series(tmp_path, shops, facts)
    selection = {"last_day": shops.day(choice.windows.last_day).isoformat()}
    write_model(tmp_path, model, problem.series.name, 28, {"data": facts, "selection": selection})
    decision = decide_candidate(problem, tmp_path, None, REQUEST)
    challenger = parse_decision(decision.record.content).evidence.challenger
    assert challenger.interval is not None
    assert list(challenger.radii_by_part) == ["0.8", "0.95"]
    assert set(challenger.interval.by_part) == {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
    assert len(challenger.interval.by_step) == 28
    widths = challenger.radii_by_part["0.8"]
    assert challenger.radii["0.8"] == pytest.approx(np.mean(list(widths.values())))
    assert widths["Sat"] > 3 * widths["Tue"]
    page = report(decision.record, model, decision.judgement)
    assert "inside the interval, in %, by days ahead" in page
    assert "promised: 80%" in page
    assert f"<tr><td>Sat</td><td class=n>{words.percent(challenger.interval.by_part['Sat'])}</td>" in page
