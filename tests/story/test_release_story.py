"""A release: the pipeline is published, trains, registers and deploys; every number is checked with the plain SDK."""

from __future__ import annotations

import hashlib
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.story.conftest import MakeProduct, Rehearsed
from tests.story.product import (
    ROOT,
    STEPS,
    TABLE,
    Ended,
    Product,
    Sdk,
    cut_table,
    register_table,
    registered_versions,
    served,
    write_problem,
)

THREE_STEPS = ["train", "register", "deploy"]
STEP_LINE = re.compile(r"^(\w+) +(Finished(?: \(reused\))?) +(\d+\.\d) s$", re.MULTILINE)
FORECAST_LINE = re.compile(r"^(\d{4}-\d\d-\d\d) +\w{3} +\d+\.\d\d", re.MULTILINE)
RUN_SECONDS = r"^run +\S+ Finished in (\d+\.\d) s"
RUN_ID = r"^run +(\S+) Finished"


@dataclass(frozen=True)
class ThreeSteps:
    """The source problem's pipeline: its product, what `publish` said, and the hash of each data version."""

    product: Product
    published: dict[str, Any]
    data: tuple[str, str]


@pytest.fixture(scope="module")
def three_steps(make_product: MakeProduct, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> ThreeSteps:
    """Published on a data set with two versions: the embedded table, and the same without its thin last months."""
    product = make_product("three").with_settings(BUILD_BUILDID="41", BUILD_SOURCEVERSION="c0ffee" * 6 + "c0ff")
    may = cut_table(tmp_path_factory.mktemp("three") / "may.csv", "2014-05-31")
    first, second = (sdk(register_table, product.settings["DATASET_NAME"], str(file)) for file in (TABLE, may))
    return ThreeSteps(
        product, product.run("publish", "--steps", ",".join(THREE_STEPS), "--json").document, (first, second)
    )


def metrics_in(ended: Ended, who: str) -> list[float]:
    """The figures of one row of the decision table."""
    return [float(text) for text in ended.found(rf"^{who} .*?\)((?: +-?\d+\.\d+){{7}})$").split()]


def test_the_first_rehearsal_shows_the_whole_way(rehearsed: Rehearsed) -> None:
    first, name = rehearsed.first, rehearsed.product.settings["MODEL_NAME"]
    assert first.found(r"^data +registered (\S+ version \d+)$") == f"{name} version 1"
    assert first.found(rf"^pipeline +published {name} version (local-\S+)$")
    assert first.found(r"^ +(http://127\.0\.0\.1:\d+/pipelines/\S+/PipelineSubmit/\S+)$")
    assert first.found(rf"^endpoint +{name}-endpoint (.*)$") == "[Active] version 0"
    assert [step for step, state, _ in STEP_LINE.findall(first.out) if state == "Finished"] == STEPS
    assert first.found(r"^outcome +(\w+, [\w-]+):") == "accepted, first-model"
    rel_mae, mae, *_ = metrics_in(first, "challenger")
    assert rel_mae < 1 < mae
    assert metrics_in(first, "baseline seasonal_naive")[0] == 1
    assert first.found(r"^champion +(none registered)")
    assert first.found(rf"^model +{name} version (\d+), sha256 [0-9a-f]{{12}}$") == "1"
    assert first.found(rf"^service +{name} (Healthy), {name}:1, http://127.0.0.1:\d+/score$")
    days = FORECAST_LINE.findall(first.out)
    assert (len(days), days[0], days[-1]) == (28, "2014-06-01", "2014-06-28")
    assert "What to try next" in first.out


def test_the_second_rehearsal_reuses_training_and_keeps_the_champion(rehearsed: Rehearsed, sdk: Sdk) -> None:
    first, second, name = rehearsed.first, rehearsed.second, rehearsed.product.settings["MODEL_NAME"]
    assert f"these bytes are already registered as {name} version 1" in second.out
    states = {step: state for step, state, _ in STEP_LINE.findall(second.out)}
    reused, anew = "Finished (reused)", "Finished"
    assert states == dict(zip(STEPS, [reused, reused, anew, anew, anew], strict=True))
    assert second.found(r"^outcome +(\w+, [\w-]+):") == "kept, no-new-data"
    assert second.found(r"^model +none registered; (\S+) stays champion$") == f"{name}:1"
    assert float(second.found(RUN_SECONDS)) < float(first.found(RUN_SECONDS))
    assert list(sdk(registered_versions, name)) == [1]


def workspace_facts(workspace: Any, settings: dict[str, str]) -> dict[str, Any]:
    """What the SDK itself says about everything that `status` shows."""
    from azureml.core import Experiment
    from azureml.pipeline.core import PipelineEndpoint, PublishedPipeline

    endpoint = PipelineEndpoint.get(workspace, name=settings["PIPELINE_ENDPOINT_NAME"])
    listed = [item for item in PublishedPipeline.list(workspace) if item.name == settings["PIPELINE_NAME"]]
    return {
        "endpoint": [endpoint.name, endpoint.status, endpoint.endpoint],
        "default": endpoint.get_pipeline().id,
        "published": {item.id: [item.version, item.status] for item in listed},
        "runs": [
            [run.id, run.get_details()["status"], run.get_properties()["outcome"], run.get_tags()["reason"]]
            for run in Experiment(workspace, settings["EXPERIMENT_NAME"]).get_runs()
        ],
        "models": registered_versions(workspace, settings["MODEL_NAME"]),
        "service": served(workspace, settings["TEST_SERVICE_NAME"]),
    }


def test_status_says_what_the_sdk_says(rehearsed: Rehearsed, sdk: Sdk) -> None:
    shown = rehearsed.product.run("status", "--json").document
    facts = sdk(workspace_facts, dict(rehearsed.product.settings))
    assert [shown["endpoint"], shown["endpoint_status"], shown["endpoint_url"]] == facts["endpoint"]
    assert {item["pipeline_id"]: [item["version"], item["status"]] for item in shown["published"]} == facts[
        "published"
    ]
    assert [item["pipeline_id"] for item in shown["published"] if item["default"]] == [facts["default"]]
    assert [[run["run_id"], run["status"], run["outcome"], run["reason"]] for run in shown["runs"]] == facts["runs"]
    (model,) = shown["models"]
    assert model["champion"] == facts["models"][model["version"]]["tags"]["champion"] == "paid_amount"
    assert (shown["service"]["state"], [model["version"]]) == facts["service"] == ("Healthy", [1])


def downloaded_sha256(workspace: Any, model: str, folder: str) -> str:
    """Hash of the model file that the registry holds."""
    from azureml.core import Model

    Model(workspace, model, version=1).download(target_dir=folder)
    (file,) = Path(folder).rglob("model.json")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_model_carries_its_whole_identity(rehearsed: Rehearsed, sdk: Sdk, tmp_path: Path) -> None:
    name = rehearsed.product.settings["MODEL_NAME"]
    properties = sdk(registered_versions, name)[1]["properties"]
    commit = properties["commit"].removesuffix("-dirty")
    known = subprocess.run(["git", "cat-file", "-t", commit], cwd=ROOT, capture_output=True, text=True, check=True)
    assert properties["model_sha256"] == sdk(downloaded_sha256, name, str(tmp_path))
    assert (len(commit), known.stdout.strip()) == (40, "commit")
    assert properties["build_id"] == rehearsed.first.found(rf"^pipeline +published {name} version (\S+)$")
    assert properties["run_id"] == rehearsed.first.found(RUN_ID)
    assert properties["data_sha256"] == hashlib.sha256(TABLE.read_bytes()).hexdigest()
    assert properties["data_version"] == "1"
    assert len(properties["decision_sha256"]) == 64
    assert (properties["recipe"], properties["cutoff"]) == ("same_weekday_mean(weeks=8)", "2014-05-31")


def blob(workspace: Any, path: str, folder: str) -> dict[str, bytes]:
    """Files below a path of the default datastore."""
    workspace.get_default_datastore().download(folder, prefix=path, show_progress=False)
    return {str(file.relative_to(folder)): file.read_bytes() for file in Path(folder).rglob("*") if file.is_file()}


def dataset_facts(workspace: Any, name: str) -> tuple[int, str]:
    """Newest version of a data set and its tag sha256."""
    from azureml.core import Dataset

    newest = Dataset.get_by_name(workspace, name)
    return int(newest.version), newest.tags["sha256"]


def test_data_lies_at_the_hash_of_its_bytes(rehearsed: Rehearsed, sdk: Sdk, tmp_path: Path) -> None:
    name, sha256 = rehearsed.product.settings["DATASET_NAME"], hashlib.sha256(TABLE.read_bytes()).hexdigest()
    assert sdk(dataset_facts, name) == (1, sha256), "two uploads of the same bytes are one version"
    path = f"datasets/{name}/{sha256}"
    assert sdk(blob, path, str(tmp_path)) == {f"{path}/data.csv": TABLE.read_bytes()}


@pytest.mark.campaign
def test_an_edit_of_the_gate_retrains_nothing(rehearsed: Rehearsed, tmp_path: Path) -> None:
    stricter = write_problem(tmp_path / "stricter.yml", {"gate.margin": 0.1})
    product = rehearsed.product.with_settings(PROBLEM_FILE=stricter, EXPERIMENT_NAME="story-gate")
    ran = product.run("run", "--unpublished", "--json").document
    assert [step["name"] for step in ran["steps"]] == STEPS
    assert [step["reused"] for step in ran["steps"]] == [True, True, False, False, False]
    assert ran["decision"]["evidence"]["policy"]["margin"] == 0.1
    assert (ran["outcome"], ran["reason"], ran["model"]) == ("kept", "no-new-data", None)


def published_steps(workspace: Any, endpoint: str) -> tuple[str, str, list[str]]:
    """What the endpoint of that name runs: its state, the pipeline's id and the steps in the pipeline's graph."""
    from azureml.pipeline.core import PipelineEndpoint, PublishedPipeline

    found = PipelineEndpoint.get(workspace, name=endpoint)
    published = PublishedPipeline.get(workspace, found.get_pipeline().id)
    return found.status, published.id, published.get_step_names()


def submit_endpoint(workspace: Any, endpoint: str, experiment: str) -> tuple[str, list[str], dict[str, str]]:
    """Run the endpoint's default as any client would: the run's end, its steps, its properties."""
    from azureml.pipeline.core import PipelineEndpoint

    run = PipelineEndpoint.get(workspace, name=endpoint).submit(experiment)
    run.wait_for_completion(show_output=False)
    return run.get_status(), [step.name for step in run.get_steps()], run.get_properties()


@pytest.mark.campaign
def test_three_steps_are_published_behind_an_active_endpoint(three_steps: ThreeSteps, sdk: Sdk) -> None:
    published = three_steps.published
    status, pipeline_id, steps = sdk(published_steps, three_steps.product.settings["PIPELINE_ENDPOINT_NAME"])
    assert (status, pipeline_id) == ("Active", published["pipeline_id"])
    assert sorted(steps) == sorted(published["steps"]) == sorted(THREE_STEPS)


@pytest.mark.campaign
def test_three_steps_finish_and_obey_the_gate(three_steps: ThreeSteps, sdk: Sdk) -> None:
    product, published = three_steps.product, three_steps.published
    words = ("--pipeline-id", published["pipeline_id"], "--data-version", 1, "--reason", "schedule", "--json")
    ran = product.run("run", *words).document
    assert (ran["status"], [step["name"] for step in ran["steps"]]) == ("Finished", THREE_STEPS)
    assert (ran["outcome"], ran["reason"], ran["model"]["version"]) == ("accepted", "first-model", 1)
    assert ran["decision"]["evidence"]["data"]["data_sha256"] == three_steps.data[0]
    assert ran["decision"]["context"]["reason"] == "schedule"
    assert ran["decision"]["context"]["build_id"] == published["version"] == "41"
    assert ran["decision"]["context"]["commit"] == product.settings["BUILD_SOURCEVERSION"]

    status, steps, properties = sdk(submit_endpoint, product.settings["PIPELINE_ENDPOINT_NAME"], ran["experiment"])
    assert (status, sorted(steps)) == ("Finished", sorted(THREE_STEPS))
    assert (properties["outcome"], properties["reason"]) == ("kept", "tie"), "the same days give the same model"
    assert properties["data_sha256"] == three_steps.data[1], "what was newest when it was published"
    (model,) = sdk(registered_versions, product.settings["MODEL_NAME"]).values()
    assert model["properties"]["data_version"] == "1"
    assert sdk(served, product.settings["TEST_SERVICE_NAME"]) == ("Healthy", [1])


@pytest.mark.campaign
def test_a_build_is_published_once(three_steps: ThreeSteps) -> None:
    def publish(steps: str, code: int) -> Ended:
        return three_steps.product.run("publish", "--steps", steps, "--json", code=code)

    with ThreadPoolExecutor(2) as pool:
        again, other = pool.map(publish, ("train,register,deploy", "train,register"), (0, 4))
    assert again.document == {**three_steps.published, "already": True}
    assert "version 41 is already published with another graph" in other.err
    assert "publish under another build id" in other.err
