"""Where a step's inputs and outputs lie: on which datastore, and where on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from local_azure.machine_learning.domain.data import output_tables
from local_azure.machine_learning.domain.pipelines.graph import Plan, Port, Step
from local_azure.machine_learning.domain.workspaces import Workspace
from local_azure.machine_learning.errors import bad_request, not_implemented
from local_azure.machine_learning.planes.data import datasets, datastores
from local_azure.machine_learning.planes.pipelines.modules import DATA_SOURCE
from local_azure.machine_learning.planes.pipelines.runs import NODE
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

if TYPE_CHECKING:
    from local_azure.machine_learning.emulator import Emulator

DEFAULT_DATASTORE = "workspaceblobstore"


def output_places(step: Step, run_id: str) -> dict[str, Document]:
    """Place of each output port: {"datastore", "path"}. Source: `OutputFileDatasetConfig`'s default destination."""
    places = {}
    for port in step.output_ports():
        setting = step.output_setting(port["Name"])
        if (setting.get("DatasetOutputOptions") or {}).get("SourceGlobs"):
            raise not_implemented(f"patterns of what to upload of the output '{port['Name']}' of step '{step.name}'")
        registration = setting.get("DatasetRegistration") or {}
        output_tables.reading([registration.get("AdditionalTransformations")])  # refused now, not after the work
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
        """Place of each input port that carries data: {"datastore", "path"} or {"dataset": saved id, "direct": bool}.

        Direct inputs reach the script as the id of a dataset. Raises a 400 that names the port it cannot resolve.
        """
        places = {}
        for port in step.input_ports():
            name = port["Name"]
            place = self._place(step, name, step.sources[name])
            if step.input_mode(name) == "direct":
                place = {"dataset": place.get("dataset") or self._saved(step, name, place), "direct": True}
            places[name] = place
        return places

    def external(self, step: Step, places: dict[str, Document]) -> dict[str, Document]:
        """Of the places of a step's inputs those that no other step of the run writes."""
        return {name: place for name, place in places.items() if step.sources[name].node_id not in self._plan.steps}

    def _saved(self, step: Step, name: str, place: Document) -> str:
        """Id of a dataset for what another step wrote, read in the way that its output and this input ask for."""
        source = step.sources[name]
        producer = self._plan.steps.get(source.node_id)
        registration = (producer.output_setting(source.name) if producer else {}).get("DatasetRegistration") or {}
        wanted = [
            registration.get("AdditionalTransformations"),
            step.input_setting(name).get("AdditionalTransformations"),
        ]
        return datasets.save_output(self._emulator.store, self.workspace, place["datastore"], place["path"], wanted)

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
        return {"dataset": datasets.resolve_saved_id(self._emulator.store, self.workspace, value)}


def files_of(store: Store, files: BlobFiles, workspace: Workspace, place: Document) -> dict[str, Path]:
    """The files of an input's place by name; none where nothing is there."""
    if "dataset" in place:
        chosen = datasets.data_files(store, files, workspace, place["dataset"])
        if chosen is not None:
            return chosen
        datastore, relative = datasets.data_location(store, workspace, place["dataset"])
    else:
        datastore, relative = place["datastore"], place["path"]
    root = datastores.local_path(store, files, workspace, datastore, relative)
    if root.is_file():
        return {root.name: root}
    return {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
