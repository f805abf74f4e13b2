"""The parts of a pipeline's graph, and its compute cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure_ml import environments
from azure_ml.datasets import DatasetVersion
from azure_ml.workspace import Workspace

_IDLE_SECONDS = 600
_CLUSTER_MINUTES = 20


@dataclass(frozen=True)
class Step:
    """One step of a graph: a Python script in its own folder."""

    name: str
    folder: Path
    arguments: Sequence[object]
    """Its command line: texts, and what the functions below return."""
    reusable: bool


def parameter(name: str, default: object) -> Any:
    """A parameter that a submission may set; the same object must be handed to every step that reads it."""
    from azureml.pipeline.core import PipelineParameter

    return PipelineParameter(name=name, default_value=default)


def mounted_data(name: str, parameter_name: str, default: DatasetVersion) -> Any:
    """A data set that is mounted in a step, as a parameter."""
    from azureml.data.dataset_consumption_config import DatasetConsumptionConfig

    return DatasetConsumptionConfig(name, parameter(parameter_name, default.sdk)).as_mount()


def output(name: str) -> Any:
    """A folder that a step writes. The name is given: a random one would be part of the reuse key and defeat it."""
    from azureml.data import OutputFileDatasetConfig

    return OutputFileDatasetConfig(name=name)


def build_pipeline(
    workspace: Workspace, steps: Iterable[Step], *, compute: str, conda_file: Path, description: str
) -> tuple[Any, list[str]]:
    """Build the SDK's pipeline; returns it with every fault that the SDK finds in the graph."""
    from azureml.core.runconfig import RunConfiguration
    from azureml.pipeline.core import Pipeline
    from azureml.pipeline.steps import PythonScriptStep

    configuration = RunConfiguration()
    configuration.environment = environments.environment_of(environments.TRAINING, conda_file)
    scripts = [
        PythonScriptStep(
            name=step.name,
            script_name=f"{step.name}.py",
            source_directory=str(step.folder),
            arguments=list(step.arguments),
            compute_target=compute,
            runconfig=configuration,
            allow_reuse=step.reusable,
        )
        for step in steps
    ]
    pipeline = Pipeline(workspace.sdk, steps=scripts, description=description)
    return pipeline, [str(fault) for fault in pipeline.validate()]


def has_compute(workspace: Workspace, name: str) -> bool:
    """Whether there is a compute cluster of that name."""
    from azureml.core.compute import ComputeTarget
    from azureml.exceptions import ComputeTargetException

    try:
        ComputeTarget(workspace=workspace.sdk, name=name)
    except ComputeTargetException as error:
        if "ComputeTargetNotFound" not in str(error):
            raise
        return False
    return True


def create_compute(workspace: Workspace, name: str, vm_size: str, most_nodes: int) -> None:
    """Create a compute cluster that shrinks to nothing when idle. Raises: what the SDK raises, such as on a quota."""
    from azureml.core.compute import AmlCompute, ComputeTarget

    configuration = AmlCompute.provisioning_configuration(
        vm_size=vm_size,
        min_nodes=0,
        max_nodes=most_nodes,
        idle_seconds_before_scaledown=_IDLE_SECONDS,
        remote_login_port_public_access="Disabled",
    )
    cluster = ComputeTarget.create(workspace.sdk, name, configuration)
    cluster.wait_for_completion(show_output=False, timeout_in_minutes=_CLUSTER_MINUTES)
