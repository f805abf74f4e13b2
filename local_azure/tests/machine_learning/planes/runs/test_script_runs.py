"""`Experiment.submit(ScriptRunConfig(...))` through the real client."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

Unique = Callable[[str], str]
TRAIN = """
import os, pathlib, sys
from azureml.core import Run
run = Run.get_context()
source, out, number = sys.argv[1:]
text = pathlib.Path(source, "text.txt").read_text()
pathlib.Path(out, "copy.txt").write_text(text)
pathlib.Path("outputs").mkdir()
pathlib.Path("outputs/model.txt").write_text(number)
assert run.input_datasets["source"] == source and run.output_datasets["out"] == out
assert os.environ["COLOUR"] == "blue" and os.environ["SHADE"] == "dark"
run.log("length", len(text))
print("trained with", number)
"""


@pytest.fixture
def configure(project: Any) -> Callable[..., Any]:
    """Makes the configuration of a script run: `configure(script, arguments, ...)`."""
    from azureml.core import ScriptRunConfig

    def make(script: str, arguments: list[Any] | None = None, **more: Any) -> Any:
        folder = project.folder / "source"
        folder.mkdir(exist_ok=True)
        (folder / "train.py").write_text(script)
        settings = {"compute_target": "cluster", "environment": project.configuration.environment, **more}
        return ScriptRunConfig(str(folder), "train.py", arguments, **settings)

    return make


def test_a_script_runs_with_data_variables_and_outputs(
    ws: Any, project: Any, experiment: Any, configure: Callable[..., Any], unique: Unique
) -> None:
    from azureml.core import Dataset
    from azureml.data import OutputFileDatasetConfig

    store, name = ws.get_default_datastore(), unique("script")
    (project.folder / "text.txt").write_text("hello")
    store.upload_files([str(project.folder / "text.txt")], target_path=name, show_progress=False)
    source = Dataset.File.from_files((store, f"{name}/**"), validate=False).as_named_input("source").as_mount()
    out = OutputFileDatasetConfig("out").register_on_complete(name)
    project.configuration.environment.environment_variables = {"COLOUR": "blue"}
    configuration = configure(TRAIN, [source, out, 3])
    configuration.run_config.environment_variables = {"SHADE": "dark"}
    run = experiment.submit(configuration, tags={"who": "test"})
    run.wait_for_completion(show_output=False)
    details = run.get_details()
    assert (details["status"], details["target"], run.type) == ("Completed", "cluster", "azureml.scriptrun")
    assert run.get_metrics() == {"length": 5}
    assert "outputs/model.txt" in run.get_file_names()
    assert run.get_tags() == {"who": "test"}
    assert Dataset.get_by_name(ws, name).to_path() == ["/copy.txt"]
    run.restore_snapshot(path=str(project.folder / "back"))
    model = run.register_model(unique("model"), model_path="outputs/model.txt")
    assert model.run_id == run.id
    assert [found.id for found in experiment.get_runs(type="azureml.scriptrun")] == [run.id]


def test_the_log_of_a_script_run_is_streamed(
    experiment: Any, configure: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = experiment.submit(configure("print('half way', flush=True); import time; time.sleep(3)"))
    run.wait_for_completion(show_output=True)
    shown = capsys.readouterr().out
    assert "Streaming user_logs/std_log.txt" in shown
    assert shown.count("half way") == 1


def test_a_failing_script_says_why(experiment: Any, configure: Callable[..., Any]) -> None:
    run = experiment.submit(configure("print('about to fail'); raise SystemExit(3)"))
    with pytest.raises(Exception, match="about to fail"):
        run.wait_for_completion()
    assert "exit code 3" in run.get_details()["error"]["error"]["message"]


def test_a_script_run_is_canceled(experiment: Any, configure: Callable[..., Any]) -> None:
    run = experiment.submit(configure("import time; time.sleep(60)"))
    while run.get_status() == "Queued":
        time.sleep(0.05)
    run.cancel()
    run.wait_for_completion(raise_on_error=False)
    assert run.get_status() == "Canceled"


def test_a_script_run_has_a_time_limit(experiment: Any, configure: Callable[..., Any]) -> None:
    run = experiment.submit(configure("import time; time.sleep(60)", max_run_duration_seconds=1))
    with pytest.raises(Exception, match="timed out after 1 s"):
        run.wait_for_completion()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK leaves its pool open
def test_what_is_not_run_is_refused_by_name(experiment: Any, configure: Callable[..., Any]) -> None:
    from azureml.core.runconfig import MpiConfiguration
    from azureml.exceptions import ExperimentExecutionException

    for more, said in (
        ({"compute_target": None}, "target 'local'"),
        ({"compute_target": "nowhere"}, "'nowhere' was not found"),
        ({"distributed_job_config": MpiConfiguration(node_count=2)}, "several nodes"),
    ):
        with pytest.raises(ExperimentExecutionException, match=said):
            experiment.submit(configure("", **more))
