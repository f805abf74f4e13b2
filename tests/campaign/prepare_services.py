"""What a kill campaign works on, made by the plain SDK: `prepare_services.py STEP_FOLDER NAME...`.

Publishes the pipeline "short" and deploys a service a name; prints one line of JSON behind RESULT.
"""

import json
import sys
from pathlib import Path

from azureml.core import Environment, Experiment, Model, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.model import InferenceConfig
from azureml.core.runconfig import RunConfiguration
from azureml.core.webservice import AciWebservice
from azureml.pipeline.core import Pipeline, PipelineParameter
from azureml.pipeline.steps import PythonScriptStep

SCORE = """
import os
def init():
    global weight
    weight = float(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weights.txt")).read())
def run(text):
    return weight
"""

workspace = Workspace.from_config()
folder, names = sys.argv[1], sys.argv[2:]
settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_DS2_V2", max_nodes=2)
ComputeTarget.create(workspace, "cluster", settings).wait_for_completion()
Experiment(workspace, "campaign")
configuration = RunConfiguration()
configuration.environment = Environment("plain")
configuration.environment.python.user_managed_dependencies = True
first, second = (
    PythonScriptStep(
        "campaign_step.py",
        name=name,
        arguments=[PipelineParameter("seconds", "1")],
        source_directory=folder,
        compute_target="cluster",
        runconfig=configuration,
        allow_reuse=False,
    )
    for name in ("first", "second")
)
second.run_after(first)
published = Pipeline(workspace, [first, second]).publish("short", "steps that take a while", version="1")

Path("code").mkdir(exist_ok=True)
Path("code/score.py").write_text(SCORE)
Path("weights.txt").write_text("2")
model = Model.register(workspace, "weights.txt", "weights")
inference = InferenceConfig(entry_script="score.py", source_directory="code", environment=Environment("serving"))
deployment = AciWebservice.deploy_configuration(auth_enabled=True)
services = []
for name in names:
    service = Model.deploy(workspace, name, [model], inference, deployment)
    service.wait_for_deployment()
    services.append({"name": name, "address": service.scoring_uri, "key": service.get_keys()[0]})
sys.stdout.write(f"RESULT{json.dumps({'pipeline': published.id, 'services': services})}\n")
