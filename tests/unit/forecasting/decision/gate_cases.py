"""Comparisons, windows and contests that the tests of the gate are made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
from hypothesis import strategies as st

from forecasting.data.series import Panel
from forecasting.decision.contest import Contest
from forecasting.decision.gate import Judgement, decide, judge
from forecasting.evaluation.comparison import Comparison, Setting, Side
from forecasting.evaluation.metrics import Actuals, Metrics
from forecasting.models.catalog import fit, make_recipe
from forecasting.models.recipe import History, Recipe
from forecasting.problem.problem_file import Problem
from forecasting.problem.sections import Candidate, GatePolicy, Training

POLICY = GatePolicy(origins=8, step=7)
# As policies were written when every guard blocked.
EARLIER = GatePolicy.model_validate(
    {
        "origins": 8,
        "step": 7,
        "guards": {
            "bias": 0.20, "coverage": (0.60, 0.98), "winkler": 0.05, "secondary": 0.02, "segment": 0.20,
            "segment_points": 100, "series_worse": 0.5, "maximum": 3.0,
        },
        "bootstrap": {"probability": 0.95},
    }
)  # fmt: skip
WEEKLY = make_recipe("same_weekday_mean", {"weeks": 8})
NAIVE = make_recipe("seasonal_naive", {})
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0})
BOOSTING = make_recipe("histgb_direct", {"rounds": 100, "leaves": 8, "min_rows": 50, "rate": 0.05})
BEFORE = date(2014, 3, 15)

errors = st.floats(min_value=0.001, max_value=1e6)
margins = st.floats(min_value=0, max_value=0.5)
wild = st.sampled_from([float("nan"), float("inf"), float("-inf")])
fields = st.sampled_from(["mae", "rmse", "mase", "rmsse", "rel_mae", "bias", "bias_ratio"])


def scored(mae: float, reference: float = 300.0) -> Metrics:
    return Metrics(
        mae=mae, rmse=mae * 1.3, mase=mae / 280, rmsse=mae / 400, rel_mae=mae / reference, bias=-mae / 10,
        bias_ratio=-0.05,
    )  # fmt: skip


def comparison(
    challenger: float, champion: float | None = None, reference: float = 300.0, /, **more: Any
) -> Comparison:
    theirs = None if champion is None else scored(champion, reference)
    plain = Comparison(
        metric="mae", challenger=scored(challenger, reference), champion=theirs,
        reference=scored(reference, reference), simple={}, interval=None, champion_interval=None, segments=(),
        series=1, worse=None, better=None, largest=1.0, age=None,
    )  # fmt: skip
    return replace(plain, **more)


def outcome(found: Comparison, policy: GatePolicy = POLICY) -> tuple[str, str]:
    verdict, _ = decide(found, policy)
    return verdict.outcome, verdict.reason


def windows_of(seed: int, series: int) -> tuple[Actuals, Side, Side, Setting]:
    chance = np.random.default_rng(seed)
    actuals = chance.gamma(2, 50, (series, 8, 28))
    naive = actuals + chance.normal(0, 60, actuals.shape)
    ours, theirs = (actuals + chance.normal(0, spread, actuals.shape) for spread in (30, 34))
    scale = chance.uniform(40, 60, (series, 8))
    days = 16_000 + 7 * np.arange(8)[:, None] + np.arange(28)
    highest = np.repeat(actuals.max(axis=(1, 2))[:, None], 8, axis=1)
    groups = {"kind": ["SP"[number % 2] for number in range(series)]}
    widths = ((1.0,), (2.0,))
    setting = Setting("rmsse", days, 7, highest, None, groups if series > 1 else {})
    places = setting.calendar.parts_of(days.astype("datetime64[D]"))
    return Actuals(actuals, naive, scale, scale**2, places), Side(ours, widths), Side(theirs, widths), setting


def against(panel: Panel, problem: Problem, challenger: Recipe, champion: Recipe | None) -> Judgement:
    champion_model = fit(champion, History(panel.values, panel.last, 7, 28)) if champion else None
    return judge(panel, Contest(challenger, champion_model, BEFORE), problem.training, problem.gate, 0.0)


def only(training: Training, *candidates: Candidate) -> Training:
    return training.model_copy(update={"candidates": candidates})
