"""Where a step's inputs and outputs are on datastores, and how the run history shows them.

A location is {"datastore", "path"}, or {"dataset": saved id, "direct": bool} for a dataset. A direct input reaches
the script as the id of the dataset.
"""

from __future__ import annotations

from pathlib import Path

from local_azure.machine_learning.domain.data import datastores, output_tables, step_datasets
from local_azure.machine_learning.domain.pipelines import modules, nodes
from local_azure.machine_learning.domain.pipelines.plan import Plan, Port, Step
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import bad_request, not_implemented
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

DEFAULT_DATASTORE = "workspaceblobstore"
Locations = dict[str, Document]  # by port


def output_locations(step: Step, run_id: str) -> Locations:
    """Choose the location of each output. Source: `OutputFileDatasetConfig`'s default destination."""
    locations = {}
    for port in step.output_ports():
        name = port["Name"]
        setting = step.output_setting(name)
        options = setting.get("DatasetOutputOptions") or {}
        if options.get("SourceGlobs"):
            raise not_implemented(f"patterns of what to upload of the output '{name}' of step '{step.name}'")
        registration = setting.get("DatasetRegistration") or {}
        output_tables.reading([registration.get("AdditionalTransformations")])  # refused now, not after the work
        pattern = options.get("PathOnDatastore") or f"azureml/{run_id}/{name}"
        locations[name] = {
            "datastore": setting.get("DataStoreName") or port.get("DataStoreName") or DEFAULT_DATASTORE,
            "path": pattern.replace("{run-id}", run_id).replace("{output-name}", name).strip("/"),
        }
    return locations


class InputResolver:
    """Finds the location of each input of the steps of one pipeline run."""

    def __init__(self, store: Store, workspace: Workspace, run: Document, plan: Plan, interface: Document) -> None:
        self._store = store
        self._workspace = workspace
        self._run = run
        self._plan = plan
        self._interface = interface

    def locations(self, step: Step) -> Locations:
        """Find the location of each input that carries data; raises a 400 that names the port it cannot resolve."""
        locations = {}
        for port in step.input_ports():
            name = port["Name"]
            location = self._location(step, name, step.sources[name])
            if step.input_mode(name) == "direct":
                saved_id = location.get("dataset") or self._saved(step, name, location)
                location = {"dataset": saved_id, "direct": True}
            locations[name] = location
        return locations

    def external(self, step: Step, locations: Locations) -> Locations:
        """Select the inputs that no other step of the run writes."""
        return {
            name: location
            for name, location in locations.items()
            if step.sources[name].node_id not in self._plan.steps
        }

    def _saved(self, step: Step, name: str, location: Document) -> str:
        """Save a dataset of what another step wrote, read in the way that its output and this input ask for."""
        source = step.sources[name]
        producer = self._plan.steps.get(source.node_id)
        written = producer.output_setting(source.name) if producer else {}
        registration = written.get("DatasetRegistration") or {}
        transformations = [
            registration.get("AdditionalTransformations"),
            step.input_setting(name).get("AdditionalTransformations"),
        ]
        return step_datasets.save_output(
            self._store, self._workspace, location["datastore"], location["path"], transformations
        )

    def _location(self, step: Step, name: str, source: Port) -> Document:
        if source.node_id in self._plan.steps:
            return nodes.outputs(self._store, self._workspace.id, self._run["Id"], source.node_id)[source.name]
        node = self._plan.data_nodes.get(source.node_id)
        if node is None:
            raise bad_request(f"Input '{name}' of step '{step.name}' comes from a node that the graph does not have.")
        if node.get("DatasetId"):
            document = modules.data_source(self._store, self._workspace.id, node["DatasetId"])
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
        value, parameter = definition.get("Value"), definition.get("ParameterName")
        if parameter:
            value = (self._run.get("DataSetDefinitionValueAssignments") or {}).get(parameter)
        if not value and parameter:
            raise bad_request(
                f"Input '{name}' of step '{step.name}' gets its dataset from the pipeline parameter '{parameter}', "
                "which has neither a value nor a default in this run. The SDK registers the parameter only where it "
                "is among the arguments of a step too; add it there, or submit with a value for it."
            )
        if not value:
            raise bad_request(f"Input '{name}' of step '{step.name}' has no dataset.")
        return {"dataset": step_datasets.resolve_saved_id(self._store, self._workspace, value)}


def root_of(store: Store, files: BlobFiles, workspace: Workspace, location: Document) -> tuple[str, Path]:
    """Return datastore/path and the file or folder of a location, of a dataset up to its first wildcard."""
    if "dataset" in location:
        return step_datasets.data_root(store, files, workspace, location["dataset"])
    datastore, path = location["datastore"], location["path"]
    return f"{datastore}/{path}", datastores.readable_path(store, files, workspace, datastore, path)


def selected_files(
    store: Store, files: BlobFiles, workspace: Workspace, location: Document
) -> dict[str, Path] | None:
    """Return the files of a dataset that is less than one folder (a glob, several paths) by name, else None."""
    if "dataset" not in location:
        return None
    return step_datasets.data_files(store, files, workspace, location["dataset"])


def files_of(store: Store, files: BlobFiles, workspace: Workspace, location: Document) -> dict[str, Path]:
    """Return the files of a location by name; none where nothing is there."""
    selected = selected_files(store, files, workspace, location)
    if selected is not None:
        return selected
    _, root = root_of(store, files, workspace, location)
    if root.is_file():
        return {root.name: root}
    return {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}


def note_inputs(store: Store, workspace_id: str, run_id: str, step: Step, locations: Locations) -> None:
    """Keep with a run the datasets among its inputs, as `run.get_details()` shows them."""
    read = [
        {
            "identifier": {"savedId": location["dataset"]},
            "consumptionType": "RunInput",
            "inputDetails": {"inputName": name, "mechanism": step.input_mode(name).capitalize()},
        }
        for name, location in locations.items()
        if "dataset" in location
    ]
    if read:
        run_records.update(store, workspace_id, run_id, lambda run: run.update(inputDatasets=read))


def register_outputs(store: Store, workspace: Workspace, run_id: str, step: Step, locations: Locations) -> None:
    """Register as datasets what a step wrote, where it asked for that (`register_on_complete`)."""
    written = []
    for name, location in locations.items():
        registration = step.output_setting(name).get("DatasetRegistration") or {}
        if registration.get("Name"):
            saved_id = step_datasets.register_output(
                store,
                workspace,
                registration["Name"],
                location["datastore"],
                location["path"],
                registration=registration,
            )
            details = {"outputName": name}
            written.append({"identifier": {"savedId": saved_id}, "outputType": "RunOutput", "outputDetails": details})
    if written:
        run_records.update(store, workspace.id, run_id, lambda run: run.update(outputDatasets=written))
