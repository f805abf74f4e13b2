"""What the SDK can ask and change about pipelines afterwards: graphs, runs, steps, published ones and endpoints."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

Unique = Callable[[str], str]


@pytest.fixture
def pipeline(project: Any) -> Any:
    """A pipeline of one step with one parameter."""
    from azureml.pipeline.core import PipelineParameter

    word = PipelineParameter("word", default_value="hello")
    return project.pipeline(project.step("say", "import sys; print('said', sys.argv[1])", [word]))


def test_a_run_is_published_afterwards(ws: Any, project: Any, experiment: Any, pipeline: Any, unique: Unique) -> None:
    from azureml.pipeline.core import PipelineRun

    run = project.finished(experiment.submit(pipeline))
    assert [node.name for node in run.get_graph().nodes] == ["say"]
    published = run.publish_pipeline(name=unique("late"), description="published from a run", version="1")
    assert [node.name for node in published.get_graph().nodes] == ["say"]
    again = published.submit(ws, experiment.name, pipeline_parameters={"word": "again"})
    assert "said again" in project.steps_of(project.finished(again))["say"].get_stdout_log()
    assert [found.id for found in PipelineRun.get_pipeline_runs(ws, published.id)] == [again.id]
    assert PipelineRun.get(ws, again.id).get_status() == "Finished"
    assert again.get_properties()["azureml.pipelineid"] == published.id


def test_endpoints_are_listed_switched_off_and_point_elsewhere(
    ws: Any, experiment: Any, pipeline: Any, unique: Unique
) -> None:
    from azureml.pipeline.core import PipelineEndpoint

    name = unique("listed")
    one, two = (pipeline.publish(name=f"{name}-{n}", description="d", version=n) for n in ("1", "2"))
    endpoint = PipelineEndpoint.publish(ws, name=name, pipeline=one, description="first")
    endpoint.add(two)
    assert [p.id for p in endpoint.list_pipelines()] == [one.id, two.id]
    endpoint.set_default(two)
    found = PipelineEndpoint.get(ws, id=endpoint.id)
    assert found.get_default_version() == "1"
    assert name in [listed.name for listed in PipelineEndpoint.list(ws)]
    found.set_name(f"{name}-renamed")
    found.disable()
    assert f"{name}-renamed" not in [listed.name for listed in PipelineEndpoint.list(ws)]
    assert f"{name}-renamed" in [listed.name for listed in PipelineEndpoint.list(ws, active_only=False)]
    with pytest.raises(Exception, match="Disabled"):
        found.submit(experiment.name)
    found.enable()
    assert PipelineEndpoint.get(ws, name=f"{name}-renamed").description == "first"
    with pytest.raises(Exception, match="not found"):
        PipelineEndpoint.get(ws, name="no-such-endpoint")


def test_a_value_for_no_parameter_is_left_out_with_a_warning(
    ws: Any, project: Any, experiment: Any, pipeline: Any, unique: Unique
) -> None:
    published = pipeline.publish(name=unique("known"), description="d", version="1")
    values = {"word": "known", "release": "7"}
    run = project.finished(published.submit(ws, experiment.name, pipeline_parameters=values))
    assert "said known" in project.steps_of(run)["say"].get_stdout_log()
    (warning,) = run.get_details()["warnings"]
    assert "no parameter 'release'" in warning["message"]
    assert "The pipeline's parameters: word." in warning["message"]


def test_an_endpoint_is_submitted_by_its_name(ws: Any, project: Any, pipeline: Any, unique: Unique) -> None:
    from azureml.core.authentication import InteractiveLoginAuthentication
    from azureml.pipeline.core import PipelineEndpoint, PipelineRun

    name = unique("named")
    endpoint = PipelineEndpoint.publish(ws, name=name, pipeline=pipeline, description="d")
    address = endpoint.endpoint.split("Id", 1)[0] + f"Name?name={name}"
    header = InteractiveLoginAuthentication().get_authentication_header()
    body = {"ExperimentName": name, "ParameterAssignments": {"word": "posted"}}
    for version, status in (("", 200), ("&pipelineVersion=0", 200), ("&pipelineVersion=7", 400)):
        answer = requests.post(address + version, headers=header, json=body, timeout=20)
        assert answer.status_code == status, answer.text
        if status == 200:
            run = project.finished(PipelineRun.get(ws, answer.json()["Id"]))
            assert "said posted" in project.steps_of(run)["say"].get_stdout_log()
    assert requests.post(address + "no", headers=header, json=body, timeout=20).status_code == 404
    for wrong, kind in ((["posted"], "list"), ("posted", "string")):
        answer = requests.post(address, headers=header, json={**body, "ParameterAssignments": wrong}, timeout=20)
        assert answer.status_code == 400
        assert f"must be an object, not a {kind}" in answer.text


def test_a_step_run_is_found_and_asked(ws: Any, project: Any, experiment: Any, pipeline: Any) -> None:
    from azureml.pipeline.core import StepRun

    run = project.finished(experiment.submit(pipeline))
    (step,) = run.find_step_run("say")
    assert isinstance(step, StepRun)
    assert step.wait_for_completion(show_output=False) == "Finished"
    assert step.get_stderr_log() == ""
    assert "said hello" in step.get_job_log()
    assert step.get_outputs() == {}
    assert step.get_details_with_logs()["status"] == "Completed"
    assert (step.parent.id, step.pipeline_run_id) == (run.id, run.id)
    assert run.get_tags() == {}


def test_canceling_a_step_cancels_no_other(project: Any, experiment: Any) -> None:
    wait = "import time; time.sleep(60)"
    run = experiment.submit(
        project.pipeline(project.step("long", wait), project.step("short", "print('done')")),
        continue_on_step_failure=True,
    )
    while not any(step.name == "long" and step.get_status() == "Running" for step in run.get_steps()):
        time.sleep(0.1)
    project.steps_of(run)["long"].cancel()
    run.wait_for_completion(show_output=False, raise_on_error=False)
    statuses = {name: step.get_status() for name, step in project.steps_of(run).items()}
    assert statuses == {"long": "Canceled", "short": "Finished"}


def test_a_failure_does_not_stop_get_steps(project: Any, experiment: Any) -> None:
    run = experiment.submit(project.pipeline(project.step("bad", "raise ValueError('of the data')")))
    with pytest.raises(Exception, match="failed"):
        run.wait_for_completion(show_output=True)
    assert run.get_details()["status"] == "Failed"
    (step,) = run.get_steps()
    assert "ValueError: of the data" in step.get_details()["error"]["error"]["message"]
