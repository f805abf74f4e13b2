"""Weekly and monthly tables of others, from `problems new` to a forecast and a report that speaks of their steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from forecasting.models.model_file import read_model
from forecasting.serving.forecaster import Forecaster
from ml_service.output.console import Terminal
from ml_service.settings.new_problem import Columns
from ml_service.settings.problems import new
from tests.tables_of_others import Told, monthly, weekly


class Ended(Protocol):
    code: int
    out: str
    err: str


Step = Callable[..., Ended]


@pytest.mark.parametrize("told", [weekly, monthly], ids=lambda told: told.__name__)
def test_a_table_gets_from_a_new_problem_to_a_forecast(step: Step, tmp_path: Path, told: Callable[[], Told]) -> None:
    table, calendar, last, horizon, words, _ = told()
    table.to_csv(tmp_path / "theirs.csv", index=False)
    columns = Columns("Date", "Value", (), "mean")
    problem = new(Terminal(as_json=False), "theirs", columns, tmp_path, tmp_path / "theirs.csv")
    candidate, evaluation = tmp_path / "candidate", tmp_path / "evaluation"
    words_of_step = ("--problem", problem, "--candidate", candidate)
    assert step("train", *words_of_step, "--data", tmp_path / "theirs.csv").code == 0
    ended = step("evaluate", *words_of_step, "--evaluation", evaluation, "--champion", "none")
    assert ended.code in {0, 3}, ended.err  # whether it is good enough is the gate's business
    report = (evaluation / "report.html").read_text()
    assert [word for word in words if word not in report] == []
    assert "days" not in report.replace("max_age_days", "")
    model = read_model(candidate).model
    service = Forecaster(model)
    entries = service.answer(service.read({"horizon": horizon}))["forecast"]
    assert [entry["date"] for entry in entries] == [
        str(day) for day in calendar.range(calendar.after(last, 1), horizon)
    ]
    spread = table["Value"].max() - table["Value"].min()
    assert all(abs(entry["value"] - table["Value"].iloc[-1]) < spread for entry in entries)
