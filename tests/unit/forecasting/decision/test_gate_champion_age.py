"""A champion that ages: its frozen artefact is looked at only after its own cutoff."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.data.series import Panel
from forecasting.decision import contest as refits
from forecasting.decision.contest import Contest
from forecasting.decision.gate import Judgement, judge
from forecasting.evaluation.comparison import Age
from forecasting.models.catalog import fit, forecast, update
from forecasting.models.recipe import FittedModel, History, Recipe
from forecasting.problem.problem_file import Problem
from forecasting.problem.sections import Candidate
from tests.unit.forecasting.decision.gate_cases import BEFORE, BOOSTING, RIDGE, WEEKLY, only


def aged(panel: Panel, problem: Problem, recipe: Recipe, days: int) -> Judgement:
    """The champion was trained `days` before the end of the data, with its parameters frozen since."""
    training = only(problem.training, Candidate(recipe=recipe.name, parameters=dict(recipe.parameters)))
    old = fit(recipe, History(panel.values, panel.last, 7, 28).until(panel.days - days))
    return judge(panel, Contest(recipe, old, BEFORE), training, problem.gate, 0.0)


@pytest.mark.parametrize(("days", "clean"), [(77, 8), (76, 7), (49, 4), (48, 3), (28, 1), (27, 0), (0, 0)])
def test_the_frozen_champion_is_scored_only_on_origins_after_its_cutoff(
    panel: Panel, problem: Problem, days: int, clean: int
) -> None:
    """A champion of age A has (A - h) / 7 + 1 clean origins; with fewer than four nothing is said about its age."""
    age = ages(aged(panel, problem, RIDGE, days))
    assert (age.days, age.clean) == (days, clean)
    assert (age.staleness is None) == (clean < 4)


def ages(judged: Judgement) -> Age:
    assert judged.comparison is not None
    assert judged.comparison.age is not None
    return judged.comparison.age


def test_a_leak_would_flatter_the_champion_and_is_not_looked_at(panel: Panel, problem: Problem) -> None:
    """The artefact trained to the last day would score far better on these windows than any honest fit."""
    judged = aged(panel, problem, BOOSTING, 0)
    assert judged.windows is not None
    assert judged.actuals is not None
    assert ages(judged).staleness is None
    assert judged.comparison is not None
    leaky = fit(BOOSTING, History(panel.values, panel.last, 7, 28))
    predictions = [
        forecast(update(leaky, History(panel.values, panel.last, 7, 28).until(origin)), 28)
        for origin in judged.windows.origins
    ]
    flattered = float(np.abs(np.stack(predictions, axis=1) - judged.actuals.values).mean())
    assert flattered == pytest.approx(210.4, rel=0.01)
    assert judged.comparison.challenger.mae == pytest.approx(243.3, rel=0.01)


def test_a_champion_without_parameters_never_goes_stale(panel: Panel, problem: Problem) -> None:
    judged = aged(panel, problem, WEEKLY, 77)
    assert ages(judged) == Age(77, 8, None, True)
    assert (judged.verdict.outcome, judged.verdict.reason) == ("accepted", "refresh")
    assert aged(panel, problem, WEEKLY, 35).verdict.reason == "tie"


def test_staleness_is_what_the_frozen_model_loses_to_its_recipe(panel: Panel, problem: Problem) -> None:
    """Written out: the parameters of eleven weeks ago with each day's history, against a fit at each origin."""
    judged = aged(panel, problem, RIDGE, 77)
    assert judged.windows is not None
    assert judged.actuals is not None
    assert judged.comparison is not None
    whole = History(panel.values, panel.last, 7, 28)
    old = fit(RIDGE, whole.until(panel.days - 77))
    predictions = [forecast(update(old, whole.until(origin)), 28) for origin in judged.windows.origins]
    frozen = float(np.abs(np.stack(predictions, axis=1) - judged.actuals.values).mean())
    assert ages(judged).staleness == pytest.approx(frozen / judged.comparison.challenger.mae - 1)


@settings(max_examples=25)
@given(age=st.integers(-40, 120), origins=st.integers(4, 10))
def test_no_origin_before_the_cutoff_is_ever_forecast_by_the_frozen_model(
    panel: Panel, problem: Problem, age: int, origins: int
) -> None:
    """Whatever its age, also where it is newer than the data: each history ends the day before its origin."""
    old = fit(RIDGE, History(panel.values, panel.last, 7, 28).until(panel.days - max(age, 0)))
    old = replace(old, cutoff=panel.last - timedelta(days=age))
    given_days: list[date] = []

    def watched(model: FittedModel, history: History) -> FittedModel:
        given_days.append(history.cutoff)
        return update(model, history)

    policy = problem.gate.model_copy(update={"origins": origins})
    contest = Contest(RIDGE, old, panel.day(100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refits, "update", watched)
        judged = judge(panel, contest, problem.training, policy, 0.0)
    found = ages(judged)
    assert judged.windows is not None
    honest = [origin for origin in judged.windows.origins if panel.day(origin) > old.cutoff]
    assert (found.days, found.clean) == (age, len(honest))
    assert given_days == [panel.day(origin - 1) for origin in honest if found.clean >= 4]
