"""`smoke`: does the test service answer with the forecast that its registered model really makes?

The service is asked over the network with its key. The model version that it serves is fetched from the registry,
its hash is compared with the one recorded at registration, and its own forecast is computed here and compared.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import requests

from forecasting.errors import ForecastingError
from forecasting.models.model_file import (
    MODEL_FILE,
    StoredModel,
    difference,
    question,
    read_model,
    strict_json,
)
from ml_service.errors import FaultError, RefusedError
from ml_service.output.console import Terminal, quiet_sdk
from ml_service.settings.workspace import OpenWorkspace
from ml_service.training.service import HEALTHY, describe, find_service, last_log_lines

DEFAULT_HORIZON = 28
_TIMEOUT_SECONDS = (10, 60)
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


@dataclass(frozen=True)
class FetchedModel:
    """A registered model version on disk, verified."""

    path: Path
    """The folder that holds model.json and what was registered beside it."""
    stored: StoredModel


def smoke(workspace: OpenWorkspace, service_name: str, horizon: int) -> Smoked:
    """Ask a service and compare.

    Raises: FaultError (service absent or not healthy), RefusedError (it refuses the call, answers with another
    forecast, or the registered model file is not the one that was registered).
    """
    service = _healthy_service(workspace, service_name)
    registered = _served_model(service)
    stored = fetch_model(registered)
    answer = demand_same_forecast(service, stored, horizon, f"{registered.name}:{registered.version}")
    return Smoked(
        service=service.name,
        url=service.scoring_uri,
        model=f"{registered.name}:{registered.version}",
        model_sha256=stored.sha256,
        dates=tuple(entry["date"] for entry in answer["forecast"]),
        values=tuple(float(entry["value"]) for entry in answer["forecast"]),
        series=tuple(str(entry["series"]) for entry in answer["forecast"]) if len(stored.model.keys) > 1 else (),
        series_of_model=len(stored.model.keys),
    )


def demand_same_forecast(service: Any, stored: StoredModel, horizon: int, model: str) -> dict[str, Any]:
    """The live answer of a service, when it is the model's own forecast. model: its name in messages.

    Raises: RefusedError (it answers otherwise or refuses), FaultError (it does not answer).
    """
    answer = _ask(service, question(stored, horizon))
    if wrong := difference(answer, stored, horizon):
        raise RefusedError(
            f"service {service.name} does not answer as its registered model {model}",
            found=wrong,
            expected="the same days, values and model hash",
            todo="the service runs other code or another model than it says: correct it and deploy again",
        )
    return answer


def _healthy_service(workspace: OpenWorkspace, name: str) -> Any:
    service = find_service(workspace, name)
    if service is None:
        raise FaultError(
            f"there is no service {name} in workspace {workspace.name}",
            todo="a run whose model is accepted deploys it: python -m ml_service run",
        )
    state = describe(service)
    if state.state != HEALTHY:
        log = "\n".join(last_log_lines(service)) or "(it wrote no log)"
        raise FaultError(
            f"service {name} is {state.state}",
            found=f"{state.error or 'no reason given'}\nits last log lines:\n{log}",
            expected=HEALTHY,
            todo="correct what the log shows, then run the pipeline again; while it is in transition, wait",
        )
    return service


def _served_model(service: Any) -> Any:
    """The registered model that the service was deployed with."""
    models = service.models or []
    if len(models) != 1:
        raise RefusedError(
            f"service {service.name} serves {len(models)} models",
            expected="exactly one registered model version",
            todo="deploy it with the pipeline: python -m ml_service run",
        )
    return models[0]


def fetch_model(registered: Any) -> StoredModel:
    """As `fetch_files`, for those who need the model only."""
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        return fetch_files(registered, Path(scratch)).stored


def fetch_files(registered: Any, target: Path) -> FetchedModel:
    """Download a model version and open it only when its hash is the one recorded at registration.

    Raises: RefusedError (no model file, damaged, or another hash).
    """
    recorded = (registered.properties or {}).get("model_sha256", "")
    name = f"{registered.name}:{registered.version}"
    with quiet_sdk():
        registered.download(target_dir=str(target), exist_ok=True)
    folder = next((path.parent for path in target.rglob(MODEL_FILE)), None)
    if folder is None:
        raise RefusedError(
            f"model {name} holds no {MODEL_FILE}",
            todo="it was not registered by this pipeline: register it again",
        )
    try:
        stored = read_model(folder)
    except ForecastingError as error:
        raise RefusedError(f"model {name} cannot be trusted", found=str(error), todo="register it again") from error
    if stored.sha256 != recorded:
        raise RefusedError(
            f"the file of model {name} is not the one that was registered",
            found=f"sha256 {stored.sha256}",
            expected=f"sha256 {recorded or '(none recorded)'}",
            todo="do not release this version: somebody changed the file in the storage account; run again",
        )
    return FetchedModel(folder, stored)


def _ask(service: Any, body: dict[str, Any]) -> dict[str, Any]:
    """The service's answer as JSON; the key never appears in a message."""
    with quiet_sdk():
        key = service.get_keys()[0]
    try:
        response = requests.post(
            service.scoring_uri,
            json=body,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_SECONDS,
        )
    except requests.RequestException as error:
        raise FaultError(
            f"service {service.name} did not answer at {service.scoring_uri}",
            found=type(error).__name__,
            todo="see its state: python -m ml_service status",
        ) from error
    if response.status_code != requests.codes.ok:
        raise RefusedError(
            f"service {service.name} refused the call with HTTP {response.status_code}",
            found=response.text[:1000].strip(),
            expected="HTTP 200 with a forecast",
            todo="correct the request or mlops_code/score.py",
        )
    try:
        return strict_json(response.content)
    except ValueError as error:
        raise RefusedError(
            f"service {service.name} did not answer with a JSON object",
            found=f"{error}: {response.text[:200]}",
            todo="correct mlops_code/score.py",
        ) from None


def show(terminal: Terminal, result: Smoked, *, as_part: bool = False) -> None:
    """Print the forecast as a small table with bars. as_part: the JSON document is another verb's."""
    asked = tuple(dict.fromkeys(result.series))
    days = len(result.dates) // max(len(asked), 1)
    many = f" of each of {len(asked)} series" if asked else ""
    terminal.say(f"smoke      {result.service} answers as model {result.model} itself forecasts ({days} days{many})")
    if len(asked) < result.series_of_model and asked:
        terminal.say(f"           {len(asked)} of the model's {result.series_of_model} series were asked for")
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
