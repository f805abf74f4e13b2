"""Pipelines through the real client: graphs, runs, reuse, failure, cancel, published pipelines, endpoints, REST."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests


def test_steps_hand_over_a_folder_and_log_to_run_history(project: Any, experiment: Any) -> None:
    from azureml.pipeline.core import PipelineParameter

    pipeline = project.write_and_read(PipelineParameter("text", default_value="hello"))
    assert not pipeline.validate()
    run = project.finished(
        experiment.submit(pipeline, pipeline_parameters={"text": "good day"}, tags={"who": "test"})
    )
    steps = project.steps_of(run)
    assert steps["read"].get_metrics() == {"length": 8}
    assert steps["write"].get_stdout_log().strip().startswith("wrote good day")
    assert run.get_tags()["text"] == "good day"
    assert run.get_tags()["who"] == "test"
    assert run.get_properties()["outcome"] == "read"
    assert run.get_status() == "Finished"
    assert [step.get_status() for step in steps.values()] == ["Finished", "Finished"]
    assert run.get_details()["status"] == "Completed"


def test_step_output_downloads(project: Any, experiment: Any, tmp_path: Path) -> None:
    from azureml.pipeline.core import PipelineData

    data = PipelineData("data", datastore=project.workspace.get_default_datastore())
    write = project.step("write", project.WRITE, ["--out", data, "--text", "kept"], outputs=[data])
    run = project.finished(experiment.submit(project.pipeline(write)))
    output = project.steps_of(run)["write"].get_output_data("data")
    output.download(local_path=str(tmp_path / "down"))
    assert [path.read_text() for path in (tmp_path / "down").rglob("text.txt")] == ["kept"]


def test_an_equal_step_is_reused_with_its_metrics_and_a_changed_one_is_not(project: Any, experiment: Any) -> None:
    from azureml.data import OutputFileDatasetConfig

    def submit(text: str, **more: Any) -> dict[str, Any]:
        out = OutputFileDatasetConfig(name="out")
        write = project.step("write", project.WRITE, ["--out", out, "--text", text], allow_reuse=True)
        read = project.step("read", project.READ, ["--source", out.as_input("source")], allow_reuse=True)
        found: dict[str, Any] = project.steps_of(
            project.finished(experiment.submit(project.pipeline(write, read), **more))
        )
        return found

    first = submit("same")
    again = submit("same")
    changed = submit("other")
    forced = submit("same", regenerate_outputs=True)
    assert [again[name].get_properties().get("azureml.isreused") for name in ("write", "read")] == ["true", "true"]
    assert again["read"].get_properties()["azureml.reusedrunid"] == first["read"].id
    assert again["read"].get_metrics() == first["read"].get_metrics() == {"length": 4}
    assert again["write"].get_stdout_log() == first["write"].get_stdout_log()
    assert changed["read"].get_metrics() == {"length": 5}
    assert "azureml.isreused" not in forced["write"].get_properties()


def test_run_after_orders_steps_without_data(project: Any, experiment: Any, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    note = f"import sys; open({str(trace)!r}, 'a').write(sys.argv[1])"
    first, second = project.step("first", note, ["1"]), project.step("second", note, ["2"])
    first.run_after(second)
    project.finished(experiment.submit(project.pipeline(first, second)))
    assert trace.read_text() == "21"


def test_independent_steps_run_side_by_side(project: Any, experiment: Any, tmp_path: Path) -> None:
    meet = """
import pathlib, sys, time
here, other = (pathlib.Path(sys.argv[1], name) for name in sys.argv[2:])
here.touch()
end = time.monotonic() + 20
while not other.exists():
    assert time.monotonic() < end, "the other step did not start"
    time.sleep(0.01)
"""
    one = project.step("one", meet, [str(tmp_path), "a", "b"])
    two = project.step("two", meet, [str(tmp_path), "b", "a"])
    project.finished(experiment.submit(project.pipeline(one, two)))


def test_a_failing_step_keeps_its_exit_code_and_log_and_stops_the_rest(project: Any, experiment: Any) -> None:
    bad = project.step("bad", "import sys; print('about to fail'); sys.exit(3)")
    after = project.step("after", "print('never')")
    after.run_after(bad)
    run = experiment.submit(project.pipeline(bad, after))
    project.failing(run)
    steps = project.steps_of(run)
    assert list(steps) == ["bad"]
    message = steps["bad"].get_details()["error"]["error"]["message"]
    assert "step 'bad', exit code 3" in message
    assert "about to fail" in message
    assert steps["bad"].get_status() == "Failed"


def test_a_crash_is_shown_with_its_signal(project: Any, experiment: Any) -> None:
    run = experiment.submit(project.pipeline(project.step("crash", "import os; os.kill(os.getpid(), 11)")))
    project.failing(run)
    assert "killed by signal 11" in project.steps_of(run)["crash"].get_details()["error"]["error"]["message"]


def test_continue_on_step_failure_goes_around_the_failed_branch(project: Any, experiment: Any) -> None:
    bad = project.step("bad", "raise SystemExit(1)")
    below = project.step("below", "print('never')")
    below.run_after(bad)
    aside = project.step("aside", "print('ran')")
    run = experiment.submit(project.pipeline(bad, below, aside), continue_on_step_failure=True)
    project.failing(run)
    assert {name: step.get_status() for name, step in project.steps_of(run).items()} == {
        "bad": "Failed",
        "aside": "Finished",
    }


def test_a_step_is_ended_at_its_time_limit(project: Any, experiment: Any) -> None:
    project.configuration.max_run_duration_seconds = 1
    stubborn = "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: exit(0))\ntime.sleep(60)"
    run = experiment.submit(project.pipeline(project.step("slow", stubborn)))
    project.failing(run)
    assert "timed out after 1 s" in project.steps_of(run)["slow"].get_details()["error"]["error"]["message"]


def test_cancel_ends_the_whole_tree_and_marks_the_run(project: Any, experiment: Any, tmp_path: Path) -> None:
    spawn = f"""
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path({str(tmp_path / "pid")!r} + ".part").write_text(str(child.pid))
pathlib.Path({str(tmp_path / "pid")!r} + ".part").rename({str(tmp_path / "pid")!r})
from azureml.core import Run
Run.get_context().parent.cancel()
time.sleep(60)
"""
    run = experiment.submit(project.pipeline(project.step("long", spawn)))
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.get_status() == "Canceled"
    assert project.steps_of(run)["long"].get_status() == "Canceled"
    child = Path("/proc", (tmp_path / "pid").read_text())
    assert not child.exists() or "Z" in (child / "stat").read_text().split(")")[1]


def test_modules_beside_the_script_and_at_the_root_are_found(project: Any, experiment: Any) -> None:
    step = project.step("main", "import beside, shared.root\nassert beside.x and shared.root.y")
    folder = project.folder / "main"
    (folder / "beside.py").write_text("x = 1")
    (folder / "shared").mkdir()
    (folder / "shared" / "root.py").write_text("y = 1")
    project.finished(experiment.submit(project.pipeline(step)))


def test_outputs_of_the_working_directory_are_collected_even_after_a_failure(project: Any, experiment: Any) -> None:
    script = (
        "import pathlib; pathlib.Path('outputs').mkdir(); pathlib.Path('outputs/a.txt').write_text('a')\n"
        "raise SystemExit(1)"
    )
    run = experiment.submit(project.pipeline(project.step("leave", script)))
    project.failing(run)
    assert "outputs/a.txt" in project.steps_of(run)["leave"].get_file_names()


def test_a_step_sees_one_workspace_and_only_reads_it_from_the_resource_manager(project: Any, experiment: Any) -> None:
    script = """
import os, requests
from azureml.core import Run, Datastore
run = Run.get_context()
workspace = run.experiment.workspace
assert workspace.name and Datastore.get(workspace, "workspaceblobstore")
base, scope = os.environ["AZUREML_SERVICE_ENDPOINT"], os.environ["AZUREML_WORKSPACE_SCOPE"]
header = {"Authorization": "Bearer " + os.environ["AZUREML_RUN_TOKEN"]}
assert requests.get(base + scope, headers=header).json()["name"] == workspace.name
assert requests.patch(base + scope, headers=header, json={"tags": {"a": "b"}}).status_code == 401
assert requests.put(base + scope + "/computes/mine", headers=header, json={}).status_code == 401
other = scope.rsplit("/", 1)[0] + "/local-production"
assert requests.get(base + other, headers=header).status_code == 401
"""
    project.finished(experiment.submit(project.pipeline(project.step("see", script))))


def test_the_environment_of_the_server_does_not_leak_into_a_step(project: Any, experiment: Any) -> None:
    persons = os.environ["MSI_ENDPOINT"]  # a step has one too, with a secret of its own
    left = "('AZUREML_SERVICE_PRINCIPAL_ID', 'LOCAL_AZURE_SCHEDULE_SPEED')"
    script = f"import os; assert not any(name in os.environ for name in {left})"
    script += f"; assert {persons!r}.split('/')[-2] not in str(dict(os.environ))"
    project.finished(experiment.submit(project.pipeline(project.step("look", script))))


def test_environment_variables_of_the_run_configuration_arrive(project: Any, experiment: Any) -> None:
    project.configuration.environment.environment_variables = {"COLOUR": "blue"}
    script = "import os; assert os.environ['COLOUR'] == 'blue'"
    project.finished(experiment.submit(project.pipeline(project.step("colour", script))))


def test_an_output_registers_a_dataset_version(project: Any, experiment: Any, unique: Callable[[str], str]) -> None:
    from azureml.core import Dataset
    from azureml.data import OutputFileDatasetConfig

    name = unique("written")
    out = OutputFileDatasetConfig(name="out").register_on_complete(name)
    project.finished(experiment.submit(project.pipeline(project.step("write", project.WRITE, ["--out", out]))))
    assert Dataset.get_by_name(project.workspace, name).to_path() == ["/text.txt"]


def test_a_dataset_version_is_an_input_and_can_be_changed_at_submission(
    project: Any, experiment: Any, unique: Callable[[str], str]
) -> None:
    from azureml.core import Dataset
    from azureml.data.dataset_consumption_config import DatasetConsumptionConfig
    from azureml.pipeline.core import PipelineParameter

    store, name = project.workspace.get_default_datastore(), unique("data")
    versions = []
    for text in ("one", "three"):
        (project.folder / "text.txt").write_text(text)
        store.upload_files([str(project.folder / "text.txt")], target_path=f"{name}/{text}", show_progress=False)
        dataset = Dataset.File.from_files((store, f"{name}/{text}/**"), validate=False)
        versions.append(dataset.register(project.workspace, name, create_new_version=True))
    raw = DatasetConsumptionConfig("raw", PipelineParameter("raw_data", default_value=versions[0])).as_mount()
    read = project.step("read", project.READ, ["--source", raw], allow_reuse=True)
    published = project.pipeline(read).publish(name=name, description="reads", version="1")
    first = project.finished(published.submit(project.workspace, experiment.name))
    other = project.finished(
        published.submit(project.workspace, experiment.name, pipeline_parameters={"raw_data": versions[1]})
    )
    assert project.steps_of(first)["read"].get_metrics() == {"length": 3}
    assert project.steps_of(other)["read"].get_metrics() == {"length": 5}


def test_a_dataset_of_chosen_files_holds_just_these(
    project: Any, experiment: Any, unique: Callable[[str], str]
) -> None:
    from azureml.core import Dataset

    store, name = project.workspace.get_default_datastore(), unique("chosen")
    for file in ("a.csv", "b.csv", "c.txt"):
        (project.folder / file).write_text(file)
        store.upload_files([str(project.folder / file)], target_path=name, show_progress=False)
    chosen = Dataset.File.from_files((store, f"{name}/*.csv"), validate=False)
    script = "import os, sys; assert sorted(os.listdir(sys.argv[1])) == ['a.csv', 'b.csv'], os.listdir(sys.argv[1])"
    project.finished(
        experiment.submit(project.pipeline(project.step("look", script, [chosen.as_named_input("c").as_mount()])))
    )


def test_a_missing_input_is_named(project: Any, experiment: Any) -> None:
    from azureml.core import Dataset

    store = project.workspace.get_default_datastore()
    nowhere = Dataset.File.from_files((store, "no/such/folder/**"), validate=False)
    read = project.step("read", project.READ, ["--source", nowhere.as_named_input("source").as_mount()])
    run = experiment.submit(project.pipeline(read))
    project.failing(run)
    message = project.steps_of(run)["read"].get_details()["error"]["error"]["message"]
    assert "'source'" in message
    assert "no/such/folder" in message


def test_publish_list_disable_and_enable(project: Any, experiment: Any, unique: Callable[[str], str]) -> None:
    from azureml.pipeline.core import PublishedPipeline

    name = unique("published")
    published = project.write_and_read().publish(name=name, description="first", version="7")
    found = PublishedPipeline.get(project.workspace, published.id)
    assert (found.name, found.version, found.status) == (name, "7", "Active")
    found.disable()
    assert name not in [p.name for p in PublishedPipeline.list(project.workspace)]
    with pytest.raises(Exception, match="is disabled"):
        found.submit(project.workspace, experiment.name)
    found.enable()
    assert name in [p.name for p in PublishedPipeline.list(project.workspace)]
    project.finished(found.submit(project.workspace, experiment.name))


def test_an_endpoint_has_versions_and_a_default(project: Any, experiment: Any, unique: Callable[[str], str]) -> None:
    from azureml.pipeline.core import PipelineEndpoint

    name = unique("endpoint")
    one = project.write_and_read("a").publish(name=name, description="one", version="1")
    two = project.write_and_read("bb").publish(name=name, description="two", version="2")
    endpoint = PipelineEndpoint.publish(project.workspace, name=name, pipeline=one, description="e")
    endpoint.add_default(two)
    endpoint = PipelineEndpoint.get(project.workspace, name=name)
    assert endpoint.default_version == "1"
    assert [version.pipeline.version for version in endpoint.list_versions()] == ["1", "2"]
    assert project.steps_of(project.finished(endpoint.submit(experiment.name)))["read"].get_metrics() == {"length": 2}
    older = endpoint.submit(experiment.name, pipeline_version="0")
    assert project.steps_of(project.finished(older))["read"].get_metrics() == {"length": 1}
    endpoint.set_default_version("0")
    assert PipelineEndpoint.get(project.workspace, name=name).default_version == "0"
    with pytest.raises(Exception, match="already exists"):
        PipelineEndpoint.publish(project.workspace, name=name, pipeline=one, description="e")


def test_a_plain_post_starts_a_run(project: Any, experiment: Any, unique: Callable[[str], str]) -> None:
    from azureml.pipeline.core import PipelineParameter, PipelineRun

    pipeline = project.write_and_read(PipelineParameter("text", default_value="hello"))
    published = pipeline.publish(name=unique("rest"), description="r", version="1")
    header = project.workspace._auth_object.get_authentication_header()
    body = {"ExperimentName": experiment.name, "ParameterAssignments": {"text": "by post"}}
    assert requests.post(published.endpoint, json=body, timeout=10).status_code == 401
    answer = requests.post(published.endpoint, headers=header, json=body, timeout=10)
    run = project.finished(PipelineRun(experiment, answer.json()["Id"]))
    assert project.steps_of(run)["read"].get_metrics() == {"length": 7}


def test_show_output_streams_a_running_step(
    project: Any, experiment: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = "import time; print('half way', flush=True); time.sleep(2)"  # the client looks once a second
    run = experiment.submit(project.pipeline(project.step("talk", talk)))
    assert run.wait_for_completion(show_output=True) == "Finished"
    assert "half way" in capsys.readouterr().out
