"""A submitted graph as a plan: which steps there are, what each waits for, and where its inputs come from. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.storage.store import Document

BY_PARAMETER = ("1", "GraphParameterName")


def _named(entries: list[Document] | None, name: str) -> Document:
    return next((entry for entry in entries or [] if entry["Name"] == name), {})


@dataclass(frozen=True)
class Port:
    """An output port of a node."""

    node_id: str
    name: str


@dataclass(frozen=True)
class Step:
    """One module node. `parameters`: resolved values by name. `sources`: where each input port's edge starts."""

    node_id: str
    module: Document
    node: Document
    parameters: dict[str, str | None]
    sources: dict[str, Port]
    waits_for: frozenset[str]

    @property
    def name(self) -> str:
        """The step's name as its author gave it."""
        return str(self.module["Name"])

    @property
    def interface(self) -> Document:
        """Inputs, outputs, parameters and arguments of the module."""
        interface: Document = self.module["StructuredInterface"]
        return interface

    @property
    def may_reuse(self) -> bool:
        """`allow_reuse` of the step and no `regenerate_outputs` of the submission."""
        return bool(self.module.get("IsDeterministic")) and not self.node.get("RegenerateOutput")

    @property
    def run_configuration(self) -> Document:
        """The node's run configuration: environment, variables, time limit."""
        text = self.node.get("Runconfig") or self.module.get("Runconfig") or "{}"
        configuration: Document = json.loads(text)
        return configuration

    def configured_variables(self) -> dict[str, str]:
        """Environment variables of the environment, and those of the run configuration."""
        configuration = self.run_configuration
        given = (configuration.get("environment") or {}).get("environmentVariables") or {}
        return {
            name: str(value) for name, value in {**given, **(configuration.get("environmentVariables") or {})}.items()
        }

    def output_ports(self) -> list[Document]:
        """Ports that carry data; `run_after` edges end at ports that do not."""
        return [port for port in self.interface.get("Outputs") or [] if not port.get("SkipProcessing")]

    def input_ports(self) -> list[Document]:
        """Ports that carry data and have an edge."""
        ports = self.interface.get("Inputs") or []
        return [port for port in ports if not port.get("SkipProcessing") and port["Name"] in self.sources]

    def output_setting(self, port_name: str) -> Document:
        """Settings of the node for an output: datastore, path, registration."""
        return _named(self.node.get("ModuleOutputSettings"), port_name)

    def may_write_file(self, port_name: str) -> bool:
        """Tell whether the script itself makes an output, a file or a folder, at the path that it is given.

        So it is for a published module, whose author has not declared a directory.
        """
        declared = _named(self.interface.get("Outputs"), port_name).get("DataTypeId")
        is_dataset = bool(self.output_setting(port_name).get("DatasetOutputOptions"))
        return self.module.get("StepType") == "ModuleStep" and declared == "AnyFile" and not is_dataset

    def input_setting(self, port_name: str) -> Document:
        """Settings of the node for an input: mode, transformations."""
        return _named(self.node.get("ModuleInputSettings"), port_name)

    def path_on_compute(self, port_name: str, *, of_output: bool) -> str | None:
        """Where the script's author wants an input or output to be, or None."""
        setting = self.output_setting(port_name) if of_output else self.input_setting(port_name)
        ports = self.interface.get("Outputs" if of_output else "Inputs")
        return setting.get("PathOnCompute") or _named(ports, port_name).get("PathOnCompute")

    def input_mode(self, port_name: str) -> str:
        """How an input reaches the script: mount, download or direct."""
        port = _named(self.interface.get("Inputs"), port_name)
        return str(self.input_setting(port_name).get("DataStoreMode") or port.get("DataStoreMode") or "mount").lower()


@dataclass(frozen=True)
class Plan:
    """All steps by node id, and the nodes that stand for data."""

    steps: dict[str, Step]
    data_nodes: dict[str, Document] = field(default_factory=dict)


def _parameters(node: Document, assigned: dict[str, Any]) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    for parameter in (node.get("ModuleParameters") or []) + (node.get("ModuleMetadataParameters") or []):
        value = parameter.get("Value")
        if str(parameter.get("ValueType")) in BY_PARAMETER:
            value = assigned.get(str(value))
        values[parameter["Name"]] = value
    return values


def build_plan(graph: Document, modules: dict[str, Document], assigned: dict[str, Any]) -> Plan:
    """Plan of a graph.

    modules: by id. assigned: values of the pipeline's parameters. Raises a 400 for a graph that waits for itself.
    """
    nodes = {node["Id"]: node for node in graph.get("ModuleNodes") or []}
    sources: dict[str, dict[str, Port]] = {node_id: {} for node_id in nodes}
    waits: dict[str, set[str]] = {node_id: set() for node_id in nodes}
    for edge in graph.get("Edges") or []:
        start, end = edge["SourceOutputPort"], edge["DestinationInputPort"]
        if end["NodeId"] not in nodes:
            continue
        sources[end["NodeId"]][end["PortName"]] = Port(start["NodeId"], start["PortName"])
        if start["NodeId"] in nodes:
            waits[end["NodeId"]].add(start["NodeId"])
    _refuse_cycles(waits, {node_id: _name(node, modules) for node_id, node in nodes.items()})
    steps = {
        node_id: Step(
            node_id=node_id,
            module=modules[node["ModuleId"]],
            node=node,
            parameters=_parameters(node, assigned),
            sources=sources[node_id],
            waits_for=frozenset(waits[node_id]),
        )
        for node_id, node in nodes.items()
    }
    return Plan(steps, {node["Id"]: node for node in graph.get("DatasetNodes") or []})


def _name(node: Document, modules: dict[str, Document]) -> str:
    """The step's name as its author gave it."""
    return str(modules[node["ModuleId"]]["Name"])


def _refuse_cycles(waits: dict[str, set[str]], names: dict[str, str]) -> None:
    left = {node_id: set(others) for node_id, others in waits.items()}
    while left:
        ready = {node_id for node_id, others in left.items() if not others & left.keys()}
        if not ready:
            raise bad_request(_circle(left, names))
        for node_id in ready:
            del left[node_id]


def _circle(waits: dict[str, set[str]], names: dict[str, str]) -> str:
    """Say which steps wait for each other, in order; those that merely wait for one of them are left out."""
    node_id, seen = min(waits), list[str]()
    while node_id not in seen:
        seen.append(node_id)
        node_id = min(waits[node_id] & waits.keys())
    circle = [*seen[seen.index(node_id) :], node_id]
    if len(circle) == 2:
        return f"The step '{names[node_id]}' waits for itself; remove that dependency."
    words = " waits for ".join(f"'{names[one]}'" for one in circle)
    return f"The steps wait for each other: {words}. Remove one of these dependencies."
