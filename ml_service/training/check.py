"""`check`: everything that can be known before a cluster starts: settings, problem files, the data contract."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from forecasting.errors import ForecastingError
from forecasting.inbox.tables import CheckedTable
from forecasting.problem.problem_file import Problem
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings.new_problem import FOLDER, ONE, example
from ml_service.settings.pipeline_problems import read_names
from ml_service.settings.variables import PROBLEMS_VARIABLE, Settings, demand_production, shown
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
    listed = [name for name in read_names() if not (FOLDER / f"{name}.yml").is_file()]
    mistakes += [f"{name}.yml: does not exist, but {PROBLEMS_VARIABLE} of variables.yml names it" for name in listed]
    if mistakes:
        raise InvalidRequestError(
            f"{len(mistakes)} of {len({*paths, *listed})} problem files are not usable",
            found="\n".join(mistakes),
            todo=f"correct them; {shown(example(ONE))} explains every line",
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
    terminal.out(f"problems   {', '.join(result.problems)}")
    table = result.table
    terminal.out(f"data       {table.path.name}: {table.rows} rows, {table.first_date} to {table.last_date}")
    terminal.out(f"workspace  {workspace}")
    terminal.out(f"production {result.production or 'none configured'}")
    terminal.document({**asdict(result), "workspace": workspace})
