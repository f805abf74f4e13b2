"""Experiments: the names under which runs are listed.

SDK callers: `Experiment(ws, name)`, `Experiment.list/tag/set_tags/remove_tags/archive/reactivate/refresh/delete`.
A document of kind "experiment" has the id `experimentId`. Several may have one name, at most one of them active: an
archived experiment frees its name, and writing to it makes a new one (SDK, core/experiment.py, `archive`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.domain.runs.history_queries import Query, page
from local_azure.machine_learning.errors import bad_request, conflict, not_found, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane

if TYPE_CHECKING:
    from local_azure.machine_learning.domain.workspaces import Workspace
    from local_azure.machine_learning.storage.store import Store

Experiment = dict[str, Any]

PLANE = Plane("Experiments")
KIND = "experiment"
_NAMED = "/history/v1.0{W}/experiments/{experiment}"
_BY_ID = "/history/v1.0{W}/experimentids/{experiment_id}"
_NAME = re.compile(r"[a-zA-Z0-9][\w-]{0,254}", re.ASCII)  # the SDK's own rule
_VIEWS = {"activeonly": "(ArchivedTime eq null)", "archivedonly": "(ArchivedTime ne null)", "all": ""}


def active(store: Store, workspace: Workspace, name: str) -> Experiment | None:
    """The experiment of this name that is not archived, or None."""
    found = store.find(workspace.id, KIND, name=name)
    return next((one for one in found if one["archivedTime"] is None), None)


def ensure(store: Store, workspace: Workspace, name: str) -> Experiment:
    """The active experiment of this name, created when absent; raises a 400 for a name that the SDK would refuse."""
    if not _NAME.fullmatch(name):
        raise bad_request(f"'{name}' is not an experiment name: letters, digits, '_' and '-', at most 255.")
    with store.transaction():
        found = active(store, workspace, name)
        if found:
            return found
        created: Experiment = {
            "experimentId": new_id(),
            "name": name,
            "description": None,
            "createdUtc": timestamp(),
            "archivedTime": None,
            "tags": {},
        }
        store.insert(workspace.id, KIND, created["experimentId"], created, name=name)
        return created


def require(store: Store, workspace: Workspace, name: str) -> Experiment:
    """The active experiment of this name, else the newest archived one; raises a 404 that names it."""
    found = active(store, workspace, name)
    if found is None:
        archived = store.find(workspace.id, KIND, name=name, newest_first=True, limit=1)
        if not archived:
            raise not_found("Experiment", name)
        found = archived[0]
    return found


@PLANE.route("POST", _NAMED)
def create(call: Call, store: Store, *, experiment: str) -> Experiment:
    """Create, or get what is there."""
    return ensure(store, call.workspace, experiment)


@PLANE.route("GET", _NAMED)
def get(call: Call, store: Store, *, experiment: str) -> Experiment:
    """One by name. The client creates after a 404, so an archived one must not answer."""
    found = active(store, call.workspace, experiment)
    if found is None:
        raise not_found("Experiment", experiment)
    return found


@PLANE.route("POST", "/history/v1.0{W}/experiments:query")
def query_experiments(call: Call, store: Store) -> Response:
    """A page of experiments; `viewType` says whether archived ones are among them."""
    asked = call.document()
    view = str(asked.get("viewType") or "ActiveOnly")
    if view.lower() not in _VIEWS:
        raise bad_request(f"'{view}' is no view of experiments; expected ActiveOnly, ArchivedOnly or All.")
    conditions = [f"({asked['filter']})"] if asked.get("filter") else []
    conditions += [_VIEWS[view.lower()]] if _VIEWS[view.lower()] else []
    query = Query(
        kind="experiment",
        filter=" and ".join(conditions),
        orderby=asked.get("orderby"),
        top=asked.get("top"),
        token=asked.get("continuationToken"),
    )
    return page(store, call.ws, query)


@PLANE.route("GET", _BY_ID)
def get_by_id(call: Call, store: Store, *, experiment_id: str) -> Experiment:
    """One by id, archived or not."""
    return store.require(call.ws, KIND, experiment_id)


@PLANE.route("PATCH", _BY_ID)
def patch(call: Call, store: Store, *, experiment_id: str) -> Experiment:
    """Merge tags, archive or reactivate, set the description."""
    given = {key: value for key, value in call.document().items() if value is not None}
    unknown = given.keys() - {"tags", "archive", "description", "name"}
    if unknown:
        raise not_implemented(f"the key '{min(unknown)}' of an experiment")

    def alter(experiment: Experiment) -> None:
        if given.get("name", experiment["name"]) != experiment["name"]:
            raise bad_request(f"Experiment '{experiment['name']}' cannot be renamed.")
        experiment["tags"].update(given.get("tags", {}))
        experiment["description"] = given.get("description", experiment["description"])
        if "archive" in given:
            _archive(call, store, experiment, archive=given["archive"])

    return store.update(call.ws, KIND, experiment_id, alter)


def _archive(call: Call, store: Store, experiment: Experiment, *, archive: bool) -> None:
    if archive:
        experiment["archivedTime"] = experiment["archivedTime"] or timestamp()
        return
    holder = active(store, call.workspace, experiment["name"])
    if holder and holder["experimentId"] != experiment["experimentId"]:
        raise conflict(
            f"Experiment '{experiment['name']}' cannot be reactivated: another active experiment has this name. "
            "Archive or delete that one first."
        )
    experiment["archivedTime"] = None


@PLANE.route("POST", _BY_ID + "/tags:delete")
def delete_tags(call: Call, store: Store, *, experiment_id: str) -> dict[str, Any]:
    """Remove tags; unknown ones are no error."""
    names = call.document().get("tags") or []

    def alter(experiment: Experiment) -> None:
        for name in names:
            experiment["tags"].pop(name, None)

    store.update(call.ws, KIND, experiment_id, alter)
    return {"errors": {}}


@PLANE.route("DELETE", _BY_ID)
def delete(call: Call, store: Store, *, experiment_id: str) -> dict[str, Any]:
    """Delete an empty experiment. The service refuses one with runs, and so do we."""
    with store.transaction():
        experiment = store.require(call.ws, KIND, experiment_id)
        if store.find(call.ws, "run", name=experiment_id, limit=1):
            raise conflict(f"Experiment '{experiment['name']}' has runs and cannot be deleted. Archive it instead.")
        store.delete(call.ws, KIND, experiment_id)
    return {}
