"""Pages of metric values over many runs of an experiment, in the older form: one entry for each value logged.

Source: `RunMetricDto` of the SDK, which azureml-widgets and `ExperimentClient.get_metrics` read.
"""

from __future__ import annotations

import json
from typing import Any

from local_azure.machine_learning.domain.runs.history_filters import column, parse
from local_azure.machine_learning.domain.runs.history_queries import DEFAULT_PAGE, Query, page_size
from local_azure.machine_learning.domain.runs.metrics import readable
from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.storage.store import Store

_MOST_DIGITS = 12


def page(store: Store, workspace_id: str, query: Query) -> dict[str, Any]:
    """Return a page of values, {"value": [...], "continuationToken": text or null}; raises a 400."""
    condition = parse("metric", query.filter)
    size, start = page_size(query.top or DEFAULT_PAGE), _start(query.token)
    sql = (
        "SELECT v.run_id, v.name, v.created, v.doc, m.columns, m.properties FROM metric_value v "  # noqa: S608 - bound
        "JOIN metric m ON m.workspace = v.workspace AND m.run_id = v.run_id AND m.name = v.name "
        f"WHERE v.workspace = ? AND {condition.sql} "
        "AND v.run_id IN (SELECT id FROM entity WHERE workspace = ? AND kind = 'run' AND name = ?) "
        f"ORDER BY {_order(query.orderby)} v.seq LIMIT ? OFFSET ?"
    )
    inside = (workspace_id, query.experiment_id)
    rows = store.rows(sql, (workspace_id, *condition.parameters, *inside, size + 1, start))
    token = str(start + size) if len(rows) > size else None
    return {"value": [_entry(row) for row in rows[:size]], "continuationToken": token}


def _start(token: str | None) -> int:
    if token is None:
        return 0
    if not (token.isascii() and token.isdigit() and len(token) <= _MOST_DIGITS):
        raise bad_request(f"'{token[:100]}' is not a continuation token of this query.")
    return int(token)


def _order(asked: str | None) -> str:
    """Return the SQL of what the values are sorted by first."""
    words = (asked or "").split()
    if not words:
        return ""
    direction = words[1].upper() if len(words) > 1 else "ASC"
    if len(words) > 2 or direction not in ("ASC", "DESC"):
        raise bad_request(f"'{asked}' is not an order of metrics; expected one field and 'asc' or 'desc'.")
    return f"{column('metric', words[0]).sql} {direction},"


def _entry(row: Any) -> dict[str, Any]:
    value, columns = json.loads(row["doc"]), json.loads(row["columns"])
    cells = [readable(value["data"], columns)]
    properties = [{"propertyId": name, "name": name, "type": kind} for name, kind in columns.items()]
    return {
        "runId": row["run_id"],
        "metricId": value.get("metricId"),
        "metricType": json.loads(row["properties"])["uxMetricType"],
        "createdUtc": row["created"],
        "name": row["name"],
        "description": "",
        "label": None,
        "numCells": len(cells),
        "dataLocation": next((str(cell) for cell in cells[0].values() if isinstance(cell, str)), None),
        "cells": cells,
        "schema": {"numProperties": len(properties), "properties": properties},
    }
