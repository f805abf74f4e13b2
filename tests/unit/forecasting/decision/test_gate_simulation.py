"""The published simulation decides as the gate does: its rules are written for all pairs at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.forecasting.gate_data import Table
from bench.forecasting.gate_errors import CONTENDERS, HORIZON, LABELS, SHRUNK, STEP, WINDOW, errors_of
from bench.forecasting.gate_rules import POLICY, Rules, Scene, promotes
from forecasting.decision.gate import decide
from forecasting.evaluation.backtest import Windows, actuals_of, backtest
from forecasting.evaluation.calibration import half_widths_of
from forecasting.evaluation.comparison import Setting, Side, compare
from forecasting.models.recipe import History

DAYS = 560


@pytest.fixture(scope="module")
def table() -> Table:
    """Series with a week, a year, noise and, in some, a start in the middle."""
    chance = np.random.default_rng(5)
    days = np.arange(DAYS)
    level = chance.uniform(5, 50, (24, 1)) * (
        1 + 0.3 * np.sin(2 * np.pi * days / 364 + chance.uniform(0, 6, (24, 1)))
    )
    week = chance.uniform(0.4, 1.6, (24, 7))[:, days % 7]
    values = np.maximum(level * week * chance.lognormal(0, 0.5, (24, DAYS)), 0).round(1)
    values[:3, :230] = 0
    return Table("made", values, pd.Timestamp("2024-06-30"), "mase", alone=False)


@pytest.mark.parametrize("metric", ["mase", "rmsse"])
@pytest.mark.parametrize("decision", [532, 308])
def test_every_pair_ends_as_in_the_gate(table: Table, metric: str, decision: int) -> None:
    errors = errors_of(table)
    place = errors.place(decision)
    scene = Scene(errors, place, np.arange(24), metric)
    found = promotes(scene, Rules())
    history = History(table.values, table.last.date(), 7, HORIZON).until(decision)
    earlier = tuple(range(decision - 364, decision - 364 + 5 * STEP, STEP)) if scene.has_year else ()
    recent = tuple(range(decision - HORIZON - 7 * STEP, decision - HORIZON + 1, STEP))
    windows = Windows((*earlier, *recent), HORIZON, len(earlier))
    before = Windows(tuple(origin - 77 for origin in recent), HORIZON)
    actuals, calibration = actuals_of(history, windows), actuals_of(history, before)
    made, calibrated = backtest(history, CONTENDERS, windows), backtest(history, CONTENDERS, before)
    for forecasts in (made, calibrated):
        forecasts[SHRUNK] = 0.9 * forecasts[WINDOW.label]
    sides = {label: Side(made[label], half_widths_of(calibrated[label], calibration)) for label in LABELS}
    highest = np.maximum.accumulate(table.values, axis=1)[:, np.array(windows.origins) - 1]
    days = np.array(windows.origins)[:, None] + np.arange(HORIZON)
    setting = Setting(metric, days, 7, highest, 0.0, {})
    for one, champion in enumerate(LABELS):
        for other, challenger in enumerate(LABELS):
            compared = compare(
                actuals,
                challenger=sides[challenger],
                champion=sides[champion],
                simple={},
                setting=setting,
                policy=POLICY,
            )
            verdict, _ = decide(compared, POLICY)
            assert found[one, other] == (verdict.outcome == "accepted"), (champion, challenger, verdict)
    assert 0.1 < found.mean() < 0.5
