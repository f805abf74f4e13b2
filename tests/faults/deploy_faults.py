"""A pipeline and a web service by the plain SDK: `deploy_faults.py`; prints one line of JSON behind RESULT."""

import json
import os
import sys
from pathlib import Path

import requests
from azureml.core import Dataset, Environment, Experiment, Model, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.model import InferenceConfig
from azureml.core.runconfig import RunConfiguration
from azureml.core.webservice import AciWebservice
from azureml.data import OutputFileDatasetConfig
from azureml.pipeline.core import Pipeline
from azureml.pipeline.steps import PythonScriptStep

STEP = """
import os, sys
from azureml.core import Run
run = Run.get_context()
run.log("rows", len(open(os.path.join(sys.argv[1], "table.csv")).readlines()))
os.makedirs(sys.argv[2], exist_ok=True)
open(os.path.join(sys.argv[2], "weights.txt"), "w").write("2")
"""
# Dies as often as the file "dies" in its home says, as a service does whose container is killed while it comes up.
SCORE = """
import os, pathlib, subprocess, sys, time
def init():
    global weight
    dies = pathlib.Path(os.environ["HOME"], "dies")
    left = int(dies.read_text()) if dies.exists() else 0
    if left:
        dies.write_text(str(left - 1))
        os.kill(os.getppid(), 9)
        time.sleep(600)
    weight = float(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weights.txt")).read())
    print("process", os.getpid(), "is up")
def run(text):
    if "leave" in text:
        return subprocess.Popen(["sleep", "600"]).pid
    if "pid" in text:
        return os.getpid()
    return weight
"""

workspace = Workspace.from_config()
Path("code").mkdir(exist_ok=True)
Path("code/step.py").write_text(STEP)
Path("code/score.py").write_text(SCORE)
Path("code/ballast.bin").write_bytes(os.urandom(400_000))  # a service takes some room
Path("table.csv").write_text("a,b\n1,2\n")
store = workspace.get_default_datastore()
store.upload_files(["table.csv"], target_path="in", show_progress=False)
data = Dataset.File.from_files((store, "in/"))
settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_DS2_V2", max_nodes=1)
ComputeTarget.create(workspace, "cluster", settings).wait_for_completion()
configuration = RunConfiguration()
configuration.environment = Environment("plain")
configuration.environment.python.user_managed_dependencies = True
out = OutputFileDatasetConfig("out", destination=(store, "out"))
step = PythonScriptStep(
    "step.py",
    name="step",
    arguments=[data.as_named_input("raw").as_mount(), out],
    source_directory="code",
    compute_target="cluster",
    runconfig=configuration,
)
run = Experiment(workspace, "inside").submit(Pipeline(workspace, [step]))
run.wait_for_completion(show_output=False)
store.download("model", prefix="out", show_progress=False)
model = Model.register(workspace, "model/out/weights.txt", "weights")
inference = InferenceConfig(entry_script="score.py", source_directory="code", environment=Environment("serving"))
deployment = AciWebservice.deploy_configuration(auth_enabled=True)
service = Model.deploy(workspace, "inside", [model], inference, deployment)
service.wait_for_deployment()
key = service.get_keys()[0]
answer = requests.post(service.scoring_uri, "{}", headers={"Authorization": f"Bearer {key}"}, timeout=20).json()
result = {"status": run.get_status(), "answer": answer, "address": service.scoring_uri, "key": key}
sys.stdout.write(f"RESULT{json.dumps(result)}\n")
