"""The original's ARIMA(2,0,2), live: an extra that equals statsmodels, and that the gate refuses with its reason."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecasting.data.series import Panel
from forecasting.decision.contest import Contest
from forecasting.decision.gate import Judgement, judge
from forecasting.errors import UsageError
from forecasting.evaluation.backtest import Windows, backtest, history_of
from forecasting.evaluation.selection import Proposal, choose
from forecasting.models import arima
from forecasting.models.catalog import fit, forecast, make_recipe, update
from forecasting.models.recipe import Array, History, Recipe
from forecasting.problem.problem_file import Problem
from forecasting.problem.sections import Candidate
from tests.unit.forecasting.decision.gate_cases import BEFORE, WEEKLY, only

ARIMA = make_recipe("arima_202", {})
RECORDED = Path(__file__).parents[1] / "arima_202_forecasts.csv"
with_statsmodels = pytest.mark.skipif(
    importlib.util.find_spec("statsmodels") is None, reason="the extra statsmodels is not installed"
)


@pytest.fixture(scope="module", autouse=True)
def fitted_once() -> Iterator[None]:
    """The tests judge the same origins: statsmodels fits the days up to each of them once."""
    made: dict[bytes, Any] = {}
    original = arima._model

    def remembered(values: Array) -> Any:
        model, known = original(values), values.tobytes()
        fit = model.fit

        def fit_once() -> Any:
            if known not in made:
                made[known] = fit()
            return made[known]

        model.fit = fit_once
        return model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arima, "_model", remembered)
        yield


def history(panel: Panel, days: int) -> History:
    return History(panel.values[:, :days], panel.day(days - 1), 7, 28)


def test_without_the_extra_the_recipe_says_what_to_install(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "statsmodels"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    with pytest.raises(UsageError, match=r"requirements/arima\.txt"):
        fit(ARIMA, history(panel, 200))


@with_statsmodels
def test_the_recipe_equals_statsmodels_and_is_carried_on_by_numpy(panel: Panel) -> None:
    from statsmodels.tsa.arima.model import ARIMA as Original  # type: ignore[import-not-found, import-untyped, unused-ignore]  # noqa: N811

    fitted = Original(panel.values[0, :277], order=(2, 0, 2)).fit()
    model = fit(ARIMA, history(panel, 277))
    assert np.allclose(forecast(model, 28)[0], np.maximum(fitted.forecast(28), 0), rtol=1e-9)
    later = fitted.append(panel.values[0, 277:]).forecast(28)
    assert np.allclose(forecast(update(model, history(panel, 305)), 28)[0], np.maximum(later, 0), rtol=1e-6)


@with_statsmodels
def test_the_recorded_forecasts_are_what_the_recipe_makes(panel: Panel, problem: Problem) -> None:
    """The tests without the extra judge these; another BLAS may move the fits a little."""
    recorded = np.loadtxt(RECORDED, delimiter=",")
    windows = Windows(tuple(range(305 - 28 - 7 * (len(recorded) - 1), 305 - 27, 7)), 28)
    made = backtest(history_of(panel, problem.training, 0.0), [ARIMA], windows)[ARIMA.label][0]
    assert np.abs(made - recorded).mean() < 0.01 * recorded.mean()


def judged(
    panel: Panel,
    problem: Problem,
    champion: Recipe | None,
    origins: int,
    horizon: int,
    *,
    fallbacks: tuple[Proposal, ...] = (),
) -> Judgement:
    """ARIMA as the challenger, refitted at every origin by the gate itself."""
    champion_model = fit(champion, history(panel, 305)) if champion else None
    training = problem.training.model_copy(update={"horizon": horizon})
    policy = problem.gate.model_copy(update={"origins": origins})
    first = panel.days - horizon - 7 * (origins - 1)
    contest = Contest(ARIMA, champion_model, panel.day(first - 1), fallbacks=fallbacks)
    return judge(panel, contest, training, policy, 0.0)


@with_statsmodels
@pytest.mark.slow
@pytest.mark.parametrize(("horizon", "relative", "champion"), [(7, 1.18, None), (14, 1.14, WEEKLY), (28, 1.06, None)])
def test_over_twenty_origins_the_floor_refuses_it(
    panel: Panel, problem: Problem, horizon: int, relative: float, champion: Recipe | None
) -> None:
    """The last twenty weekly origins that leave room for 28 days, as everywhere else."""
    found = judged(panel.until(panel.days - 28 + horizon), problem, champion, 20, horizon)
    assert (found.verdict.outcome, found.verdict.reason) == ("failed", "floor")
    assert "of seasonal naive's, not at most 100.0%" in found.verdict.sentence
    assert found.comparison is not None
    assert found.comparison.challenger.rel_mae == pytest.approx(relative, abs=0.01)


@with_statsmodels
def test_over_eight_origins_it_loses_to_the_simple_candidate(panel: Panel, problem: Problem) -> None:
    simple = (Proposal(WEEKLY),)
    first = judged(panel, problem, None, 8, 28, fallbacks=simple)
    assert (first.verdict.outcome, first.verdict.reason) == ("accepted", "first-model")
    assert first.proposed is not None
    assert first.proposed.recipe == WEEKLY
    assert f"loses to {WEEKLY.label}" in first.instead
    against = judged(panel, problem, WEEKLY, 8, 28, fallbacks=simple).verdict
    assert (against.outcome, against.reason) == ("kept", "tie")


@with_statsmodels
def test_training_never_proposes_it(panel: Panel, problem: Problem) -> None:
    candidates = (*problem.training.candidates, Candidate(recipe="arima_202"))
    choice = choose(panel, only(problem.training, *candidates), 0.0)
    assert choice.recipe == WEEKLY
    assert panel.day(choice.windows.last_day) <= BEFORE
    assert choice.scores[ARIMA.label].mae > 1.1 * choice.scores[WEEKLY.label].mae
