"""Runs of one script: `Experiment.submit(ScriptRunConfig(...))`.

SDK caller: `azureml._execution._commands.start_run`.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.errors import bad_request, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.planes.data import datasets
from local_azure.machine_learning.planes.pipelines.modules import refuse_mode, refuse_spot
from local_azure.machine_learning.planes.pipelines.runs import OPEN
from local_azure.machine_learning.planes.runs import experiments, history
from local_azure.machine_learning.planes.workspace import compute
from local_azure.machine_learning.storage.store import Document, Store

if TYPE_CHECKING:
    from local_azure.machine_learning.domain.workspaces import Workspace
    from local_azure.machine_learning.engines.steps import Executor

PLANE = Plane("Execution")
SCRIPT_RUN = "script_run"
_EXPERIMENT = "/execution/v1.0{W}/experiments/{experiment}"


def _refuse_unsupported(configuration: Document) -> None:
    """Refuse by name what would not run as it was asked for."""
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
            refuse_spot(name, _path_on_compute(data))


def _path_on_compute(given: Document) -> str | None:
    path: str | None = given.get("pathOnCompute") or (given.get("additionalOptions") or {}).get("pathOnCompute")
    return path


def _step(configuration: Document, snapshot_id: str) -> Document:
    """The configuration in the form of a pipeline's step: one executor runs both."""
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
    place = (given.get("outputLocation") or {}).get("dataPath") or {}
    upload = options.get("uploadOptions") or {}
    return {
        "Name": name,
        "DataStoreName": place.get("datastoreName"),
        # Source: `OutputFileDatasetConfig`, default of `destination`.
        "DatasetOutputOptions": {
            "PathOnDatastore": place.get("relativePath") or "dataset/{run-id}/{output-name}",
            "SourceGlobs": upload.get("sourceGlobs"),
        },
        "PathOnCompute": _path_on_compute(given),
        "DatasetRegistration": {
            "Name": registration.get("name"),
            "Description": registration.get("description"),
            "Tags": registration.get("tags"),
            "AdditionalTransformations": (registration.get("datasetRegistrationOptions") or {}).get(
                "additionalTransformation"
            ),
        },
    }


def _input_places(call: Call, store: Store, configuration: Document) -> dict[str, Document]:
    """Place of each input, by name; raises a 404 for a dataset that does not exist."""
    places: dict[str, Document] = {}
    for name, given in (configuration.get("data") or {}).items():
        location = given.get("dataLocation") or {}
        path = location.get("dataPath") or {}
        if location.get("dataset"):
            reference = {"SavedDataSetReference": {"Id": location["dataset"].get("id")}}
            saved_id = datasets.resolve_saved_id(store, call.workspace, reference)
            places[name] = {"dataset": saved_id, "direct": given.get("mechanism", "").lower() == "direct"}
        elif path.get("datastoreName"):
            places[name] = {"datastore": path["datastoreName"], "path": path.get("relativePath") or ""}
        else:
            raise not_implemented(f"the input '{name}', which is neither a dataset nor a path of a datastore")
    for name, given in (configuration.get("dataReferences") or {}).items():
        places[name] = {
            "datastore": given.get("dataStoreName"),
            "path": (given.get("pathOnDataStore") or "").strip("/"),
        }
    return places


def cancel_address(addresses: Addresses, workspace: Workspace, experiment: str, run_id: str) -> str:
    """Where `run.cancel()` goes for a run that is a process here: a script run, or a step of a pipeline."""
    path = f"/execution/v1.0{workspace.arm_id}/experiments/{quote(experiment)}/runs/{run_id}/cancel"
    return addresses.http + path


@PLANE.route("POST", _EXPERIMENT + "/snapshotrun")
def start_run(
    call: Call, store: Store, addresses: Addresses, executor: Executor, *, experiment: str
) -> dict[str, str]:
    """Submit a script with the snapshot of its folder."""
    posted, run_id = call.document(), call.query.get("runId") or ""
    configuration: Document = posted.get("Configuration") or {}
    _refuse_unsupported(configuration)
    program = configuration.get("command") or configuration.get("script")
    for key, value in (("script or command", program), ("snapshot", posted.get("SnapshotId"))):
        if not value:
            raise bad_request(f"The run names no {key}.")
    target = str(configuration.get("target"))
    compute.get_compute(call, store, name=target)
    document = {
        "runId": run_id,
        "experiment": experiment,
        "configuration": configuration,
        "inputs": _input_places(call, store, configuration),
        **_step(configuration, posted["SnapshotId"]),
    }
    given = {
        "parentRunId": posted.get("ParentRunId"),
        "runType": "azureml.scriptrun",
        "scriptName": document["module"]["Name"],
        "target": target,
        "properties": {"ContentSnapshotId": posted["SnapshotId"]},
        "cancelUri": cancel_address(addresses, call.workspace, experiment, run_id),
        "status": "Queued",
    }
    with store.transaction():
        home = experiments.ensure(store, call.workspace, experiment)
        run_records.create(store, call.workspace, run_id, home["experimentId"], given)
        store.insert(call.ws, SCRIPT_RUN, run_id, document, parent=OPEN)
    executor.submit_script(call.workspace, run_id)
    return {"runId": run_id}


@PLANE.route("POST", _EXPERIMENT + "/runs/{run_id}/cancel")
def cancel_run(call: Call, store: Store, executor: Executor, *, experiment: str, run_id: str) -> None:
    """`run.cancel()`: the client has this address from the run."""
    history.require_run(call, store, run_id, experiment)
    history.set_status(store, call.workspace, run_id, "CancelRequested")
    executor.cancel(run_id)


@PLANE.route("POST", _EXPERIMENT + "/localrun")
def refuse_local_run(*, experiment: str) -> NoReturn:
    """Refuse by name: the client would run the script itself, with files that come from the service."""
    raise not_implemented(f"runs on the target 'local' (experiment '{experiment}'); name a compute target instead")
