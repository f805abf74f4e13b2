"""Which datasets a run read and wrote, as `run.get_details()` shows it; and the datasets made of what it wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_azure.machine_learning.domain.pipelines.graph import Step
from local_azure.machine_learning.domain.workspaces import Workspace
from local_azure.machine_learning.planes.data import datasets
from local_azure.machine_learning.planes.runs import history
from local_azure.machine_learning.storage.store import Document, Store

if TYPE_CHECKING:
    pass


def note_inputs(store: Store, workspace: Workspace, run_id: str, step: Step, places: dict[str, Document]) -> None:
    """Keep with a run the datasets among its inputs; `places` is keyed by port."""
    read = [
        {
            "identifier": {"savedId": place["dataset"]},
            "consumptionType": "RunInput",
            "inputDetails": {"inputName": name, "mechanism": step.input_mode(name).capitalize()},
        }
        for name, place in places.items()
        if "dataset" in place
    ]
    if read:
        history.update(store, workspace, run_id, lambda run: run.update(inputDatasets=read))


def register_outputs(
    store: Store, workspace: Workspace, run_id: str, step: Step, places: dict[str, Document]
) -> None:
    """Register as datasets what a step wrote, where it asked for that (`register_on_complete`)."""
    written = []
    for name, place in places.items():
        registration = step.output_setting(name).get("DatasetRegistration") or {}
        if registration.get("Name"):
            saved_id = datasets.register_output(
                store,
                workspace,
                registration["Name"],
                place["datastore"],
                place["path"],
                registration=registration,
            )
            details = {"outputName": name}
            written.append({"identifier": {"savedId": saved_id}, "outputType": "RunOutput", "outputDetails": details})
    if written:
        history.update(store, workspace, run_id, lambda run: run.update(outputDatasets=written))
