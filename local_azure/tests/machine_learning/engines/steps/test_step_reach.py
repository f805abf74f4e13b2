"""What the token of a run reaches inside a step: what projects use of their workspace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SCRIPT = """
import os, sys
from pathlib import Path
from azureml.core import Dataset, Datastore, Model, Run, Webservice

name = sys.argv[1]
run = Run.get_context(allow_offline=False)
ws = run.experiment.workspace
assert Path(Model.get_model_path(name, _workspace=ws)).read_text() == "model"
assert Path(Model(ws, name).download("downloaded", exist_ok=True)).read_text() == "model"
assert ws.get_default_keyvault().get_secret(name) == run.get_secret(name) == "a secret of the vault"
assert run.get_secrets([name]) == {name: "a secret of the vault"}
store = ws.get_default_datastore()
Path("made").mkdir()
Path("made/table.csv").write_text("x\\n1\\n2\\n")
store.upload("made", target_path=name, show_progress=False)
assert len(Dataset.Tabular.from_delimited_files((store, name + "/table.csv")).to_pandas_dataframe()) == 2
assert Datastore.get(ws, store.name).name in ws.datastores and name in ws.models
assert Webservice.list(ws, model_name=name) == []
run.upload_file("outputs/kept.txt", "made/table.csv")
run.upload_folder("folder", "made")
registered = run.register_model(name + "-of-run", "outputs/kept.txt", tags={"a": "b"})
assert registered.run_id == run.id
with run.child_run("child") as child:
    child.log("inside", 1)
"""


def test_a_step_uses_its_workspace(project: Any, experiment: Any, unique: Callable[[str], str]) -> None:
    from azureml.core import Model

    name = unique("reach")
    (project.folder / "model.txt").write_text("model")
    Model.register(project.workspace, "model.txt", name)
    project.workspace.get_default_keyvault().set_secret(name, "a secret of the vault")
    run = project.finished(experiment.submit(project.pipeline(project.step("reach", SCRIPT, [name]))))
    step = project.steps_of(run)["reach"]
    assert {"outputs/kept.txt", "folder/table.csv"} <= set(step.get_file_names())
    assert [child.get_metrics() for child in step.get_children()] == [{"inside": 1}]
