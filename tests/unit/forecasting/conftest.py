"""The embedded table, its problem file and its series, shared by the tests of the pure package."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from forecasting.data.contract import read_table
from forecasting.data.series import Panel
from forecasting.problem.problem_file import Problem
from tests.sample import DATA, PROBLEMS
from tests.unit.forecasting.candidates import WEEKLY, write_candidate

# A busy machine must not fail a property: only a wrong answer does.
settings.register_profile("forecasting", deadline=None)
settings.load_profile("forecasting")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def table() -> Path:
    return DATA / "daily_by_type.csv"


@pytest.fixture(scope="session")
def problem() -> Problem:
    return Problem(PROBLEMS / "paid_amount.yml")


@pytest.fixture(scope="session")
def panel(table: Path, problem: Problem) -> Panel:
    """The workshop's series, a panel of one."""
    return read_table(table, problem.source, problem.series, problem.contract)[0]


@pytest.fixture(scope="session")
def many() -> Panel:
    """Forty series of sales as they come: levels from 1 to 1,000, weekly pattern, half of them mostly zero."""
    chance = np.random.default_rng(4)
    days, level = np.arange(320), 10 ** chance.uniform(0, 3, (40, 1))
    mean = level * (1 + 0.5 * np.sin(2 * np.pi * days / 7) + days / 800)
    values = chance.poisson(mean) * (chance.random((40, 320)) < np.linspace(0.15, 1, 40)[:, None])
    keys = tuple(f"{'SP'[number % 2]}/{700 + number}" for number in range(40))
    return Panel(date(2013, 7, 31), values.astype(np.float64), keys)


@pytest.fixture
def candidate(tmp_path: Path, panel: Panel) -> Path:
    write_candidate(tmp_path / "candidate", panel, WEEKLY)
    return tmp_path / "candidate"
