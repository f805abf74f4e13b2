"""A published pipeline is a web address: whoever has a token runs it by one POST."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.story.conftest import Rehearsed
from tests.story.product import Sdk

SUBMIT_URL = r"^ +(http://127\.0\.0\.1:\d+/pipelines/\S+/PipelineSubmit/\S+)$"
ENDPOINT_URL = r"^ +(http://127\.0\.0\.1:\d+/pipelines/\S+/PipelineEndpointSubmit/\S+)$"


def post(workspace: Any, url: str, body: dict[str, Any], *, signed_in: bool = True) -> tuple[int, dict[str, Any]]:
    """Status and answer of a POST with the SDK's own token, or with none."""
    header = workspace._auth_object.get_authentication_header() if signed_in else {}
    answer = requests.post(url, headers=header, json=body, timeout=30)
    return answer.status_code, answer.json()


def ended(workspace: Any, experiment: str, run_id: str) -> tuple[str, dict[str, str], str]:
    """How a run ended, its properties, and the log of its step evaluate."""
    from azureml.core import Experiment
    from azureml.pipeline.core import PipelineRun

    run = PipelineRun(Experiment(workspace, experiment), run_id)
    run.wait_for_completion(show_output=False)
    log = run.find_step_run("evaluate")[0].get_stdout_log()
    return run.get_status(), run.get_properties(), log


def test_a_post_to_the_published_pipeline_runs_it(rehearsed: Rehearsed, sdk: Sdk) -> None:
    body = {"ExperimentName": "by-post", "ParameterAssignments": {"reason": "schedule"}}
    status, answer = sdk(post, rehearsed.second.found(SUBMIT_URL), body)
    assert status == 200
    state, properties, log = sdk(ended, "by-post", answer["Id"])
    assert state == "Finished"
    assert (properties["outcome"], properties["reason"]) == ("kept", "no-new-data")
    assert '"reason": "schedule"' in properties["azureml.parameters"]
    assert "kept (no-new-data)" in log


@pytest.mark.campaign
def test_a_post_to_the_endpoint_runs_its_default(rehearsed: Rehearsed, sdk: Sdk) -> None:
    status, answer = sdk(post, rehearsed.second.found(ENDPOINT_URL), {"ExperimentName": "by-endpoint"})
    assert status == 200
    state, properties, _ = sdk(ended, "by-endpoint", answer["Id"])
    assert (state, properties["outcome"]) == ("Finished", "kept")
    assert properties["azureml.pipelineid"] in rehearsed.second.found(SUBMIT_URL)


def warnings_of(workspace: Any, experiment: str, run_id: str) -> str:
    """What the run history says about a submission."""
    from azureml.core import Experiment, Run

    return str(Run(Experiment(workspace, experiment), run_id).get_details().get("warnings"))


def test_a_parameter_that_the_pipeline_does_not_have_is_named_in_the_run(rehearsed: Rehearsed, sdk: Sdk) -> None:
    body = {"ExperimentName": "by-post", "ParameterAssignments": {"raeson": "schedule"}}
    status, answer = sdk(post, rehearsed.second.found(SUBMIT_URL), body)
    assert status == 200
    said = sdk(warnings_of, "by-post", answer["Id"])
    assert "no parameter 'raeson'; its value is not used" in said
    assert "override_by, override_reason, " in said


def test_without_a_token_nothing_runs(rehearsed: Rehearsed, sdk: Sdk) -> None:
    status, _ = sdk(post, rehearsed.second.found(SUBMIT_URL), {"ExperimentName": "by-post"}, signed_in=False)
    assert status == 401
