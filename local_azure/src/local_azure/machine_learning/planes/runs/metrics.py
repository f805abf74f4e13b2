"""Metrics of runs: series of values under one name, in the order of the times at which they were logged.

SDK callers: `run.log*`, `run.get_metrics`, `run.flush`. Batches arrive from threads and out of order, and are sent
again when an answer was lost; a value is known by its `metricId`.
"""

from __future__ import annotations

import json
import math
import sqlite3
from typing import TYPE_CHECKING, Any

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.runs.moments import normalise_time
from local_azure.machine_learning.errors import ApiError, bad_request, json_body, not_found, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.planes.runs.history import require_run
from local_azure.machine_learning.storage.store import Store

if TYPE_CHECKING:
    from local_azure.machine_learning.domain.workspaces import Workspace

Key = tuple[str, str, str]  # workspace id, run id, name of the metric

PLANE = Plane("Metrics")
_RUN = "/metric/v2.0{W}/runs/{run_id}"
_PAGE = 5_000  # values in one answer of `full`; the client asks on

# azureml/core/_metrics.py. Artifact-backed kinds hold the address of a JSON file or image among the run's artifacts.
_ARTIFACT_KINDS = ("image", "confusion_matrix", "accuracy_table", "residuals", "predictions")
_KINDS = frozenset(
    {"azureml.v1.scalar", "azureml.v1.list", "azureml.v1.table", "azureml.v2.forecast_table"}
    | {f"azureml.{version}.{kind}" for version in ("v1", "v2") for kind in _ARTIFACT_KINDS}
)


@PLANE.route("POST", _RUN + "/batch")
def post_metrics(call: Call, store: Store, *, run_id: str) -> dict[str, Any]:
    """Append values; a metric that contradicts what is there is reported, and the others are kept."""
    require_run(call, store, run_id)
    errors = []
    with store.transaction() as connection:
        for metric in call.document().get("values") or []:
            try:
                _append(connection, call.ws, run_id, metric)
            except ApiError as error:
                shown = {"name": metric.get("name"), "columns": metric.get("columns")}
                errors.append({"metric": shown, "errorResponse": json_body(error, run_id)})
    return {"errors": errors}


def _append(connection: sqlite3.Connection, workspace_id: str, run_id: str, metric: dict[str, Any]) -> None:
    """Write one metric's values; raises a 400 and writes nothing when they do not fit what is there."""
    name, columns = metric.get("name"), metric.get("columns") or {}
    kind = (metric.get("properties") or {}).get("uxMetricType")
    if not isinstance(name, str) or not name:
        raise bad_request("A metric needs a name.")
    if kind not in _KINDS:
        raise not_implemented(f"metrics of the kind '{kind}'")
    key = (workspace_id, run_id, name)
    values = [_stored(name, columns, value) for value in metric.get("value") or []]
    held = connection.execute(
        "SELECT columns, properties FROM metric WHERE workspace=? AND run_id=? AND name=?", key
    ).fetchone()
    if held:
        earlier = json.loads(held["properties"])["uxMetricType"]
        if earlier != kind:
            raise bad_request(f"Metric '{name}' is of the kind {earlier} and cannot take values of the kind {kind}.")
        columns = _merged(name, json.loads(held["columns"]), columns)
    connection.execute(
        "INSERT INTO metric (workspace, run_id, name, columns, properties) VALUES (?,?,?,?,?) "
        "ON CONFLICT (workspace, run_id, name) DO UPDATE SET columns=excluded.columns",
        (*key, json.dumps(columns), json.dumps(metric["properties"])),
    )
    _insert_new(connection, key, values)


def _stored(name: str, columns: dict[str, str], value: dict[str, Any]) -> dict[str, Any]:
    foreign = (value.get("data") or {}).keys() - columns.keys()
    if foreign:
        raise bad_request(f"Metric '{name}' has a value in '{min(foreign)}', which is none of its columns.")
    return {**value, "createdUtc": normalise_time(value.get("createdUtc") or timestamp())}


def _merged(name: str, held: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    """Columns of a metric after further values; whole numbers may become decimal ones (assumed)."""
    merged = dict(held)
    for column, kind in given.items():
        earlier = held.get(column, kind)
        both = {earlier.lower(), kind.lower()}
        if len(both) == 1 or "null" in both:
            merged[column] = kind if earlier.lower() == "null" else earlier
        elif both <= {"int", "float", "double"}:
            merged[column] = "double"
        else:
            raise bad_request(f"Column '{column}' of metric '{name}' is {earlier} and cannot take a value of {kind}.")
    return merged


def _insert_new(connection: sqlite3.Connection, key: Key, values: list[dict[str, Any]]) -> None:
    """Insert those values that are not there yet; they would carry the same times."""
    times = [value["createdUtc"] for value in values]
    known = connection.execute(
        "SELECT json_extract(doc, '$.metricId') FROM metric_value "
        "WHERE workspace=? AND run_id=? AND name=? AND created BETWEEN ? AND ?",
        (*key, min(times, default=""), max(times, default="")),
    )
    ids = {row[0] for row in known} - {None}
    connection.executemany(
        "INSERT INTO metric_value (workspace, run_id, name, created, doc) VALUES (?,?,?,?,?)",
        [(*key, value["createdUtc"], json.dumps(value)) for value in values if value.get("metricId") not in ids],
    )


@PLANE.route("POST", _RUN + "/list")
def list_metrics(call: Call, store: Store, *, run_id: str) -> dict[str, Any]:
    """Names and columns of a run's metrics, in the order of their first value.

    Never in pages: the client would not send a continuation token of this list back.
    """
    require_run(call, store, run_id)
    rows = store.rows(
        "SELECT name, columns FROM metric WHERE workspace=? AND run_id=? ORDER BY rowid", (call.ws, run_id)
    )
    value = [
        {
            "metricKey": {"name": row["name"], "labels": {}, "labelFilters": {}},
            "columns": json.loads(row["columns"]),
        }
        for row in rows
    ]
    return {"value": value, "continuationToken": None}


@PLANE.route("POST", _RUN + "/full")
def full_metric(call: Call, store: Store, *, run_id: str) -> dict[str, Any]:
    """All values of one metric, in pages; raises a 404 for a name that was not logged."""
    run = require_run(call, store, run_id)
    asked = call.document()
    name = str(asked.get("metricName") or "")
    key = (call.ws, run_id, name)
    found = store.rows("SELECT columns, properties FROM metric WHERE workspace=? AND run_id=? AND name=?", key)
    if not found:
        raise not_found("Metric", name, f"Run '{run_id}' has not logged it.")
    columns = json.loads(found[0]["columns"])
    values, token = _page(store, key, asked)
    return {
        "name": name,
        "columns": columns,
        "properties": json.loads(found[0]["properties"]),
        "value": [{**value, "data": _readable(value["data"], columns)} for value in values],
        "continuationToken": token,
        "dataContainerId": run["dataContainerId"],
    }


def _page(store: Store, key: Key, asked: dict[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
    """Values within the times asked for, and the token of the next page: time and number of the last value."""
    clauses, parameters = "workspace=? AND run_id=? AND name=?", list[object](key)
    for limit, comparison in (("startTime", ">="), ("endTime", "<=")):
        if asked.get(limit):
            clauses += f" AND created {comparison} ?"
            parameters.append(normalise_time(asked[limit]))
    if asked.get("continuationToken"):
        created, _, number = str(asked["continuationToken"]).partition("/")
        if not number.isdecimal():
            raise bad_request(f"'{asked['continuationToken']}' is no continuation token of a metric.")
        clauses += " AND (created, seq) > (?, ?)"
        parameters += [created, int(number)]
    sql = f"SELECT seq, created, doc FROM metric_value WHERE {clauses} ORDER BY created, seq LIMIT {_PAGE + 1}"  # noqa: S608 - fixed words only
    rows = store.rows(sql, tuple(parameters))
    token = f"{rows[_PAGE - 1]['created']}/{rows[_PAGE - 1]['seq']}" if len(rows) > _PAGE else None
    return [json.loads(row["doc"]) for row in rows[:_PAGE]], token


def _readable(data: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    """One value for every column, as the client insists on.

    It reads decimal columns with `float()`, so what JSON has no number for goes as "NaN" or "Infinity".
    """
    row = {}
    for column, kind in columns.items():
        value = data.get(column)
        if value is None and kind.lower() in ("double", "float"):
            value = "NaN"
        elif isinstance(value, float) and not math.isfinite(value):
            value = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        row[column] = value
    return row


@PLANE.route("GET", "/history/v1.0{W}/experiments/{experiment}/runs/{run_id}/metricsingest/wait")
def wait_for_ingestion(call: Call, store: Store, *, experiment: str, run_id: str) -> dict[str, Any]:
    """Nothing to wait for: values are stored before a batch is answered."""
    require_run(call, store, run_id, experiment)
    return {}


def copy_metrics(store: Store, workspace: Workspace, source_run_id: str, target_run_id: str) -> None:
    """Give a run the metrics of the run that it reuses (assumed: the service shows them under both)."""
    keys = (target_run_id, workspace.id, source_run_id)
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO metric (workspace, run_id, name, columns, properties) "
            "SELECT workspace, ?, name, columns, properties "
            "FROM metric WHERE workspace=? AND run_id=? ORDER BY rowid",
            keys,
        )
        connection.execute(
            "INSERT INTO metric_value (workspace, run_id, name, created, doc) "
            "SELECT workspace, ?, name, created, doc FROM metric_value WHERE workspace=? AND run_id=? ORDER BY seq",
            keys,
        )
