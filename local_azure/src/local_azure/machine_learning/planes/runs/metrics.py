"""Metrics of runs.

SDK callers: `run.log*`, `run.get_metrics`, `run.flush`; of the query over many runs, `ExperimentClient.get_metrics`,
which azureml-widgets uses.
"""

from __future__ import annotations

from typing import Any

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.runs import experiments, metric_queries, metrics, run_records
from local_azure.machine_learning.domain.runs.history_queries import Query
from local_azure.machine_learning.errors import ApiError, json_body
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import SIMPLE, TEXT, WORD, Items, Pairs, Record
from local_azure.machine_learning.storage.store import Store

PLANE = Plane("Metrics")
_RUN = "/metric/v2.0{W}/runs/{run_id}"
_VALUE = Record({"metricId": TEXT, "createdUtc": TEXT, "data": Pairs(SIMPLE)})
_METRIC = Record(
    {
        "name": TEXT,
        "columns": Pairs(TEXT),
        "properties": Record({"uxMetricType": TEXT}),
        "value": Items(_VALUE),
    }
)
_BATCH = Record({"values": Items(_METRIC)})
_ASKED = Record({"metricName": TEXT, "startTime": TEXT, "endTime": TEXT, "continuationToken": TEXT})
_QUERY = Record({"filter": TEXT, "orderby": TEXT, "top": WORD, "continuationToken": TEXT})


@PLANE.route("POST", _RUN + "/batch", body=_BATCH, lenient_numbers=True)
def post_metrics(call: Call, store: Store, *, run_id: str) -> dict[str, Any]:
    """Append values; a metric that contradicts what is there is reported, and the others are kept."""
    run_records.require(store, call.ws, run_id)
    errors = []
    with store.transaction():
        for metric in call.document().get("values") or []:
            try:
                metrics.append(store, call.ws, run_id, metric)
            except ApiError as error:
                shown = {"name": metric.get("name"), "columns": metric.get("columns")}
                errors.append({"metric": shown, "errorResponse": json_body(error, run_id, timestamp())})
    return {"errors": errors}


@PLANE.route("POST", _RUN + "/list")
def list_metrics(call: Call, store: Store, *, run_id: str) -> dict[str, Any]:
    """Names and columns of a run's metrics.

    Never in pages: the client would not send a continuation token of this list back.
    """
    run_records.require(store, call.ws, run_id)
    return {"value": metrics.names(store, call.ws, run_id), "continuationToken": None}


@PLANE.route("POST", _RUN + "/full", body=_ASKED)
def full_metric(call: Call, store: Store, *, run_id: str) -> dict[str, Any]:
    """All values of one metric, in pages."""
    run = run_records.require(store, call.ws, run_id)
    found = metrics.values(store, call.ws, run_id, call.document())
    return {**found, "dataContainerId": run["dataContainerId"]}


@PLANE.route("GET", "/history/v1.0{W}/experiments/{experiment}/runs/{run_id}/metricsingest/wait")
def wait_for_ingestion(call: Call, store: Store, *, experiment: str, run_id: str) -> dict[str, Any]:
    """Nothing to wait for: values are stored before a batch is answered."""
    run_records.require_in(store, call.ws, run_id, experiment)
    return {}


@PLANE.route("POST", "/history/v1.0{W}/experiments/{experiment}/metrics:query", body=_QUERY)
def query_metrics(call: Call, store: Store, *, experiment: str) -> dict[str, Any]:
    """A page of values of many runs. How the client merges them (`mergestrategytype`) is up to the client."""
    asked = call.document()
    query = Query(
        experiment_id=experiments.id_of(store, call.ws, experiment, None),
        filter=asked.get("filter"),
        orderby=asked.get("orderby"),
        top=asked.get("top"),
        token=asked.get("continuationToken"),
    )
    return metric_queries.page(store, call.ws, query)
