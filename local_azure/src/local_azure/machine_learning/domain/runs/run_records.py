"""Run documents: how they are made and how they change.

A run is a document of kind "run": `name` is its experiment's id and `parent` its parent run's id. Tags merge and may
be changed; properties are write-once, because they carry the audit facts (SDK, core/run.py: "Run properties can only
be added"). A status never goes back, and a final one is not left again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.domain.access.tokens import TENANT, USER
from local_azure.machine_learning.domain.runs.moments import normalise_time
from local_azure.machine_learning.errors import bad_request, not_found, not_implemented
from local_azure.machine_learning.planes.runs import experiments
from local_azure.machine_learning.storage.store import Store

if TYPE_CHECKING:
    from local_azure.machine_learning.domain.workspaces import Workspace

Run = dict[str, Any]

KIND = "run"
FINAL = frozenset({"Completed", "Failed", "Canceled"})
_RANK = {"NotStarted": 0, "Queued": 1, "Running": 2, "CancelRequested": 3, **dict.fromkeys(FINAL, 4)}

# The SDK's own rule for run ids (data/_restclient/runhistory/operations/_runs_operations.py).
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w-]{0,255}", re.ASCII)

# What a client may set: CreateRunDto of the SDK. Other keys are refused by name.
_PLAIN_KEYS = frozenset(
    {
        "heartbeatEnabled", "options", "name", "displayName", "dataContainerId", "description", "hidden", "runType",
        "runTypeV2", "scriptName", "target", "outputs", "runDefinition",
        "primaryMetricName", "createdFrom", "cancelUri", "diagnosticsUri", "queueingInfo",
    }
)  # fmt: skip
_IDENTITY_KEYS = frozenset({"runId", "parentRunId", "experimentId"})
_TIME_KEYS = frozenset({"startTimeUtc", "endTimeUtc"})
_LINEAGE_KEYS = frozenset({"inputDatasets", "outputDatasets"})
_CHECKED_KEYS = _TIME_KEYS | _LINEAGE_KEYS | {"tags", "properties", "status"}


def _texts(run_id: str, what: str, given: object) -> dict[str, str | None]:
    """Tags or properties as sent; a tag without a value is null, as `run.tag("key")` sends it."""
    if not isinstance(given, dict):
        raise bad_request(f"The {what} of run '{run_id}' must be an object of texts.")
    for key, value in given.items():
        if value is not None and not isinstance(value, str):
            raise bad_request(f"The {what} of run '{run_id}' must be texts; '{key}' is {value!r}. Send it as a text.")
    return given


def add_properties(run: Run, given: object) -> None:
    """Add properties to a run document; raises a 400 when one is there already with another value."""
    held = run["properties"]
    for key, value in _texts(run["runId"], "properties", given).items():
        if key in held and held[key] != value:
            raise bad_request(
                f"Property '{key}' of run '{run['runId']}' is '{held[key]}' and cannot become '{value}': properties "
                "of a run are written once. Use a tag for what changes.",
                "ImmutableProperty",
            )
        held[key] = value


def move_status(run: Run, status: str, moment: str | None = None) -> None:
    """Set status and times of a run document; does nothing when the run is at or beyond that status."""
    if status not in _RANK:
        raise bad_request(f"'{status}' is no status of a run. Known ones: {', '.join(_RANK)}.")
    if _RANK[status] <= _RANK[run["status"]]:
        return
    moment = moment or timestamp()
    run["status"] = status
    if status == "Running" or status in FINAL - {"Canceled"}:
        run["startTimeUtc"] = run["startTimeUtc"] or moment
    if status in FINAL:
        run["endTimeUtc"] = run["endTimeUtc"] or moment


def change(run: Run, given: dict[str, Any]) -> None:
    """Apply what a client sent (CreateRunDto) to a run document; raises a 400 naming what cannot be done."""
    given = {key: value for key, value in given.items() if value is not None}
    for key in _IDENTITY_KEYS & given.keys():
        if given[key] != run[key]:
            raise bad_request(f"'{key}' of run '{run['runId']}' is '{run[key]}' and cannot become '{given[key]}'.")
    unknown = given.keys() - _PLAIN_KEYS - _IDENTITY_KEYS - _CHECKED_KEYS
    if unknown:
        raise not_implemented(f"the key '{min(unknown)}' of a run")
    run["tags"].update(_texts(run["runId"], "tags", given.get("tags", {})))
    add_properties(run, given.get("properties", {}))
    for key in _TIME_KEYS & given.keys():
        run[key] = normalise_time(given[key])
    for key in _LINEAGE_KEYS & given.keys():  # a step tells of each dataset that it opens, one by one
        held = run.get(key) or []
        run[key] = held + [entry for entry in given[key] if entry not in held]
    run.update({key: given[key] for key in _PLAIN_KEYS & given.keys()})
    run["displayName"] = run["displayName"] or run["name"]
    if "status" in given:
        move_status(run, given["status"])


def _blank(run_id: str, experiment_id: str, number: int, parent: Run | None) -> Run:
    return {
        "runId": run_id,
        "runNumber": number,
        "runUuid": new_id(),
        "rootRunId": parent["rootRunId"] if parent else run_id,
        "rootRunUuid": parent["rootRunUuid"] if parent else None,
        "parentRunId": parent["runId"] if parent else None,
        "parentRunUuid": parent["runUuid"] if parent else None,
        "experimentId": experiment_id,
        "createdUtc": timestamp(),
        "createdBy": {"userObjectId": USER, "userTenantId": TENANT, "userName": "Local User"},
        "userId": USER,
        "token": None,
        "status": "NotStarted",
        "startTimeUtc": None,
        "endTimeUtc": None,
        "heartbeatEnabled": False,
        "name": None,
        "displayName": None,
        "description": None,
        "hidden": False,
        "dataContainerId": f"dcid.{run_id}",
        "runType": None,
        "scriptName": None,
        "target": None,
        "tags": {},
        "properties": {},
        "error": None,
        "warnings": [],
    }


def create(store: Store, workspace: Workspace, run_id: str, experiment_id: str, given: Run) -> Run:
    """Insert a run with what a client or the executor says of it; raises a 400, 404 (parent) or 409 (id taken)."""
    parent_id = given.get("parentRunId")
    if not _RUN_ID.fullmatch(run_id):
        raise bad_request(f"'{run_id}' is not a run id: letters, digits, '_' and '-', at most 256, no '-' first.")
    with store.transaction():
        parent = store.get(workspace.id, KIND, parent_id) if parent_id else None
        if parent_id and parent is None:
            raise not_found("Parent run", parent_id)
        newest = store.find(workspace.id, KIND, name=experiment_id, newest_first=True, limit=1)
        run = _blank(run_id, experiment_id, newest[0]["runNumber"] + 1 if newest else 1, parent)
        run["rootRunUuid"] = run["rootRunUuid"] or run["runUuid"]
        change(run, given)
        store.insert(workspace.id, KIND, run_id, run, name=experiment_id, parent=parent_id or "")
    return run


def create_run(
    store: Store,
    workspace: Workspace,
    run_id: str,
    experiment_name: str,
    *,
    run_type: str,
    parent: str | None = None,
    name: str | None = None,
    tags: dict[str, str] | None = None,
    properties: dict[str, str] | None = None,
    target: str | None = None,
    status: str = "NotStarted",
    cancel_uri: str | None = None,
) -> Run:
    """Create a run (and its experiment when there is none) for the executor; raises a 404 or 409 like `create`."""
    given = {
        "parentRunId": parent,
        "runType": run_type,
        "name": name,
        "tags": tags,
        "properties": properties,
        "target": target,
        "status": status,
        "cancelUri": cancel_uri,
    }
    with store.transaction():
        experiment = experiments.ensure(store, workspace, experiment_name)
        return create(store, workspace, run_id, experiment["experimentId"], given)


def update(store: Store, workspace: Workspace, run_id: str, alter: Callable[[Run], None]) -> Run:
    """Read, alter and write a run in one transaction; raises a 404 that names it."""
    return store.update(workspace.id, KIND, run_id, alter)


def warn(store: Store, workspace: Workspace, run_id: str, sentences: list[str]) -> None:
    """Note warnings of this server at a run, where the SDK's summary shows them."""
    warnings = [{"source": "local_azure", "message": sentence} for sentence in sentences]
    if warnings:
        update(store, workspace, run_id, lambda run: run["warnings"].extend(warnings))


def set_status(
    store: Store, workspace: Workspace, run_id: str, status: str, error: str | dict[str, Any] | None = None
) -> None:
    """Move a run to a status, with times; `error` is a sentence for the user, or {"code", "message"}.

    A run that is final already keeps status, times and error; an error that the program reported itself stays.
    """

    def alter(run: Run) -> None:
        if error is not None and run["status"] not in FINAL:
            body = {"code": "UserError", "message": error} if isinstance(error, str) else error
            run["error"] = run["error"] or error_body(body)
        move_status(run, status)

    update(store, workspace, run_id, alter)


def fail_family(store: Store, workspace: Workspace, run_id: str, message: str) -> None:
    """Fail a run and everything below it that has not ended, because the server that ran it was lost."""
    set_status(store, workspace, run_id, "Failed", {"code": "ServiceError", "message": message})
    for child in store.find(workspace.id, KIND, parent=run_id):
        fail_family(store, workspace, child["runId"], message)


def error_body(error: dict[str, Any]) -> dict[str, Any]:
    """The `error` of a run, from {"code", "message"} with or without {"error": } around it.

    `details` must be a list or the SDK fails while it prints.
    """
    inner = error.get("error", error)
    return {"error": {"details": [], **{key: value for key, value in inner.items() if value is not None}}}
