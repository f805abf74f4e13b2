"""Run history: runs by name and id of their experiment, their details, tags and tokens.

SDK callers: `Run`, `Experiment.start_logging/get_runs`, `PipelineRun`, `StepRun`, `AzureMLTokenAuthentication`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.access.addresses import SignedAddresses
from local_azure.machine_learning.domain.access.tokens import Principal, Tokens
from local_azure.machine_learning.domain.runs import experiments, run_files, run_records
from local_azure.machine_learning.domain.runs.history_queries import Query, page
from local_azure.machine_learning.domain.runs.run_documents import Run, change
from local_azure.machine_learning.errors import ApiError, bad_request, json_body
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import ANYTHING, FLAG, TEXT, WORD, Items, Pairs, Record
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

PLANE = Plane("Run history")
_HISTORY = "/history/v1.0{W}"
_NAMED = _HISTORY + "/experiments/{experiment}"
_BY_ID = _HISTORY + "/experimentids/{experiment_id}"
_JSON = "application/json"
_DATA = Items(Pairs(ANYTHING))
_RUN = Record(
    {
        **dict.fromkeys(("runId", "parentRunId", "experimentId", "dataContainerId", "status"), TEXT),
        **dict.fromkeys(("name", "displayName", "description", "runType", "scriptName", "target"), TEXT),
        **dict.fromkeys(("startTimeUtc", "endTimeUtc", "primaryMetricName", "cancelUri", "diagnosticsUri"), TEXT),
        **dict.fromkeys(("heartbeatEnabled", "hidden"), FLAG),
        **dict.fromkeys(("options", "runTypeV2", "createdFrom", "queueingInfo", "outputs"), Pairs(ANYTHING)),
        "runDefinition": Pairs(ANYTHING),
        "inputDatasets": _DATA,
        "outputDatasets": _DATA,
        "tags": Pairs(ANYTHING),  # their values are checked where the run is known
        "properties": Pairs(ANYTHING),
    }
)
_RUNS = Record({"runs": Items(_RUN)})
_QUERY = Record({"filter": TEXT, "orderby": TEXT, "orderBy": TEXT, "top": WORD, "continuationToken": TEXT})
_TAGS = Items(TEXT)
# Of the details those that a run has as well. Source: specification of the run history, RunDetails.
_DETAILS = (
    "runId", "runUuid", "parentRunUuid", "rootRunUuid", "target", "status", "parentRunId", "startTimeUtc",
    "endTimeUtc", "error", "warnings", "tags", "properties", "parameters", "services", "inputDatasets",
    "outputDatasets", "runDefinition", "runTypeV2", "settings", "computeRequest", "compute", "createdBy",
    "computeDuration", "effectiveStartTimeUtc", "runNumber", "rootRunId", "experimentId", "userId", "statusRevision",
    "currentComputeTime", "lastStartTimeUtc", "lastModifiedBy", "lastModifiedUtc", "duration", "inputs", "outputs",
    "currentAttemptId", "revision",
)  # fmt: skip


@PLANE.route("GET", _HISTORY + "/runs/{run_id}", recorded=True)
@PLANE.route("GET", _NAMED + "/runs/{run_id}")
@PLANE.route("GET", _BY_ID + "/runs/{run_id}")
def get_run(
    call: Call, store: Store, *, run_id: str, experiment: str | None = None, experiment_id: str | None = None
) -> Run:
    """One run."""
    return run_records.require_in(store, call.ws, run_id, experiment, experiment_id)


@PLANE.route("PATCH", _HISTORY + "/runs/{run_id}", evidence="sdk-source", body=_RUN)
def patch_known_run(call: Call, store: Store, *, run_id: str) -> Run:
    """Change a run by its id alone; an unknown one is not created, because its experiment is not known."""
    given = call.document()
    return run_records.update(store, call.ws, run_id, lambda run: change(run, given))


@PLANE.route("PATCH", _NAMED + "/runs/{run_id}", body=_RUN)
@PLANE.route("PATCH", _BY_ID + "/runs/{run_id}", body=_RUN)
def patch_run(
    call: Call, store: Store, *, run_id: str, experiment: str | None = None, experiment_id: str | None = None
) -> Run:
    """Change a run; an unknown one is created."""
    return run_records.create_or_change(
        store, call.ws, run_id, call.document(), experiment=experiment, experiment_id=experiment_id
    )


@PLANE.route("PATCH", _NAMED + "/batch/runs", body=_RUNS)
@PLANE.route("PATCH", _BY_ID + "/batch/runs", evidence="sdk-source", body=_RUNS)
def patch_runs(
    call: Call, store: Store, *, experiment: str | None = None, experiment_id: str | None = None
) -> dict[str, Any]:
    """Create or change many; each one succeeds or fails by itself."""
    changed: dict[str, Run] = {}
    failed: dict[str, Any] = {}
    with store.transaction():  # one for all: a refused run has written nothing by then
        for given in call.document().get("runs") or []:
            run_id = given.get("runId")
            if not run_id:
                raise bad_request("Each run of a batch needs a 'runId'.")
            try:
                changed[run_id] = run_records.create_or_change(
                    store, call.ws, run_id, given, experiment=experiment, experiment_id=experiment_id
                )
            except ApiError as error:
                failed[run_id] = json_body(error, run_id, timestamp())
    return {"runs": changed, "errors": failed}


@PLANE.route("POST", _NAMED + "/runs:query", body=_QUERY)
@PLANE.route("POST", _BY_ID + "/runs:query", evidence="sdk-source", body=_QUERY)
def query_runs(
    call: Call, store: Store, *, experiment: str | None = None, experiment_id: str | None = None
) -> Response:
    """A page of an experiment's runs."""
    asked = call.document()
    query = Query(
        experiment_id=experiments.id_of(store, call.ws, experiment, experiment_id),
        filter=asked.get("filter"),
        orderby=asked.get("orderby") or asked.get("orderBy"),
        top=asked.get("top"),
        token=asked.get("continuationToken"),
    )
    return Response(page(store, call.ws, query), media_type=_JSON)


def _from_address(call: Call, *, parent: str | None = None, condition: str | None = None) -> Query:
    asked = call.query
    conditions = [f"({text})" for text in (asked.get("$filter"), condition) if text]
    return Query(
        parent=parent,
        filter=" and ".join(conditions),
        orderby=asked.get("$orderby"),
        top=asked.get("$top"),
        token=asked.get("$continuationToken"),
    )


@PLANE.route("GET", _NAMED + "/runs/{run_id}/children")
@PLANE.route("GET", _BY_ID + "/runs/{run_id}/children", evidence="sdk-source")
@PLANE.route("GET", _HISTORY + "/runs/{run_id}/children", evidence="sdk-source", recorded=True)
def children(
    call: Call, store: Store, *, run_id: str, experiment: str | None = None, experiment_id: str | None = None
) -> Response:
    """A page of a run's children, oldest first unless asked otherwise."""
    run_records.require_in(store, call.ws, run_id, experiment, experiment_id)
    query = replace(_from_address(call, parent=run_id), default_order="CreatedUtc asc")
    return Response(page(store, call.ws, query), media_type=_JSON)


@PLANE.route("GET", _HISTORY + "/computes/{compute}/runs")
def runs_of_compute(call: Call, store: Store, *, compute: str) -> Response:
    """A page of the runs that name this compute target."""
    return Response(page(store, call.ws, _from_address(call, condition=f'Target eq "{compute}"')), media_type=_JSON)


@PLANE.route("DELETE", _NAMED + "/runs/{run_id}/tags", body=_TAGS)
@PLANE.route("DELETE", _BY_ID + "/runs/{run_id}/tags", evidence="sdk-source", body=_TAGS)
def delete_tags(
    call: Call, store: Store, *, run_id: str, experiment: str | None = None, experiment_id: str | None = None
) -> Run:
    """Remove tags by name; unknown ones are ignored."""
    if not isinstance(call.body, list):
        raise bad_request("The body must be a list of tag names.")
    run_records.require_in(store, call.ws, run_id, experiment, experiment_id)
    return run_records.delete_tags(store, call.ws, run_id, call.body)


@PLANE.route("GET", _NAMED + "/runs/{run_id}/details")
@PLANE.route("GET", _BY_ID + "/runs/{run_id}/details", evidence="sdk-source")
@PLANE.route("GET", _HISTORY + "/runs/{run_id}/details", evidence="sdk-source")
def details(
    call: Call,
    store: Store,
    files: BlobFiles,
    signed: SignedAddresses,
    *,
    run_id: str,
    experiment: str | None = None,
    experiment_id: str | None = None,
) -> dict[str, Any]:
    """What a run did and where its logs are; the client streams a log by asking again."""
    run = run_records.require_in(store, call.ws, run_id, experiment, experiment_id)
    logs = run_files.log_blobs(files, call.workspace, run)
    return {
        **{key: run.get(key) for key in _DETAILS},
        "createdTimeUtc": run["createdUtc"],
        "jobCost": None,
        "logFiles": {name: signed.download(call.workspace.artifact_container, blob) for name, blob in logs.items()},
    }


@PLANE.route("GET", _NAMED + "/runs/{run_id}/token")
@PLANE.route("GET", _BY_ID + "/runs/{run_id}/token")
def token(
    call: Call,
    store: Store,
    tokens: Tokens,
    *,
    run_id: str,
    experiment: str | None = None,
    experiment_id: str | None = None,
) -> dict[str, str]:
    """A fresh token of a run, for the person or for the run itself."""
    run_records.require_in(store, call.ws, run_id, experiment, experiment_id)
    principal = call.principal
    if principal is None or (principal.scope == "run" and principal.run_id != run_id):
        raise ApiError(
            401, "AuthorizationFailed", f"The token of a run cannot be exchanged for one of run '{run_id}'."
        )
    bearer, expiry = tokens.bearer(Principal("run", call.ws, run_id))
    return {"token": bearer, "expiryTimeUtc": timestamp(dt.datetime.fromtimestamp(expiry, dt.UTC))}
