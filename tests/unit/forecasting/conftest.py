"""The embedded table, its problem file and its series, shared by the tests of the pure package."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from mlops_code.forecasting.contract import read_table
from mlops_code.forecasting.problem import Problem
from mlops_code.forecasting.series import Series

# A busy machine must not fail a property: only a wrong answer does.
settings.register_profile("forecasting", deadline=None)
settings.load_profile("forecasting")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def table() -> Path:
    return ROOT / "data/adventureworks/daily_by_type.csv"


@pytest.fixture(scope="session")
def problem() -> Problem:
    return Problem(ROOT / "mlops_code/problems/paid_amount.yml")


@pytest.fixture(scope="session")
def series(table: Path, problem: Problem) -> Series:
    return read_table(table, problem.source, problem.series)[0]
