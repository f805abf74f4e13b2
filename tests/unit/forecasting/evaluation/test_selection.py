"""Training chooses before the gate's days, prefers the simple recipe, and refuses what cannot be compared."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import yaml

from forecasting.data.series import Panel
from forecasting.errors import HistoryError, RefusedError, UsageError
from forecasting.evaluation.selection import choose, fit_choice, recipes_of
from forecasting.models.catalog import BASELINE, fit, forecast, make_recipe
from forecasting.models.recipe import History, intervals_of
from forecasting.problem.problem_file import Problem
from forecasting.problem.sections import Candidate, Training
from tests.sample import PROBLEMS

WEEKLY = make_recipe("same_weekday_mean", {"weeks": 8})
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0})
MEDIAN = make_recipe("median_of", {}, [BASELINE, WEEKLY, make_recipe("exponential_smoothing", {})])


def only(training: Training, *candidates: Candidate) -> Training:
    return training.model_copy(update={"candidates": candidates})


def test_training_chooses_before_the_gates_days_and_takes_the_simple_recipe(panel: Panel, problem: Problem) -> None:
    choice = choose(panel, problem.training, 0.0)
    assert choice.recipe == WEEKLY
    assert panel.day(choice.windows.last_day) == date(2014, 3, 15)
    assert set(choice.scores) == {WEEKLY.label, "holt_winters()", RIDGE.label, MEDIAN.label, "seasonal_naive()"}


def test_the_choice_ignores_what_happens_in_the_days_held_back(panel: Panel, problem: Problem) -> None:
    values = np.concatenate([panel.values[:, :-77], panel.values[:, -77:] * 50], axis=1)
    wild, calm = (choose(one, problem.training, 0.0) for one in (Panel(panel.first, values, panel.keys), panel))
    assert (wild.scores, wild.half_widths) == (calm.scores, calm.half_widths)


def test_a_fitted_recipe_is_chosen_where_it_earns_its_upkeep(problem: Problem) -> None:
    """A level that grows in the last weeks: the mean of eight weeks lags behind, fitted recipes follow."""
    days = np.arange(305)
    steep = Panel(date(2013, 7, 31), (100 + days**2 / 50 + 10 * np.sin(days))[None], ("steep",))
    choice = choose(steep, problem.training, 0.0)
    assert choice.recipe == make_recipe("holt_winters", {})
    assert "beats" in choice.why
    two = tuple(each for each in problem.training.candidates if each.recipe != "holt_winters")
    assert choose(steep, only(problem.training, *two), 0.0).recipe == RIDGE


def test_of_equal_recipes_the_one_that_the_problem_lists_is_chosen(panel: Panel, problem: Problem) -> None:
    """Without a holiday in the windows of the choice, the recipe that skips them equals the baseline."""
    usual = Candidate.model_validate({"recipe": "same_weekday_mean", "weeks": 1, "skip_holidays": True})
    choice = choose(panel, only(problem.training, usual), 0.0)
    assert len({metrics.mae for metrics in choice.scores.values()}) == 1
    assert choice.recipe.label == "same_weekday_mean(skip_holidays=1, weeks=1)"
    assert [proposal.recipe for proposal in choice.fallbacks] == [BASELINE]


def test_progress_is_told_of_each_fit(panel: Panel, problem: Problem) -> None:
    told: list[tuple[str, int, int]] = []
    choose(panel, problem.training, 0.0, lambda *fit: told.append(fit))
    assert told[:2] == [(WEEKLY.label, 1, 8), (WEEKLY.label, 2, 8)]
    assert told[2 * 8 : 4 * 8 : 8] == [(RIDGE.label, 1, 8), ("seasonal_naive()", 1, 8)]
    assert told[-1] == (MEDIAN.parts[-1].label, 8, 8)
    assert len(told) == 5 * 8, "the parts of a median are told, those that are candidates once"


def test_the_baseline_is_chosen_where_no_candidate_beats_it(problem: Problem) -> None:
    """A level that jumps every week: last week is the best guess, the mean of eight lags behind."""
    jumps = np.repeat(np.arange(44.0) ** 2, 7)[:305]
    steep = Panel(date(2013, 7, 31), (100 + jumps + np.arange(305) % 7)[None], ("steep",))
    training = only(problem.training, Candidate(recipe="same_weekday_mean", parameters={"weeks": 8}))
    choice = choose(steep, training, 0.0)
    assert (choice.recipe, choice.fallbacks) == (BASELINE, ())
    model = fit_choice(steep, training, choice, 0.0)
    assert model.intervals is not None
    listed = only(problem.training, Candidate(recipe="seasonal_naive"))
    assert choose(steep, listed, 0.0).recipe == BASELINE


def test_training_keeps_the_simple_recipe_and_the_baseline_for_the_gate(panel: Panel, problem: Problem) -> None:
    choice = choose(panel, problem.training, 0.0)
    assert [proposal.recipe for proposal in choice.fallbacks] == [BASELINE]
    eager = problem.training.selection.model_copy(update={"margin": 0.0})
    candidates = (
        Candidate(recipe="window_mean", parameters={"days": 56}),
        Candidate(recipe="ridge_direct", parameters={"alpha": 1.0}),
    )
    fitted = choose(panel, only(problem.training, *candidates).model_copy(update={"selection": eager}), 0.0)
    assert fitted.recipe == RIDGE
    assert [proposal.recipe for proposal in fitted.fallbacks] == [BASELINE]
    assert all(proposal.half_widths for proposal in fitted.fallbacks)


def test_a_single_candidate_is_taken(panel: Panel, problem: Problem) -> None:
    training = only(problem.training, Candidate(recipe="ridge_direct", parameters={"alpha": 1.0}))
    assert choose(panel, training, 0.0).recipe == RIDGE


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{recipe: prophet}", "prophet"),
        ("{recipe: ridge_direct}", "alpha"),
        ("{recipe: mean_of, of: [{recipe: same_weekday_mean, weeks: 8}]}", "2 to 5"),
        ("{recipe: histgb_direct, rounds: 10, leaves: 8, min_rows: 50, rate: 0.1, scaled: 3}", "true or false"),
    ],
)
def test_a_candidate_that_cannot_be_is_a_usage_error(problem: Problem, text: str, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        recipes_of(only(problem.training, Candidate.model_validate(yaml.safe_load(text))))


def test_parts_and_switches_are_read_from_the_file(problem: Problem) -> None:
    text = "{recipe: mean_of, of: [{recipe: window_mean, days: 56}, {recipe: ridge_direct, alpha: 1, scaled: true}]}"
    (recipe,) = recipes_of(only(problem.training, Candidate.model_validate(yaml.safe_load(text))))
    assert recipe.label == "mean_of(window_mean(days=56), ridge_direct(alpha=1, scaled=1))"


def test_a_short_series_is_refused_with_the_days_it_needs(panel: Panel, problem: Problem) -> None:
    with pytest.raises(HistoryError, match="need 238"):
        choose(panel.until(200), problem.training, 0.0)
    choose(panel.until(238), problem.training, 0.0)


def test_a_constant_series_is_refused_because_nothing_can_be_compared(problem: Problem) -> None:
    with pytest.raises(RefusedError, match="not finite"):
        choose(Panel(date(2013, 7, 31), np.full((1, 305), 5.0), ("flat",)), problem.training, 0.0)


def test_the_model_is_fitted_on_all_days_and_carries_intervals(panel: Panel, problem: Problem) -> None:
    choice = choose(panel, problem.training, 0.0)
    model = fit_choice(panel, problem.training, choice, 0.0)
    assert (model.cutoff, model.keys) == (date(2014, 5, 31), ("paid_amount",))
    made = forecast(model, 28)
    bounds = intervals_of(model, made)
    assert list(bounds) == [0.8, 0.95]
    for low, high in bounds.values():
        assert (low <= made).all()
        assert (made <= high).all()
        assert (low >= 0).all()
    assert (bounds[0.95][1] > bounds[0.8][1]).all()
    assert intervals_of(fit(WEEKLY, _history(panel)), made) == {}


def _history(panel: Panel) -> History:
    return History(panel.values, panel.last, 7, 28)


def test_every_problem_that_ships_is_sound() -> None:
    problems = sorted(PROBLEMS.glob("*.yml"))
    assert len(problems) >= 3
    names = set()
    for path in problems:
        problem = Problem(path)
        problem.check()
        assert recipes_of(problem.training)
        names.add(problem.series.name)
    assert len(names) == len(problems)
