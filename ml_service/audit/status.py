"""`status`: what is published, what ran, what is registered, who is champion and what serves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from azureml.core import Experiment, Model, Run
from azureml.pipeline.core import PublishedPipeline

from ml_service.output.console import Terminal
from ml_service.settings.variables import Settings
from ml_service.settings.workspace import OpenWorkspace
from ml_service.training.endpoint import find_endpoint
from ml_service.training.service import ServiceState, service_state

_SHOWN = 10
CHAMPION_TAG, CHAMPION_SINCE_TAG = "champion", "champion_since"


@dataclass(frozen=True)
class PublishedState:
    """A version of the published pipeline."""

    pipeline_id: str
    name: str
    version: str
    status: str
    default: bool
    """Whether the pipeline endpoint runs this one."""


@dataclass(frozen=True)
class RunState:
    """A pipeline run of the experiment; `outcome` is empty while it runs or when it broke before deciding."""

    run_id: str
    status: str
    started: str
    outcome: str
    reason: str


@dataclass(frozen=True)
class ModelState:
    """A registered model version; `champion` names the problem that it serves, or is empty."""

    name: str
    version: int
    sha256: str
    run_id: str
    champion: str


@dataclass(frozen=True)
class ProductionState:
    """The production workspace and what serves there."""

    workspace: str
    service: ServiceState | None


@dataclass(frozen=True)
class Status:
    """Everything that `status` shows; lists hold the newest first."""

    workspace: str
    resource_group: str
    tags: dict[str, str]
    endpoint: str
    endpoint_status: str
    endpoint_url: str
    published: tuple[PublishedState, ...]
    runs: tuple[RunState, ...]
    models: tuple[ModelState, ...]
    service: ServiceState | None
    """The test service."""
    production: ProductionState | None
    """None where no production workspace is configured."""


def status(workspace: OpenWorkspace, production: OpenWorkspace | None, settings: Settings) -> Status:
    """Read the state of both workspaces; changes nothing."""
    endpoint = find_endpoint(workspace, settings.pipeline_endpoint_name)
    return Status(
        workspace=workspace.name,
        resource_group=workspace.resource_group,
        tags=workspace.tags,
        endpoint=settings.pipeline_endpoint_name,
        endpoint_status=endpoint.status if endpoint else "absent",
        endpoint_url=endpoint.endpoint if endpoint else "",
        published=_published(workspace, settings, endpoint),
        runs=_runs(workspace, settings),
        models=_models(workspace, settings),
        service=service_state(workspace, settings.test_service_name),
        production=ProductionState(production.name, service_state(production, settings.production_service_name))
        if production
        else None,
    )


def _published(workspace: OpenWorkspace, settings: Settings, endpoint: Any | None) -> tuple[PublishedState, ...]:
    numbers: dict[str, int] = {}
    default = ""
    if endpoint is not None:
        numbers = {item.pipeline_id: int(item.version) for item in endpoint.pipeline_version_list}
        default = next((key for key, number in numbers.items() if str(number) == str(endpoint.default_version)), "")
    ours = [
        PublishedState(item.id, item.name, item.version, item.status, item.id == default)
        for item in PublishedPipeline.list(workspace.sdk, active_only=False)
        if item.name == settings.pipeline_name
    ]
    # The number that the endpoint gave tells the order; build ids are texts of any form.
    return tuple(sorted(ours, key=lambda item: numbers.get(item.pipeline_id, -1), reverse=True)[:_SHOWN])


def _runs(workspace: OpenWorkspace, settings: Settings) -> tuple[RunState, ...]:
    if settings.experiment_name not in workspace.sdk.experiments:
        return ()
    experiment = Experiment(workspace.sdk, settings.experiment_name)
    # Plain run objects: building a PipelineRun would ask the service once more for each. The time of a run has no
    # public property; the document it came from has it.
    runs = islice(Run.list(experiment, include_children=False, _rehydrate_runs=False), _SHOWN)
    return tuple(
        RunState(
            run_id=run.id,
            status=run.status,
            started=str(run._run_dto.get("created_utc", ""))[:19],
            outcome=run.properties.get("outcome", ""),
            reason=run.properties.get("reason", ""),
        )
        for run in runs
    )


def _models(workspace: OpenWorkspace, settings: Settings) -> tuple[ModelState, ...]:
    found = Model.list(workspace.sdk, name=settings.model_name, expand=False)
    champions = _champions(found)
    states = [
        ModelState(
            name=model.name,
            version=int(model.version),
            sha256=(model.properties or {}).get("model_sha256", ""),
            run_id=(model.properties or {}).get("run_id", ""),
            champion=champions.get(int(model.version), ""),
        )
        for model in found
    ]
    return tuple(sorted(states, key=lambda model: model.version, reverse=True)[:_SHOWN])


def _champions(models: Iterable[Any]) -> dict[int, str]:
    """Version to problem. Two versions carry the tag for a moment while the pointer moves; the newer claim counts."""
    claims = sorted(
        (str(tags.get(CHAMPION_SINCE_TAG, "")), int(model.version), str(tags[CHAMPION_TAG]))
        for model in models
        if CHAMPION_TAG in (tags := model.tags or {})
    )
    holder = {problem: version for _, version, problem in claims}
    return {version: problem for problem, version in holder.items()}


def show(terminal: Terminal, state: Status) -> None:
    """Print the state, one part after the other."""
    tags = ", ".join(f"{key}={value}" for key, value in sorted(state.tags.items())) or "no tags"
    terminal.say(f"workspace  {state.workspace} in {state.resource_group} ({tags})")
    terminal.say(f"endpoint   {state.endpoint} {state.endpoint_status}")
    if state.endpoint_url:
        terminal.say(f"           {state.endpoint_url}")
    _part(
        terminal,
        "Published pipelines",
        ("version", "state", "id", ""),
        [
            (item.version, item.status, item.pipeline_id, "default" if item.default else "")
            for item in state.published
        ],
    )
    _part(
        terminal,
        "Last runs",
        ("started", "state", "outcome", "reason", "run"),
        [(item.started, item.status, item.outcome or "-", item.reason or "-", item.run_id) for item in state.runs],
    )
    _part(
        terminal,
        "Registered models",
        ("model", "sha256", "run", ""),
        [
            (
                f"{item.name}:{item.version}",
                item.sha256[:12],
                item.run_id,
                f"champion of {item.champion}" * bool(item.champion),
            )
            for item in state.models
        ],
    )
    terminal.heading("Test service")
    terminal.say("none" if state.service is None else state.service.line)
    terminal.heading("Production")
    if state.production is None:
        terminal.say("none configured, or not open to you (AZUREML_PRODUCTION_WORKSPACE_NAME)")
    else:
        service = state.production.service
        terminal.say(f"workspace {state.production.workspace}: {service.line if service else 'no service'}")
    terminal.document(asdict(state))


def _part(terminal: Terminal, title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    terminal.heading(title)
    if rows:
        terminal.table(columns, rows)
    else:
        terminal.say("none")
