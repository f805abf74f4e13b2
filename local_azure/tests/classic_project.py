"""The files of a project in the shape that most SDK v1 templates had: settings from the environment, one script that
publishes a pipeline under the number of its build, one that runs what a build has published, and three step scripts.
"""

from __future__ import annotations

SETTINGS = """
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    subscription: str = os.environ.get("SUBSCRIPTION_ID", "")
    group: str = os.environ.get("RESOURCE_GROUP", "")
    workspace: str = os.environ.get("WORKSPACE_NAME", "")
    tenant: str = os.environ.get("TENANT_ID", "")
    principal: str = os.environ.get("SP_APP_ID", "")
    password: str = os.environ.get("SP_APP_SECRET", "")
    cluster: str = os.environ.get("AML_COMPUTE_CLUSTER_NAME", "classic-cluster")
    build: str = os.environ.get("BUILD_BUILDID", "1")
    pipeline: str = os.environ.get("TRAINING_PIPELINE_NAME", "classic training")
    experiment: str = os.environ.get("EXPERIMENT_NAME", "classic")
    model: str = os.environ.get("MODEL_NAME", "classic.json")
    dataset: str = os.environ.get("DATASET_NAME", "classic_table")


def open_workspace(settings):
    from azureml.core import Workspace
    from azureml.core.authentication import ServicePrincipalAuthentication

    who = ServicePrincipalAuthentication(settings.tenant, settings.principal, settings.password)
    return Workspace.get(settings.workspace, who, settings.subscription, settings.group)
"""

BUILD = """
import pathlib

from azureml.core import Dataset, Environment
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline, PipelineData
from azureml.pipeline.core.graph import PipelineParameter
from azureml.pipeline.steps import PythonScriptStep

from settings import Settings, open_workspace

settings = Settings()
ws = open_workspace(settings)
if settings.cluster not in ws.compute_targets:
    wanted = AmlCompute.provisioning_configuration(
        vm_size="STANDARD_DS2_V2", vm_priority="lowpriority", max_nodes=4, idle_seconds_before_scaledown="300"
    )
    ComputeTarget.create(ws, settings.cluster, wanted).wait_for_completion(show_output=True, timeout_in_minutes=10)
cluster = ws.compute_targets[settings.cluster]
assert isinstance(cluster, AmlCompute)

if "classic-environment" not in Environment.list(ws):
    made = Environment.from_conda_specification("classic-environment", "steps/conda.yml")
    made.docker.enabled = True
    made.register(ws)
run_config = RunConfiguration()
run_config.environment = Environment.get(ws, "classic-environment")
store = ws.get_default_datastore()
run_config.environment.environment_variables["DATASTORE_NAME"] = store.name

if settings.dataset not in ws.datasets:
    pathlib.Path("table.csv").write_text("x,y\\n" + "".join(f"{x},{2 * x + x % 3}\\n" for x in range(60)))
    store.upload_files(["table.csv"], target_path="classic/", overwrite=True, show_progress=False)
    table = Dataset.Tabular.from_delimited_files(path=(store, "classic/table.csv"))
    table.register(ws, settings.dataset, tags={"format": "CSV"}, create_new_version=True)

model_name = PipelineParameter("model_name", default_value=settings.model)
power = PipelineParameter("power", default_value=0)
between = PipelineData("between", datastore=store)


def step(name, script, arguments, **more):
    return PythonScriptStep(
        script, name=name, arguments=["--model_name", model_name, *arguments], compute_target=cluster,
        source_directory="steps", runconfig=run_config, **more,
    )


train = step("Train", "train/fit.py", ["--output", between, "--power", power, "--dataset", settings.dataset],
             outputs=[between], allow_reuse=False)
evaluate = step("Evaluate", "evaluate/compare.py", ["--allow_run_cancel", "true"], allow_reuse=False)
register = step("Register", "register/keep.py", ["--input", between], inputs=[between], allow_reuse=False)
evaluate.run_after(train)
register.run_after(evaluate)
pipeline = Pipeline(ws, steps=[train, evaluate, register])
pipeline.validate()
published = pipeline.publish(settings.pipeline, description="trains, compares, registers", version=settings.build)
print("PUBLISHED", published.id, published.version)
"""

RUN = """
import sys

from azureml.pipeline.core import PublishedPipeline

from settings import Settings, open_workspace

settings = Settings()
ws = open_workspace(settings)
mine = [p for p in PublishedPipeline.list(ws) if p.name == settings.pipeline and p.version == settings.build]
if len(mine) != 1:
    sys.exit(f"{len(mine)} pipelines are published for build {settings.build}")
values = {"model_name": settings.model, "power": int(sys.argv[1]), "release_id": "none of the pipeline's"}
run = PublishedPipeline.get(ws, mine[0].id).submit(ws, settings.experiment, pipeline_parameters=values)
run.tag("BuildId", settings.build)
run.wait_for_completion(show_output=False, raise_on_error=False)
print("STATUS", run.get_status())
print("STEPS", *sorted(f"{step.name}={step.get_status()}" for step in run.get_steps()))
"""

HELPER = """
from azureml.core import Run, Workspace
from azureml.core.model import Model


def current_workspace() -> Workspace:
    return Run.get_context(allow_offline=False).experiment.workspace


def newest(name, tag, value):
    try:
        return Model(current_workspace(), name=name, tags=[[tag, value]])
    except Exception:
        return None
"""

TRAIN = """
import argparse, json, os

import numpy as np
from azureml.core import Dataset, Run
from azureml.core.run import Run as SameRun

parser = argparse.ArgumentParser("train")
for word in ("--model_name", "--output", "--power", "--dataset"):
    parser.add_argument(word)
asked = parser.parse_args()
assert SameRun is Run and os.environ["DATASTORE_NAME"] == "workspaceblobstore"
with open("parameters.json") as stream:
    parameters = json.load(stream)["training"]
run = Run.get_context()
for name, value in parameters.items():
    run.log(name, value)
    run.parent.log(name, value)
dataset = Dataset.get_by_name(run.experiment.workspace, asked.dataset, "latest")
run.input_datasets["training_data"] = dataset
run.parent.tag("dataset_id", value=dataset.id)
table = dataset.to_pandas_dataframe()
fitted = np.polyfit(table.x, table.y, int(asked.power))
error = float(((np.polyval(fitted, table.x) - table.y) ** 2).mean())
run.log("mse", error)
run.parent.log("mse", error)
for folder in (asked.output, "outputs"):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, asked.model_name), "w") as stream:
        json.dump(list(fitted), stream)
run.tag("run_type", value="train")
run.complete()
"""

EVALUATE = """
import argparse

from azureml.core import Run
from util.registry import newest

parser = argparse.ArgumentParser("evaluate")
parser.add_argument("--model_name")
parser.add_argument("--allow_run_cancel", default="true")
asked = parser.parse_args()
run = Run.get_context()
before = newest(asked.model_name, "experiment_name", run.experiment.name)
now = float(run.parent.get_metrics().get("mse"))
if before is None:
    print("the first model")
elif now < float(before.tags["mse"]):
    print("better than", before.tags["mse"])
else:
    print("not better than", before.tags["mse"])
    if asked.allow_run_cancel == "true":
        run.parent.cancel()
"""

REGISTER = """
import argparse, os

from azureml.core import Dataset, Run
from azureml.core.model import Model

parser = argparse.ArgumentParser("register")
parser.add_argument("--model_name")
parser.add_argument("--input")
asked = parser.parse_args()
run = Run.get_context()
ws, parent = run.experiment.workspace, run.parent
assert len(Model.list(ws, name=asked.model_name, run_id=parent.id)) == 0
tags = {"run_id": parent.id, "experiment_name": run.experiment.name, "mse": parent.get_metrics()["mse"]}
model = Model.register(
    workspace=ws,
    model_path=os.path.join(asked.input, asked.model_name),
    model_name=asked.model_name,
    tags=tags,
    datasets=[("training data", Dataset.get_by_id(ws, parent.get_tags()["dataset_id"]))],
)
os.chdir("..")
print("registered", model.name, model.version, model.description)
"""

FILES = {
    "settings.py": SETTINGS,
    "build.py": BUILD,
    "run.py": RUN,
    "steps/parameters.json": '{"training": {"alpha": 0.4}}',
    "steps/conda.yml": "name: classic\ndependencies:\n- python=3.7.*\n- pip:\n  - azureml-sdk==1.6.*\n  - numpy\n",
    "steps/util/__init__.py": "",
    "steps/util/registry.py": HELPER,
    "steps/train/fit.py": TRAIN,
    "steps/evaluate/compare.py": EVALUATE,
    "steps/register/keep.py": REGISTER,
}
