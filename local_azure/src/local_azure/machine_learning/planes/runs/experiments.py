"""Experiments: the names under which runs are listed.

SDK callers: `Experiment(ws, name)`, `Experiment.list/tag/set_tags/remove_tags/archive/reactivate/refresh/delete`.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from local_azure.machine_learning.domain.runs import experiments
from local_azure.machine_learning.domain.runs.experiments import Experiment
from local_azure.machine_learning.domain.runs.history_queries import Query, page
from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import FLAG, TAGS, TEXT, WORD, Items, Record
from local_azure.machine_learning.storage.store import Store

PLANE = Plane("Experiments")
_NAMED = "/history/v1.0{W}/experiments/{experiment}"
_BY_ID = "/history/v1.0{W}/experimentids/{experiment_id}"
_QUERY = Record({"viewType": TEXT, "filter": TEXT, "orderby": TEXT, "top": WORD, "continuationToken": TEXT})
_CHANGES = Record({"tags": TAGS, "archive": FLAG, "description": TEXT, "name": TEXT})
_TAGS = Record({"tags": Items(TEXT)})
_VIEWS = {"activeonly": "(ArchivedTime eq null)", "archivedonly": "(ArchivedTime ne null)", "all": ""}


@PLANE.route("POST", _NAMED)
def create(call: Call, store: Store, *, experiment: str) -> Experiment:
    """Create the experiment, or return the existing one."""
    return experiments.ensure(store, call.ws, experiment)


@PLANE.route("GET", _NAMED)
def get(call: Call, store: Store, *, experiment: str) -> Experiment:
    """Return one by name. The client creates it after a 404, so an archived one must give a 404 too."""
    return experiments.require_active(store, call.ws, experiment)


@PLANE.route("POST", "/history/v1.0{W}/experiments:query", body=_QUERY)
def query_experiments(call: Call, store: Store) -> Response:
    """A page of experiments; `viewType` says whether archived ones are among them."""
    asked = call.document()
    view = str(asked.get("viewType") or "ActiveOnly")
    if view.lower() not in _VIEWS:
        raise bad_request(f"'{view}' is not a view of experiments; expected ActiveOnly, ArchivedOnly or All.")
    given = f"({asked['filter']})" if asked.get("filter") else ""
    conditions = [condition for condition in (given, _VIEWS[view.lower()]) if condition]
    query = Query(
        kind="experiment",
        filter=" and ".join(conditions),
        orderby=asked.get("orderby"),
        top=asked.get("top"),
        token=asked.get("continuationToken"),
    )
    return Response(page(store, call.ws, query), media_type="application/json")


@PLANE.route("GET", _BY_ID)
def get_by_id(call: Call, store: Store, *, experiment_id: str) -> Experiment:
    """One by id, archived or not."""
    return experiments.by_id(store, call.ws, experiment_id)


@PLANE.route("PATCH", _BY_ID, body=_CHANGES)
def patch(call: Call, store: Store, *, experiment_id: str) -> Experiment:
    """Merge tags, archive or reactivate, set the description."""
    return experiments.change(store, call.ws, experiment_id, call.document())


@PLANE.route("POST", _BY_ID + "/tags:delete", body=_TAGS)
def delete_tags(call: Call, store: Store, *, experiment_id: str) -> dict[str, Any]:
    """Remove tags; unknown ones are ignored."""
    experiments.delete_tags(store, call.ws, experiment_id, call.document().get("tags") or [])
    return {"errors": {}}


@PLANE.route("DELETE", _BY_ID)
def delete(call: Call, store: Store, *, experiment_id: str) -> dict[str, Any]:
    """Delete an empty experiment. The service refuses one with runs, and so do we."""
    experiments.delete(store, call.ws, experiment_id)
    return {}
