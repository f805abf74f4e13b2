"""`status`: what is published, what ran, what is registered, who is champion and what serves."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from azure_ml.errors import AzureMlError
from azure_ml.models.champion import champions_of
from azure_ml.models.versions import find_versions
from azure_ml.pipelines.published import Endpoint, find_endpoint, list_published
from azure_ml.pipelines.runs import list_runs
from azure_ml.services import ServiceState, find_service
from azure_ml.workspace import Workspace
from forecasting.problem.problem_file import Problem
from ml_service.audit.board import page
from ml_service.audit.board.document import Board
from ml_service.output.console import Terminal
from ml_service.production import ledger
from ml_service.retraining.inbox import Quarantined, unused_or_why
from ml_service.settings.variables import Settings
from ml_service.training.ownership import foreign_names

_SHOWN = 10


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
    drift: str
    """Statistics by which the data has changed, or none; empty where a run has not looked."""


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
    unfinished: tuple[str, ...] | None
    """Unfinished deployments, newest first; None if the caller has no access to the ledger."""


@dataclass(frozen=True)
class Status:
    """Everything that `status` shows; lists hold the newest first."""

    workspace: str
    resource_group: str
    tags: dict[str, str]
    problem: str
    foreign: tuple[str, ...]
    """What is shown but belongs to another problem, because only PROBLEM_FILE was changed."""
    endpoint: str
    endpoint_status: str
    endpoint_url: str
    published: tuple[PublishedState, ...]
    runs: tuple[RunState, ...]
    models: tuple[ModelState, ...]
    quarantined: tuple[Quarantined, ...]
    """Delivered files that wait for a person."""
    waiting: dict[str, str]
    """Delivered files that no ingest reads as they are, and why."""
    inbox_unread: str
    """Why the inbox cannot be read; empty where it can."""
    service: ServiceState | None
    """The test service."""
    production: ProductionState | None
    """None where no production workspace is configured."""


def status(workspace: Workspace, production: Workspace | None, settings: Settings) -> Status:
    """Read the state of both workspaces; changes nothing."""
    endpoint = find_endpoint(workspace, settings.pipeline_endpoint_name)
    in_production, unused = None, unused_or_why(workspace, settings)
    if production is not None:
        served = _service_state(production, settings.production_service_name)
        in_production = ProductionState(production.name, served, _unfinished(workspace, production, settings))
    return Status(
        workspace=workspace.name,
        resource_group=workspace.resource_group,
        tags=dict(workspace.tags),
        problem=Problem(settings.problem_file).series.name,
        foreign=tuple(map(str, foreign_names(workspace, settings))),
        endpoint=settings.pipeline_endpoint_name,
        endpoint_status=endpoint.status if endpoint else "absent",
        endpoint_url=endpoint.url if endpoint else "",
        published=_published(workspace, settings, endpoint),
        runs=_runs(workspace, settings),
        models=_models(workspace, settings),
        quarantined=unused.quarantined,
        waiting=dict(unused.unread),
        inbox_unread=unused.unknown,
        service=_service_state(workspace, settings.test_service_name),
        production=in_production,
    )


def _unfinished(training: Workspace, production: Workspace, settings: Settings) -> tuple[str, ...] | None:
    try:
        records = ledger.read(training, settings).records
    except AzureMlError:  # no key of the storage account for who may only look
        return None
    ours = ledger.of_service(records, production.name, settings.production_service_name)
    return tuple(record.line for record in ledger.unfinished(ours))


def _service_state(workspace: Workspace, name: str) -> ServiceState | None:
    service = find_service(workspace, name)
    return service.state if service else None


def _published(workspace: Workspace, settings: Settings, endpoint: Endpoint | None) -> tuple[PublishedState, ...]:
    numbers = endpoint.versions if endpoint else {}
    default = endpoint.default_version if endpoint else ""
    ours = [
        PublishedState(item.id, item.name, item.version, item.status, numbers.get(item.id) == default)
        for item in list_published(workspace, settings.pipeline_name)
    ]
    # The number that the endpoint gave tells the order; build ids are texts of any form.
    ours.sort(key=lambda item: int(numbers.get(item.pipeline_id, -1)), reverse=True)
    return tuple(ours[:_SHOWN])


def _runs(workspace: Workspace, settings: Settings) -> tuple[RunState, ...]:
    return tuple(
        RunState(
            run_id=run.id,
            status=run.status,
            started=run.created[:19],
            outcome=run.properties.get("outcome", ""),
            reason=run.properties.get("reason", ""),
            drift=run.properties.get("drift", ""),
        )
        for run in list_runs(workspace, settings.experiment_name, _SHOWN)
    )


def _models(workspace: Workspace, settings: Settings) -> tuple[ModelState, ...]:
    found = find_versions(workspace, settings.model_name)
    champions = {champion.version: problem for problem, champion in champions_of(found).items()}
    states = [
        ModelState(
            name=model.name,
            version=model.version,
            sha256=model.sha256,
            run_id=model.properties.get("run_id", ""),
            champion=champions.get(model.version, ""),
        )
        for model in found
    ]
    states.sort(key=lambda model: model.version, reverse=True)
    return tuple(states[:_SHOWN])


def show(terminal: Terminal, state: Status, board: Board) -> None:
    """Print the board, then the state, one part after the other."""
    tags = ", ".join(f"{key}={value}" for key, value in sorted(state.tags.items())) or "no tags"
    terminal.out(f"workspace  {state.workspace} in {state.resource_group} ({tags})")
    terminal.out(f"problem    {state.problem}")
    for claim in state.foreign:
        terminal.out(f"           not its own: {claim}")
    page.show(terminal, board)
    terminal.out()
    terminal.out(f"endpoint   {state.endpoint} {state.endpoint_status}")
    if state.endpoint_url:
        terminal.out(f"           {state.endpoint_url}")
    _show_lists(terminal, state)
    if state.inbox_unread or state.waiting:
        terminal.heading("Inbox")
    if state.inbox_unread:
        terminal.out(f"not readable: {state.inbox_unread}")
    for file, why in state.waiting.items():
        terminal.out(f"not read   {file}: {why}")
    if state.quarantined:
        terminal.heading("Quarantined data (python -m ml_service data quarantine)")
        terminal.table(("file", "since", "findings"), [_quarantine_row(item) for item in state.quarantined])
    terminal.document({**asdict(state), "board": board.model_dump(mode="json")})


def _quarantine_row(item: Quarantined) -> tuple[str, str, str]:
    more = len(item.findings) - 1
    return item.file, item.when[:19], item.findings[0] + (f" (and {more} more)" if more else "")


def _show_lists(terminal: Terminal, state: Status) -> None:
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
        ("started", "state", "outcome", "reason", "drift", "run"),
        [
            (item.started, item.status, item.outcome or "-", item.reason or "-", item.drift or "-", item.run_id)
            for item in state.runs
        ],
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


def _part(terminal: Terminal, title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    terminal.heading(title)
    if rows:
        terminal.table(columns, rows)
    else:
        terminal.out("none")
