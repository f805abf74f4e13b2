"""Plain Azure ML SDK v1 code, as in a thousand projects: it knows nothing of who answers."""

import json

from azureml.core import Environment, Experiment, Model, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.model import InferenceConfig
from azureml.core.runconfig import RunConfiguration
from azureml.core.webservice import AciWebservice
from azureml.data import OutputFileDatasetConfig
from azureml.pipeline.core import Pipeline, PipelineEndpoint, PipelineParameter
from azureml.pipeline.steps import PythonScriptStep


def build(workspace):
    """Two steps joined by a folder, with two parameters."""
    settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_DS2_V2", max_nodes=1)
    compute = ComputeTarget.create(workspace, "cluster", settings)
    compute.wait_for_completion()
    configuration = RunConfiguration()
    configuration.environment = Environment("plain")
    configuration.environment.python.user_managed_dependencies = True
    count = PipelineParameter("count", default_value=5)
    factor = PipelineParameter("factor", default_value=1.0)
    numbers = OutputFileDatasetConfig(name="numbers")
    model = OutputFileDatasetConfig(name="model", destination=(workspace.get_default_datastore(), "models/{run-id}"))
    common = {"source_directory": "steps", "compute_target": compute, "runconfig": configuration}
    prepare = PythonScriptStep(
        "prepare.py", name="prepare", arguments=["--count", count, "--out", numbers], allow_reuse=True, **common
    )
    fit = PythonScriptStep(
        "fit.py",
        name="fit",
        arguments=["--numbers", numbers.as_input("numbers"), "--factor", factor, "--model", model],
        allow_reuse=False,
        **common,
    )
    return Pipeline(workspace, steps=[prepare, fit], description="plain")


def main():
    """Submit, publish, submit the endpoint, register, deploy, call, and read the history."""
    workspace = Workspace.from_config()
    pipeline = build(workspace)
    assert not pipeline.validate()
    run = Experiment(workspace, "plain").submit(pipeline, pipeline_parameters={"count": 3})
    assert run.wait_for_completion(show_output=False) == "Finished"

    published = pipeline.publish(name="plain", description="plain pipeline", version="1")
    endpoint = PipelineEndpoint.publish(workspace, name="plain-endpoint", pipeline=published, description="plain")
    second = endpoint.submit("plain", pipeline_parameters={"count": 5, "factor": 10.0})
    assert second.wait_for_completion(show_output=False) == "Finished"

    fit = next(step for step in second.get_steps() if step.name == "fit")
    fit.download_file("evidence/model.json", "model.json")
    model = Model.register(workspace, model_path="model.json", model_name="plain-model", tags={"by": "plain"})
    environment = Environment("plain-service")
    environment.python.conda_dependencies.add_pip_package("azureml-defaults")
    service = Model.deploy(
        workspace,
        "plain-service",
        [model],
        InferenceConfig(entry_script="score.py", source_directory="service", environment=environment),
        AciWebservice.deploy_configuration(cpu_cores=1, memory_gb=1, auth_enabled=True),
        overwrite=True,
    )
    service.wait_for_deployment()
    assert service.state == "Healthy", service.get_logs()

    runs = list(Experiment(workspace, "plain").get_runs())
    answer = {
        "forecast": service.run(json.dumps({"horizon": 2})),
        "runs": len(runs),
        "metrics": fit.get_metrics(),
        "status": runs[0].get_details()["status"],
        "stage": runs[0].get_tags()["stage"],
        "files": sorted(fit.get_file_names()),
        "log": "fitted on 5 numbers" in fit.get_stdout_log(),
        "model": [model.name, model.version],
    }
    print("ANSWER " + json.dumps(answer))


if __name__ == "__main__":
    main()
