"""`check`: everything that can be known before a cluster starts: settings, problem files, the data contract."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from ml_service.console import Terminal
from ml_service.errors import UsageError
from ml_service.settings import Settings
from ml_service.table import CheckedTable
from ml_service.table import check as check_table
from mlops_code.forecasting.errors import ForecastingError
from mlops_code.forecasting.problem import Problem


@dataclass(frozen=True)
class Checked:
    """What was found sound."""

    problems: tuple[str, ...]
    table: CheckedTable


def check(settings: Settings) -> Checked:
    """Read every problem file beside PROBLEM_FILE, and the table by the contract of PROBLEM_FILE; needs no Azure.

    Raises: UsageError with every problem file that is not legal; ContractError with every finding.
    """
    paths = sorted({settings.problem_file, *settings.problem_file.parent.glob("*.yml")})
    mistakes = [f"{path.name}: {mistake}" for path in paths if (mistake := _mistake(path))]
    if mistakes:
        raise UsageError(
            f"{len(mistakes)} of {len(paths)} problem files are not usable",
            found="\n".join(mistakes),
            todo="correct them; mlops_code/problems/paid_amount.yml explains every line",
        )
    return Checked(problems=tuple(path.stem for path in paths), table=check_table(settings))


def _mistake(path: Path) -> str:
    try:
        problem = Problem(path)
        _ = problem.source, problem.series, problem.training, problem.gate
    except ForecastingError as error:
        return str(error)
    return ""


def show(terminal: Terminal, result: Checked, workspaces: tuple[str, ...]) -> None:
    """Print what is sound."""
    terminal.say(f"problems   {', '.join(result.problems)}")
    table = result.table
    terminal.say(f"data       {table.path.name}: {table.rows} rows, {table.first_date} to {table.last_date}")
    for banner in workspaces:
        terminal.say(f"workspace  {banner}")
    terminal.document({**asdict(result), "workspaces": list(workspaces)})
