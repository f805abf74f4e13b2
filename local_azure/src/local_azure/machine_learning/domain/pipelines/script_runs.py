"""Runs of one script outside of any pipeline, `Experiment.submit(ScriptRunConfig(...))`, in the store.

The document holds the run configuration in the form of a pipeline's step: one executor runs both.
"""

from __future__ import annotations

import shlex

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.data import step_datasets
from local_azure.machine_learning.domain.pipelines.modules import refuse_mode, refuse_path_on_compute
from local_azure.machine_learning.domain.pipelines.pipeline_runs import CLOSED, OPEN
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_documents import Failure, cancel_address
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.domain.workspace import compute
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import bad_request, not_found, not_implemented
from local_azure.machine_learning.storage.store import Document, Store

KIND = "script_run"


def new_script_run(store: Store, workspace: Workspace, experiment: str, run_id: str, posted: Document) -> Document:
    """Make the document of a script run; raises a 400 or 404 for what cannot run as it is asked for."""
    configuration: Document = posted.get("Configuration") or {}
    _refuse_unsupported(configuration)
    if not (configuration.get("command") or configuration.get("script")):
        raise bad_request("The run names no script or command.")
    if not posted.get("SnapshotId"):
        raise bad_request("The run names no snapshot.")
    target = str(configuration.get("target"))
    if compute.find(store, workspace, target) is None:
        raise not_found("Compute target", target)
    return {
        "runId": run_id,
        "experiment": experiment,
        "configuration": configuration,
        "inputs": _input_locations(store, workspace, configuration),
        **_step(configuration, posted["SnapshotId"]),
    }


def record(
    store: Store, workspace: Workspace, addresses: Addresses, document: Document, parent_run_id: str | None
) -> None:
    """Make a script run known to the run history as queued; the executor takes it up now, or after a restart."""
    run_id, experiment = document["runId"], document["experiment"]
    given = {
        "parentRunId": parent_run_id,
        "runType": "azureml.scriptrun",
        "scriptName": document["module"]["Name"],
        "target": document["parameters"]["Target"],
        "properties": {"ContentSnapshotId": document["module"]["StorageId"]},
        "cancelUri": cancel_address(addresses, workspace, experiment, run_id),
        "status": RunStatus.QUEUED,
    }
    with store.transaction():
        run_records.create_named(store, workspace.id, run_id, experiment, given)
        store.insert(workspace.id, KIND, run_id, document, parent=OPEN)


def require(store: Store, workspace_id: str, run_id: str) -> Document:
    """Return the document of a script run; raises a 404."""
    return store.require(workspace_id, KIND, run_id)


def open_runs(store: Store, workspace_id: str) -> list[Document]:
    """Return the script runs that have not ended."""
    return store.find(workspace_id, KIND, parent=OPEN)


def is_queued(store: Store, workspace_id: str, document: Document) -> bool:
    """Tell whether a script run has not left the queue."""
    run = run_records.require(store, workspace_id, document["runId"])
    return run["status"] in (RunStatus.NOT_STARTED, RunStatus.QUEUED)


def fail_cut_off(store: Store, workspace_id: str, document: Document, message: str) -> None:
    """Fail a script run that was in progress when its server died, and its child runs."""
    with store.transaction():
        run_records.fail_family(store, workspace_id, document["runId"], Failure("ServiceError", message))
        close(store, workspace_id, document)


def close_broken(store: Store, workspace_id: str, document: Document, message: str) -> None:
    """End a script run whose document cannot be read any more, as far as it can."""
    with store.transaction():
        close(store, workspace_id, document)
        run_records.fail_broken(store, workspace_id, document["runId"], Failure("ServiceError", message))


def close(store: Store, workspace_id: str, document: Document) -> None:
    """Note that a script run has ended."""
    store.put(workspace_id, KIND, document["runId"], document, parent=CLOSED)


def _refuse_unsupported(configuration: Document) -> None:
    framework, communicator = configuration.get("framework") or "Python", configuration.get("communicator") or "None"
    if framework.lower() != "python":
        raise not_implemented(f"runs with the framework {framework}")
    if communicator.lower() != "none" or (configuration.get("nodeCount") or 1) > 1:
        raise not_implemented("runs on several nodes or processes")
    if configuration.get("datacaches"):
        raise not_implemented("data caches")
    for kind in ("data", "outputData", "dataReferences"):
        for name, data in (configuration.get(kind) or {}).items():
            refuse_mode(name, data.get("mechanism") or data.get("mode"))
            refuse_path_on_compute(name, _path_on_compute(data))


def _path_on_compute(given: Document) -> str | None:
    path: str | None = given.get("pathOnCompute") or (given.get("additionalOptions") or {}).get("pathOnCompute")
    return path


def _step(configuration: Document, snapshot_id: str) -> Document:
    """Translate a run configuration into the form of a pipeline's step."""
    data, references = configuration.get("data") or {}, configuration.get("dataReferences") or {}
    inputs = [
        {
            "Name": name,
            "DataStoreMode": given.get("mechanism") or given.get("mode"),
            "PathOnCompute": _path_on_compute(given),
        }
        for name, given in {**data, **references}.items()
    ]
    outputs = [_output(name, given) for name, given in (configuration.get("outputData") or {}).items()]
    command = configuration.get("command") or []
    words = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
    literals = words[1:] or configuration.get("arguments") or []
    interface = {
        "Inputs": inputs,
        "Outputs": [{"Name": output["Name"]} for output in outputs],
        "Arguments": [{"ValueType": "Literal", "Value": str(word)} for word in literals],
    }
    program: Document = {"Command": words[0]} if words else {"Script": configuration.get("script")}
    name = next(iter(program.values())) or "script"
    return {
        "module": {"Name": name, "StorageId": snapshot_id, "StructuredInterface": interface},
        "settings": outputs,
        "parameters": {**program, "Target": configuration.get("target")},
    }


def _output(name: str, given: Document) -> Document:
    options = given.get("additionalOptions") or {}
    registration = options.get("registrationOptions") or {}
    path = (given.get("outputLocation") or {}).get("dataPath") or {}
    upload = options.get("uploadOptions") or {}
    table = registration.get("datasetRegistrationOptions") or {}
    return {
        "Name": name,
        "DataStoreName": path.get("datastoreName"),
        # Source: `OutputFileDatasetConfig`, default of `destination`.
        "DatasetOutputOptions": {
            "PathOnDatastore": path.get("relativePath") or "dataset/{run-id}/{output-name}",
            "SourceGlobs": upload.get("sourceGlobs"),
        },
        "PathOnCompute": _path_on_compute(given),
        "DatasetRegistration": {
            "Name": registration.get("name"),
            "Description": registration.get("description"),
            "Tags": registration.get("tags"),
            "AdditionalTransformations": table.get("additionalTransformation"),
        },
    }


def _input_locations(store: Store, workspace: Workspace, configuration: Document) -> dict[str, Document]:
    """Find the location of each input, by name; raises a 404 for a dataset that does not exist."""
    locations = {
        name: _input_location(store, workspace, name, given)
        for name, given in (configuration.get("data") or {}).items()
    }
    for name, given in (configuration.get("dataReferences") or {}).items():
        path = (given.get("pathOnDataStore") or "").strip("/")
        locations[name] = {"datastore": given.get("dataStoreName"), "path": path}
    return locations


def _input_location(store: Store, workspace: Workspace, name: str, given: Document) -> Document:
    location = given.get("dataLocation") or {}
    path = location.get("dataPath") or {}
    if location.get("dataset"):
        reference = {"SavedDataSetReference": {"Id": location["dataset"].get("id")}}
        saved_id = step_datasets.resolve_saved_id(store, workspace, reference)
        return {"dataset": saved_id, "direct": given.get("mechanism", "").lower() == "direct"}
    if path.get("datastoreName"):
        return {"datastore": path["datastoreName"], "path": path.get("relativePath") or ""}
    raise not_implemented(f"the input '{name}', which is neither a dataset nor a path of a datastore")
