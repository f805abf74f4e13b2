"""Weekly and monthly tables of others: from `problems new` to a live answer and a report that fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.story.conftest import MakeProduct
from tests.story.live import Live
from tests.story.product import Sdk, copy_tree
from tests.story.test_own_data import live
from tests.tables_of_others import Told, monthly, monthly_m4, weekly, weekly_m4


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize(
    "told", [weekly, weekly_m4, monthly, monthly_m4], ids=lambda told: told.__name__.replace("_", "-")
)
def test_a_table_gets_from_a_new_problem_to_a_live_answer(
    make_product: MakeProduct, sdk: Sdk, tmp_path: Path, told: Callable[[], Told]
) -> None:
    table, calendar, last, horizon, words, key = told()
    table.to_csv(tmp_path / "theirs.csv", index=False)
    name = told.__name__
    product = make_product(name.replace("_", "-")).from_tree(copy_tree(tmp_path / "tree"))
    columns = ("--date", "Date", "--measure", "Value", "--mean", *(("--key", key) if key else ()))
    product.run("problems", "new", name, *columns, "--data", tmp_path / "theirs.csv")
    product = product.with_settings(PROBLEM_FILE=f"mlops_code/problems/{name}.yml", DATA_FILE=tmp_path / "theirs.csv")
    rehearsed = product.run("rehearse")
    assert rehearsed.found(r"^outcome +(\w+, [\w-]+):") == "accepted, first-model"
    service, stored = live(sdk, product, tmp_path / "model")
    assert (stored.model.calendar, stored.model.cutoff) == (calendar, last)
    _answers(service, [str(day) for day in calendar.range(calendar.after(last, 1), horizon)], stored.model.keys)
    report = next((tmp_path / "model").rglob("report.html")).read_text()
    assert [word for word in words if word not in report] == []
    assert "days" not in report.replace("max_age_days", "")


def _answers(service: Live, dates: list[str], keys: tuple[str, ...]) -> None:
    """The service forecasts the next steps of each series."""
    status, answer = service.ask({"horizon": len(dates)})
    assert (status, [entry["date"] for entry in answer["forecast"]]) == (200, dates * len(keys))
