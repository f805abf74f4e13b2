"""Submitted and published graphs in the store, with the interface that names their parameters."""

from __future__ import annotations

from typing import Any

from local_azure.machine_learning.clock import new_id
from local_azure.machine_learning.domain.pipelines import modules
from local_azure.machine_learning.domain.pipelines.entities import new_entity
from local_azure.machine_learning.domain.pipelines.modules import (
    checked_configuration,
    refuse_mode,
    refuse_path_on_compute,
)
from local_azure.machine_learning.domain.pipelines.plan import Plan, build_plan
from local_azure.machine_learning.storage.store import Document, Store

KIND = "graph"


def save(store: Store, workspace_id: str, graph: Document, interface: Document | None) -> str:
    """Keep a graph; returns its id. Refuses by name data that would not be where it is asked for."""
    for node in graph.get("ModuleNodes") or []:
        checked_configuration(node.get("Runconfig"))
        for setting in (node.get("ModuleInputSettings") or []) + (node.get("ModuleOutputSettings") or []):
            refuse_mode(setting["Name"], setting.get("DataStoreMode"))
            refuse_path_on_compute(setting["Name"], setting.get("PathOnCompute"))
    key = new_id()
    document = {"graph": {**new_entity(key), **graph, "Id": key}, "interface": interface or {}}
    store.insert(workspace_id, KIND, key, document)
    return key


def require(store: Store, workspace_id: str, graph_id: str) -> Document:
    """Return {"graph", "interface"}; raises a 404."""
    return store.require(workspace_id, KIND, graph_id)


def number_of_steps(graph: Document) -> int:
    """Count the steps of a graph."""
    return len(graph.get("ModuleNodes") or [])


def defaults(interface: Document) -> dict[str, Any]:
    """Return the defaults of a graph's parameters by name."""
    return {parameter["Name"]: parameter.get("DefaultValue") for parameter in interface.get("Parameters") or []}


def as_texts(values: dict[str, Any]) -> dict[str, str | None]:
    """Return the values of parameters as texts, as the service keeps them."""
    return {name: None if value is None else str(value) for name, value in values.items()}


def plan_of_run(store: Store, workspace_id: str, run: Document) -> tuple[Plan, Document]:
    """Return the plan of a pipeline run's graph, and the graph's interface; raises a 400 or 404."""
    stored = require(store, workspace_id, run["GraphId"])
    ids = {node["ModuleId"] for node in stored["graph"].get("ModuleNodes") or []}
    found = {module_id: modules.module(store, workspace_id, module_id) for module_id in ids}
    return build_plan(stored["graph"], found, run["ParameterAssignments"]), stored["interface"]
