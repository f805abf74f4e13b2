"""`forecast`: write the forecasts of all series, from a model file, a registered version or a web service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from azure_ml.workspace import Workspace
from forecasting.models.model_file import StoredModel, read_model
from forecasting.problem.problem_file import Problem
from forecasting.serving.bulk import Answer, answers_of, asked_in_parts, write_forecast
from ml_service.output.console import Terminal
from ml_service.settings.variables import Settings
from ml_service.training.registered import fetch_model, requested_model
from ml_service.training.smoke import answer_of, healthy_service, served_model


@dataclass(frozen=True)
class Source:
    """Where forecasts come from. name: for people."""

    name: str
    stored: StoredModel
    answers: Iterable[Answer]


@dataclass(frozen=True)
class Written:
    """A table of forecasts."""

    file: str
    rows: int
    series: int
    horizon: int
    data_until: str
    model: str
    model_sha256: str


def of_file(folder: Path, horizon: int | None) -> Source:
    """A model that train.py has written; a file in its folder may be named. Raises: UsageError, ModelFileError."""
    stored = read_model(folder.parent if folder.is_file() else folder)
    return Source(str(folder), stored, answers_of(stored.model, horizon or stored.horizon))


def of_version(workspace: Workspace, settings: Settings, version: str, horizon: int | None) -> Source:
    """A registered version, or the champion. Raises: InvalidRequestError, CheckFailedError."""
    problem = Problem(settings.problem_file).series.name
    registered = requested_model(workspace, settings, problem, version)
    stored = fetch_model(registered)
    return Source(registered.label, stored, answers_of(stored.model, horizon or stored.horizon))


def of_service(workspace: Workspace, name: str, horizon: int | None) -> Source:
    """What a web service answers for each series of the model that it serves.

    Raises: FaultError (absent, not healthy), CheckFailedError (it refuses, or serves another model than it says).
    """
    service = healthy_service(workspace, name)
    registered = served_model(service)
    stored = fetch_model(registered)
    many = len(stored.model.keys) > 1

    def ask(request: Answer) -> Answer:
        question = dict(request) if many else {"horizon": request["horizon"]}
        return answer_of(service, question)[0]

    answers = asked_in_parts(ask, stored.model, horizon or stored.horizon)
    return Source(f"service {name}, {registered.label}", stored, answers)


def write(source: Source, out: Path, horizon: int | None) -> Written:
    """Write the table. Raises: UsageError; what the source raises."""
    stored = source.stored
    rows = write_forecast(out, source.answers, stored.model)
    return Written(
        file=str(out),
        rows=rows,
        series=len(stored.model.keys),
        horizon=horizon or stored.horizon,
        data_until=stored.model.cutoff.isoformat(),
        model=source.name,
        model_sha256=stored.sha256,
    )


def show(terminal: Terminal, result: Written) -> None:
    """Print what was written."""
    terminal.out(f"forecast   {result.rows} rows in {result.file}")
    terminal.out(f"           {result.series} series, {result.horizon} steps after {result.data_until}")
    terminal.out(f"model      {result.model}, sha256 {result.model_sha256}")
    terminal.document(asdict(result))
