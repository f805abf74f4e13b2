"""A promotion that is known in advance, from the table of another system to the answers of the scoring script."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml_service.output.console import Terminal
from ml_service.settings.new_problem import Columns
from ml_service.settings.problems import new
from tests.unit.steps.service_app import lay_out, post, serve

FIRST, DAYS, HORIZON = date(2023, 1, 2), 400, 28
SHOPS = ("north", "east", "south", "west", "airport", "station")
WEEK = np.array([1.0, 1.1, 1.2, 1.0, 1.5, 1.9, 0.7])
GAIN = 0.8  # of a day with a promotion, over the same day without
WORST = 1.5  # of the error of the regression that knows the formula
Numbers = Any


def sales() -> tuple[Numbers, Numbers]:
    """Units and promotions, shape (shops, days): a level and a week, more on a promotion, and noise."""
    chance = np.random.default_rng(8)
    promotion = (chance.random((len(SHOPS), DAYS + HORIZON)) < 0.15).astype(float)
    level = np.geomspace(50, 800, len(SHOPS))[:, None]
    mean = level * WEEK[np.arange(DAYS + HORIZON) % 7] * (1 + GAIN * promotion)
    return np.maximum(mean + level * chance.normal(scale=0.08, size=mean.shape), 0).round(1), promotion


def table_of(units: Numbers, promotion: Numbers) -> pd.DataFrame:
    """A row a day and shop; of the days ahead only the promotion is known."""
    known = units.astype(object)
    known[:, DAYS:] = ""
    days = [(FIRST + timedelta(days=day)).isoformat() for day in range(DAYS + HORIZON)]
    return pd.DataFrame(
        {
            "Day": np.tile(days, len(SHOPS)),
            "Shop": np.repeat(SHOPS, len(days)),
            "Units": known.ravel(),
            "Promotion": promotion.ravel().astype(int),
        }
    )


def by_formula(units: Numbers, promotion: Numbers) -> Numbers:
    """The days ahead by a least-squares fit for each shop and weekday, with and without a promotion."""
    weekdays = np.eye(7)[np.arange(DAYS + HORIZON) % 7]
    made = []
    for sold, promoted in zip(units, promotion, strict=True):
        design = np.hstack([weekdays, weekdays * promoted[:, None]])
        weights, *_ = np.linalg.lstsq(design[:DAYS], sold[:DAYS], rcond=None)
        made.append(design[DAYS:] @ weights)
    return np.array(made)


@pytest.fixture
def app(tmp_path: Path, step: Callable[..., Any]) -> Path:
    """A service whose model was trained on the table, with a problem file that names the column."""
    table_of(*sales()).to_csv(tmp_path / "sales.csv", index=False)
    problem = new(Terminal(as_json=False), "shops", Columns("Day", "Units", ("Shop",), "sum"), tmp_path)
    problem.write_text(problem.read_text() + "\nfuture:\n  columns: [Promotion]\n")
    model = lay_out(tmp_path / "app")
    ended = step("train", "--problem", problem, "--data", tmp_path / "sales.csv", "--candidate", model)
    assert ended.code == 0, ended.err
    assert "direct" in ended.out.split("trained recipe=")[1].split(" ")[0], ended.out
    return tmp_path / "app"


def test_a_promotion_is_forecast_nearly_as_well_as_by_its_formula(app: Path) -> None:
    units, promotion = sales()
    future = {shop: {"Promotion": promotion[row, DAYS:].tolist()} for row, shop in enumerate(SHOPS)}
    start = DAYS - 100
    history = {
        shop: {
            "from": (FIRST + timedelta(days=start)).isoformat(),
            "values": units[row, start:DAYS].tolist(),
            "columns": {"Promotion": promotion[row, start:DAYS].tolist()},
        }
        for row, shop in enumerate(SHOPS)
    }
    nothing = {shop: {"Promotion": [0.0] * HORIZON} for shop in SHOPS}
    documents = [{}, {"future": future}, {"history": history, "future": future}, {"future": nothing}]
    requests = [post(json.dumps({"horizon": HORIZON, "series": list(SHOPS), **more})) for more in documents]
    ended = serve(app, requests)
    assert ended.returncode == 0, ended.stderr
    errors = []
    for status, body, _ in json.loads((app / "answers.json").read_text()):
        assert status == 200, body
        made = np.array([entry["value"] for entry in body["forecast"]]).reshape(len(SHOPS), HORIZON)
        errors.append(float(np.abs(made - units[:, DAYS:]).mean()))
    formula = float(np.abs(by_formula(units, promotion) - units[:, DAYS:]).mean())
    from_table, from_request, with_history, blind = errors
    assert max(from_table, from_request, with_history) < WORST * formula
    assert blind > WORST * formula, "the promotion must matter, or the test shows nothing"
