"""Where a step's inputs and outputs lie: on which datastore, and where on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.executor.graph import Plan, Port, Step
from local_azure.machine_learning.planes import datasets, datastores
from local_azure.machine_learning.planes.pipeline_modules import DATA_SOURCE
from local_azure.machine_learning.planes.pipeline_runs import NODE
from local_azure.machine_learning.store import Document
from local_azure.machine_learning.workspaces import Workspace

if TYPE_CHECKING:
    from local_azure.machine_learning.emulator import Emulator

DEFAULT_DATASTORE = "workspaceblobstore"
# Paths handed to a step lie below its working directory: the SDK refuses to register a model from elsewhere.
DATA_FOLDER = ".azureml-data"


def output_places(step: Step, run_id: str) -> dict[str, Document]:
    """Place of each output port: {"datastore", "path"}. Source: `OutputFileDatasetConfig`'s default destination."""
    places = {}
    for port in step.output_ports():
        setting = step.output_setting(port["Name"])
        pattern = (setting.get("DatasetOutputOptions") or {}).get(
            "PathOnDatastore"
        ) or f"azureml/{run_id}/{port['Name']}"
        places[port["Name"]] = {
            "datastore": setting.get("DataStoreName") or port.get("DataStoreName") or DEFAULT_DATASTORE,
            "path": pattern.replace("{run-id}", run_id).replace("{output-name}", port["Name"]).strip("/"),
        }
    return places


class InputResolver:
    """Finds the place of each input of the steps of one pipeline run."""

    def __init__(
        self, emulator: Emulator, workspace: Workspace, run: Document, plan: Plan, interface: Document
    ) -> None:
        self._emulator = emulator
        self.workspace = workspace
        self._run = run
        self._plan = plan
        self._interface = interface

    def places(self, step: Step) -> dict[str, Document]:
        """Place of each input port that carries data: {"datastore", "path"} or {"dataset": saved id}.

        Raises a 400 that names the port it cannot resolve.
        """
        return {
            port["Name"]: self._place(step, port["Name"], step.sources[port["Name"]]) for port in step.input_ports()
        }

    def _place(self, step: Step, name: str, source: Port) -> Document:
        if source.node_id in self._plan.steps:
            key = f"{self._run['Id']}/{source.node_id}"
            outputs = self._emulator.store.require(self.workspace.id, NODE, key, "Step")["Outputs"]
            place: Document = outputs[source.name]
            return place
        node = self._plan.data_nodes.get(source.node_id)
        if node is None:
            raise bad_request(f"Input '{name}' of step '{step.name}' comes from a node that the graph does not have.")
        if node.get("DatasetId"):
            document = self._emulator.store.require(self.workspace.id, DATA_SOURCE, node["DatasetId"], "Data source")
            blob = document["DataLocation"]["DataReference"]["AzureBlobReference"]
            return {"datastore": blob["AmlDataStoreName"], "path": (blob["RelativePath"] or "").strip("/")}
        if node.get("DataPathParameterName"):
            return self._data_path(node["DataPathParameterName"])
        return self._dataset(step, name, node.get("DataSetDefinition") or {})

    def _data_path(self, parameter: str) -> Document:
        assigned = (self._run.get("DataPathAssignments") or {}).get(parameter)
        if assigned is None:
            declared = self._interface.get("DataPathParameters") or []
            assigned = next((p["DefaultValue"] for p in declared if p["Name"] == parameter), None)
        if assigned is None:
            raise bad_request(f"The data path parameter '{parameter}' has neither a value nor a default.")
        return {"datastore": assigned["DataStoreName"], "path": (assigned["RelativePath"] or "").strip("/")}

    def _dataset(self, step: Step, name: str, definition: Document) -> Document:
        value = definition.get("Value")
        if definition.get("ParameterName"):
            value = (self._run.get("DataSetDefinitionValueAssignments") or {}).get(definition["ParameterName"])
        if not value:
            raise bad_request(f"Input '{name}' of step '{step.name}' has no dataset.")
        return {"dataset": datasets.resolve_saved_id(self._emulator, self.workspace, value)}


def link_outputs(
    emulator: Emulator, workspace: Workspace, places: dict[str, Document], data: Path
) -> dict[str, Path]:
    """Make the folder of each output, and a link to it below `data`; returns the links by port name."""
    links = {}
    for name, place in places.items():
        target = datastores.local_path(emulator, workspace, place["datastore"], place["path"])
        target.mkdir(parents=True, exist_ok=True)
        links[name] = _link(data / name, target)
    return links


def link_inputs(emulator: Emulator, workspace: Workspace, places: dict[str, Document], data: Path) -> dict[str, Path]:
    """Links below `data` to each input, by port name; raises a 404 that names an input which is not there.

    A dataset that is less than one folder (a glob, several paths) becomes a folder of links to its files.
    """
    links = {}
    for name, place in places.items():
        if "dataset" in place:
            files = datasets.data_files(emulator, workspace, place["dataset"])
            if files is not None:
                for relative, path in files.items():
                    _link(data / name / relative, path)
                links[name] = data / name
                continue
            datastore, path_on_datastore = datasets.data_location(emulator, workspace, place["dataset"])
        else:
            datastore, path_on_datastore = place["datastore"], place["path"]
        target = datastores.local_path(emulator, workspace, datastore, path_on_datastore)
        if not target.exists():
            raise bad_request(f"Input '{name}' is not there: {datastore}/{path_on_datastore}.", "NotFound")
        links[name] = _link(data / name, target)
    return links


def _link(link: Path, target: Path) -> Path:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    return link
