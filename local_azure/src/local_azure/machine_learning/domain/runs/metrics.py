"""Metrics of runs in the store: series of values under one name, in the order of the times at which they were logged.

Batches arrive from threads and out of order, and are sent again when an answer was lost; a value is known by its
`metricId`.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from typing import Any

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.runs.moments import normalise_time
from local_azure.machine_learning.errors import bad_request, not_found, not_implemented
from local_azure.machine_learning.storage.store import Store

Key = tuple[str, str, str]  # workspace id, run id, name of the metric

# What JSON has no number for; NaN, which equals nothing, is the default.
_AS_TEXT = {math.inf: "Infinity", -math.inf: "-Infinity"}
_PAGE = 5_000  # values in one answer of `values`; the client asks on

# azureml/core/_metrics.py. Artifact-backed kinds hold the address of a JSON file or image among the run's artifacts.
_ARTIFACT_KINDS = ("image", "confusion_matrix", "accuracy_table", "residuals", "predictions")
_KINDS = frozenset(
    {
        "azureml.v1.scalar",
        "azureml.v1.list",
        "azureml.v1.table",
        "azureml.v2.forecast_table",
        *(f"azureml.v1.{kind}" for kind in _ARTIFACT_KINDS),
        *(f"azureml.v2.{kind}" for kind in _ARTIFACT_KINDS),
    }
)


def append(store: Store, workspace_id: str, run_id: str, metric: dict[str, Any]) -> None:
    """Write one metric's values; raises a 400 and writes nothing when they do not fit what is there."""
    name, columns = metric.get("name"), metric.get("columns") or {}
    kind = (metric.get("properties") or {}).get("uxMetricType")
    if not isinstance(name, str) or not name:
        raise bad_request("A metric needs a name.")
    if kind not in _KINDS:
        raise not_implemented(f"metrics of the kind '{kind}'")
    key = (workspace_id, run_id, name)
    values = [_stored(name, columns, value) for value in metric.get("value") or []]
    with store.transaction() as connection:
        held = connection.execute(
            "SELECT columns, properties FROM metric WHERE workspace=? AND run_id=? AND name=?", key
        ).fetchone()
        if held:
            earlier = json.loads(held["properties"])["uxMetricType"]
            if earlier != kind:
                raise bad_request(
                    f"Metric '{name}' is of the kind {earlier} and cannot take values of the kind {kind}."
                )
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
    """Merge the columns of further values; whole numbers may become decimal ones (assumed)."""
    merged = dict(held)
    for column, kind in given.items():
        earlier = held.get(column, kind)
        both = {earlier.lower(), kind.lower()}
        if earlier.lower() == "null":
            merged[column] = kind
        elif len(both) == 1 or "null" in both:
            merged[column] = earlier
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


def names(store: Store, workspace_id: str, run_id: str) -> list[dict[str, Any]]:
    """List names and columns of a run's metrics, in the order of their first value."""
    rows = store.rows(
        "SELECT name, columns FROM metric WHERE workspace=? AND run_id=? ORDER BY rowid", (workspace_id, run_id)
    )
    return [
        {
            "metricKey": {"name": row["name"], "labels": {}, "labelFilters": {}},
            "columns": json.loads(row["columns"]),
        }
        for row in rows
    ]


def values(store: Store, workspace_id: str, run_id: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Return a page of the values of one metric; raises a 404 for a name that was not logged.

    asked: {"metricName", "startTime", "endTime", "continuationToken"}, all but the name optional.
    """
    name = str(asked.get("metricName") or "")
    key = (workspace_id, run_id, name)
    found = store.rows("SELECT columns, properties FROM metric WHERE workspace=? AND run_id=? AND name=?", key)
    if not found:
        raise not_found("Metric", name, f"Run '{run_id}' has not logged it.")
    columns = json.loads(found[0]["columns"])
    page, token = _page(store, key, asked)
    return {
        "name": name,
        "columns": columns,
        "properties": json.loads(found[0]["properties"]),
        "value": [{**value, "data": readable(value["data"], columns)} for value in page],
        "continuationToken": token,
    }


def _page(store: Store, key: Key, asked: dict[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
    """Select the values within the times asked for, and the next page's token: time and number of the last value."""
    clauses, parameters = "workspace=? AND run_id=? AND name=?", list[object](key)
    for limit, comparison in (("startTime", ">="), ("endTime", "<=")):
        if asked.get(limit):
            clauses += f" AND created {comparison} ?"
            parameters.append(normalise_time(asked[limit]))
    if asked.get("continuationToken"):
        created, _, number = str(asked["continuationToken"]).partition("/")
        if not re.fullmatch(r"[0-9]{1,18}", number):
            raise bad_request(f"'{asked['continuationToken']}' is not a continuation token of a metric.")
        clauses += " AND (created, seq) > (?, ?)"
        parameters += [created, int(number)]
    sql = f"SELECT seq, created, doc FROM metric_value WHERE {clauses} ORDER BY created, seq LIMIT {_PAGE + 1}"  # noqa: S608 - fixed words only
    rows = store.rows(sql, tuple(parameters))
    token = f"{rows[_PAGE - 1]['created']}/{rows[_PAGE - 1]['seq']}" if len(rows) > _PAGE else None
    return [json.loads(row["doc"]) for row in rows[:_PAGE]], token


def readable(data: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    """Fill every column, as the client requires.

    It reads decimal columns with `float()`, so numbers that JSON does not have go as "NaN" or "Infinity".
    """
    row = {}
    for column, kind in columns.items():
        value = data.get(column)
        if value is None and kind.lower() in ("double", "float"):
            value = "NaN"
        elif isinstance(value, float) and not math.isfinite(value):
            value = _AS_TEXT.get(value, "NaN")
        row[column] = value
    return row


def sample(store: Store, workspace_id: str, run_id: str, name: str, most: int) -> dict[str, Any]:
    """Return at most `most` + 1 values of a metric, evenly chosen with the last one; raises a 404.

    {"columns", "kind", "count": of all values, "value": [{"created", "data"}]}.
    """
    key = (workspace_id, run_id, name)
    found = store.rows("SELECT columns, properties FROM metric WHERE workspace=? AND run_id=? AND name=?", key)
    if not found:
        raise not_found("Metric", name, f"Run '{run_id}' has not logged it.")
    of_metric = "FROM metric_value WHERE workspace=? AND run_id=? AND name=?"
    count = store.rows(f"SELECT count(*) AS count {of_metric}", key)[0]["count"]
    step = max(count // most, 1)
    # The places are counted in the index alone; the values themselves are read for the chosen ones only.
    chosen = f"SELECT seq, row_number() OVER (ORDER BY created, seq) - 1 AS place {of_metric}"
    rows = store.rows(
        f"SELECT created, doc FROM metric_value WHERE seq IN (SELECT seq FROM ({chosen}) "  # noqa: S608 - the same
        "WHERE place % ? = 0 OR place = ?) ORDER BY created, seq",
        (*key, step, count - 1),
    )
    columns = json.loads(found[0]["columns"])
    return {
        "columns": columns,
        "kind": json.loads(found[0]["properties"])["uxMetricType"],
        "count": count,
        "value": [{"created": row["created"], "data": json.loads(row["doc"])["data"]} for row in rows],
    }


def copy(store: Store, workspace_id: str, source_run_id: str, target_run_id: str) -> None:
    """Give a run the metrics of the run that it reuses (assumed: the service shows them under both)."""
    keys = (target_run_id, workspace_id, source_run_id)
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
