"""`smoke`: does the test service answer with the forecast that its registered model really makes?

The service is asked over the network with its key. The model version that it serves is fetched from the registry,
its hash is compared with the one recorded at registration, and its own forecast is computed here and compared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from azure_ml.models.versions import ModelVersion
from azure_ml.services import HEALTHY, Service, ServiceRefusedError, ask, deploy_service, find_service, labels_of
from azure_ml.workspace import Workspace
from forecasting.calendars import DAILY, calendar_of
from forecasting.json_text import strict_json
from forecasting.models.model_file import StoredModel
from forecasting.serving.live_check import difference, questions
from ml_service.errors import CheckFailedError, FaultError
from ml_service.output.console import Terminal
from ml_service.settings.variables import Settings
from ml_service.training.registered import fetch_files, fetch_model, requested_model
from ml_service.training.snapshots import assemble_scoring

Announce = Callable[[str], None]
DEFAULT_HORIZON = 28
_BAR_WIDTH = 30


@dataclass(frozen=True)
class Smoked:
    """A forecast that the service and the model agree on."""

    service: str
    url: str
    model: str
    """`name:version` that the service serves."""
    model_sha256: str
    dates: tuple[str, ...]
    values: tuple[float, ...]
    """Forecast of each date, in the unit of the measure."""
    series: tuple[str, ...] = ()
    """Series of each date; empty where the model has one."""
    series_of_model: int = 1
    """How many series the model knows; of many only some are asked for."""
    questions: int = 1
    """How many were compared: other horizons and a newer history too."""
    failed_before: tuple[str, ...] = ()
    """Calls that had to be repeated, one sentence each."""
    served: Mapping[str, Any] = field(default_factory=dict)
    """What the service says of the model and the code that answer."""
    frequency: str = DAILY.frequency


@dataclass(frozen=True)
class LiveCheck:
    """A service that answers as the model itself forecasts."""

    answer: dict[str, Any]
    """The answer for the horizon that was asked for."""
    questions: int
    failed_before: tuple[str, ...]

    @property
    def served(self) -> dict[str, Any]:
        """What the service says of the model and the code that answer."""
        said: dict[str, Any] = self.answer["model"]
        return said


def smoke(workspace: Workspace, service_name: str, horizon: int) -> Smoked:
    """Ask a service and compare.

    Raises: FaultError (service absent or not healthy), CheckFailedError (it refuses the call, answers with another
    forecast, or the registered model file is not the one that was registered).
    """
    service = healthy_service(workspace, service_name)
    registered = served_model(service)
    stored = fetch_model(registered)
    checked = demand_same_forecast(service, stored, horizon, registered.label)
    return _smoked(service, registered, stored, checked)


def deploy_for_test(
    workspace: Workspace, settings: Settings, problem: str, version: str, *, horizon: int, announce: Announce
) -> Smoked:
    """Deploy a version with the scoring script of this working tree to the test service, and compare its answers.

    Raises: InvalidRequestError (no such version), CheckFailedError (it answers otherwise), AzureMlError.
    """
    model = requested_model(workspace, settings, problem, version)
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        stored = fetch_files(model, Path(scratch, "model")).stored
        scoring = assemble_scoring(Path(scratch, "deployment"))
        announce(f"deploying {model.label} to service {settings.test_service_name} in workspace {workspace.name}")
        service = deploy_service(
            workspace,
            settings.test_service_name,
            model,
            scoring=scoring.folder,
            environment=scoring.environment,
            labels=labels_of(
                model,
                stored.sha256,
                scoring=scoring.folder,
                environment=scoring.environment,
                run_id=model.properties.get("run_id", ""),
            ),
            announce=announce,
        )
    checked = demand_same_forecast(service, stored, horizon, model.label)
    return _smoked(service, model, stored, checked)


def _smoked(service: Service, registered: ModelVersion, stored: StoredModel, checked: LiveCheck) -> Smoked:
    days = checked.answer["forecast"]
    many = len(stored.model.keys) > 1
    return Smoked(
        service=service.name,
        url=service.url,
        model=registered.label,
        model_sha256=stored.sha256,
        dates=tuple(day["date"] for day in days),
        values=tuple(float(day["value"]) for day in days),
        series=tuple(str(day["series"]) for day in days) if many else (),
        frequency=stored.model.calendar.frequency,
        series_of_model=len(stored.model.keys),
        questions=checked.questions,
        failed_before=checked.failed_before,
        served=checked.served,
    )


def demand_same_forecast(service: Service, stored: StoredModel, horizon: int, model: str) -> LiveCheck:
    """The live answers of a service, when they are the model's own forecasts. model: its name in messages.

    A wrong answer is a verdict at once; a call that fails is repeated first, because it may be a blip.
    Raises: CheckFailedError (it answers otherwise or refuses), AzureMlError (it does not answer).
    """
    asked = questions(stored, horizon)
    answers: list[dict[str, Any]] = []
    failed: list[str] = []
    for question in asked:
        answer, failures = answer_of(service, question)
        answers.append(answer)
        failed.extend(failures)
        if wrong := difference(answer, stored, question):
            raise CheckFailedError(
                f"service {service.name} gives other answers than its registered model {model}",
                found=wrong,
                expected="the same days, values, intervals and model hash",
                todo="the service runs other code or another model than it reports: correct it and redeploy",
            )
    return LiveCheck(answers[0], len(asked), tuple(failed))


def healthy_service(workspace: Workspace, name: str) -> Service:
    """The service of that name. Raises: FaultError where there is none, or it is not healthy."""
    service = find_service(workspace, name)
    if service is None:
        raise FaultError(
            f"there is no service {name} in workspace {workspace.name}",
            todo="a run whose model is accepted deploys it: python -m ml_service run",
        )
    state = service.state
    if state.state != HEALTHY:
        raise FaultError(
            f"service {name} is {state.state}",
            found=state.error or "no reason given",
            expected=HEALTHY,
            todo="correct what the log shows, then run the pipeline again; while it is in transition, wait",
            log=service.log,
        )
    return service


def served_model(service: Service) -> ModelVersion:
    """The registered model that the service was deployed with. Raises: CheckFailedError."""
    if len(service.models) != 1:
        raise CheckFailedError(
            f"service {service.name} serves {len(service.models)} models",
            expected="exactly one registered model version",
            todo="deploy it with the pipeline: python -m ml_service run",
        )
    return service.models[0]


def answer_of(service: Service, body: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The service's answer as JSON, and the calls that failed before it. Raises: CheckFailedError, AzureMlError."""
    try:
        answer = ask(service, body)
    except ServiceRefusedError as error:
        raise CheckFailedError(error.happened, error.found, error.expected, error.todo) from error
    try:
        return strict_json(answer.content), answer.failed_before
    except ValueError as error:
        raise CheckFailedError(
            f"service {service.name} did not answer with a JSON object",
            found=f"{error}: {answer.content[:200].decode(errors='replace')}",
            todo="correct mlops_code/score.py",
        ) from None


def show(terminal: Terminal, result: Smoked, *, as_part: bool = False) -> None:
    """Print the forecast as a small table with bars. as_part: the JSON document is another verb's."""
    asked = tuple(dict.fromkeys(result.series))
    steps = calendar_of(result.frequency).count(len(result.dates) // max(len(asked), 1))
    many = f" of each of {len(asked)} series" if asked else ""
    terminal.out(f"smoke      {result.service} gives the forecasts of model {result.model} ({steps}{many})")
    terminal.out(f"           {result.questions} requests were compared, with other horizons and a newer history")
    for failure in result.failed_before:
        terminal.out(f"           a call was repeated: {failure}")
    if len(asked) < result.series_of_model and asked:
        terminal.out(f"           {len(asked)} of the model's {result.series_of_model} series were requested")
    rows: list[tuple[str, ...]] = [
        (day, f"{date.fromisoformat(day):%a}", f"{value:.2f}", bar)
        for day, value, bar in zip(result.dates, result.values, _bars(result), strict=True)
    ]
    if asked:
        rows = [(name, *row) for name, row in zip(result.series, rows, strict=True)]
    columns = (*(("series",) if asked else ()), "date", "day", "forecast", "")
    terminal.table(columns, rows, right=("forecast",))
    if not as_part:
        terminal.document(asdict(result))


def _bars(result: Smoked) -> list[str]:
    """A bar for each value, as long as the value is part of the highest of its series."""
    names = result.series or ("",) * len(result.values)
    highest: dict[str, float] = {}
    for name, value in zip(names, result.values, strict=True):
        highest[name] = max(highest.get(name, 0.0), value)
    return [
        "#" * round(max(value, 0.0) / (highest[name] or 1.0) * _BAR_WIDTH)
        for name, value in zip(names, result.values, strict=True)
    ]
