"""Tables as programs export them end in a forecast by the documented steps, after at most one refusal."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from forecasting.errors import ContractError
from ml_service.cli.main import main
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings import problems
from ml_service.settings.new_problem import Columns
from tests.arriving_tables import DAYS
from tests.exported_tables import EXPORTS, Exported

IN_SMALL = ("raw transactions", "three series with empty cells")
"""Two of them go the whole way in `make test`; unit tests of reading and of the contract cover the others."""


def new(folder: Path, export: Exported) -> Path:
    """The problem file that `problems new` writes. Raises: as it does."""
    table = folder / export.name
    table.write_bytes(export.content)
    columns = Columns(*export.columns, export.keys, export.aggregation)
    return problems.new(
        Terminal(), "own", columns, folder, table, decided=problems.Decided(export.typed, export.missing)
    )


def cured(folder: Path, export: Exported) -> Path:
    """The problem file after at most one refusal, which names the cure that is then followed."""
    if export.refused:
        with pytest.raises((ContractError, InvalidRequestError)) as refusal:
            new(folder, replace(export, typed={}, missing=""))
        assert export.refused in str(refusal.value)
        assert len(getattr(refusal.value, "findings", ("one",))) == 1
    file = folder / "own.yml"
    if not export.edits:
        file.unlink(missing_ok=True)
        return new(folder, replace(export, content=export.corrected or export.content))
    text = file.read_text(encoding="utf-8")
    for before, after in export.edits:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")
    return file


def test_all_twelve_kinds_are_here() -> None:
    assert len(EXPORTS) == 12


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in IN_SMALL else pytest.mark.campaign) for kind in EXPORTS]
)
def test_an_export_ends_in_a_forecast(kind: str, step: Callable[..., Any], tmp_path: Path) -> None:
    export = EXPORTS[kind]
    problem = cured(tmp_path, export)
    words = ("--problem", problem, "--data", tmp_path / export.name, "--candidate", tmp_path / "candidate")
    assert step("train", *words).code == 0
    out = tmp_path / "forecast.csv"
    assert main(["forecast", "--model", str(tmp_path / "candidate"), "--horizon", "7", "--out", str(out)]) == 0
    with out.open(encoding="utf-8", newline="") as content:
        rows = list(csv.DictReader(content))
    assert {row["date"] for row in rows} == {str(DAYS[-1] + timedelta(days=number)) for number in range(1, 8)}
    assert len(rows) == 7 * len({row["series"] for row in rows})
