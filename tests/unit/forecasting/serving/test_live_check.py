"""The answer of a live service is compared with the model's own forecast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forecasting.models.catalog import dated_forecast
from forecasting.models.model_file import read_model
from forecasting.serving.live_check import difference


def test_the_live_answer_is_compared_to_the_last_digit_that_counts(candidate: Path) -> None:
    stored = read_model(candidate)
    days: list[dict[str, Any]] = [
        {"date": day.isoformat(), "value": value} for day, value in dated_forecast(stored.model, 28)
    ]
    answer: dict[str, Any] = {"forecast": days, "model": {"sha256": stored.sha256}}
    assert difference(answer, stored, 28) is None
    assert "expected 27 days" in str(difference(answer, stored, 27))
    assert "expected 28 days" in str(difference({"error": {"status": 500}}, stored, 28))
    assert "serves the model" in str(difference({**answer, "model": {"sha256": "other"}}, stored, 28))
    off = [*days[:3], {**days[3], "value": days[3]["value"] * (1 + 1e-8)}, *days[4:]]
    assert "2014-06-04" in str(difference({**answer, "forecast": off}, stored, 28))
    late = [{**days[0], "date": "2014-07-01"}, *days[1:]]
    assert "expected the day 2014-06-01" in str(difference({**answer, "forecast": late}, stored, 28))
