"""`check`: everything that can be known before a cluster starts: settings, problem files, the data contract."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from forecasting.errors import ForecastingError
from forecasting.inbox.tables import CheckedTable
from forecasting.problem.problem_file import Problem
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings.variables import Settings, demand_production
from ml_service.training.data import check_file


@dataclass(frozen=True)
class Checked:
    """What was found sound."""

    problems: tuple[str, ...]
    table: CheckedTable
    production: str
    """Name of the production workspace, empty when none is configured. It is not opened: who trains may not."""


def check(settings: Settings, *, production: bool) -> Checked:
    """Read every problem file beside PROBLEM_FILE, and the table by the contract of PROBLEM_FILE; needs no Azure.

    production: demand that a production workspace is configured.
    Raises: InvalidRequestError with every problem file that is invalid; ContractError with every finding.
    """
    if production:
        demand_production(settings)
    paths = sorted({settings.problem_file, *settings.problem_file.parent.glob("*.yml")})
    mistakes = [f"{path.name}: {mistake}" for path in paths if (mistake := _mistake(path))]
    if mistakes:
        raise InvalidRequestError(
            f"{len(mistakes)} of {len(paths)} problem files are invalid",
            found="\n".join(mistakes),
            todo="correct them; mlops_code/problems/paid_amount.yml explains every line",
        )
    return Checked(
        problems=tuple(path.stem for path in paths),
        table=check_file(settings),
        production=settings.azureml_production_workspace_name,
    )


def _mistake(path: Path) -> str:
    try:
        problem = Problem(path)
        problem.check()
    except ForecastingError as error:
        return str(error)
    return ""


def show(terminal: Terminal, result: Checked, workspace: str) -> None:
    """Print what is sound."""
    terminal.say(f"problems   {', '.join(result.problems)}")
    table = result.table
    terminal.say(f"data       {table.path.name}: {table.rows} rows, {table.first_date} to {table.last_date}")
    terminal.say(f"workspace  {workspace}")
    terminal.say(f"production {result.production or 'none configured'}")
    terminal.document({**asdict(result), "workspace": workspace})
