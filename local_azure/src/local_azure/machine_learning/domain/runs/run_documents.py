"""Run documents: what a run consists of, and which changes of it are allowed.

Tags merge and may be changed; properties are write-once, because they carry the audit facts (SDK, core/run.py: "Run
properties can only be added"). A status never moves backward, and a final one never changes.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from local_azure.machine_learning.clock import new_id, time_span, timestamp
from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.access.tokens import CREATED_BY, USER
from local_azure.machine_learning.domain.runs.moments import normalise_time
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import bad_request, not_implemented

Run = dict[str, Any]
MAX_TAGS = 1_000  # of one run; properties likewise
MAX_TAG_KEY_CHARS = 1_000
MAX_TAG_CHARS = 1024 * 1024  # of one value

# What a client may set: CreateRunDto of the SDK. Other keys are refused by name.
_PLAIN_KEYS = frozenset(
    {
        "options", "name", "displayName", "description", "hidden", "runType",
        "runTypeV2", "scriptName", "target", "outputs", "runDefinition",
        "primaryMetricName", "createdFrom", "cancelUri", "diagnosticsUri", "queueingInfo", "compute",
        "computeRequest",
    }
)  # fmt: skip
# Keys that a run of the service has and nothing here fills; the recordings show them all, null or empty.
_EMPTY: Run = {
    **dict.fromkeys(
        (
            "token", "tokenExpiryTimeUtc", "error", "warnings", "lastStartTimeUtc", "currentComputeTime",
            "computeDuration", "effectiveStartTimeUtc", "duration", "cancelationReason", "currentAttemptId",
            "startTimeUtc", "endTimeUtc", "scheduleId", "displayName", "name", "description", "runType", "runTypeV2",
            "scriptName", "target", "runDefinition", "jobSpecification", "primaryMetricName", "createdFrom",
            "cancelUri", "completeUri", "diagnosticsUri", "computeRequest", "compute",
            "retainForLifetimeOfWorkspace", "queueingInfo", "inputs", "outputs",
        )
    ),
    "hidden": False,
    "statusRevision": 0,
}  # fmt: skip
# A container of another's choice would lead logs and files of a run to wherever it says.
_IDENTITY_KEYS = frozenset({"runId", "parentRunId", "experimentId", "dataContainerId"})
_TIME_KEYS = frozenset({"startTimeUtc", "endTimeUtc"})
_LINEAGE_KEYS = frozenset({"inputDatasets", "outputDatasets"})
_CHECKED_KEYS = _TIME_KEYS | _LINEAGE_KEYS | {"tags", "properties", "status"}


_ERROR_KEYS = (
    "code", "severity", "message", "messageFormat", "referenceCode", "detailsUri", "target", "innerError",
    "debugInfo", "additionalInfo",
)  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """Why a run failed: an error code of the service and a sentence for the user."""

    code: str
    message: str


def _number(created: str, newest: Run | None) -> int:
    """The second of creation, as the service numbers runs; it never decreases when the clock is set back."""
    number = int(dt.datetime.fromisoformat(created).timestamp())
    if newest is None:
        return number
    return max(number, newest["runNumber"]) if created > newest["createdUtc"] else int(newest["runNumber"]) + 1


def new_run(run_id: str, experiment_id: str, newest: Run | None, parent: Run | None) -> Run:
    """Make the document of a run that has not started. newest: the one before it in its experiment."""
    now = timestamp()
    run: Run = {
        **_EMPTY,
        "runId": run_id,
        "runNumber": _number(now, newest),
        "runUuid": new_id(),
        "rootRunId": parent["rootRunId"] if parent else run_id,
        "rootRunUuid": parent["rootRunUuid"] if parent else None,
        "parentRunId": parent["runId"] if parent else None,
        "parentRunUuid": parent["runUuid"] if parent else None,
        "experimentId": experiment_id,
        "createdUtc": now,
        "createdBy": CREATED_BY,
        "userId": USER,
        "status": RunStatus.NOT_STARTED,
        "revision": 1,
        "lastModifiedBy": CREATED_BY,
        "lastModifiedUtc": now,
        "dataContainerId": f"dcid.{run_id}",
        "actionUris": {},
        "uniqueChildRunComputeTargets": [],
        "inputDatasets": [],
        "outputDatasets": [],
        **{key: {} for key in ("tags", "properties", "parameters", "settings", "services")},
    }
    run["rootRunUuid"] = run["rootRunUuid"] or run["runUuid"]
    return run


def change(run: Run, given: dict[str, Any]) -> None:
    """Apply what a client sent (CreateRunDto) to a run document; raises a 400 naming what cannot be done."""
    given = {key: value for key, value in given.items() if value is not None}
    given.pop("heartbeatEnabled", None)  # the SDK sends it; the service has no such key any more
    for key in _IDENTITY_KEYS & given.keys():
        if given[key] != run[key]:
            raise bad_request(f"'{key}' of run '{run['runId']}' is '{run[key]}' and cannot become '{given[key]}'.")
    unknown = given.keys() - _PLAIN_KEYS - _IDENTITY_KEYS - _CHECKED_KEYS
    if unknown:
        raise not_implemented(f"the key '{min(unknown)}' of a run")
    run["tags"].update(_texts(run["runId"], "tags", given.get("tags", {})))
    _check_count(run, "tags")
    add_properties(run, given.get("properties", {}))
    for key in _TIME_KEYS & given.keys():
        run[key] = normalise_time(given[key])
    for key in _LINEAGE_KEYS & given.keys():  # a step reports each dataset that it opens, one by one
        held = run.get(key) or []
        run[key] = held + [entry for entry in given[key] if entry not in held]
    run.update({key: given[key] for key in _PLAIN_KEYS & given.keys()})
    run["displayName"] = run["displayName"] or run["name"]
    if run.get("cancelUri"):
        diagnose = {} if run.get("diagnosticsUri") is None else {"Diagnose": run["diagnosticsUri"]}
        run["actionUris"] = {"Cancel": run["cancelUri"], **diagnose}
    if "status" in given:
        move_status(run, given["status"])


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
    _check_count(run, "properties")


def _check_count(run: Run, what: str) -> None:
    if len(run[what]) > MAX_TAGS:
        raise bad_request(f"Run '{run['runId']}' would have {len(run[what])} {what}; at most {MAX_TAGS} are kept.")


def _texts(run_id: str, what: str, given: object) -> dict[str, str | None]:
    """Check tags or properties; a tag without a value is null, as `run.tag("key")` sends it."""
    if not isinstance(given, dict):
        raise bad_request(f"The {what} of run '{run_id}' must be an object of texts.")
    for key, value in given.items():
        if value is not None and not isinstance(value, str):
            raise bad_request(f"The {what} of run '{run_id}' must be texts; '{key}' is {value!r}. Send it as a text.")
        if len(key) > MAX_TAG_KEY_CHARS or len(value or "") > MAX_TAG_CHARS:
            raise bad_request(
                f"The {what} of run '{run_id}' may have names of {MAX_TAG_KEY_CHARS} characters and values of "
                f"{MAX_TAG_CHARS}; '{key[:40]}' is longer. Upload it as a file of the run instead."
            )
    return given


def move_status(run: Run, status: str, moment: str | None = None) -> None:
    """Set status and times of a run document; does nothing when the run is at or beyond that status."""
    try:
        reached = RunStatus(status)
    except ValueError as error:
        known = ", ".join(RunStatus)
        raise bad_request(f"'{status}' is not a status of a run. Known ones: {known}.") from error
    if reached.rank <= _status(run).rank:
        return
    moment = moment or timestamp()
    run["status"] = reached
    run["statusRevision"] = run.get("statusRevision", 0) + 1
    if reached == RunStatus.RUNNING:
        run["currentAttemptId"] = run.get("currentAttemptId") or 1
    if reached in (RunStatus.RUNNING, RunStatus.COMPLETED, RunStatus.FAILED):
        run["startTimeUtc"] = run["startTimeUtc"] or moment
    if reached.is_final:
        run["endTimeUtc"] = run["endTimeUtc"] or moment
        if run["startTimeUtc"]:
            run["duration"] = run["computeDuration"] = time_span(run["startTimeUtc"], run["endTimeUtc"])


def has_ended(run: Run) -> bool:
    """Tell whether the status of a run document is final."""
    return _status(run).is_final


def _status(run: Run) -> RunStatus:
    """Return the status of a run document; one that no version of this program writes is that of a new run."""
    try:
        return RunStatus(run["status"])
    except ValueError:
        return RunStatus.NOT_STARTED


def error_body(error: dict[str, Any]) -> dict[str, Any]:
    """Make the `error` of a run from {"code", "message"} and what else the client sent.

    `details` must be a list or the SDK fails while it prints.
    """
    given = {key: value for key, value in error.items() if value is not None}
    return {
        "error": {**dict.fromkeys(_ERROR_KEYS), "messageParameters": {}, "details": [], **given},
        **dict.fromkeys(("correlation", "environment", "location")),
        "time": "0001-01-01T00:00:00+00:00",  # as the service has it
        "componentName": "local_azure",
    }


def cancel_address(addresses: Addresses, workspace: Workspace, experiment: str, run_id: str) -> str:
    """Return the address that `run.cancel()` calls for a run that is a process here: a script run, or a step."""
    path = f"/execution/v1.0{workspace.arm_id}/experiments/{quote(experiment)}/runs/{run_id}/cancel"
    return addresses.http + path
