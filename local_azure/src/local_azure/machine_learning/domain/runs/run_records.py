"""Runs in the store: creation, changes and statuses.

A run is a document of kind "run": `name` is its experiment's id and `parent` its parent run's id.
"""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Callable
from typing import Any

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.runs import experiments
from local_azure.machine_learning.domain.runs.run_documents import (
    Failure,
    Run,
    change,
    error_body,
    has_ended,
    move_status,
    new_run,
)
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.errors import ApiError, bad_request, not_found
from local_azure.machine_learning.storage.store import Store

KIND = "run"
# The SDK's own rule for run ids (data/_restclient/runhistory/operations/_runs_operations.py).
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w-]{0,255}", re.ASCII)


def require(store: Store, workspace_id: str, run_id: str) -> Run:
    """Return a run; raises a 404 that names it."""
    return store.require(workspace_id, KIND, run_id)


def require_in(
    store: Store, workspace_id: str, run_id: str, experiment: str | None = None, experiment_id: str | None = None
) -> Run:
    """Return a run of an experiment, given by name or by id; raises a 404 when it belongs to another one."""
    run = require(store, workspace_id, run_id)
    if experiment is not None:
        home = experiments.by_id(store, workspace_id, run["experimentId"])
        if home["name"] != experiment:
            raise not_found("Run", run_id, f"It belongs to experiment '{home['name']}', not '{experiment}'.")
    elif experiment_id is not None and run["experimentId"] != experiment_id:
        raise not_found("Run", run_id, f"It does not belong to experiment '{experiment_id}'.")
    return run


def children(store: Store, workspace_id: str, run_id: str) -> list[Run]:
    """Return the runs whose parent is this run."""
    return store.find(workspace_id, KIND, parent=run_id)


def create(store: Store, workspace_id: str, run_id: str, experiment_id: str, given: Run) -> Run:
    """Insert a run with what is known of it (CreateRunDto); raises a 400, 404 (parent) or 409 (id taken)."""
    parent_id = given.get("parentRunId")
    if not _RUN_ID.fullmatch(run_id):
        raise bad_request(f"'{run_id}' is not a run id: letters, digits, '_' and '-', at most 256, no '-' first.")
    with store.transaction():
        parent = store.get(workspace_id, KIND, parent_id) if parent_id else None
        if parent_id and parent is None:
            raise not_found("Parent run", parent_id)
        newest = store.find(workspace_id, KIND, name=experiment_id, newest_first=True, limit=1)
        run = new_run(run_id, experiment_id, newest[0] if newest else None, parent)
        change(run, given)
        store.insert(workspace_id, KIND, run_id, run, name=experiment_id, parent=parent_id or "")
        experiments.note_run(store, workspace_id, run)
    return run


def create_named(store: Store, workspace_id: str, run_id: str, experiment_name: str, given: Run) -> Run:
    """Insert a run, and its experiment when there is none; raises a 404 or 409 like `create`."""
    with store.transaction():
        experiment = experiments.ensure(store, workspace_id, experiment_name)
        return create(store, workspace_id, run_id, experiment["experimentId"], given)


def create_or_change(
    store: Store,
    workspace_id: str,
    run_id: str,
    given: dict[str, Any],
    *,
    experiment: str | None = None,
    experiment_id: str | None = None,
) -> Run:
    """Change a run of an experiment, given by name or by id; an unknown run is created."""
    with store.transaction():
        if store.get(workspace_id, KIND, run_id) is None:
            home = experiments.id_of(store, workspace_id, experiment, experiment_id)
            return create(store, workspace_id, run_id, home, given)
        require_in(store, workspace_id, run_id, experiment, experiment_id)
        return update(store, workspace_id, run_id, lambda run: change(run, given))


def update(store: Store, workspace_id: str, run_id: str, alter: Callable[[Run], None]) -> Run:
    """Read, alter and write a run in one transaction; raises a 404 that names it."""

    def alter_and_count(run: Run) -> None:
        before = copy.deepcopy(run)
        alter(run)
        if run == before:
            return
        run["revision"] = run.get("revision", 0) + 1
        run["lastModifiedUtc"] = timestamp()

    return store.update(workspace_id, KIND, run_id, alter_and_count)


def delete_tags(store: Store, workspace_id: str, run_id: str, names: list[str]) -> Run:
    """Remove tags by name; unknown ones are ignored."""

    def alter(run: Run) -> None:
        for name in names:
            run["tags"].pop(name, None)

    return update(store, workspace_id, run_id, alter)


def warn(store: Store, workspace_id: str, run_id: str, sentences: list[str]) -> None:
    """Note warnings of this server at a run, where the SDK's summary shows them."""
    warnings = [{"source": "local_azure", "message": sentence} for sentence in sentences]
    if warnings:
        update(store, workspace_id, run_id, lambda run: run.update(warnings=[*(run["warnings"] or []), *warnings]))


def set_status(
    store: Store, workspace_id: str, run_id: str, status: RunStatus, failure: Failure | None = None
) -> None:
    """Move a run to a status, with times, and note why it failed.

    A run that is final already keeps status, times and error; an error that the program reported itself stays.
    """

    def alter(run: Run) -> None:
        if failure is not None and not has_ended(run):
            run["error"] = run["error"] or error_body({"code": failure.code, "message": failure.message})
        move_status(run, status)

    update(store, workspace_id, run_id, alter)


def fail_broken(store: Store, workspace_id: str, run_id: str, failure: Failure) -> None:
    """Fail a run and everything below it, as far as their documents can be read."""
    for one in (run_id, *(str(child.get("runId")) for child in children(store, workspace_id, run_id))):
        with contextlib.suppress(ApiError, KeyError, TypeError, AttributeError):
            set_status(store, workspace_id, one, RunStatus.FAILED, failure)


def fail_family(store: Store, workspace_id: str, run_id: str, failure: Failure) -> None:
    """Fail a run and everything below it that has not ended."""
    set_status(store, workspace_id, run_id, RunStatus.FAILED, failure)
    for child in children(store, workspace_id, run_id):
        fail_family(store, workspace_id, child["runId"], failure)
