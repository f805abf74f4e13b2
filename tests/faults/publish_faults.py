"""Publishes the pipelines of tests/faults with the SDK: `publish_faults.py FOLDER_WITH_THE_STEP`."""

import sys

from azureml.core import Environment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline, PipelineParameter
from azureml.pipeline.steps import PythonScriptStep

workspace = Workspace.from_config()
settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_DS2_V2", max_nodes=1)
ComputeTarget.create(workspace, "cluster", settings).wait_for_completion()


def publish(name: str, seconds: int | None) -> None:
    """One step with a behaviour to choose, and a second one that only runs when the first ends well."""
    configuration = RunConfiguration()
    configuration.environment = Environment("plain")
    configuration.environment.python.user_managed_dependencies = True
    configuration.max_run_duration_seconds = seconds
    first, second = (
        PythonScriptStep(
            "misbehaving_step.py",
            name=step,
            arguments=[PipelineParameter(step, "well"), PipelineParameter("folder", ".")],
            source_directory=sys.argv[1],
            compute_target="cluster",
            runconfig=configuration,
            allow_reuse=False,
        )
        for step in ("first", "second")
    )
    second.run_after(first)
    Pipeline(workspace, [first, second]).publish(name, name, version="1")


publish("plain", None)
publish("limited", 1)
