"""Experiments in the store: the names under which runs are listed.

A document of kind "experiment" has the id `experimentId`. Several may have one name, at most one of them active: an
archived experiment frees its name, and writing to it makes a new one (SDK, core/experiment.py, `archive`).
"""

from __future__ import annotations

import re
from typing import Any

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.errors import bad_request, conflict, not_found, not_implemented
from local_azure.machine_learning.storage.store import Store

Experiment = dict[str, Any]

KIND = "experiment"
_NAME = re.compile(r"[a-zA-Z0-9][\w-]{0,254}", re.ASCII)  # the SDK's own rule
_CHANGEABLE = {"tags", "archive", "description", "name"}


def _active(store: Store, workspace_id: str, name: str) -> Experiment | None:
    found = store.find(workspace_id, KIND, name=name)
    return next((one for one in found if one["archivedTime"] is None), None)


def ensure(store: Store, workspace_id: str, name: str) -> Experiment:
    """Return the active experiment of a name, created when absent; raises a 400 for a name the SDK would refuse."""
    if not _NAME.fullmatch(name):
        raise bad_request(f"'{name}' is not an experiment name: letters, digits, '_' and '-', at most 255.")
    with store.transaction():
        found = _active(store, workspace_id, name)
        if found:
            return found
        created: Experiment = {
            "experimentId": new_id(),
            "name": name,
            "description": None,
            "createdUtc": timestamp(),
            "archivedTime": None,
            "latestCreatedRunId": None,
            "latestCreatedRunCreatedUtc": None,
            "tags": {},
        }
        store.insert(workspace_id, KIND, created["experimentId"], created, name=name)
        return created


def note_run(store: Store, workspace_id: str, run: dict[str, Any]) -> None:
    """Note the run that was created last in its experiment."""
    newest = {"latestCreatedRunId": run["runId"], "latestCreatedRunCreatedUtc": run["createdUtc"]}
    store.update(workspace_id, KIND, run["experimentId"], lambda experiment: experiment.update(newest))


def require_active(store: Store, workspace_id: str, name: str) -> Experiment:
    """Return the active experiment of a name; raises a 404 that names it."""
    found = _active(store, workspace_id, name)
    if found is None:
        raise not_found("Experiment", name)
    return found


def by_id(store: Store, workspace_id: str, experiment_id: str) -> Experiment:
    """Return an experiment, archived or not; raises a 404."""
    return store.require(workspace_id, KIND, experiment_id)


def id_of(store: Store, workspace_id: str, name: str | None, experiment_id: str | None) -> str:
    """Return the id of an experiment that is given by name or by id; raises a 404 that names it.

    A name means the active experiment, else the newest archived one.
    """
    if name is None:
        return str(by_id(store, workspace_id, experiment_id or "")["experimentId"])
    found = _active(store, workspace_id, name)
    if found is None:
        archived = store.find(workspace_id, KIND, name=name, newest_first=True, limit=1)
        if not archived:
            raise not_found("Experiment", name)
        found = archived[0]
    return str(found["experimentId"])


def change(store: Store, workspace_id: str, experiment_id: str, given: dict[str, Any]) -> Experiment:
    """Merge tags, archive or reactivate, set the description; raises a 400 or 409 for what cannot be done."""
    given = {key: value for key, value in given.items() if value is not None}
    unknown = given.keys() - _CHANGEABLE
    if unknown:
        raise not_implemented(f"the key '{min(unknown)}' of an experiment")

    def alter(experiment: Experiment) -> None:
        if given.get("name", experiment["name"]) != experiment["name"]:
            raise bad_request(f"Experiment '{experiment['name']}' cannot be renamed.")
        experiment["tags"].update(given.get("tags", {}))
        experiment["description"] = given.get("description", experiment["description"])
        if given.get("archive"):
            experiment["archivedTime"] = experiment["archivedTime"] or timestamp()
        elif "archive" in given:
            _reactivate(store, workspace_id, experiment)

    return store.update(workspace_id, KIND, experiment_id, alter)


def _reactivate(store: Store, workspace_id: str, experiment: Experiment) -> None:
    active = _active(store, workspace_id, experiment["name"])
    if active and active["experimentId"] != experiment["experimentId"]:
        raise conflict(
            f"Experiment '{experiment['name']}' cannot be reactivated: another active experiment has this name. "
            "Archive or delete that one first."
        )
    experiment["archivedTime"] = None


def delete_tags(store: Store, workspace_id: str, experiment_id: str, names: list[str]) -> None:
    """Remove tags by name; unknown ones are ignored."""

    def alter(experiment: Experiment) -> None:
        for name in names:
            experiment["tags"].pop(name, None)

    store.update(workspace_id, KIND, experiment_id, alter)


def delete(store: Store, workspace_id: str, experiment_id: str) -> None:
    """Delete an empty experiment. The service refuses one with runs, and so does this (409)."""
    with store.transaction():
        experiment = by_id(store, workspace_id, experiment_id)
        if store.find(workspace_id, "run", name=experiment_id, limit=1):
            raise conflict(f"Experiment '{experiment['name']}' has runs and cannot be deleted. Archive it instead.")
        store.delete(workspace_id, KIND, experiment_id)
